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

/* Where and how to connect. Borrowed, strings too, for net_call_start. Connections are shared by
 * calls whose targets agree in everything that matters for security (address, SNI, certificate
 * name, CAs, client certificate, ciphers, versions); timeouts and pooling may differ. */
struct net_target {
    bool tls;
    const char *host;               /* to connect to: name or address literal, no brackets */
    uint16_t port;
    const char *sni;                /* NULL = none sent */
    const char *cert_host;          /* name or address the certificate must carry; NULL = host */
    const char *ca_pem;             /* NULL = the system's */
    const char *client_cert_pem, *client_key_pem;   /* both or none */
    const char *ciphers;            /* OpenSSL list, NULL = default */
    enum net_tls_version tls_min, tls_max;
    bool http2;                     /* HTTP/2: by ALPN with TLS, prior knowledge without (gRPC) */
    bool dont_pool;
    bool prefer_ipv4;
    int64_t connect_timeout_ms;     /* name, TCP and TLS; 0 = 5 minutes */
    int64_t first_byte_timeout_ms;  /* from the request being out to the whole head; 0 = none */
    int64_t between_bytes_timeout_ms; /* silence within the response body; 0 = none */
    int64_t keepalive_time_ms;      /* how long an idle connection may be kept; 0 = 118 s */
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
    const char *path;               /* path and query, starts with '/' (or "*"); sent as it is */
    const char *authority;          /* value of the Host header / :authority */
    /* Borrowed for net_call_start. Host and hop-by-hop fields are dropped (RFC 9110 section 7.6.1),
     * and so is framing unless manual_framing; anything that could break the message apart makes
     * the call fail. */
    const struct headers *headers;
    /* net_call_start takes the caller's reference; NULL = none. Length known: Content-Length; else
     * chunked (HTTP/1.1), with its trailers. Its reader is the call: it stops (body_stop) when the
     * call has ended, or when the backend has answered with status 300 or more meanwhile. */
    struct body *body;
    /* Keep framing, Connection and Upgrade of `headers`: used if there is a single numeric
     * Content-Length or a single Transfer-Encoding "chunked", else ignored. */
    bool manual_framing;
    bool gunzip;                    /* decode gzip, x-gzip; drop Content-Encoding and -Length */
    /* Ask for this protocol over HTTP/1.1 (RFC 9110 section 7.8), with `headers`; NULL = no. If the
     * backend answers 101, the response body is what it sends from then on and `body` is what it
     * gets, as raw bytes, without a time limit on silence; the end of `body` shuts down our sending
     * side, that of the response body ends both. Any other answer is one without a request body. */
    const char *upgrade;
};

struct net_response {
    int status;                     /* 200..999, or 101 after an upgrade */
    int version;                    /* 10, 11, 20 */
    struct headers headers;         /* as received, framing too */
    struct body *body;              /* trailers arrive with its end; the net side writes */
    uint8_t peer[16];               /* address that answered */
    uint8_t peer_len;
    uint16_t peer_port;
};

/* Exactly one of the two arguments is set. The response, and the reference to its body, belong to
 * the callee (net_response_free). Called once, from the loop, never inside net_call_start. */
typedef void net_done_fn(void *env, struct net_response *response,
                         const struct net_failure *failure);

/* Raise the soft limit on open files to the hard one, at process start: every client and every
 * backend connection takes one. Returns the limit now in force. */
uint64_t net_raise_fd_limit(void);

/* Proxies named in the environment are not used: an app must behave as it would at the edge. */
struct net_client *net_client_new(struct loop *loop);
/* Cancels what runs (no callbacks), closes idle connections. Not from inside a callback of it. */
void net_client_free(struct net_client *c);
/* Start a request. `done` is called when the final response head is complete, or it has failed.
 * The call lives on for the response body until that has ended. */
struct net_call *net_call_start(struct net_client *c, const struct net_request *request,
                                net_done_fn *done, void *env);
/* Give up: no callback follows; the connection is closed; bodies are broken. Only before `done`
 * was called; after that, body_stop on the response body does the same. */
void net_call_cancel(struct net_call *call);
/* NULL is allowed. Stops the body, unless the caller has taken it (TAKE(response->body)). */
void net_response_free(struct net_response *response);

#endif
