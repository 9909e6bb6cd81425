/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle against its provider's limits, before anything is written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include "base/mem.h"
#include "bundle/internal.h"
#include "bundle/limits.h"

/* --- the module --- */

int check_module_limits(const struct making *mk, struct err *err)
{
    enum limit_profile p = limit_profile_of(mk->target->provider);
    uint64_t least = mk->info.memory_count ? mk->info.memory.min * 65536 : 0;
    int r = limit_check(p, LIMIT_MEMORY, least, "the memory that the module begins with is", err);
    if (r == 0)
        r = limit_check(p, LIMIT_MEMORY, mk->m->limits.memory_bytes, "limits.memory is", err);
    if (r == 0)
        r = limit_check(p, LIMIT_CPU_ASKED, (uint64_t)mk->m->limits.cpu_ms, "limits.cpu is", err);
    if (r < 0)
        return r;
    struct err why = {0};
    if (!limit_find(p, LIMIT_CPU_ASKED) &&
        limit_check(p, LIMIT_CPU, (uint64_t)mk->m->limits.cpu_ms, "limits.cpu is", &why) < 0)
        bundle_note(mk->b, "what takes longer is ended there", "%s", why.msg);
    if (limit_check(p, LIMIT_WALL, (uint64_t)mk->m->limits.wall_ms, "limits.wall is", &why) < 0)
        bundle_note(mk->b, "what takes longer is ended there", "%s", why.msg);
    return 0;
}

/* --- stores --- */

static uint64_t source_size(const struct manifest_source *s)
{
    struct stat st;
    if (s->text)
        return s->text_len;
    return s->file && stat(s->file, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static int check_kv_entry(enum limit_profile p, const char *store,
                          const struct manifest_kv_entry *e, struct err *err)
{
    char what[200];
    snprintf(what, sizeof what, "KV store '%.60s': the key '%.60s' has", store, e->key);
    int r = limit_check(p, LIMIT_KV_KEY, strlen(e->key), what, err);
    snprintf(what, sizeof what, "KV store '%.60s': the value of '%.60s' has", store, e->key);
    if (r == 0)
        r = limit_check(p, LIMIT_KV_VALUE, source_size(&e->value), what, err);
    snprintf(what, sizeof what, "KV store '%.60s': the metadata of '%.60s' has", store, e->key);
    return r < 0 || !e->metadata
               ? r : limit_check(p, LIMIT_KV_METADATA, strlen(e->metadata), what, err);
}

static int check_kv(const struct making *mk, enum limit_profile p, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < mk->m->kv_count && r == 0; i++) {
        cleanup(manifest_kv_list_clear) struct manifest_kv_list list = {0};
        const struct manifest_kv *kv = &mk->m->kv[i];
        r = manifest_kv_read(mk->m, kv, &list, err);
        for (size_t k = 0; k < list.count && r == 0; k++)
            r = check_kv_entry(p, kv->name, &list.entries[k], err);
    }
    return r;
}

static int check_config_store(enum limit_profile p, const char *store, const json_t *values,
                              struct err *err)
{
    char what[200];
    const char *key;
    json_t *value;
    snprintf(what, sizeof what, "the number of keys in config store '%.60s' is", store);
    int r = limit_check(p, LIMIT_CONFIG_ITEMS, json_object_size(values), what, err);
    json_object_foreach ((json_t *)values, key, value) {
        snprintf(what, sizeof what, "config store '%.60s': the key '%.60s' has", store, key);
        if (r == 0)
            r = limit_check(p, LIMIT_CONFIG_KEY, strlen(key), what, err);
        snprintf(what, sizeof what, "config store '%.60s': the value of '%.60s' has", store, key);
        if (r == 0)
            r = limit_check(p, LIMIT_CONFIG_VALUE, json_string_length(value), what, err);
    }
    cleanup(free_p) char *text = json_stable(values);
    snprintf(what, sizeof what, "config store '%.60s' becomes one variable, which has", store);
    return r < 0 ? r : limit_check(p, LIMIT_VARIABLE, strlen(text), what, err);
}

static int check_secrets(const struct making *mk, enum limit_profile p, struct err *err)
{
    uint64_t total = 0;
    int r = 0;
    for (size_t i = 0; i < mk->options->secret_count && r == 0; i++) {
        const struct bundle_secret *s = &mk->options->secrets[i];
        size_t len = s->value ? secret_len(s->value) : 0;
        char what[200];
        snprintf(what, sizeof what, "the secret '%.60s' has", s->key);
        r = limit_check(p, LIMIT_SECRET, len, what, err);
        if (r == 0)
            r = limit_check(p, LIMIT_VARIABLE, len, what, err);
        total += len;
    }
    return r < 0 ? r : limit_check(p, LIMIT_VARIABLES_BYTES, total, "all secrets together have",
                                   err);
}

int check_store_limits(const struct making *mk, struct err *err)
{
    enum limit_profile p = limit_profile_of(mk->target->provider);
    const char *store;
    json_t *values;
    int r = check_kv(mk, p, err);
    json_object_foreach (mk->config, store, values) {
        if (r == 0)
            r = check_config_store(p, store, values, err);
    }
    if (r == 0)
        r = check_secrets(mk, p, err);
    return r < 0 ? r : limit_check(p, LIMIT_VARIABLES,
                                   mk->options->secret_count + json_object_size(mk->config),
                                   "the number of variables and secrets is", err);
}

/* --- sizes --- */

static uint64_t raw_size(const struct bundle *b)
{
    uint64_t total = 0;
    for (size_t i = 0; i < b->part_count; i++)
        total += b->parts[i].len;
    return total;
}

/* Only the size of what comes out is wanted. */
static void feed(z_stream *z, uint8_t *data, size_t len, int flush)
{
    uint8_t out[32 * 1024];
    z->next_in = data;
    z->avail_in = (uInt)len;
    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        (void)deflate(z, flush);
    } while (z->avail_out == 0);
}

/* All modules in one stream, as the provider's own CLI counts them. */
static uint64_t gzip_size(const struct bundle *b)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    for (size_t i = 0; i < b->part_count; i++) {
        const struct bundle_part *p = &b->parts[i];
        for (size_t at = 0, n; at < p->len; at += n) {
            n = spool_slice(p->len - at);
            feed(&z, p->data + at, n, Z_NO_FLUSH);
            spool_forget(b->spool, p->data + at, n);
        }
    }
    feed(&z, NULL, 0, Z_FINISH);
    uint64_t size = z.total_out;
    deflateEnd(&z);
    return size;
}

/* A narrower profile only warns: whether it applies is not known here. */
static void note_narrower(struct making *mk, enum limit_profile p, enum limit_kind kind,
                          uint64_t value, const char *what)
{
    struct err why = {0};
    if (limit_check(p, kind, value, what, &why) < 0)
        bundle_note(mk->b, why.hint, "%s", why.msg);
}

int check_size_limits(struct making *mk, struct err *err)
{
    const struct bundle *b = mk->b;
    enum limit_profile p = limit_profile_of(b->provider);
    int r = limit_check(p, LIMIT_CODE_RAW, raw_size(b), "unpacked the bundle has", err);
    if (r == 0 && b->form == BUNDLE_ARCHIVE)
        r = limit_check(p, LIMIT_PACKAGE, b->package.len, "the package has", err);
    if (r == 0 && limit_find(p, LIMIT_CODE_GZIP)) {
        uint64_t size = gzip_size(b);
        r = limit_check(p, LIMIT_CODE_GZIP, size, "compressed the modules have", err);
        note_narrower(mk, LIMITS_CLOUDFLARE_FREE, LIMIT_CODE_GZIP, size,
                      "compressed the modules have");
    }
    if (r == 0 && p == LIMITS_LAMBDA_EDGE)
        note_narrower(mk, LIMITS_LAMBDA_EDGE_VIEWER, LIMIT_PACKAGE, b->package.len,
                      "the package has");
    return r;
}
