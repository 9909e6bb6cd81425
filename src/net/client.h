/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing HTTP over libcurl's multi interface: one client per loop, everything on its thread.
 * Bodies stream both ways with back-pressure through struct body. Redirects are never followed. */
#ifndef EDGECTL_NET_CLIENT_H
#define EDGECTL_NET_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/body.h"
#include "base/headers.h"
#include "base/loop.h"

struct net_client;
struct net_call;

enum net_tls_version { NET_TLS_DEFAULT = -1, NET_TLS_1_0, NET_TLS_1_1, NET_TLS_1_2, NET_TLS_1_3 };

/* Where and how to connect. All strings borrowed: the caller keeps the struct and them alive until
 * the call has ended. Connections are shared by calls whose targets agree in everything that
 * matters for security (address, SNI, CAs, client certificate). */
struct net_target {
    bool tls;
    const char *host;               /* to connect to: name or address literal, no brackets */
    uint16_t port;
    const char *sni;                /* NULL = none sent */
    const char *cert_host;          /* name that the certificate must carry */
    const char *ca_pem;             /* NULL = the system's */
    const char *client_cert_pem, *client_key_pem;   /* both or none */
    const char *ciphers;            /* OpenSSL list, NULL = default */
    enum net_tls_version tls_min, tls_max;
    bool http2;                     /* HTTP/2: by ALPN with TLS, prior knowledge without (gRPC) */
    bool dont_pool;
    bool prefer_ipv4;
    int64_t connect_timeout_ms, first_byte_timeout_ms, between_bytes_timeout_ms; /* 0 = none */
    int64_t keepalive_time_ms;      /* how long an idle connection may be kept; 0 = default */
};

/* enum send_error_detail_tag of the guest ABI (abi README section 7); numbers are the ABI's. */
enum net_error {
    NET_OK = 1, NET_DNS_TIMEOUT, NET_DNS_ERROR, NET_DESTINATION_NOT_FOUND,
    NET_DESTINATION_UNAVAILABLE, NET_DESTINATION_IP_UNROUTABLE, NET_CONNECTION_REFUSED,
    NET_CONNECTION_TERMINATED, NET_CONNECTION_TIMEOUT, NET_CONNECTION_LIMIT_REACHED,
    NET_TLS_CERTIFICATE_ERROR, NET_TLS_CONFIGURATION_ERROR, NET_HTTP_INCOMPLETE_RESPONSE,
    NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE, NET_HTTP_RESPONSE_BODY_TOO_LARGE,
    NET_HTTP_RESPONSE_TIMEOUT, NET_HTTP_RESPONSE_STATUS_INVALID, NET_HTTP_UPGRADE_FAILED,
    NET_HTTP_PROTOCOL_ERROR, NET_HTTP_REQUEST_CACHE_KEY_INVALID, NET_HTTP_REQUEST_URI_INVALID,
    NET_INTERNAL_ERROR, NET_TLS_ALERT_RECEIVED, NET_TLS_PROTOCOL_ERROR, NET_H2_ERROR,
};

struct net_failure {
    enum net_error error;
    uint16_t dns_rcode;             /* with NET_DNS_ERROR, when known */
    uint8_t tls_alert;              /* with NET_TLS_ALERT_RECEIVED */
    uint32_t h2_code;               /* with NET_H2_ERROR */
    char text[256];                 /* for people */
};

struct net_request {
    const struct net_target *target;
    const char *method;
    const char *path;               /* path and query, starts with '/' (or "*") */
    const char *authority;          /* value of the Host header / :authority */
    const struct headers *headers;  /* borrowed for net_call_start; without Host and framing unless
                                     * manual_framing */
    struct body *body;              /* net_call_start takes the caller's reference; NULL = none.
                                     * Length known: Content-Length; else chunked (HTTP/1.1) */
    bool manual_framing;
    bool gunzip;                    /* decode gzip / x-gzip, drop content-encoding, content-length */
};

struct net_response {
    int status;
    int version;                    /* 10, 11, 20 */
    struct headers headers;
    struct body *body;              /* trailers arrive with its end; the net side writes */
    uint8_t peer[16];               /* address that answered */
    uint8_t peer_len;
    uint16_t peer_port;
};

/* Exactly one of the two arguments is set. The response, and the reference to its body, belong to
 * the callee (net_response_free). Called once, from the loop, never inside net_call_start. */
typedef void net_done_fn(void *env, struct net_response *response, const struct net_failure *failure);

struct net_client *net_client_new(struct loop *loop);
/* Cancels what runs (no callbacks), closes idle connections. */
void net_client_free(struct net_client *c);
/* Start a request. `done` is called when the final response head is complete, or it has failed.
 * The call lives on for the response body until that has ended. */
struct net_call *net_call_start(struct net_client *c, const struct net_request *request,
                                net_done_fn *done, void *env);
/* Give up: no callback follows; the connection is closed; bodies are broken. Only before `done`
 * was called; after that, body_stop on the response body does the same. */
void net_call_cancel(struct net_call *call);
void net_response_free(struct net_response *response);

#endif
