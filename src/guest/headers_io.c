/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields in and out of guest memory: the same for requests, responses and trailers. Rules of
 * abi README section 5: statuses for bad names (1, or 2 when too long), bad values (1). */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/session.h"

enum { NAME_MAX_BYTES = 65535 };

static bool token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* RFC 9110 5.6.2: a field name is a token. */
enum hc_status header_name_in(struct instance *in, uint64_t ptr, uint64_t len, const char **ret)
{
    uint8_t *at;
    TRY(mem_bytes(in, ptr, len, &at));
    if (len > NAME_MAX_BYTES)
        return HC_INVAL;
    if (len == 0)
        return HC_ERROR;
    for (uint64_t i = 0; i < len; i++)
        if (!token_char(at[i]))
            return HC_ERROR;
    *ret = (const char *)at;
    return HC_OK;
}

static bool value_ok(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((at[i] < 0x20 && at[i] != '\t') || at[i] == 0x7f)
            return false;
    return true;
}

enum hc_status header_value_in(struct instance *in, uint64_t ptr, uint64_t len, const char **ret)
{
    uint8_t *at;
    TRY(mem_bytes(in, ptr, len, &at));
    if (!value_ok(at, len))
        return HC_ERROR;
    *ret = (const char *)at;
    return HC_OK;
}

/* --- out --- */

/* Distinct names: a line counts if no line before it has its name. Lists are short. */
static bool next_name(const void *list, size_t wanted, const char **ret, size_t *ret_len)
{
    const struct headers *h = list;
    for (size_t i = 0, seen = 0; i < h->count; i++) {
        const struct header *line = &h->list[i];
        if (headers_find(h, line->name, line->name_len, 0) != (long)i)
            continue;
        if (seen++ == wanted) {
            *ret = line->name;
            *ret_len = line->name_len;
            return true;
        }
    }
    return false;
}

enum hc_status headers_names_out(struct instance *in, const struct headers *h,
                                 const struct multi_out *out)
{
    return give_multi(in, out, next_name, h);
}

struct values {
    const struct headers *headers;
    const char *name;
    size_t name_len;
};

static bool next_value(const void *list, size_t wanted, const char **ret, size_t *ret_len)
{
    const struct values *v = list;
    long i = headers_find(v->headers, v->name, v->name_len, 0);
    for (; i >= 0 && wanted; wanted--)
        i = headers_find(v->headers, v->name, v->name_len, (size_t)i + 1);
    if (i < 0)
        return false;
    *ret = v->headers->list[i].value;
    *ret_len = v->headers->list[i].value_len;
    return true;
}

enum hc_status headers_values_out(struct instance *in, const struct headers *h, uint64_t name,
                                  uint64_t name_len, const struct multi_out *out)
{
    struct values v = {.headers = h, .name_len = name_len};
    TRY(header_name_in(in, name, name_len, &v.name));
    return give_multi(in, out, next_value, &v);
}

enum hc_status headers_value_out(struct instance *in, const struct headers *h, const uint64_t *a)
{
    const char *name;
    TRY(header_name_in(in, a[0], a[1], &name));
    long i = headers_find(h, name, a[1], 0);
    if (i < 0)
        return HC_INVAL;
    return give_text(in, h->list[i].value, h->list[i].value_len, a[2], a[3], a[4]);
}

/* --- in --- */

enum hc_status headers_insert_in(struct instance *in, struct headers *h, const uint64_t *a)
{
    const char *name, *value;
    TRY(header_name_in(in, a[0], a[1], &name));
    TRY(header_value_in(in, a[2], a[3], &value));
    headers_set(h, name, a[1], value, a[3]);
    return HC_OK;
}

enum hc_status headers_append_in(struct instance *in, struct headers *h, const uint64_t *a)
{
    const char *name, *value;
    TRY(header_name_in(in, a[0], a[1], &name));
    TRY(header_value_in(in, a[2], a[3], &value));
    headers_add(h, name, a[1], value, a[3]);
    return HC_OK;
}

enum hc_status headers_values_in(struct instance *in, struct headers *h, const uint64_t *a)
{
    const char *name;
    uint8_t *text;
    TRY(header_name_in(in, a[0], a[1], &name));
    TRY(mem_bytes(in, a[2], a[3], &text));
    const uint8_t *end = text + a[3], *nul;
    for (const uint8_t *p = text; (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1)
        if (!value_ok(p, (size_t)(nul - p)))
            return HC_ERROR;
    headers_remove(h, name, a[1]);
    for (const uint8_t *p = text; (nul = memchr(p, '\0', (size_t)(end - p))); p = nul + 1)
        headers_add(h, name, a[1], (const char *)p, (size_t)(nul - p));
    return HC_OK;
}

enum hc_status headers_remove_in(struct instance *in, struct headers *h, const uint64_t *a)
{
    const char *name;
    TRY(header_name_in(in, a[0], a[1], &name));
    return headers_remove(h, name, a[1]) ? HC_OK : HC_INVAL;
}
