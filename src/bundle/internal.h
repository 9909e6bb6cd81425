/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share while one bundle is made. Not for other rooms. */
#ifndef EDGECTL_BUNDLE_INTERNAL_H
#define EDGECTL_BUNDLE_INTERNAL_H

#include <sys/stat.h>
#include "bundle/bundle.h"
#include "wasm/module_info.h"

/* A file as it was when it was read. */
struct input {
    char *path;
    struct stat st;
};

struct inputs {
    struct input *list;
    size_t count;
    uint64_t total;             /* bytes read */
    struct spool *spool;        /* what was read is there */
};

/* The whole of a regular file, NUL-terminated behind *ret_len, as a piece of the spool, remembered
 * in `in`. -ERR_IO when it changes while it is read, -ERR_LIMIT when everything together gets too
 * big to be a bundle. */
must_use int input_read(struct inputs *in, const char *path, uint8_t **ret_data, size_t *ret_len,
                        struct err *err);
/* Once all is read: has none of them changed since? */
must_use int inputs_unchanged(const struct inputs *in, struct err *err);
void inputs_clear(struct inputs *in);

/* One file of the manifest's `static`. */
struct asset {
    char *url;                  /* decoded path: "/assets/img/logo.png" */
    char *path;                 /* where it was */
    uint8_t *data;              /* NULL once it has become a part */
    size_t len;
    char digest[HASH_HEX_SIZE];
};

struct assets {
    struct asset *list;         /* by url, in byte order */
    size_t count;
};

/* Read what `static` names. Links are followed, but never out of the project; hidden files are left
 * out, as `edgectl dev` does not serve them either. -ERR_IO. */
must_use int assets_read(const struct manifest *m, struct inputs *in, struct assets *ret,
                         struct err *err);
void assets_clear(struct assets *a, struct spool *sp);

/* Everything while a bundle is made. */
struct making {
    const struct bundle_options *options;
    const struct manifest *m;
    const struct manifest_target *target;
    struct bundle *b;
    struct inputs inputs;
    uint8_t *wasm;              /* the module, in binary form; NULL once it has become a part */
    size_t wasm_len;
    char wasm_digest[HASH_HEX_SIZE];
    struct module_info info;
    struct assets assets;
    uint8_t *manifest_text;     /* bytes of the manifest's file; NULL if there is none */
    size_t manifest_len;
    json_t *config;             /* {store: {key: value}}, as it is shipped */
    size_t app_part;            /* index of bindings.js, written again once the id is known */
    bool has_app_part, app_has_assets;
};

/* --- parts --- */

/* Add a part; takes `data` (the spool's, or from malloc). `type` is static. */
void part_add(struct bundle *b, char *name, const char *type, uint8_t *data, size_t len);
void part_add_text(struct bundle *b, const char *name, const char *type, const char *text);
/* A remark for the user. */
void bundle_note(struct bundle *b, const char *hint, const char *fmt, ...) printf_like(3, 4);

/* JSON text with sorted keys: the same for the same content. The caller frees. */
char *json_stable(const json_t *json);

/* The artifact as a part. */
void part_add_wasm(struct making *mk, const char *name);
/* The same, for a host: with what lets it use instances again, where that can be (wasm/reset.h). */
void part_add_guest(struct making *mk, const char *name);
/* bindings.js; with `assets`, they become parts below `folder`, for the host to serve. */
void part_add_app(struct making *mk, const char *folder, bool assets);
/* The assets as parts: `folder` and their URL. */
void part_add_assets(struct making *mk, const char *folder);

/* --- what each provider takes; they fill b->parts. Names are not sorted yet --- */
must_use int fastly_layout(struct making *mk, struct err *err);
must_use int cloudflare_layout(struct making *mk, struct err *err);
/* The upload's metadata; the tag is left out while there is no id. The caller frees. */
char *cloudflare_metadata(const struct making *mk);
must_use int aws_layout(struct making *mk, struct err *err);
must_use int vercel_layout(struct making *mk, struct err *err);
must_use int local_layout(struct making *mk, struct err *err);

/* The host made of those folders of templates/hosts/ (ends with NULL), as parts below `below`; its
 * script `main` becomes the first part. Call it before other parts are added. -ERR_FAILURE if this
 * binary has none. */
must_use int host_add(struct bundle *b, const char *const *folders, const char *below,
                      const char *main, struct err *err);

enum bundle_support import_support(const struct making *mk, const struct module_import *imp);

/* --- the provider's limits: -ERR_LIMIT, or a note where it may be fine (check.c) --- */
must_use int check_module_limits(const struct making *mk, struct err *err);
must_use int check_store_limits(const struct making *mk, struct err *err);
must_use int check_size_limits(struct making *mk, struct err *err);

/* Fills b->record. */
void record_make(struct making *mk);

#endif
