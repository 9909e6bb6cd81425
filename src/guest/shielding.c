/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_shielding: where the shield sites of the manifest are, and backends for their URLs. */
#include <stdlib.h>
#include <strings.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/uri.h"
#include "guest/record.h"
#include "guest/stores.h"

/* Section 5: no size is told when it does not fit. */
static enum hc_status give_block(struct instance *in, const void *text, size_t len,
                                 const uint64_t *a)
{
    uint8_t *to, *written;
    if (len > a[1])
        return HC_BUFLEN;
    TRY(mem_slot(in, a[2], 4, &written));
    TRY(mem_bytes(in, a[0], len, &to));
    memcpy(to, text, len);
    put_u32(written, (uint32_t)len);
    return HC_OK;
}

static const struct manifest_shield *find(const struct manifest *m, const uint8_t *name, size_t len)
{
    for (size_t i = 0; i < m->shield_count; i++)
        if (name_is(m->shields[i].name, name, len))
            return &m->shields[i];
    return NULL;
}

/* args: name, name_len, block, its size, written */
int32_t hc_shielding_shield_info(struct instance *in, const uint64_t *a)
{
    uint8_t *name;
    TRY(mem_bytes(in, a[0], a[1], &name));
    if (!utf8_valid(name, a[1]))
        return HC_ERROR;
    const struct manifest_shield *s = find(guest_of(in)->app->manifest, name, a[1]);
    if (!s)
        return HC_INVAL;
    struct buf block = BUF_INIT(SIZE_MAX);
    buf_add_char(&block, s->local ? 1 : 0);
    buf_add_str(&block, s->unencrypted ? s->unencrypted : "");
    buf_add_char(&block, '\0');
    buf_add_str(&block, s->encrypted ? s->encrypted : "");
    buf_add_char(&block, '\0');
    enum hc_status status = give_block(in, block.data, block.len, a + 2);
    buf_clear(&block);
    return (int32_t)status;
}

enum {
    SHIELD_CACHE_KEY = 1 << 1,
    SHIELD_FIRST_BYTE_TIMEOUT = 1 << 2,
    SHIELD_BETWEEN_BYTES_TIMEOUT = 1 << 3,
    SHIELD_KNOWN = (1 << 4) - 2,
};

static enum hc_status read_timeout(struct instance *in, uint64_t record, unsigned offset,
                                   int64_t *ret)
{
    uint32_t ms;
    TRY(record_u32(in, record, offset, &ms));
    *ret = ms;
    return HC_OK;
}

static enum hc_status read_config(struct instance *in, uint64_t mask, uint64_t record,
                                  struct manifest_backend *b)
{
    uint8_t *key;
    uint32_t len;
    if (mask & ~(uint64_t)SHIELD_KNOWN)
        return HC_INVAL;
    if (mask & SHIELD_CACHE_KEY) {
        TRY(record_bytes(in, record, 0, &key, &len)); /* for a cache that is not here */
        if (!utf8_valid(key, len))
            return HC_INVAL;
    }
    if (mask & SHIELD_FIRST_BYTE_TIMEOUT)
        TRY(read_timeout(in, record, 8, &b->first_byte_timeout_ms));
    if (mask & SHIELD_BETWEEN_BYTES_TIMEOUT)
        TRY(read_timeout(in, record, 12, &b->between_bytes_timeout_ms));
    return HC_OK;
}

/* The parts of the shield's URL; freed by the caller also on failure. */
static enum hc_status read_url(struct manifest_backend *b)
{
    struct uri uri;
    struct uri_host host;
    if (!uri_parse(b->url, strlen(b->url), &uri) || !uri.scheme ||
        !uri_split_host(uri.authority, uri.authority_len, &host))
        return HC_INVAL;
    b->tls = uri.scheme_len == 5 && strncasecmp(uri.scheme, "https", 5) == 0;
    if (!b->tls && !(uri.scheme_len == 4 && strncasecmp(uri.scheme, "http", 4) == 0))
        return HC_INVAL;
    size_t path_len = 0;
    while (path_len < uri.path_len && uri.path[path_len] != '?')
        path_len++;
    while (path_len && uri.path[path_len - 1] == '/')
        path_len--;
    b->host = xstrndup(host.host, host.host_len);
    b->port = host.port ? (uint16_t)host.port : b->tls ? 443 : 80;
    b->prefix = xstrndup(uri.path, path_len);
    return HC_OK;
}

static void backend_clear(struct manifest_backend *b)
{
    free(b->name);
    free(b->url);
    free(b->host);
    free(b->prefix);
}

/* args: URL of the shield, its length, mask, config, name buffer, its size, written. A second call
 * for the same shield gives the same backend. */
int32_t hc_shielding_backend_for_shield(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    cleanup(backend_clear) struct manifest_backend b = {.no_sni = true};
    TRY(take_text(in, a[0], a[1], &b.url));
    TRY(read_config(in, a[2], a[3], &b));
    if (strlen(b.url) != a[1])
        return HC_INVAL;
    TRY(read_url(&b));
    b.name = xasprintf("shield:%s", b.url);
    size_t len = strlen(b.name);
    if (!guest_backend(g, b.name, len))
        TRY(guest_add_backend(g, &b));
    return (int32_t)give_block(in, b.name, len, a + 4);
}
