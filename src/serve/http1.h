/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1 connection: bytes in, exchanges for the handler, bytes out. It knows neither sockets
 * nor TLS: a transport carries its bytes, so that tests and the fuzzer can drive it in memory.
 *
 * Requests of a connection are answered in order; the next head is parsed when the answer before
 * it has been sent. An answer may start, and end, while the request body still comes.
 *
 * A client that shuts down its sending side (FIN) after a whole request still gets its answer, as
 * `nc` expects; whether it has in truth gone is asked of the transport (peer_gone), at once and
 * then at growing intervals up to a second. Only then, or on a reset, is the exchange `gone`.
 * (hyper and Node take the FIN for the end; Go serves on.) */
#ifndef EDGECTL_SERVE_HTTP1_H
#define EDGECTL_SERVE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/loop.h"
#include "serve/exchange.h"
#include "serve/http1_chunked.h"
#include "serve/http1_request.h"

/* Deadlines, ns. */
struct http1_deadlines {
    int64_t head;       /* from the first byte of a head to its end; then 408 */
    int64_t idle;       /* between requests, and before the first */
    int64_t body;       /* a request body must bring body_rate bytes per second, measured over */
    uint32_t body_rate; /* windows of this length, while we wait for it; else 408 or cut */
    int64_t stall;      /* an answer must move at all within this time, else cut */
    int64_t linger;     /* how long to read on, discarding, after a last answer */
};

/* head 10 s, idle 75 s, body 20 s at 500 B/s, stall 60 s, linger 2 s. */
extern const struct http1_deadlines http1_default_deadlines;

/* What all connections of one listener on one loop share. */
struct http1_env {
    struct loop *loop;
    struct exchange_handler handler;
    struct http1_deadlines deadlines;
    const char *scheme;         /* "http" or "https" */
    const char *authority;      /* for HTTP/1.0 requests without Host */
    /* Kept by http1.c: */
    int64_t date_s;
    char date[32];
};

struct http1_transport {
    /* Send what can be sent now. Bytes taken, 0 if none can be now, -1 if the connection broke. */
    ssize_t (*write)(void *env, const struct iovec *iov, int count);
    /* What to be told of from now on: input, room for output. */
    void (*watch)(void *env, bool input, bool output);
    /* Nothing more will be written; the client should see the end. */
    void (*shutdown)(void *env);
    /* True if nobody can read the answer any more, as far as is known: asked after a FIN, and now
     * and then while input is not watched. */
    bool (*peer_gone)(void *env);
    /* The end. Nothing more is called here; the http1 may be freed once the caller returns. With
     * `reset` the client must not take what it got for a whole message. */
    void (*close)(void *env, bool reset);
};

struct http1 {
    struct http1_env *env;
    const struct http1_transport *transport;
    void *transport_env;
    struct exchange_addr client, server;
    struct exchange_tls *tls;   /* may be set until the first input; borrowed */
    /* Private: */
    struct exchange *ex;        /* being answered */
    struct http1_request req;   /* its head */
    struct body *upload;        /* its body while it comes; also after the answer */
    struct http1_decoder decoder;
    struct body *answer;        /* the response body until all of it is in `out` */
    int delivery;               /* enum http1_delivery of the answer */
    uint64_t length_left;       /* HTTP1_COUNTED: bytes promised and not yet in `out` */
    size_t piece_left;          /* HTTP1_IN_CHUNKS: of the chunk begun */
    struct buf in, out;         /* bytes not parsed; not sent */
    char *cur;                  /* input at hand: cur_len bytes, in `in` or the caller's */
    size_t cur_len, searched;   /* `searched`: how far a head's end was looked for */
    uint64_t discarded;         /* upload bytes that nobody wanted, after the answer */
    bool busy, again;           /* run() is on the stack; something happened meanwhile */
    bool closing;               /* no further request after what is being answered */
    bool cut;                   /* end as broken once `out` is sent */
    bool reset;                 /* ... and by a reset */
    bool broken;                /* the transport failed */
    bool blocked;               /* the transport took less than offered */
    bool eof;                   /* the client sends no more */
    bool hup;                   /* ... or has hung up, maybe with bytes left to read */
    bool tunnel;                /* after 101: `upload` and `answer` are raw bytes */
    bool deaf;                  /* what arrives cannot be parsed any more: dropped */
    bool served;                /* an answer has been sent whole */
    bool reading;               /* input is watched */
    bool lingering, closed;
    bool continue_due;          /* the client waits for 100 (Continue) */
    int64_t head_since, idle_since, body_since, stall_since, linger_since;
    uint64_t body_bytes;        /* since body_since */
    int64_t probe_at, probe_wait;
    struct task turn;
    struct timer timer;
};

/* `h` is zeroed but for its first six members. */
void http1_init(struct http1 *h);
/* Frees what is left after transport->close. */
void http1_clear(struct http1 *h);

/* --- from the transport; each may end in transport->close --- */
/* Bytes arrived; they may be changed in place. */
void http1_input(struct http1 *h, char *data, size_t len);
/* The client's FIN, after the last byte. */
void http1_eof(struct http1 *h);
/* The client's FIN was seen, but bytes before it may be unread as input is not watched. */
void http1_hup(struct http1 *h);
void http1_writable(struct http1 *h);
void http1_broken(struct http1 *h);

/* Finish what is being answered, then close; idle and upgraded connections close now. */
void http1_drain(struct http1 *h);
/* True between requests: nothing would be lost by closing. */
bool http1_idle(const struct http1 *h);
/* Answer a client that is not to be served: a short text, then the end. */
void http1_refuse(struct http1 *h, int status, const char *why);

#endif
