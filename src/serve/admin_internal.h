/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the admin API only. */
#ifndef EDGECTL_SERVE_ADMIN_INTERNAL_H
#define EDGECTL_SERVE_ADMIN_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>
#include "base/buf.h"
#include "serve/admin.h"
#include "serve/admin_logs.h"
#include "serve/listener.h"

enum { ADMIN_BODY_MAX = 34 << 20, ADMIN_PARTS = 8 };

struct admin {
    struct admin_options o;
    char *socket, *token;
    struct loop *loop;
    struct listener *listener;
    uv_thread_t thread;
    bool closed;                    /* no connection is left */
    int at_work;                    /* calls on threads of the pool */
    struct admin_logs *logs;
    struct timer mark;
    int64_t started_ms;
};

/* One request. Its body is read on the loop, then it is worked on by a thread of the pool. */
struct admin_call {
    struct admin *admin;
    struct exchange *ex;
    uv_work_t work;
    char *path;                     /* decoded parts point into it */
    char *parts[ADMIN_PARTS];       /* behind /v1/ */
    int part_count;
    char *query;                    /* "" if there is none */
    struct buf body;
    struct task refusal;            /* of a body that cannot be kept */
    int fd;                         /* where the body of a blob goes; -1: to `body` */
    char *file;                     /* its path */
    /* The answer: */
    int status;
    json_t *json;                   /* NULL: `out`, or nothing */
    struct buf out;
    struct headers headers;
};

/* The value of a query parameter, decoded, freed by the caller; NULL when it is not there. */
char *admin_query(const struct admin_call *c, const char *name);
/* The body as JSON. -ERR_USAGE. */
must_use int admin_json(struct admin_call *c, json_t **ret, struct err *err);
bool admin_is(const struct admin_call *c, const char *method);

/* Work on it, off the loop: fills the answer, or returns an error that becomes one. */
int admin_handle(struct admin_call *c, struct err *err);
int admin_handle_data(struct admin_call *c, struct err *err);

#endif
