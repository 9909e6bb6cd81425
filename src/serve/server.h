/* SPDX-License-Identifier: Apache-2.0 */
/* A running app: one loop thread per core, all listening on the same port, sharing nothing on the
 * hot path. New requests go to the current version of the app; those in flight finish on theirs. */
#ifndef EDGECTL_SERVE_SERVER_H
#define EDGECTL_SERVE_SERVER_H

#include <stdint.h>
#include "base/err.h"
#include "guest/guest.h"
#include "serve/site.h"

struct server;

/* One finished client request, for the log. Strings are valid during the call. */
struct server_request {
    const char *method, *uri;
    int status;                     /* 0 if the client got no answer */
    bool cut;                       /* the client did not get all of it */
    int64_t took_ns;                /* from the complete request head to the end of the answer */
    uint64_t sent_bytes;
    const char *version;            /* that answered; NULL where nothing was deployed */
    struct instance_outcome outcome;    /* of the guest; INSTANCE_RUNNING if none ran */
};

/* Called on any worker's thread, with that worker's index; calls of one worker do not overlap. */
struct server_watch {
    void (*request)(void *env, unsigned worker, const struct server_request *r);
    /* A message of the guest's on an endpoint, "stdout" or "stderr". */
    void (*log)(void *env, unsigned worker, const char *endpoint, const char *text, size_t len);
    void (*unsupported)(void *env, const char *module, const char *name);
    /* The worker has nothing to do for the moment. True: call again within 10 ms, whatever comes
     * (something was collected, and is not worth a system call yet). */
    bool (*idle)(void *env, unsigned worker);
    void *env;
};

struct server_options {
    const char *host;               /* as for listener_open */
    uint16_t port;
    struct tls_server *tls;         /* as for listener_open */
    unsigned workers;               /* 0 = one per core */
    unsigned max_requests;          /* guests at once, the rest queue; 0 = 1000 */
    unsigned max_queue;             /* requests waiting for a guest; 0 = 65536; more get 503 */
    int64_t cpu_limit_ns, wall_limit_ns;    /* when the manifest has none */
    enum limit_profile limits;      /* a provider's limits, as guest/limits.h holds them */
    struct kv_db *kv;               /* of the apps' worlds */
    struct server_watch watch;
};

/* Takes over the caller's reference to `app` (NULL: every request gets the notice, see below). */
must_use int server_start(const struct server_options *options, struct guest_app *app,
                          struct server **ret, struct err *err);
uint16_t server_port(const struct server *s);
/* "http://127.0.0.1:7676" */
const char *server_url(const struct server *s);
/* From now on requests run this version. Takes over the reference. Any thread. */
void server_set_app(struct server *s, struct guest_app *app);
unsigned server_workers(const struct server *s);
/* Apps that were deployed: they get the requests for their hosts, all else goes to the app above.
 * Takes over the reference. Any thread. */
void server_set_sites(struct server *s, struct sites *sites);
/* A second one who is told of requests, and of messages of guests, to what was deployed. Called on
 * any worker's thread, also at the same time. */
struct server_tap {
    void (*request)(void *env, const struct deployment *d, const struct server_request *r);
    void (*log)(void *env, const struct deployment *d, const char *endpoint, const char *text,
                size_t len);
    void *env;
};
/* Until server_stop; NULL: nobody any more (a call may still be under way). Any thread. */
void server_set_tap(struct server *s, const struct server_tap *tap);
/* What is wrong: a page with this title and text is the answer while there is no app; with one,
 * only to a browser's navigation, so that whoever edits sees it while all else runs on the last
 * good version. NULL title clears it. Any thread; copied. */
void server_set_notice(struct server *s, const char *title, const char *detail);
/* Stop accepting, let requests in flight finish for up to grace_ns, then free everything. */
void server_stop(struct server *s, int64_t grace_ns);

#endif
