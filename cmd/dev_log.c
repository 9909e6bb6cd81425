/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dev_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum { LINES_MAX = 1 << 20, FLUSH_AT = 32 << 10 };
static const int64_t FLUSH_EVERY_NS = 5000000;

/* Of one worker, so never used by two threads at once. Cache lines are not shared. */
struct lines {
    struct buf text;
    int64_t flushed_ns;
} __attribute__((aligned(64)));

struct dev_log {
    struct output *out;
    bool json, quiet, color;
    int fd;                     /* 1 with --json, else 2 */
    struct lines *workers;
    unsigned worker_count;
};

struct dev_log *dev_log_new(struct output *out, bool quiet, unsigned workers)
{
    struct dev_log *log = xnew(struct dev_log);
    log->out = out;
    log->quiet = quiet;
    log->json = out_is_json(out);
    log->fd = log->json ? STDOUT_FILENO : STDERR_FILENO;
    log->color = !log->json && out_err_style(out, OUT_RED)[0];
    log->worker_count = workers;
    if (posix_memalign((void **)&log->workers, 64, workers * sizeof(struct lines)) != 0)
        abort();
    memset(log->workers, 0, workers * sizeof(struct lines));
    for (unsigned i = 0; i < workers; i++)
        buf_init(&log->workers[i].text, LINES_MAX);
    return log;
}

static void flush(struct dev_log *log, struct buf *b)
{
    /* A reader of the log that has gone away must not stop the server. */
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(log->fd, b->data + at, b->len - at);
        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    buf_reset(b);
}

void dev_log_free(struct dev_log *log)
{
    if (!log)
        return;
    for (unsigned i = 0; i < log->worker_count; i++) {
        flush(log, &log->workers[i].text);
        buf_clear(&log->workers[i].text);
    }
    free(log->workers);
    free(log);
}

/* Under load a write every few milliseconds instead of one a request. */
static bool on_idle(void *env, unsigned worker)
{
    struct dev_log *log = env;
    struct lines *l = &log->workers[worker];
    if (l->text.len == 0)
        return false;
    int64_t now = clock_mono_ns();
    if (now - l->flushed_ns < FLUSH_EVERY_NS)
        return true;
    l->flushed_ns = now;
    flush(log, &l->text);
    return false;
}

static struct buf *lines_of(struct dev_log *log, unsigned worker)
{
    struct buf *b = &log->workers[worker].text;
    if (b->len > FLUSH_AT)
        flush(log, b);
    return b;
}

/* --- JSON --- */

static void add_json(struct buf *b, json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text) {
        buf_add_str(b, text);
        buf_add_char(b, '\n');
    }
    free(text);
    json_decref(event);
}

/* Guest bytes as a JSON string; what is not UTF-8 is replaced. */
static json_t *json_text(const char *text, size_t len)
{
    json_t *s = json_stringn(text, len);
    if (s)
        return s;
    cleanup(free_p) char *copy = xstrndup(text, len);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)copy[i] >= 0x80)
            copy[i] = '?';
    return json_stringn(copy, len);
}

static const char *end_name(enum instance_end end)
{
    static const char *const names[] = {
        [INSTANCE_RUNNING] = "none",         [INSTANCE_RETURNED] = "returned",
        [INSTANCE_EXITED] = "exited",        [INSTANCE_TRAPPED] = "trapped",
        [INSTANCE_CPU_LIMIT] = "cpu-limit",  [INSTANCE_MEMORY_LIMIT] = "memory-limit",
        [INSTANCE_STOPPED] = "stopped",      [INSTANCE_FAILED] = "failed",
    };
    return names[end];
}

static bool went_wrong(const struct instance_outcome *o)
{
    return o->end > INSTANCE_EXITED || (o->end == INSTANCE_EXITED && o->exit_code != 0);
}

static void request_json(struct buf *b, const struct server_request *r)
{
    json_t *event = json_pack(
        "{s:s, s:s, s:s, s:i, s:f, s:I, s:I, s:f, s:s}", "event", "request", "method", r->method,
        "uri", r->uri, "status", r->status, "ms", (double)r->took_ns / 1e6, "bytes",
        (json_int_t)r->sent_bytes, "hostcalls", (json_int_t)r->outcome.host_calls, "cpu_ms",
        (double)r->outcome.cpu_ns / 1e6, "guest", end_name(r->outcome.end));
    if (!event)
        return;
    if (r->cut)
        json_object_set_new(event, "cut", json_true());
    if (went_wrong(&r->outcome)) {
        json_object_set_new(event, "cause",
                            json_text(r->outcome.message, strlen(r->outcome.message)));
        if (r->outcome.backtrace)
            json_object_set_new(event, "backtrace",
                                json_text(r->outcome.backtrace, strlen(r->outcome.backtrace)));
    }
    add_json(b, event);
}

/* --- text --- */

/* Guests must not drive the terminal: control characters are shown, not sent. */
static void add_visible(struct buf *b, const char *text, size_t len)
{
    size_t plain = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t')
            continue;
        buf_add(b, text + plain, i - plain);
        plain = i + 1;
        if (c == '\n')
            buf_add_str(b, "\\n");
        else
            buf_printf(b, "\\x%02x", c);
    }
    buf_add(b, text + plain, len - plain);
}

static const char *status_color(const struct dev_log *log, int status)
{
    if (!log->color)
        return "";
    return status >= 500 || status == 0 ? "\033[31m" : status >= 400 ? "\033[33m" : "\033[32m";
}

/* Path and query of an absolute URI. */
static const char *path_of(const char *uri)
{
    const char *authority = strstr(uri, "://");
    const char *path = authority ? strchr(authority + 3, '/') : NULL;
    return path ? path : uri;
}

static void request_text(const struct dev_log *log, struct buf *b, const struct server_request *r)
{
    buf_printf(b, "%s ", r->method);
    add_visible(b, path_of(r->uri), strlen(path_of(r->uri)));
    if (r->status)
        buf_printf(b, " %s%d%s", status_color(log, r->status), r->status,
                   log->color ? "\033[0m" : "");
    else
        buf_add_str(b, " no answer");
    long long tenths = (r->took_ns + 50000) / 100000; /* whole numbers print faster */
    buf_printf(b, " %lld.%lld ms, %llu hostcalls%s\n", tenths / 10, tenths % 10,
               (unsigned long long)r->outcome.host_calls, r->cut ? ", cut short" : "");
    if (!went_wrong(&r->outcome))
        return;
    buf_add_str(b, "  ");
    add_visible(b, r->outcome.message, strlen(r->outcome.message));
    buf_add_char(b, '\n');
    const char *line = r->outcome.backtrace;
    while (line && *line) {
        size_t len = strcspn(line, "\n");
        buf_add_str(b, "  ");
        add_visible(b, line, len);
        buf_add_char(b, '\n');
        line += len + (line[len] == '\n');
    }
}

/* --- events --- */

static void on_request(void *env, unsigned worker, const struct server_request *r)
{
    struct dev_log *log = env;
    if (log->json)
        request_json(lines_of(log, worker), r);
    else if (!log->quiet || went_wrong(&r->outcome))
        request_text(log, lines_of(log, worker), r);
}

static void add_message(const struct dev_log *log, struct buf *b, const char *endpoint,
                        size_t endpoint_len, const char *text, size_t len)
{
    if (log->json) {
        json_t *event = json_pack("{s:s, s:o, s:o}", "event", "log", "endpoint",
                                  json_text(endpoint, endpoint_len), "message",
                                  json_text(text, len));
        if (event)
            add_json(b, event);
        return;
    }
    add_visible(b, endpoint, endpoint_len);
    buf_add_str(b, " :: ");
    add_visible(b, text, len);
    buf_add_char(b, '\n');
}

static void on_log(void *env, unsigned worker, const char *endpoint, const char *text, size_t len)
{
    struct dev_log *log = env;
    add_message(log, lines_of(log, worker), endpoint, strlen(endpoint), text, len);
}

void dev_log_app_line(struct dev_log *log, const char *line, size_t len)
{
    static const char between[] = " :: ";
    static const size_t width = sizeof between - 1;
    cleanup(buf_clear) struct buf b = BUF_INIT(LINES_MAX);
    const char *at = memmem(line, len, between, width);
    if (at)
        add_message(log, &b, line, (size_t)(at - line), at + width,
                    len - (size_t)(at - line) - width);
    else
        add_message(log, &b, "runtime", strlen("runtime"), line, len);
    flush(log, &b);
}

static void on_unsupported(void *env, const char *module, const char *name)
{
    struct dev_log *log = env;
    cleanup(buf_clear) struct buf b = BUF_INIT(1024);
    if (log->json)
        add_json(&b, json_pack("{s:s, s:s, s:s}", "event", "unsupported", "module", module, "name",
                               name));
    else
        buf_printf(&b, "edgectl: the guest calls %s.%s, which is not emulated here\n", module,
                   name);
    flush(log, &b);
}

struct server_watch dev_log_watch(struct dev_log *log)
{
    return (struct server_watch){
        .request = on_request,
        .log = on_log,
        .unsupported = on_unsupported,
        .idle = on_idle,
        .env = log,
    };
}

void dev_log_ready(struct dev_log *log, const char *url, const char *app)
{
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:s, s:s?}", "event", "ready", "url", url, "app",
                                     app));
        out_flush(log->out);
        return;
    }
    out_note(log->out, "%s is served at %s (Ctrl-C ends it)", app ? app : "what is deployed",
             url);
}

void dev_log_loaded(struct dev_log *log, const struct module_report *report)
{
    out_detail(log->out, "%s %s in %.1f ms", report->from_cache ? "loaded" : "compiled",
               report->detached ? "the shared code; the whole module is compiled in the background"
                                : "the module",
               (double)report->load_ns / 1e6);
}

void dev_log_swapped(struct dev_log *log, int64_t took_ns)
{
    double ms = (double)took_ns / 1e6;
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:f}", "event", "swapped", "ms", ms));
        out_flush(log->out);
        return;
    }
    out_note(log->out, "new version served (%.0f ms)", ms);
}

/* --- builds --- */

void dev_log_build_started(struct dev_log *log, const char *command, const char *reason)
{
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:s?, s:s}", "event", "build", "command", command,
                                     "reason", reason));
        out_flush(log->out);
        return;
    }
    out_note(log->out, "building (%s): %s", reason, command ? command : "");
}

void dev_log_build_line(struct dev_log *log, const char *line, size_t len)
{
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:o}", "event", "build-output", "line",
                                     json_text(line, len)));
        out_flush(log->out);
        return;
    }
    out_note(log->out, "  %.*s", (int)len, line);
}

void dev_log_built(struct dev_log *log, int64_t took_ns)
{
    double s = (double)took_ns / 1e9;
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:f}", "event", "built", "seconds", s));
        out_flush(log->out);
        return;
    }
    out_note(log->out, "built in %.1f s", s);
}

void dev_log_error(struct dev_log *log, const struct err *err)
{
    if (log->json) {
        out_json(log->out, json_pack("{s:s, s:s, s:s, s:s}", "event", "error", "code",
                                     err_name(err->code), "message", err->msg, "hint", err->hint));
        out_flush(log->out);
        return;
    }
    out_error(log->out, err);
}

void dev_log_warning(struct dev_log *log, const struct err *warning)
{
    out_warn(log->out, "%s%s%s", warning->msg, warning->hint[0] ? "; " : "", warning->hint);
}

void dev_log_broken(void *env, const char *app, const char *version, int bp, const char *why)
{
    struct dev_log *log = env;
    out_warn(log->out, "app '%s': version %s, which has %g %% of the traffic, cannot be served: %s",
             app, version, bp / 100.0, why);
}

void dev_log_note(struct dev_log *log, const char *text)
{
    out_note(log->out, "%s", text);
}

bool dev_log_color(const struct dev_log *log)
{
    return log->color;
}
