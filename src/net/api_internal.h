/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the API client: api.c runs calls, api_call.c is one try on the wire, api_retry.c
 * decides about another, api_error.c says what went wrong, api_redact.c keeps secrets out. */
#ifndef EDGECTL_NET_API_INTERNAL_H
#define EDGECTL_NET_API_INTERNAL_H

#include <curl/curl.h>
#include <sys/queue.h>
#include "base/uri.h"
#include "net/api.h"

enum { API_TRIES = 3, API_WAIT_MAX_MS = 60 * 1000 };

struct redact {
    char **texts;
    size_t count;
};

TAILQ_HEAD(api_call_list, api_call);

struct api {
    CURLM *multi;
    char *name, *base, *base_from, *unix_socket, *ca_file, *hint_credentials;
    char *origin;                   /* scheme://host:port of the base */
    bool loopback;
    struct headers headers;
    struct redact hidden;
    struct api_options options;     /* its pointers to what is copied above are not used */
    struct api_call_list calls;
};

enum api_state {
    API_RUNNING,
    API_WAITING,                    /* for the next try, at due_ns */
    API_DONE,
};

struct api_call {
    TAILQ_ENTRY(api_call) link;
    struct api *api;
    enum api_state state;
    int64_t due_ns;
    int tries;                      /* begun */
    /* The request. */
    char *method, *path, *url, *resolve;
    struct headers wanted;
    struct api_body *body;
    struct api_request request;     /* its pointers to what is copied above are not used */
    bool own_host;                  /* credentials go with it */
    /* The try that runs. */
    CURL *easy;
    struct curl_slist *lines, *resolved;
    struct api_response response;
    struct buf answer;
    char errors[CURL_ERROR_SIZE];
    int64_t began_ns, sent_ns;      /* when the last byte went out */
    int64_t heard_ns;               /* when one last moved, either way */
    uint64_t sent, heard;
    const char *cut;                /* why we broke it off, static */
    bool too_large, stopped, streamed, unreadable;
    /* The end. */
    int result;
    struct err err;
};

/* --- api.c --- */
/* A name or address that is always this machine's. */
bool api_is_loopback(const struct uri_host *h);

/* --- api_call.c --- */
/* Begin a try; on failure the call is done. */
void api_call_launch(struct api_call *call);
/* Curl is done with the try: the call is done, or waits for another. */
void api_call_end(struct api_call *call, CURLcode code);
void api_call_drop_try(struct api_call *call);

/* --- api_retry.c --- */
/* What the provider asks to wait, in ms from now; -1 = it does not say. */
int64_t api_retry_asked(const struct headers *h, int64_t now_ms);
/* How long to wait before the next try, after `tries` of them; -1 = there is to be none. */
int64_t api_retry_wait(int tries, int64_t asked_ms, uint64_t random);
/* Whether that answer (status 0: none came) may be asked for again. */
bool api_retry_may(const struct api_call *call, int status);

/* --- api_redact.c --- */
void redact_add(struct redact *r, const void *text, size_t len);
void redact_clear(struct redact *r);
void redact_text(const struct redact *r, char *text);

/* --- api_error.c --- */
/* No answer came: sets call->err and call->result. */
void api_error_from_curl(struct api_call *call, CURLcode code);

#endif
