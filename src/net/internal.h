/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the net room: one call = one libcurl easy handle, kept and reused per origin.
 *
 *     net_call_start -> origin (name, keys, addresses) -> curl -> head in response.c -> `ready`
 *     queue -> done(); the body flows on until call_end.
 *
 * libcurl forbids most of its functions inside its callbacks, so those only note what has
 * happened; client_pump acts on it after curl has returned. */
#ifndef EDGECTL_NET_INTERNAL_H
#define EDGECTL_NET_INTERNAL_H

#include <curl/curl.h>
#include <sys/queue.h>
#include "base/loop.h"
#include "net/client.h"
#include "net/gunzip.h"

struct origin;

TAILQ_HEAD(call_list, net_call);
TAILQ_HEAD(origin_list, origin);

struct net_client {
    struct loop *loop;
    CURLM *multi;
    struct timer timer;             /* the one curl asked for */
    struct task kick;               /* curl wants to run at once, or calls wait in `ready` */
    struct sock **socks;            /* by descriptor */
    size_t sock_cap;
    struct call_list calls;         /* all that are not idle */
    struct call_list ready;         /* outcome known, `done` not called yet */
    struct origin_list origins;     /* most recently used first */
    size_t origin_count, idle_count;
    uint64_t next_pool;
    struct curl_slist *forgotten;   /* "-pool:port" of origins that are gone, for CURLOPT_RESOLVE */
};

/* Request headers in curl's form: nodes of one array, text in one block; both are kept. */
struct lines {
    struct curl_slist *nodes;
    size_t count, cap;
    char *text;
    size_t len, text_cap;
};

enum upload_kind {
    UPLOAD_NONE,                    /* no body, no length */
    UPLOAD_INLINE,                  /* whole and small: goes out with the head */
    UPLOAD_STREAM,
};

struct upload {
    enum upload_kind kind;
    struct body *body;              /* NULL once its end was read */
    char *inline_data;
    size_t inline_len;
    int64_t left;                   /* bytes still to send, -1 = chunked */
    bool paused, readable, ended, broken;
    bool trailing;                  /* chunked with trailers by curl's callback */
    bool raw;                       /* for an upgraded connection ... */
    bool held;                      /* ... which it is not yet */
    /* What went out on a reused connection, for sending again on a fresh one if it turns out to
     * be dead. */
    bool replayable;
    char *replay;
    size_t replay_len, replay_pos;
};

struct download {
    struct net_response *response;  /* until it is delivered */
    struct body *body;              /* the writer's reference */
    struct gunzip *gunzip;
    size_t head_bytes;
    int64_t left;                   /* by Content-Length, -1 = unknown */
    bool in_head, head_done, bodiless, paused;
    bool complete;                  /* all of the body has come, curl may be busy still */
    bool raw;                       /* of an upgraded connection */
    bool cut;                       /* curl waits for something that does not come */
    bool quiet;                     /* see response_quiet */
    curl_socket_t quiet_fd;
    const char *broken;             /* why the call gave up on the body */
};

/* What an easy handle is set to, to save setting it again. */
struct call_settings {
    char method[16];                /* "" = unknown, or too long to remember */
    int kind;                       /* enum upload_kind, -1 = unknown */
    long connect_ms, idle_s;        /* -1 = unknown */
    bool no_body, fresh;
};

struct net_call {
    TAILQ_ENTRY(net_call) link;     /* client->calls, or origin->idle */
    TAILQ_ENTRY(net_call) queue;    /* client->ready, or origin->waiting */
    struct net_client *client;
    struct origin *origin;
    CURL *easy;
    struct call_settings settings;
    net_done_fn *done;
    void *env;
    bool waiting, is_ready, running, delivered, gunzip_asked, is_head;
    curl_socket_t fd;               /* curl reads its answer there; valid from the head on */
    bool loads_addresses;           /* carries CURLOPT_RESOLVE ... */
    struct curl_slist *forgotten;   /* ... with these in front; the last links to the origin's */
    unsigned alerts_before, distrusts_before;   /* struct tls_client_events at the start */
    int64_t connect_ms, first_byte_ms, between_bytes_ms;
    int64_t deadline_ns;            /* 0 = none; `timer` may be set for earlier */
    struct timer timer;
    struct task work;               /* resume or cancel, asked for by a body's reader or writer */
    struct lines lines;
    struct upload up;
    struct download down;
    bool failed;
    struct net_failure failure;     /* valid when `failed` */
    char errors[CURL_ERROR_SIZE];
};

/* --- client.c --- */
/* Run curl and deliver what it brings, soon. */
void client_kick(struct net_client *c);
/* Act on finished transfers, call `done` for ready calls. Never inside a curl callback. */
void client_pump(struct net_client *c);
/* CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION; env is the client. */
curl_socket_t client_open_socket(void *env, curlsocktype purpose, struct curl_sockaddr *address);
int client_close_socket(void *env, curl_socket_t fd);
/* True if the connection is open, nothing has come in, and curl does not want to read. */
bool client_stopped_reading(struct net_client *c, curl_socket_t fd);

/* --- call.c --- */
/* The addresses are known: hand the call to curl. */
void call_launch(struct net_call *call);
/* The call ends without a response; no effect once one is there. */
void call_fail(struct net_call *call, const struct net_failure *failure);
/* Curl is done with it. */
void call_end(struct net_call *call, CURLcode code);
/* `done` was called, or never will be; the call goes back to its origin unless the body flows. */
void call_settle(struct net_call *call);
/* Queue for `done`. */
void call_ready(struct net_call *call);
/* Expect the next sign of life from the backend within ms; 0 = whenever. */
void call_watch(struct net_call *call, int64_t ms);
/* Stop at once, in any state; bodies are broken for `reason` (static). */
void call_abandon(struct net_call *call, const char *reason);
/* Callbacks for a new easy handle. */
void call_hook(struct net_call *call);
/* Free an idle call. */
void call_free(struct net_call *call);

/* --- request.c --- */
/* Set method, target, header lines and body on the easy handle. False: call->failure says why. */
bool request_prepare(struct net_call *call, const struct net_request *request);
/* Callbacks for a new easy handle. */
void request_hook(struct net_call *call);
/* True if the easy handle must not send another request, not even the same one again. */
bool request_spent(const struct net_call *call);
/* There is more to send, or the end. */
void request_resume(struct net_call *call);
/* The request body is not wanted any more. */
void request_drop_body(struct net_call *call);
/* The answer to an upgrade is there: bytes may flow, or never will. */
void request_upgraded(struct net_call *call, bool yes);
/* All raw bytes are out: the backend is to see the end of them. */
void request_shut_down(struct net_call *call);

/* --- response.c --- */
void response_hook(struct net_call *call);
void response_begin(struct net_call *call);
/* All bytes have come: end the body, or go on decoding. */
void response_end(struct net_call *call);
void response_break(struct net_call *call, const char *reason);
/* The body has room again. */
void response_resume(struct net_call *call);
/* Curl stopped reading from fd while the call runs: a reason to look (response_check_quiet). */
void response_quiet(struct net_call *call, curl_socket_t fd);
/* An answer that is complete while its request still goes out is nothing curl tells; but it then
 * reads no more from a connection that is open. */
void response_check_quiet(struct net_call *call);

/* --- failure.c --- */
void failure_set(struct net_failure *f, enum net_error error, const char *fmt, ...)
    printf_like(3, 4);
/* From a finished transfer that brought no response. */
void failure_from_curl(struct net_call *call, CURLcode code, struct net_failure *f);
/* Why a response body was cut, as a static string. */
const char *failure_body_reason(CURLcode code);

#endif
