/* SPDX-License-Identifier: Apache-2.0 */
/* From a manifest with its target applied, and the artifact, to exactly what the target's provider
 * takes, and a release record that says what it was made from. A bundle is immutable and whole: it
 * is checked before anything is written or sent. What is large of it stands in a spool
 * (base/spool.h). The same inputs, edgectl and zlib give the same bytes, whatever the machine,
 * user, folder, time or umask.
 *
 *   cloudflare  BUNDLE_MODULES  the parts are the modules of the upload, the main one first;
 *                               `metadata` is the upload's first part
 *   fastly      BUNDLE_ARCHIVE  a package (tar.gz), laid out as `fastly compute pack` does
 *   aws         BUNDLE_ARCHIVE  a zip for Lambda@Edge
 *   vercel      BUNDLE_TREE     the parts are the files below .vercel/output/
 *   local       BUNDLE_TREE     app.wasm, bindings.js and assets, for edgectl itself
 *
 * What a JavaScript host is told about the app stands in the part bindings.js: bundle/app.h. */
#ifndef EDGECTL_BUNDLE_BUNDLE_H
#define EDGECTL_BUNDLE_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/spool.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "manifest/manifest.h"

enum bundle_form { BUNDLE_MODULES, BUNDLE_ARCHIVE, BUNDLE_TREE };

struct bundle_part {
    char *name;                     /* path with '/', as the provider has it: "app.wasm" */
    const char *type;               /* media type; of a module what Cloudflare wants to be told */
    uint8_t *data;                  /* of a bundle: in its spool, or from malloc */
    size_t len;
    char digest[HASH_HEX_SIZE];     /* SHA-256 */
};

/* A store, variable or secret that the app asks for by name, and what stands for it. */
struct bundle_binding {
    const char *kind;               /* "kv", "config", "secret", "backend" */
    char *store;                    /* of a backend: its name */
    char *key;                      /* of a secret; NULL for the others */
    char *name;                     /* what it is called at the provider: "KV_SESSIONS" */
    char *remote;                   /* the provider's id, from the target; NULL: to be looked up */
    char digest[HASH_HEX_SIZE];     /* of a secret's value, or a config store; "" without one */
};

struct bundle {
    struct spool *spool;            /* tell it what of the parts was read (spool_forget) */
    enum manifest_provider provider;
    enum bundle_form form;
    char *app;                      /* the app's name there */
    char *file;                     /* what it is called on disk: "shop-edge.tar.gz" */
    struct bundle_part *parts;      /* by name in byte order, but the main module first */
    size_t part_count;
    struct bundle_part package;     /* BUNDLE_ARCHIVE: the file; else data is NULL */
    char *metadata;                 /* BUNDLE_MODULES: JSON, without secrets and without ids that
                                     * have to be looked up; else NULL */
    struct bundle_binding *bindings;
    size_t binding_count;
    char id[HASH_HEX_SIZE];         /* of the release: content, config, secrets by digest */
    json_t *record;                 /* the release record (bundle/record.h) */
    struct err *notes;              /* what the user should know; code ERR_NONE */
    size_t note_count;
};

/* A secret of the app. The value is looked for in everything that is shipped; of it only a digest
 * that is slow to guess goes into the record. */
struct bundle_secret {
    const char *store, *key;
    const struct secret *value;     /* NULL: it has none here */
    const char *digest;             /* of a value that is at the target already, in place of one
                                     * here (secret_print); NULL: there is none */
};

/* Whether guests find an imported function on a provider's network. */
enum bundle_support {
    SUPPORT_NATIVE,                 /* the platform's own */
    SUPPORT_HOST,                   /* by edgectl's host */
    SUPPORT_MISSING,                /* links, and answers "unsupported" */
    SUPPORT_UNKNOWN,                /* no such function: a guest that imports it cannot start */
};
/* `signature` in letters: module_signature_letters; NULL asks about the name alone. */
typedef enum bundle_support bundle_support_fn(enum manifest_provider provider, const char *module,
                                              const char *name, const char *signature);

struct bundle_options {
    const struct manifest *manifest;        /* with a target */
    const struct bundle_secret *secrets;
    size_t secret_count;
    bundle_support_fn *support;
    int64_t created_ms;                     /* since 1970; in the record only */
    const char *spool_dir;                  /* for large parts; NULL = $TMPDIR or /tmp */
};

/* Make the bundle for options->manifest->target. Fails with
 *   -ERR_BUILD     the artifact is no module, a component, cannot run, or imports what is unknown
 *   -ERR_LIMIT     over a limit of the provider: which, its value and its date are in the message
 *   -ERR_MANIFEST  the app needs something that the target does not have
 *   -ERR_IO        a file cannot be read, changed meanwhile, or is outside of the project
 *   -ERR_FAILURE   a secret was found in what would be shipped */
must_use int bundle_make(const struct bundle_options *options, struct bundle **ret_bundle,
                         struct err *err);
/* NULL is allowed. */
void bundle_free(struct bundle *b);
void bundle_free_p(struct bundle **b);

/* NULL if there is none. */
const struct bundle_part *bundle_part(const struct bundle *b, const char *name);
/* What a store (key NULL), or a secret of one, is called at the target's provider, as a bundle
 * binds it ("KV_SESSIONS"): for those who read or change it there. NULL when the manifest has none
 * such; the caller frees. */
char *bundle_binding_name(const struct manifest *m, const char *kind, const char *store,
                          const char *key);
/* Name of an imported function's support: "native", "host", "missing", "unknown". */
const char *bundle_support_name(enum bundle_support support);

/* Write it to `path` (a file, or for modules and trees a folder), and its record to
 * `path`.release.json. Written beside and renamed: at every moment `path` is the old bundle or the
 * new one, whole. A folder that is there already is replaced only if it has such a record.
 * -ERR_IO, also when the disk is full. */
must_use int bundle_write(const struct bundle *b, const char *path, struct err *err);

#endif
