/* SPDX-License-Identifier: Apache-2.0 */
/* What a project says about itself, read from edge.yaml, from fastly.toml, or made up for a bare
 * module. A manifest is immutable once read; it is counted, so that requests in flight keep theirs
 * while a new one is loaded. Paths in it are absolute. */
#ifndef EDGECTL_MANIFEST_MANIFEST_H
#define EDGECTL_MANIFEST_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "manifest/acl.h"
#include "manifest/rollout.h"
#include "manifest/target.h"

struct dotenv;

enum manifest_kind { MANIFEST_EDGE, MANIFEST_FASTLY, MANIFEST_NONE };

/* A value that may stand in the file, in another file, or in the environment. */
struct manifest_source {
    char *text;                     /* literal, NULL if not */
    size_t text_len;
    char *file;                     /* path, NULL if not */
    char *env;                      /* variable, NULL if not */
};

enum manifest_health { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct manifest_backend {
    char *name;
    char *url;                      /* as written, after any local override */
    char *local;                    /* the manifest's word for it on this machine, NULL if none */
    bool own_path;                  /* on edgectl's own server: see manifest_serve_at */
    bool tls;
    char *host;                     /* without brackets */
    uint16_t port;
    char *prefix;                   /* path prefix, "" or "/..." without trailing slash */
    char *override_host;            /* NULL if none */
    char *cert_host;
    bool no_sni;
    char *ca_pem;                   /* PEM text, NULL = system's */
    char *client_cert_pem, *client_key_pem;
    bool grpc;
    bool http2;
    int64_t connect_timeout_ms, first_byte_timeout_ms, between_bytes_timeout_ms; /* 0 = default */
    enum manifest_health health;
};

struct manifest_pair {              /* one key of a config store, or one secret */
    char *key;
    struct manifest_source value;
};

/* A config store / dictionary, or a secret store. With `json_file` the keys are in that file, a
 * JSON object of strings, read again at each open (manifest_store_read). A secret whose source is
 * all NULL has its value in the state (`edgectl secret put`). */
struct manifest_store {
    char *name;
    struct manifest_pair *pairs;
    size_t count;
    char *json_file;
};

struct manifest_kv_entry {
    char *key;
    struct manifest_source value;
    char *metadata;                 /* NULL if none */
};

struct manifest_kv {
    char *name;
    char *stored_as;                /* what it is called in the database; NULL = name */
    struct manifest_kv_entry *entries;
    size_t count;
    char *seed_file;                /* JSON: {"k": "text", "k2": {"data"|"file", "metadata"}} */
};

struct manifest_geo {               /* one address and its record */
    char *address;                  /* text form, or a prefix "a.b.c.d/n" */
    struct ip_prefix prefix;        /* the same, parsed */
    char *json;
};

struct manifest_device {
    char *user_agent;
    char *json;
};

struct manifest_acl {
    char *name;
    char *file;                     /* JSON as in abi README section 12; NULL: inline */
    struct acl *acl;                /* its content, never NULL */
};

struct manifest_shield {
    char *name;
    bool local;
    char *encrypted, *unencrypted;  /* URLs */
};

struct manifest_static {            /* files served by edgectl itself, before the guest */
    char *path;                     /* URL path prefix, starts with '/' */
    char *dir;
};

struct manifest {
    int refs;
    enum manifest_kind kind;
    char *file;                     /* path of the manifest, NULL for MANIFEST_NONE */
    char *dir;                      /* project directory */
    char *name;
    struct {
        char *command;              /* NULL if nothing is to be run */
        char *artifact;             /* path of the module */
        char **watch;               /* paths */
        size_t watch_count;
        char *dir;                  /* where to run the command */
    } build;
    struct manifest_backend *backends;
    size_t backend_count;
    bool dynamic_backends;          /* undeclared hosts: allowed as dynamic backends, or denied */
    struct manifest_kv *kv;
    size_t kv_count;
    struct manifest_store *configs, *secrets;
    size_t config_count, secret_count;
    struct manifest_geo *geo;
    size_t geo_count;
    bool geo_default_loopback;
    struct manifest_device *devices;
    size_t device_count;
    struct manifest_acl *acls;
    size_t acl_count;
    struct manifest_shield *shields;
    size_t shield_count;
    char **fastly_keys;             /* fake_valid_fastly_keys */
    size_t fastly_key_count;
    char **log_endpoints;           /* declared names; others are allowed too */
    size_t log_endpoint_count;
    struct manifest_static *statics;
    size_t static_count;
    struct {
        int64_t cpu_ms;             /* 0 = default */
        int64_t wall_ms;
        uint64_t memory_bytes;
    } limits;
    char **regions;
    size_t region_count;
    char **targets;                 /* names below targets: */
    size_t target_count;
    struct manifest_target *target; /* the one asked for; NULL: none was */
    struct manifest_rollout *rollout;   /* NULL: not an edge.yaml */
    char **files;                   /* data files it was read from, .env included: watch them */
    size_t file_count;
    struct dotenv *env;             /* the .env file, or NULL; ask manifest_getenv */
};

/* Every problem found (at most 100), in file order. Place fields as in struct err; a warning has
 * the code ERR_NONE. */
struct manifest_problems {
    struct err *list;
    size_t count, cap;
    bool only_warnings;
};

/* Find and read the manifest for a project.
 * `dir`: project directory ("." = here). `file`: manifest named by the user, or NULL to look for
 * edge.yaml, then fastly.toml. `target`: overlay to apply, or NULL; the name of a provider needs no
 * entry below targets:.
 * On failure *problems (never NULL) holds at least one entry and the result is -ERR_MANIFEST (or
 * -ERR_IO). Warnings may be there on success too. */
must_use int manifest_load(const char *dir, const char *file, const char *target,
                           struct manifest **ret_manifest, struct manifest_problems *problems);
/* Tell a manifest that is not shared yet where edgectl's own server listens, for the backends that
 * are paths on it. `ca_pem`: it speaks TLS, with a certificate for localhost from this authority;
 * NULL: plain HTTP. Until then they point to port 0, where nothing answers. */
void manifest_serve_at(struct manifest *m, const char *host, uint16_t port, const char *ca_pem);
/* Let `local` and EDGECTL_BACKEND_<NAME> win over backends' URLs, as they do by themselves where
 * the target is local: for a manifest that is not shared yet. -ERR_MANIFEST for a variable that is
 * no URL. */
must_use int manifest_override_backends(struct manifest *m, struct err *err);
/* For a bare module: no bindings, every host allowed as a dynamic backend. */
struct manifest *manifest_for_module(const char *module_path);
struct manifest *manifest_ref(struct manifest *m);
void manifest_unref(struct manifest *m);
void manifest_unref_p(struct manifest **m);

/* The name of its target's Lambda function, which also is in the names of its parameters: two
 * targets of one app in one account must have nothing in common. Borrowed. */
const char *manifest_function(const struct manifest *m);
void manifest_problems_clear(struct manifest_problems *p);
const struct manifest_backend *manifest_backend(const struct manifest *m, const char *name,
                                                size_t len);

/* A variable: the environment's, else the .env file's; NULL if in neither. */
const char *manifest_getenv(const struct manifest *m, const char *name);

/* The bytes of a source, added to `out` (its maximum bounds them). A variable that is not set is
 * empty for a fastly.toml, as there, else -ERR_MANIFEST with a hint; -ERR_IO for files. */
must_use int manifest_source_read(const struct manifest *m, const struct manifest_source *source,
                                  struct buf *out, struct err *err);

enum manifest_store_kind { MANIFEST_CONFIG, MANIFEST_SECRET };

/* What is in a store's json_file now. Free with manifest_pairs_free. */
must_use int manifest_store_read(const struct manifest_store *s, enum manifest_store_kind kind,
                                 struct manifest_pair **ret_pairs, size_t *ret_count,
                                 struct err *err);
/* Wipes the values. */
void manifest_pairs_free(struct manifest_pair *pairs, size_t count);

struct manifest_kv_list {
    struct manifest_kv_entry *entries;
    size_t count;
};

/* The first content of a KV store: that of its seed file, then its own entries, which win where a
 * key is in both. Values may still be in files: manifest_source_read. */
must_use int manifest_kv_read(const struct manifest *m, const struct manifest_kv *kv,
                              struct manifest_kv_list *ret_list, struct err *err);
void manifest_kv_list_clear(struct manifest_kv_list *list);
/* Before the manifest is shared: the store begins empty, or with what is in the database. */
void manifest_kv_forget_seed(struct manifest_kv *kv);

/* JSON text for an address (len 4 or 16), or NULL: the longest prefix wins, of equals the last;
 * then the built-in record for loopback, if that is on. Borrowed. */
const char *manifest_geo_lookup(const struct manifest *m, const uint8_t *octets, size_t len);
/* JSON text for a User-Agent, or NULL. Borrowed. */
const char *manifest_device_lookup(const struct manifest *m, const char *user_agent, size_t len);

/* An edge.yaml that means the same, for m->dir: paths below it are written relative. What was in
 * a data file for geolocation and devices is written out. -ERR_LIMIT when `out` is too small. */
must_use int manifest_write_yaml(const struct manifest *m, struct buf *out, struct err *err);

#endif
