/* SPDX-License-Identifier: Apache-2.0 */
/* One client request and its answer, without the wire. The front (HTTP/1 today, HTTP/2 later, or
 * a test's loopback) makes an exchange when a request head is complete and hands it to the
 * handler; the handler answers through exchange_*. Everything happens on one loop's thread. */
#ifndef EDGECTL_SERVE_EXCHANGE_H
#define EDGECTL_SERVE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/body.h"
#include "base/headers.h"
#include "base/loop.h"

struct exchange;

/* What is known of a TLS client; absent fields are NULL / 0. */
struct exchange_tls {
    const char *protocol;           /* "TLSv1.3" */
    const char *cipher;             /* OpenSSL's name */
    const char *servername;         /* SNI */
    const uint8_t *client_hello;    /* raw handshake message */
    size_t client_hello_len;
    const uint8_t *client_cert;     /* PEM as received, if one was sent */
    size_t client_cert_len;
    int verify_result;              /* abi README section 7, client_cert_verify_result; -1 none */
    uint8_t ja3_md5[16];
    bool has_ja3;
    const char *ja4;
    int refs;                       /* 0: not counted, the caller sees to its life */
};

/* A deep copy with one reference, which is the caller's. */
struct exchange_tls *exchange_tls_copy(const struct exchange_tls *from);
struct exchange_tls *exchange_tls_ref(struct exchange_tls *tls);
void exchange_tls_unref(struct exchange_tls *tls);

struct exchange_addr {
    uint8_t octets[16];
    uint8_t len;                    /* 4, 16, or 0 when unknown */
    uint16_t port;
};

struct response_head {
    int status;                     /* 200..999 */
    const struct headers *headers;  /* borrowed for the call; without framing unless manual */
    bool manual_framing;            /* keep the guest's Content-Length / Transfer-Encoding */
    bool close;                     /* close the client connection after this answer */
};

/* What a wire must do. `body` and `respond` as in the functions below. */
struct exchange_wire {
    void (*interim)(struct exchange *ex, int status, const struct headers *headers);
    void (*respond)(struct exchange *ex, const struct response_head *head, struct body *body);
    void (*abort)(struct exchange *ex);
    /* NULL: it cannot. */
    void (*upgrade)(struct exchange *ex, const struct headers *headers, struct body *to_client,
                    struct body *from_client);
    /* The last reference has gone: free wire data. */
    void (*release)(struct exchange *ex);
};

struct exchange {
    int refs;
    struct loop *loop;
    const struct exchange_wire *wire;
    void *wire_data;

    /* The request: complete and constant when the handler gets it. */
    char *method;                   /* one allocation holds method and uri */
    char *uri;                      /* absolute: scheme://authority/path?query */
    int version;                    /* 10, 11, 20 */
    struct headers headers;
    struct body *body;              /* the wire writes, the handler reads; never NULL */
    struct exchange_addr client, server;
    struct exchange_tls *tls;       /* NULL on plain HTTP; the wire gives a reference */
    int64_t began_ns;               /* clock_mono_ns when the head was complete */

    struct headers *added;          /* exchange_add_header's, NULL when none */

    /* The answer, kept by exchange_*. */
    bool responded;                 /* a final head was given */
    bool finished;                  /* the answer was sent whole, or the exchange was cut */
    bool gone;                      /* the client went away or was cut off before that */
    int status;                     /* of the final head, 0 before */
    uint64_t sent_bytes;            /* of the body */

    /* Set by the handler; called at most once each, on the loop's thread, never inside one of the
     * exchange_ functions. `on_gone`: nobody listens any more. `on_finished`: see `finished`. */
    void (*on_gone)(struct exchange *ex);
    void (*on_finished)(struct exchange *ex);
    void *handler_data;
    void *gone_data;                /* of whoever has set on_gone */
};

/* Whoever takes requests. begin gets its own reference, which it unrefs when it is done. */
struct exchange_handler {
    void (*begin)(void *env, struct exchange *ex);
    void *env;
};

/* For wires: a zeroed exchange with one reference and an empty open body. */
struct exchange *exchange_new(struct loop *loop, const struct exchange_wire *wire, void *wire_data);
/* For wires: store the method (copied) and room for a uri of up to uri_cap bytes and a NUL, which
 * the caller fills. Once per exchange. */
void exchange_set_target(struct exchange *ex, const char *method, size_t method_len,
                         size_t uri_cap);
/* For wires, at the end of an exchange: sets `finished` (and `gone` first, if gone), calls the
 * handler's callbacks, and drops the wire's reference. Not from inside an exchange_ function. */
void exchange_finish(struct exchange *ex, bool gone);
struct exchange *exchange_ref(struct exchange *ex);
void exchange_unref(struct exchange *ex);

/* A 1xx answer before the final one (status 100..199, not 101). Ignored when the client has gone
 * or speaks HTTP/1.0. */
void exchange_interim(struct exchange *ex, int status, const struct headers *headers);
/* A header that the final answer gets besides its own, in place of one of that name (but
 * Set-Cookie, of which there may be many). */
void exchange_add_header(struct exchange *ex, const char *name, const char *value);
/* The final answer. Takes the caller's reference to `body` (NULL = empty): the wire reads it to
 * its end, also while the guest still writes to it. A body that breaks cuts the connection.
 * Once per exchange; the handler may go on living after it. */
void exchange_respond(struct exchange *ex, const struct response_head *head, struct body *body);
/* The protocol that the client would like to speak instead (its Upgrade field, RFC 9110 section
 * 7.8), if its connection could be switched now; else NULL. Lives as long as the exchange. */
const char *exchange_upgrade_wanted(const struct exchange *ex);
/* Instead of exchange_respond, where exchange_upgrade_wanted: the answer is 101 with these headers
 * (Connection is added), and the connection carries raw bytes from then on. Takes the caller's
 * references: the wire reads to_client, whose end is the end of the connection, and writes what the
 * client sends to from_client. */
void exchange_upgrade(struct exchange *ex, const struct headers *headers, struct body *to_client,
                      struct body *from_client);
/* A short answer made by edgectl itself. */
void exchange_respond_text(struct exchange *ex, int status, const char *content_type,
                           const char *text);
/* Cut the connection, so that the client sees a truncated message. */
void exchange_abort(struct exchange *ex);

#endif
