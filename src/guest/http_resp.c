/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_resp: response objects and sending them to the client. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/limits.h"
#include "guest/session.h"

enum { VERSION_11 = 2, VERSION_MAX = 4 };

struct guest_response *guest_response_new(void)
{
    struct guest_response *r = xnew(struct guest_response);
    r->status = 200;
    r->version = VERSION_11;
    return r;
}

void guest_response_free(struct guest_response *r)
{
    if (!r)
        return;
    headers_clear(&r->headers);
    free(r);
}

uint32_t guest_add_response(struct guest *g, struct guest_response *r)
{
    uint32_t handle = table_add(&g->responses, r);
    if (handle == HANDLE_INVALID)
        guest_response_free(r);
    return handle;
}

static struct guest_response *response(struct instance *in, uint64_t handle)
{
    return table_get(&guest_of(in)->responses, handle);
}

#define RESPONSE(name, handle)                          \
    struct guest_response *name = response(in, handle); \
    if (!name)                                          \
        return HC_BADF

int32_t hc_http_resp_new(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    TRY(mem_slot(in, a[0], 4, &out));
    uint32_t handle = guest_add_response(guest_of(in), guest_response_new());
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_http_resp_close(struct instance *in, const uint64_t *a)
{
    struct guest_response *r = table_take(&guest_of(in)->responses, a[0]);
    if (!r)
        return HC_BADF;
    guest_response_free(r);
    return HC_OK;
}

/* --- headers --- */

int32_t hc_http_resp_header_names_get(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_names_out(in, &r->headers, &(struct multi_out){a[1], a[2], a[3], a[4], a[5]});
}

int32_t hc_http_resp_header_values_get(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_values_out(in, &r->headers, a[1], a[2],
                              &(struct multi_out){a[3], a[4], a[5], a[6], a[7]});
}

int32_t hc_http_resp_header_value_get(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_value_out(in, &r->headers, a + 1);
}

int32_t hc_http_resp_header_values_set(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_values_in(in, &r->headers, a + 1);
}

int32_t hc_http_resp_header_insert(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_insert_in(in, &r->headers, a + 1);
}

int32_t hc_http_resp_header_append(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_append_in(in, &r->headers, a + 1);
}

int32_t hc_http_resp_header_remove(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    return headers_remove_in(in, &r->headers, a + 1);
}

/* --- status, version, modes --- */

int32_t hc_http_resp_status_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    RESPONSE(r, a[0]);
    TRY(mem_slot(in, a[1], 2, &out));
    put_u16(out, (uint16_t)r->status);
    return HC_OK;
}

int32_t hc_http_resp_status_set(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    if (a[1] < 100 || a[1] > 999)
        return HC_INVAL;
    r->status = (int)a[1];
    return HC_OK;
}

int32_t hc_http_resp_version_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    RESPONSE(r, a[0]);
    TRY(mem_slot(in, a[1], 4, &out));
    put_u32(out, (uint32_t)r->version);
    return HC_OK;
}

int32_t hc_http_resp_version_set(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    if (a[1] > VERSION_MAX)
        return HC_INVAL;
    r->version = (int)a[1];
    return HC_OK;
}

int32_t hc_http_resp_framing_headers_mode_set(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    if (a[1] > 1)
        return HC_INVAL;
    r->manual_framing = a[1];
    return HC_OK;
}

int32_t hc_http_resp_http_keepalive_mode_set(struct instance *in, const uint64_t *a)
{
    RESPONSE(r, a[0]);
    if (a[1] > 1)
        return HC_INVAL;
    r->close = a[1];
    return HC_OK;
}

int32_t hc_http_resp_get_addr_dest_ip(struct instance *in, const uint64_t *a)
{
    uint8_t *octets, *len;
    RESPONSE(r, a[0]);
    if (!r->show_peer || r->peer_len == 0)
        return HC_NONE;
    TRY(mem_bytes(in, a[1], r->peer_len, &octets));
    TRY(mem_slot(in, a[2], 4, &len));
    memcpy(octets, r->peer, r->peer_len);
    put_u32(len, r->peer_len);
    return HC_OK;
}

int32_t hc_http_resp_get_addr_dest_port(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    RESPONSE(r, a[0]);
    if (!r->show_peer || r->peer_len == 0)
        return HC_NONE;
    TRY(mem_slot(in, a[1], 2, &out));
    put_u16(out, r->peer_port);
    return HC_OK;
}

/* --- to the client --- */

enum { EARLY_HINTS = 103 };

static int32_t send_final(struct guest *g, struct guest_response *r, struct body *body)
{
    struct response_head head = {
        .status = r->status,
        .headers = &r->headers,
        .manual_framing = r->manual_framing,
        .close = r->close,
    };
    guest_limits_respond(g->env->limits, g->ex, &head, body);
    if (!g->ex->responded)
        g->promised = true; /* it is held, until all of it is known */
    return HC_OK;
}

int32_t hc_http_resp_send_downstream(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    RESPONSE(r, a[0]);
    if (!guest_body(g, a[1]))
        return HC_BADF;
    bool streaming = a[2] == 1;
    bool interim = r->status < 200;
    table_take(&g->responses, a[0]);
    struct body *body = streaming ? guest_begin_stream(g, a[1]) : guest_take_body(g, a[1]);
    int32_t status = HC_OK;
    if (interim && r->status != EARLY_HINTS)
        status = HC_INVAL;
    else if (g->ex->responded || g->promised)
        status = HC_ERROR;
    else if (interim)
        exchange_interim(g->ex, r->status, &r->headers);
    else
        status = send_final(g, r, TAKE(body));
    if (body) {
        body_stop(body);
        body_unref(body);
    }
    guest_response_free(r);
    return status;
}
