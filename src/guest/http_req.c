/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_req: request objects. Sending is in send.c, the deprecated client metadata in
 * downstream.c. */
#include <stdlib.h>
#include "base/mem.h"
#include "base/uri.h"
#include "guest/record.h"

/* enum http_version: 0 0.9, 1 1.0, 2 1.1, 3 h2, 4 h3. */
enum { VERSION_11 = 2, VERSION_MAX = 4 };

static struct guest_request *request_new(void)
{
    struct guest_request *r = xnew(struct guest_request);
    r->method = xstrdup("GET");
    r->uri = xstrdup("/");
    r->version = VERSION_11;
    return r;
}

void guest_request_free(struct guest_request *r)
{
    if (!r)
        return;
    free(r->method);
    free(r->uri);
    headers_clear(&r->headers);
    free(r);
}

uint32_t guest_add_request(struct guest *g, struct guest_request *r)
{
    uint32_t handle = table_add(&g->requests, r);
    if (handle == HANDLE_INVALID)
        guest_request_free(r);
    return handle;
}

static struct guest_request *request(struct instance *in, uint64_t handle)
{
    return table_get(&guest_of(in)->requests, handle);
}

#define REQUEST(name, handle)                         \
    struct guest_request *name = request(in, handle); \
    if (!name)                                        \
        return HC_BADF

int32_t hc_http_req_new(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    TRY(mem_slot(in, a[0], 4, &out));
    uint32_t handle = guest_add_request(guest_of(in), request_new());
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_http_req_body_downstream_get(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *req_out, *body_out;
    TRY(mem_slot(in, a[0], 4, &req_out));
    TRY(mem_slot(in, a[1], 4, &body_out));
    put_u32(req_out, g->downstream_request);
    put_u32(body_out, g->downstream_body);
    return HC_OK;
}

int32_t hc_http_req_close(struct instance *in, const uint64_t *a)
{
    struct guest_request *r = table_take(&guest_of(in)->requests, a[0]);
    if (!r)
        return HC_BADF;
    guest_request_free(r);
    return HC_OK;
}

/* --- headers --- */

int32_t hc_http_req_header_names_get(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_names_out(in, &r->headers, &(struct multi_out){a[1], a[2], a[3], a[4], a[5]});
}

int32_t hc_http_req_header_values_get(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_values_out(in, &r->headers, a[1], a[2],
                              &(struct multi_out){a[3], a[4], a[5], a[6], a[7]});
}

int32_t hc_http_req_header_value_get(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_value_out(in, &r->headers, a + 1);
}

int32_t hc_http_req_header_values_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_values_in(in, &r->headers, a + 1);
}

int32_t hc_http_req_header_insert(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_insert_in(in, &r->headers, a + 1);
}

int32_t hc_http_req_header_append(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_append_in(in, &r->headers, a + 1);
}

int32_t hc_http_req_header_remove(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return headers_remove_in(in, &r->headers, a + 1);
}

/* --- method, URI, version --- */

int32_t hc_http_req_method_get(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return give_text(in, r->method, strlen(r->method), a[1], a[2], a[3]);
}

int32_t hc_http_req_method_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    const char *method;
    TRY(header_name_in(in, a[1], a[2], &method)); /* a method is a token, as field names are */
    free(r->method);
    r->method = xstrndup(method, a[2]);
    return HC_OK;
}

int32_t hc_http_req_uri_get(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    return give_text(in, r->uri, strlen(r->uri), a[1], a[2], a[3]);
}

/* As uri_get gives it back: scheme in lower case, never without a path, no fragment. */
static char *normal_uri(const struct uri *u)
{
    if (!u->scheme)
        return xstrndup(u->path, u->path_len);
    const char *root = u->path_len == 0 || u->path[0] == '?' ? "/" : "";
    char *text = xasprintf("%.*s://%.*s%s%.*s", (int)u->scheme_len, u->scheme,
                           (int)u->authority_len, u->authority, root, (int)u->path_len, u->path);
    for (size_t i = 0; i < u->scheme_len; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] += 'a' - 'A';
    return text;
}

int32_t hc_http_req_uri_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    cleanup(free_p) char *text = NULL;
    TRY(take_text(in, a[1], a[2], &text));
    struct uri uri;
    if (strlen(text) != a[2] || !uri_parse(text, a[2], &uri))
        return HC_ERROR;
    free(r->uri);
    r->uri = normal_uri(&uri);
    return HC_OK;
}

int32_t hc_http_req_version_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    REQUEST(r, a[0]);
    TRY(mem_slot(in, a[1], 4, &out));
    put_u32(out, (uint32_t)r->version);
    return HC_OK;
}

int32_t hc_http_req_version_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    if (a[1] > VERSION_MAX)
        return HC_INVAL;
    r->version = (int)a[1];
    return HC_OK;
}

/* --- how it is to be sent --- */

enum {
    OVERRIDE_PASS = 1 << 0,
    OVERRIDE_TTL = 1 << 1,
    OVERRIDE_SWR = 1 << 2,
    OVERRIDE_LOOKUP_TIMEOUT = 1 << 4,
    OVERRIDE_KNOWN = (1 << 5) - 1,
    GUNZIP = 1 << 0,
};

/* Only PASS changes anything while there is no cache in front of the backends. */
static int32_t set_override(struct instance *in, uint64_t handle, uint64_t tag)
{
    REQUEST(r, handle);
    if (tag & ~(uint64_t)OVERRIDE_KNOWN)
        return HC_INVAL;
    r->pass = tag & OVERRIDE_PASS;
    return HC_OK;
}

int32_t hc_http_req_cache_override_set(struct instance *in, const uint64_t *a)
{
    return set_override(in, a[0], a[1]);
}

int32_t hc_http_req_cache_override_v2_set(struct instance *in, const uint64_t *a)
{
    uint8_t *keys;
    TRY(mem_bytes(in, a[4], a[5], &keys));
    return set_override(in, a[0], a[1]);
}

/* The fields that the tag names must be there, though nothing here needs them. */
static enum hc_status check_override(struct instance *in, uint64_t tag, uint64_t record)
{
    static const struct {
        uint64_t bit;
        unsigned offset;
    } fields[] = {{OVERRIDE_TTL, 0}, {OVERRIDE_SWR, 4}, {OVERRIDE_LOOKUP_TIMEOUT, 16}};
    uint32_t value;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (tag & fields[i].bit)
            TRY(record_u32(in, record, fields[i].offset, &value));
    return HC_OK;
}

int32_t hc_http_req_cache_override_v3_set(struct instance *in, const uint64_t *a)
{
    TRY(check_override(in, a[1], a[2]));
    return set_override(in, a[0], a[1]);
}

int32_t hc_http_req_auto_decompress_response_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    if (a[1] & ~(uint64_t)GUNZIP)
        return HC_INVAL;
    r->gunzip = a[1] & GUNZIP;
    return HC_OK;
}

int32_t hc_http_req_framing_headers_mode_set(struct instance *in, const uint64_t *a)
{
    REQUEST(r, a[0]);
    if (a[1] > 1)
        return HC_INVAL;
    r->manual_framing = a[1];
    return HC_OK;
}
