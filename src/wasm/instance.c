/* SPDX-License-Identifier: Apache-2.0 */
#include <edgectl_rs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "wasm/engine.h"
#include "wasm/run.h"

/* --- limits --- */

static bool may_grow(void *env, uint32_t kind, size_t current, size_t desired)
{
    (void)current;
    struct instance *in = env;
    if (kind != EDGECTL_RS_MEMORY)
        return true; /* the pool bounds tables */
    if (desired > in->memory_limit) {
        in->memory_refused = desired;
        return false;
    }
    in->memory_bytes = desired;
    return true;
}

int64_t instance_cpu_ns(struct instance *in)
{
    if (in->slice_start_ns == 0)
        return in->cpu_used_ns;
    if (in->slice_tick_ns == 0)
        return in->cpu_used_ns + clock_mono_ns() - in->slice_start_ns;
    return in->cpu_used_ns + (in->slice_tick_ns - in->slice_start_ns) +
           (run_cpu_clock_ns() - in->slice_tick_cpu_ns);
}

void instance_allow_cpu(struct instance *in, int64_t more_ns)
{
    in->cpu_allowance_ns = more_ns;
    in->cpu_limit_ns = more_ns ? instance_cpu_ns(in) + more_ns : 0;
}

wasmtime_error_t *run_tick(struct instance *in)
{
    /* A slice that no tick hits is short, and the monotonic clock, which needs no system call,
     * measures it well. From the first tick on the thread's CPU clock counts, so that a busy
     * machine does not eat the guest's allowance. */
    if (in->slice_tick_ns == 0) {
        in->slice_tick_ns = clock_mono_ns();
        in->slice_tick_cpu_ns = run_cpu_clock_ns();
    }
    if (in->cpu_limit_ns == 0 || instance_cpu_ns(in) < in->cpu_limit_ns)
        return NULL;
    in->outcome.end = INSTANCE_CPU_LIMIT;
    return wasmtime_error_new("CPU time limit exceeded");
}

/* --- life --- */

int instance_new(struct module *m, const struct instance_limits *limits, void *user,
                 void (*wake)(void *user), struct instance **ret, struct err *err)
{
    (void)err;
    struct instance *in = xnew(struct instance);
    in->module = module_ref(m);
    in->user = user;
    in->wake = wake;
    uint64_t memory_max = m->engine->memory_max;
    in->memory_limit = limits->memory_bytes && limits->memory_bytes < memory_max
                           ? limits->memory_bytes
                           : memory_max;
    instance_allow_cpu(in, limits->cpu_ns);
    in->store = wasmtime_store_new(m->engine->wasm, in, NULL);
    in->ctx = wasmtime_store_context(in->store);
    edgectl_rs_store_limiter(in->store, may_grow, in);
    *ret = in;
    return 0;
}

/* What ended the guest, for people; `reason` is what Wasmtime says. */
static void describe_end(struct instance *in, const char *reason)
{
    struct instance_outcome *out = &in->outcome;
    char limit[UNIT_TEXT_MAX];
    switch (out->end) {
    case INSTANCE_CPU_LIMIT:
        format_duration(in->cpu_allowance_ns / 1000000, limit);
        snprintf(out->message, sizeof out->message, "the guest used more than %s of CPU time",
                 limit);
        return;
    case INSTANCE_MEMORY_LIMIT:
        format_size(in->memory_limit, limit);
        snprintf(out->message, sizeof out->message,
                 "the guest was refused more memory than %s%s%s", limit, *reason ? "; then: " : "",
                 reason);
        return;
    default:
        snprintf(out->message, sizeof out->message, "%s", reason);
    }
}

static void settle(struct instance *in)
{
    struct instance_outcome *out = &in->outcome;
    bool failed = in->trap || in->error;
    char reason[sizeof out->message] = "";
    if (in->trap)
        wasm_trap_text(TAKE(in->trap), reason, sizeof reason, &out->backtrace);
    if (in->error)
        wasm_error_text(TAKE(in->error), reason, sizeof reason, &out->backtrace);
    if (out->end == INSTANCE_RUNNING)
        out->end = !failed ? INSTANCE_RETURNED
                   : in->memory_refused ? INSTANCE_MEMORY_LIMIT
                                        : INSTANCE_TRAPPED;
    if (out->message[0] == '\0')
        describe_end(in, reason);
    out->cpu_ns = in->cpu_used_ns;
    out->memory_bytes = in->memory_bytes;
    in->phase = PHASE_OVER;
}

enum instance_state instance_poll(struct instance *in)
{
    if (in->phase == PHASE_OVER)
        return INSTANCE_DONE;
    engine_note_poll(in->module->engine);
    in->slice_tick_ns = 0;
    in->slice_start_ns = clock_mono_ns();
    bool over = run_step(in);
    in->cpu_used_ns = instance_cpu_ns(in);
    in->slice_start_ns = 0;
    if (!over)
        return in->resume ? INSTANCE_PARKED : INSTANCE_YIELDED;
    settle(in);
    return INSTANCE_DONE;
}

const struct instance_outcome *instance_outcome(struct instance *in)
{
    return &in->outcome;
}

void instance_free(struct instance *in)
{
    if (!in)
        return;
    run_drop(in);
    if (in->image_mapped)
        image_unmap(in->module->image, wasmtime_memory_data(in->ctx, &in->memory));
    wasmtime_store_delete(in->store);
    module_unref(in->module);
    free(in->outcome.backtrace);
    free(in);
}

/* The part of instantiation that detached code leaves to us (detach.h). */
static bool fill_memory(struct instance *in, const struct detached *data)
{
    uint64_t before;
    wasmtime_error_t *error =
        wasmtime_memory_grow(in->ctx, &in->memory, data->memory_min_pages, &before);
    if (error) {
        wasmtime_error_delete(error);
        return false;
    }
    in->mem = wasmtime_memory_data(in->ctx, &in->memory);
    in->image_mapped = in->module->image && image_map(in->module->image, in->mem);
    for (size_t i = 0; !in->image_mapped && i < data->segment_count; i++)
        memcpy(in->mem + data->segments[i].offset, data->segments[i].data, data->segments[i].len);
    return true;
}

bool run_prepare(struct instance *in, wasmtime_func_t *ret_start)
{
    wasmtime_extern_t item;
    if (wasmtime_instance_export_get(in->ctx, &in->handle, "memory", 6, &item) &&
        item.kind == WASMTIME_EXTERN_MEMORY) {
        in->memory = item.of.memory;
        in->has_memory = true;
        in->mem = wasmtime_memory_data(in->ctx, &in->memory);
    }
    if (in->module->data && !fill_memory(in, in->module->data)) {
        in->outcome.end = INSTANCE_MEMORY_LIMIT;
        return false;
    }
    if (wasmtime_instance_export_get(in->ctx, &in->handle, "_start", 6, &item) &&
        item.kind == WASMTIME_EXTERN_FUNC) {
        *ret_start = item.of.func;
        return true;
    }
    in->outcome.end = INSTANCE_FAILED;
    snprintf(in->outcome.message, sizeof in->outcome.message,
             "the module exports no function _start");
    return false;
}

/* --- host functions --- */

void *instance_user(struct instance *in)
{
    return in->user;
}

uint8_t *instance_memory(struct instance *in, size_t *ret_len)
{
    *ret_len = in->mem_len;
    return in->mem;
}

int32_t instance_park(struct instance *in, instance_resume_fn *resume)
{
    in->resume = resume;
    return 0;
}

void instance_wake(struct instance *in)
{
    if (in->resume)
        in->wake(in->user);
}

void instance_exit(struct instance *in, int32_t code)
{
    in->outcome.end = INSTANCE_EXITED;
    in->outcome.exit_code = code;
    if (code)
        snprintf(in->outcome.message, sizeof in->outcome.message,
                 "the guest exited with code %d", code);
}

void instance_trap(struct instance *in, const char *message)
{
    in->outcome.end = INSTANCE_STOPPED;
    snprintf(in->outcome.message, sizeof in->outcome.message, "%s", message);
}

wasm_trap_t *run_end_trap(struct instance *in)
{
    return wasmtime_trap_new(in->outcome.message, strlen(in->outcome.message));
}

int32_t run_host_call(struct instance *in, const struct host_func *f, const uint64_t *args)
{
    in->outcome.host_calls++;
    if (in->has_memory) {
        in->mem = wasmtime_memory_data(in->ctx, &in->memory);
        in->mem_len = wasmtime_memory_data_size(in->ctx, &in->memory);
    }
    return f->fn(in, args);
}
