/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to start the guest: a fresh instance, and its own code up to the first hostcall. */
#include "cmd/bundle_report.h"

#include <stdlib.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "guest/table.h"
#include "wasm/engine.h"

enum { RUNS = 500, MODULE_MAX = 1 << 30 };
static const int64_t TIME_MAX_NS = 2000000000, CPU_MAX_NS = 5000000000;

/* In the place of every host function. */
static int32_t stop(struct instance *in, const uint64_t *args)
{
    (void)args;
    instance_exit(in, 0);
    return 0;
}

static struct host_func *stopping_funcs(size_t *ret_count)
{
    const struct host_func *funcs = guest_host_funcs(ret_count);
    struct host_func *copy = xcalloc(*ret_count, sizeof *copy);
    for (size_t i = 0; i < *ret_count; i++) {
        copy[i] = funcs[i];
        copy[i].fn = stop;
        copy[i].may_park = false;
    }
    return copy;
}

static void no_wake(void *user)
{
    (void)user;
}

static int run_once(struct module *m, int64_t *ret_ns, struct err *err)
{
    struct instance_limits limits = {.cpu_ns = CPU_MAX_NS};
    struct instance *in;
    int64_t start = clock_thread_cpu_ns();
    int r = instance_new(m, &limits, NULL, no_wake, &in, err);
    if (r < 0)
        return r;
    while (instance_poll(in) != INSTANCE_DONE) {
    }
    enum instance_end end = instance_outcome(in)->end;
    if (end == INSTANCE_FAILED || end == INSTANCE_MEMORY_LIMIT || end == INSTANCE_CPU_LIMIT)
        r = err_set(err, ERR_BUILD, "the module does not start: %s", instance_outcome(in)->message);
    instance_free(in);
    *ret_ns = clock_thread_cpu_ns() - start;
    return r;
}

static int by_time(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int run_many(struct module *m, struct startup *ret, struct err *err)
{
    int64_t times[RUNS], end = clock_mono_ns() + TIME_MAX_NS;
    int n = 0, r = run_once(m, &times[0], err); /* the first finds nothing in memory */
    while (r == 0 && n < RUNS && (n < 20 || clock_mono_ns() < end))
        r = run_once(m, &times[n++], err);
    if (r < 0)
        return r;
    qsort(times, (size_t)n, sizeof *times, by_time);
    *ret = (struct startup){n, (double)times[n / 2] / 1e6, (double)times[n * 99 / 100] / 1e6};
    return 0;
}

int startup_measure(const char *path, struct startup *ret, struct err *err)
{
    cleanup(free_p) char *dir = file_cache_dir("modules");
    struct engine_options options = {.instances = 2, .cache_dir = dir};
    cleanup(free_p) struct host_func *funcs = stopping_funcs(&options.func_count);
    options.funcs = funcs;
    struct engine *e;
    char *bytes;
    size_t len;
    int r = file_read(path, MODULE_MAX, &bytes, &len, err);
    if (r == 0)
        r = engine_new(&options, &e, err);
    if (r < 0)
        return r;
    struct module_report report;
    struct module *m = NULL;
    r = module_load(e, path, bytes, len, &m, &report, err);
    if (r == 0)
        r = run_many(m, ret, err);
    module_unref(m);
    engine_free(e);
    return r;
}
