/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to a provider's API, over libcurl. Unlike net/client.h, which carries a guest's requests as
 * they are, this client blocks, retries, follows the user's proxy and CA settings, and knows how to
 * say what went wrong without giving a secret away.
 *
 *     struct api *api;                     one per provider and host
 *     call = api_start(api, &request);     any number run at the same time ...
 *     r = api_wait(call, &response, err);  ... while somebody waits for one of them
 *
 * One thread per client. Redirects are never followed: credentials stay with the host they are for.
 */
#ifndef EDGECTL_NET_API_H
#define EDGECTL_NET_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"
#include "base/headers.h"
#include "net/api_body.h"

struct api;
struct api_call;

struct api_response {
    int status;
    struct headers headers;
    char *body;                     /* NUL-terminated, never NULL; empty when it was streamed */
    size_t len;
};

void api_response_clear(struct api_response *r);

/* What a signature covers: the request as it goes out. */
struct api_signable {
    const char *method;
    const char *host;               /* with its port, as in the Host header */
    const char *path;               /* percent-encoded, starts with '/' */
    const char *query;              /* without '?'; "" if there is none */
    const struct headers *headers;  /* but Host, Content-Length and what signing adds */
    const uint8_t *body_sha256;     /* 32 bytes, of the empty text when there is no body */
};

/* Called for each try; adds its headers (dated now, by base/clock.h) to `add`, which is empty. */
typedef int api_sign_fn(void *env, const struct api_signable *r, struct headers *add,
                        struct err *err);
/* The provider's own words about a failed call, if its body has any: added to `words`, and true. */
typedef bool api_explain_fn(const struct api_response *r, struct buf *words);
/* True if an answer that is no 429 and no 5xx means "try again" all the same. */
typedef bool api_transient_fn(const struct api_response *r);

struct api_options {
    const char *name;               /* for people: "Cloudflare" */
    /* Scheme, host, port and a path put before every request's. https only, but to loopback. */
    const char *base;
    bool plain;                     /* http to others, too: nothing secret goes with a request */
    const char *base_from;          /* variable that named it, for messages; NULL = the default */
    const char *unix_socket;        /* connect there, whatever `base` says; NULL = no */
    const char *ca_file;            /* instead of any other; copied; NULL = none */
    const char *ca_from;            /* variable that names a CA file, tried first; NULL = none */
    const struct headers *headers;  /* go with each request; copied; their values are secrets */
    api_sign_fn *sign;
    void *sign_env;
    api_explain_fn *explain;
    api_transient_fn *transient;
    const char *hint_credentials;   /* what to do after 401 or 403; copied; may be NULL */
    /* Each try as one line without secrets: method, path, answer, time. NULL = no trace. */
    void (*trace)(void *env, const char *line);
    void *trace_env;
    /* Waits between tries; NULL = real ones. Never called while another call is under way. */
    void (*sleep)(void *env, int64_t ms);
    void *sleep_env;
    int64_t connect_ms;             /* 0 = 15 s */
    int64_t answer_ms;              /* from the last byte out to the last one in; 0 = 2 minutes */
    int64_t stall_ms;               /* silence both ways; 0 = 1 minute */
};

/* EDGECTL_API_TIMEOUT (seconds) in the environment replaces answer_ms and stall_ms. CA files come
 * from `ca_from`, SSL_CERT_FILE or CURL_CA_BUNDLE, the first that is set. -ERR_USAGE for a base
 * that is no URL, or plain http to a host that is not this machine. */
must_use int api_new(const struct api_options *options, struct api **ret_api, struct err *err);
/* Cancels what runs. NULL is allowed. */
void api_free(struct api *api);
void api_free_p(struct api **api);
/* Its text, also percent-encoded or in base64, is left out of every message and trace. Values of
 * less than 4 bytes are not looked for. */
void api_hide(struct api *api, const void *text, size_t len);
/* Put "[hidden]" in place of what is hidden. */
void api_redact(const struct api *api, char *text);
/* The base without a trailing slash; borrowed. */
const char *api_base(const struct api *api);

/* Called with each piece of a streamed answer; false ends the call, as a success. */
typedef bool api_data_fn(void *env, const char *data, size_t len);
/* Called while the request body goes out. */
typedef void api_progress_fn(void *env, uint64_t sent, uint64_t total);

struct api_request {
    const char *method;
    /* Put behind the base: starts with '/', percent-encoded (api_path). Or a whole URL, which must
     * be on the same host for the client's own headers and signature to go with it. */
    const char *path;
    const struct headers *headers;  /* may be NULL */
    struct api_body *body;          /* taken; NULL = none */
    const char *content_type;       /* NULL: that of the body */
    bool repeatable;                /* doing it twice does no harm, though the method says so */
    bool unrepeatable;              /* doing it twice does harm, though the method says otherwise */
    bool once;                      /* never try again, whatever the answer */
    bool expect_continue;           /* ask before the body is sent */
    const char *resolve;            /* connect to this address instead of looking the host up */
    size_t max_answer;              /* bytes of a body kept; 0 = 16 MiB */
    api_data_fn *data;              /* stream a good (2xx) answer, without a limit on time */
    void *data_env;
    api_progress_fn *progress;
    void *progress_env;
};

/* Copies what it needs. Never fails: what is wrong is told by api_wait. */
struct api_call *api_start(struct api *api, const struct api_request *request);
/* Runs everything that was started until this call is done, and frees it. 0 for an answer of any
 * status, which *ret_response gets (the caller clears it); -ERR_NETWORK, or -ERR_LIMIT for an
 * answer that is too large. */
must_use int api_wait(struct api_call *call, struct api_response *ret_response, struct err *err);
/* Runs what was started until some call is done or max_ms have passed (-1 = as long as it takes);
 * false when nothing is left to run. For callers that stop on a signal. */
bool api_step(struct api *api, int64_t max_ms);
bool api_is_done(const struct api_call *call);
/* Give it up. NULL is allowed. */
void api_cancel(struct api_call *call);

/* api_start and api_wait. */
must_use int api_do(struct api *api, const struct api_request *request,
                    struct api_response *ret_response, struct err *err);

/* An error that tells which call, which status, and the provider's words: -ERR_CREDENTIALS for 401
 * and 403, -ERR_LIMIT for 413, -ERR_NETWORK for 408, 429, 5xx and redirects, else -ERR_FAILURE: it
 * was refused. */
int api_fail(const struct api *api, const char *method, const char *path,
             const struct api_response *response, struct err *err);
/* The body as JSON, for the caller to json_decref. -ERR_NETWORK when it is something else, with its
 * beginning. */
must_use int api_json(const struct api *api, const char *method, const char *path,
                      const struct api_response *response, json_t **ret_json, struct err *err);
/* api_do, any 2xx, and its JSON (null for an empty body). */
must_use int api_do_json(struct api *api, const struct api_request *request, json_t **ret_json,
                         struct err *err);

/* Wait as the policy would before try number `tries` + 1: for callers that must look whether the
 * last one was done before they try again. */
void api_pause(struct api *api, int tries);
/* An HTTP date (RFC 9110 section 5.6.7) in ms since 1970; 0 for none. */
int64_t api_date_ms(const char *text);

/* "/accounts/%s/x" with each %s percent-encoded as one path segment or query value ('/' too); no
 * other conversion. The caller frees. */
char *api_path(const char *fmt, ...) printf_like(1, 2);

#endif
