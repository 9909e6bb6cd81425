/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "build/run.h"

enum { COMMAND_MAX = 64 * 1024, PROVIDER_MAX = 64 };

struct runtime {
    struct runtime_options o;
    char *dir;
    struct build_run *run;
    bool ready;
};

/* A word for the shell. */
static void add_word(struct buf *to, const char *dir, const char *rest)
{
    buf_add_char(to, '\'');
    for (const char *part = dir; part; part = part == dir ? rest : NULL)
        for (const char *p = part; *p; p++)
            buf_add_str(to, *p == '\'' ? "'\\''" : (char[]){*p, '\0'});
    buf_add_str(to, "' ");
}

static int command(const struct runtime_options *o, struct buf *to, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/provider", o->dir), *provider = NULL;
    size_t len;
    int r = file_read(path, PROVIDER_MAX, &provider, &len, err);
    if (r < 0)
        return r;
    bool aws = strcmp(provider, manifest_provider_name(PROVIDER_AWS)) == 0;
    if (o->kind == RUNTIME_NODE) {
        buf_add_str(to, "EDGECTL_DEV=");
        add_word(to, o->dir, "/dev.json");
    }
    buf_add_str(to, "exec ");
    add_word(to, o->program, "");
    if (o->kind == RUNTIME_WORKERD) {
        buf_add_str(to, "serve --control-fd=1 ");
        add_word(to, o->dir, "/app/config.capnp");
    } else {
        add_word(to, o->dir, aws ? "/dev/cloudfront.js" : "/dev/vercel.js");
        add_word(to, o->dir, "/app");
    }
    return to->overflow ? err_set(err, ERR_LIMIT, "the state folder's path is too long") : 0;
}

/* {"event":"listen","socket":"http","port":1234}: workerd's word for it, and the stand-ins'. */
static bool listens(const char *line, size_t len, uint16_t *ret_port)
{
    static const char begin[] = "{\"event\":\"listen\"";
    if (len < sizeof begin - 1 || memcmp(line, begin, sizeof begin - 1) != 0)
        return false;
    json_t *o = json_loadb(line, len, 0, NULL);
    json_int_t port = json_integer_value(json_object_get(o, "port"));
    json_decref(o);
    *ret_port = (uint16_t)port;
    return port > 0 && port <= 65535;
}

static void on_line(void *env, const char *line, size_t len)
{
    struct runtime *r = env;
    uint16_t port;
    if (r->ready || !listens(line, len, &port)) {
        r->o.on_line(r->o.env, line, len);
        return;
    }
    r->ready = true;
    r->o.on_ready(r->o.env, port);
}

static void on_end(void *env, const struct build_result *result)
{
    struct runtime *r = env;
    struct err err = {0};
    const char *name = r->o.kind == RUNTIME_NODE ? "Node" : "workerd";
    if (result->signal)
        err_set(&err, ERR_BUILD, "%s was ended by signal %d", name, result->signal);
    else
        err_set(&err, ERR_BUILD, "%s ended with status %d", name, result->status);
    if (!r->ready)
        err_hint(&err, "the lines above say why it did not start (it is %s); if it is too old: %s",
                 r->o.program, runtime_hint(r->o.kind));
    build_run_free(TAKE(r->run));
    r->o.on_end(r->o.env, &err);
}

int runtime_start(struct loop *loop, const struct runtime_options *options, struct runtime **ret,
                  struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(COMMAND_MAX);
    int result = command(options, &text, err);
    if (result < 0)
        return result;
    struct runtime *r = xnew(struct runtime);
    r->o = *options;
    r->dir = xstrdup(options->dir);
    r->o.dir = r->dir;
    struct build_run_options run = {
        .command = buf_str(&text), .dir = options->dir, .on_line = on_line, .on_end = on_end,
        .env = r,
    };
    result = build_run_start(loop, &run, &r->run, err);
    if (result < 0)
        runtime_free(r);
    else
        *ret = r;
    return result;
}

void runtime_stop(struct runtime *r)
{
    if (r->run)
        build_run_cancel(r->run);
}

void runtime_free(struct runtime *r)
{
    if (!r)
        return;
    build_run_free(r->run);
    free(r->dir);
    free(r);
}
