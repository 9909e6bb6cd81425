/* SPDX-License-Identifier: Apache-2.0 */
/* WASI preview 1, the 27 functions that guests built by the SDKs import (abi STATS.md). Ours, so
 * that time, randomness and output are ours to virtualise. There is no file system: stdin is empty,
 * stdout and stderr go to the log, everything with a path is refused. */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "guest/session.h"

enum {
    E_SUCCESS = 0, E_BADF = 8, E_FAULT = 21, E_INVAL = 28, E_SPIPE = 70, E_NOTCAPABLE = 76,
};

enum { STDIN, STDOUT, STDERR, FD_COUNT };
enum {
    FILETYPE_CHARACTER_DEVICE = 2, IOVECS_MAX = 1024, SUBSCRIPTIONS_MAX = 4096,
    LINE_MAX_BYTES = 16 << 10,
};

static const int64_t SPIN_NS = 50000;   /* a sleep shorter than this only lets the loop turn */

static bool fits(struct instance *in, uint64_t ptr, uint64_t len, uint8_t **ret)
{
    return mem_bytes(in, ptr, len, ret) == HC_OK;
}

/* --- arguments and environment --- */

struct strings {
    char text[1024];
    size_t count, len;          /* NULs counted */
};

static void add_string(struct strings *s, const char *text)
{
    size_t len = strlen(text) + 1;
    memcpy(s->text + s->len, text, len);
    s->len += len;
    s->count++;
}

static void make_args(struct strings *s)
{
    add_string(s, "compute-app");
}

/* abi README section 8, Instance. */
static void make_environment(struct guest *g, struct strings *s)
{
    static const char *const fixed[] = {
        "FASTLY_CACHE_GENERATION=0",
        "FASTLY_CUSTOMER_ID=0000000000000000000000",
        "FASTLY_HOSTNAME=localhost",
        "FASTLY_IS_STAGING=0",
        "FASTLY_POP=XXX",
        "FASTLY_REGION=Somewhere",
        "FASTLY_SERVICE_ID=0000000000000000000000",
        "FASTLY_SERVICE_VERSION=0",
    };
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        add_string(s, fixed[i]);
    char trace[64];
    snprintf(trace, sizeof trace, "FASTLY_TRACE_ID=%032" PRIx64, g->id);
    add_string(s, trace);
}

static int32_t give_sizes(struct instance *in, const struct strings *s, const uint64_t *a)
{
    uint8_t *count, *size;
    if (!fits(in, a[0], 4, &count) || !fits(in, a[1], 4, &size))
        return E_FAULT;
    put_u32(count, (uint32_t)s->count);
    put_u32(size, (uint32_t)s->len);
    return E_SUCCESS;
}

static int32_t give_strings(struct instance *in, const struct strings *s, const uint64_t *a)
{
    uint8_t *pointers, *text;
    if (!fits(in, a[0], s->count * 4, &pointers) || !fits(in, a[1], s->len, &text))
        return E_FAULT;
    memcpy(text, s->text, s->len);
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        put_u32(pointers + i * 4, (uint32_t)(a[1] + at));
        at += strlen(s->text + at) + 1;
    }
    return E_SUCCESS;
}

int32_t wasi_args_sizes_get(struct instance *in, const uint64_t *a)
{
    struct strings s = {0};
    make_args(&s);
    return give_sizes(in, &s, a);
}

int32_t wasi_args_get(struct instance *in, const uint64_t *a)
{
    struct strings s = {0};
    make_args(&s);
    return give_strings(in, &s, a);
}

int32_t wasi_environ_sizes_get(struct instance *in, const uint64_t *a)
{
    struct strings s = {0};
    make_environment(guest_of(in), &s);
    return give_sizes(in, &s, a);
}

int32_t wasi_environ_get(struct instance *in, const uint64_t *a)
{
    struct strings s = {0};
    make_environment(guest_of(in), &s);
    return give_strings(in, &s, a);
}

/* --- time and chance --- */

enum { CLOCK_REAL, CLOCK_MONO, CLOCK_PROCESS_CPU, CLOCK_THREAD_CPU, CLOCK_COUNT };

static int64_t clock_now(struct instance *in, uint64_t id)
{
    switch (id) {
    case CLOCK_REAL:
        return clock_wall_ns();
    case CLOCK_MONO:
        return clock_mono_ns();
    default:
        return instance_cpu_ns(in);
    }
}

int32_t wasi_clock_time_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    if (a[0] >= CLOCK_COUNT)
        return E_INVAL;
    if (!fits(in, a[2], 8, &out))
        return E_FAULT;
    put_u64(out, (uint64_t)clock_now(in, a[0]));
    return E_SUCCESS;
}

int32_t wasi_clock_res_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    if (a[0] >= CLOCK_COUNT)
        return E_INVAL;
    if (!fits(in, a[1], 8, &out))
        return E_FAULT;
    put_u64(out, 1);
    return E_SUCCESS;
}

int32_t wasi_random_get(struct instance *in, const uint64_t *a)
{
    uint8_t *to;
    if (!fits(in, a[0], a[1], &to))
        return E_FAULT;
    random_bytes(to, a[1]);
    return E_SUCCESS;
}

/* --- descriptors --- */

static int32_t no_path(const uint64_t *a)
{
    return a[0] < FD_COUNT ? E_NOTCAPABLE : E_BADF;
}

/* Output is logged by lines, however the guest cuts it into writes. */
static void add_output(struct guest *g, int which, const char *text, size_t len)
{
    static const char *const names[] = {"stdout", "stderr"};
    struct buf *held = &g->lines[which];
    held->max = LINE_MAX_BYTES;
    while (len) {
        const char *nl = memchr(text, '\n', len);
        size_t part = nl ? (size_t)(nl - text) : len;
        bool fits_in = buf_add(held, text, part);
        if (nl || !fits_in) {
            if (held->len)
                guest_log(g, names[which], held->data, held->len);
            buf_reset(held);
        }
        if (!fits_in) /* a line longer than the buffer comes in pieces */
            guest_log(g, names[which], text, part);
        text += part + (nl != NULL);
        len -= part + (nl != NULL);
    }
}

void guest_flush_lines(struct guest *g)
{
    for (int i = 0; i < 2; i++) {
        if (g->lines[i].len)
            guest_log(g, i ? "stderr" : "stdout", g->lines[i].data, g->lines[i].len);
        buf_clear(&g->lines[i]);
    }
}

int32_t wasi_fd_write(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *list, *data, *out;
    uint64_t total = 0;
    if (a[0] != STDOUT && a[0] != STDERR)
        return E_BADF;
    if (a[2] > IOVECS_MAX)
        return E_INVAL;
    if (!fits(in, a[1], a[2] * 8, &list) || !fits(in, a[3], 4, &out))
        return E_FAULT;
    for (uint64_t i = 0; i < a[2]; i++) {
        uint32_t len = get_u32(list + i * 8 + 4);
        if (!fits(in, get_u32(list + i * 8), len, &data))
            return E_FAULT;
        if (len)
            add_output(g, a[0] == STDERR, (const char *)data, len);
        total += len;
    }
    put_u32(out, (uint32_t)total);
    return E_SUCCESS;
}

static int32_t read_nothing(struct instance *in, uint64_t fd, uint64_t nread_ptr)
{
    uint8_t *out;
    if (fd != STDIN)
        return E_BADF;
    if (!fits(in, nread_ptr, 4, &out))
        return E_FAULT;
    put_u32(out, 0);
    return E_SUCCESS;
}

int32_t wasi_fd_read(struct instance *in, const uint64_t *a)
{
    return read_nothing(in, a[0], a[3]);
}

int32_t wasi_fd_pread(struct instance *in, const uint64_t *a)
{
    (void)in;
    return a[0] < FD_COUNT ? E_SPIPE : E_BADF;
}

int32_t wasi_fd_readdir(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_fd_seek(struct instance *in, const uint64_t *a)
{
    (void)in;
    return a[0] < FD_COUNT ? E_SPIPE : E_BADF;
}

int32_t wasi_fd_close(struct instance *in, const uint64_t *a)
{
    (void)in;
    return a[0] < FD_COUNT ? E_SUCCESS : E_BADF;
}

int32_t wasi_fd_fdstat_get(struct instance *in, const uint64_t *a)
{
    static const uint64_t RIGHT_FD_READ = 1 << 1, RIGHT_FD_WRITE = 1 << 6, RIGHT_POLL = 1 << 27;
    uint8_t *out;
    if (a[0] >= FD_COUNT)
        return E_BADF;
    if (!fits(in, a[1], 24, &out))
        return E_FAULT;
    memset(out, 0, 24);
    out[0] = FILETYPE_CHARACTER_DEVICE;
    put_u64(out + 8, (a[0] == STDIN ? RIGHT_FD_READ : RIGHT_FD_WRITE) | RIGHT_POLL);
    return E_SUCCESS;
}

int32_t wasi_fd_fdstat_set_flags(struct instance *in, const uint64_t *a)
{
    (void)in;
    return a[0] < FD_COUNT ? E_SUCCESS : E_BADF;
}

int32_t wasi_fd_filestat_get(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    if (a[0] >= FD_COUNT)
        return E_BADF;
    if (!fits(in, a[1], 64, &out))
        return E_FAULT;
    memset(out, 0, 64);
    out[16] = FILETYPE_CHARACTER_DEVICE;
    put_u64(out + 24, 1);
    return E_SUCCESS;
}

int32_t wasi_fd_prestat_get(struct instance *in, const uint64_t *a)
{
    (void)in;
    (void)a;
    return E_BADF; /* no preopened directory */
}

int32_t wasi_fd_prestat_dir_name(struct instance *in, const uint64_t *a)
{
    (void)in;
    (void)a;
    return E_BADF;
}

int32_t wasi_path_create_directory(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_path_filestat_get(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_path_open(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_path_readlink(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_path_remove_directory(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

int32_t wasi_path_unlink_file(struct instance *in, const uint64_t *a)
{
    (void)in;
    return no_path(a);
}

/* --- waiting --- */

enum { SUB_SIZE = 48, EVENT_SIZE = 32, TAG_CLOCK = 0, TAG_FD_READ, TAG_FD_WRITE, ABSOLUTE = 1 };

/* When subscription `sub` is due, in monotonic time; now for descriptors, which never block. */
static int64_t due_ns(struct instance *in, const uint8_t *sub, int64_t now)
{
    if (sub[8] != TAG_CLOCK)
        return now;
    uint64_t timeout = get_u64(sub + 24);
    uint32_t id = get_u32(sub + 16);
    if (timeout > INT64_MAX / 2)
        timeout = INT64_MAX / 2;
    if (!(sub[40] & ABSOLUTE))
        return now + (int64_t)timeout;
    return now + (int64_t)timeout - clock_now(in, id);
}

static void write_event(uint8_t *event, const uint8_t *sub)
{
    memset(event, 0, EVENT_SIZE);
    memcpy(event, sub, 8);
    event[10] = sub[8];
    bool is_fd = sub[8] != TAG_CLOCK;
    if (is_fd && get_u32(sub + 16) >= FD_COUNT)
        put_u16(event + 8, E_BADF);
    else if (sub[8] == TAG_FD_WRITE)
        put_u64(event + 16, 1 << 16);
}

/* g->wait.until_ns - started is how long the earliest sleeps. Report all that are due by then. */
static int32_t report(struct instance *in, const uint64_t *a, int64_t started, int64_t until)
{
    uint8_t *subs, *events, *out;
    if (!fits(in, a[0], a[2] * SUB_SIZE, &subs) || !fits(in, a[1], a[2] * EVENT_SIZE, &events) ||
        !fits(in, a[3], 4, &out))
        return E_FAULT;
    uint32_t n = 0;
    for (uint64_t i = 0; i < a[2]; i++)
        if (due_ns(in, subs + i * SUB_SIZE, started) <= until)
            write_event(events + (size_t)n++ * EVENT_SIZE, subs + i * SUB_SIZE);
    put_u32(out, n);
    return E_SUCCESS;
}

static bool sleep_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    int64_t now = clock_mono_ns();
    if (now < g->wait.until_ns) {
        if (!g->wait.timer.loop)
            loop_defer(g->env->loop, &g->run);
        return false;
    }
    timer_stop(&g->wait.timer);
    *ret_result = report(in, g->wait.args, g->wait.started_ns, g->wait.until_ns);
    return true;
}

int32_t wasi_poll_oneoff(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *subs, *events;
    if (a[2] == 0 || a[2] > SUBSCRIPTIONS_MAX)
        return E_INVAL;
    if (!fits(in, a[0], a[2] * SUB_SIZE, &subs) || !fits(in, a[1], a[2] * EVENT_SIZE, &events))
        return E_FAULT;
    int64_t now = clock_mono_ns(), until = INT64_MAX;
    for (uint64_t i = 0; i < a[2]; i++) {
        int64_t due = due_ns(in, subs + i * SUB_SIZE, now);
        if (due < until)
            until = due;
    }
    if (until <= now)
        return report(in, a, now, now);
    g->wait.started_ns = now;
    g->wait.until_ns = until;
    /* Short naps only let the loop turn: a timer would stretch them to a millisecond. */
    if (until - now <= SPIN_NS)
        return guest_park(g, a, sleep_on);
    return guest_park_for(g, a, until - now, sleep_on);
}

static bool yield_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    *ret_result = E_SUCCESS;
    if (g->wait.n) {
        g->wait.n = 0;
        loop_defer(g->env->loop, &g->run);
        return false;
    }
    return true;
}

int32_t wasi_sched_yield(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    g->wait.n = 1;
    return guest_park(g, a, yield_on);
}

int32_t wasi_proc_exit(struct instance *in, const uint64_t *a)
{
    instance_exit(in, (int32_t)a[0]);
    return 0;
}
