/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGE_THREAD_FIBERS
#include <string.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "wasm/run.h"

struct run {
    wasmtime_call_future_t *future;
    wasmtime_func_t start;
    /* of the host call that parks */
    wasmtime_val_t *result;
    wasm_trap_t **trap;
};

static wasmtime_error_t *on_epoch(wasmtime_context_t *ctx, void *data, uint64_t *ticks,
                                  wasmtime_update_deadline_kind_t *kind)
{
    (void)ctx;
    *ticks = 1;
    *kind = WASMTIME_UPDATE_DEADLINE_YIELD;
    return run_tick(data);
}

int64_t run_cpu_clock_ns(void)
{
    return clock_thread_cpu_ns();
}

bool run_step(struct instance *in)
{
    if (in->phase == PHASE_NEW) {
        in->run = xnew(struct run);
        wasmtime_store_epoch_deadline_callback(in->store, on_epoch, in, NULL);
        wasmtime_context_set_epoch_deadline(in->ctx, 1);
        in->run->future = wasmtime_instance_pre_instantiate_async(
            in->module->pre, in->ctx, &in->handle, &in->trap, &in->error);
        in->phase = PHASE_STARTING;
    }
    struct run *run = in->run;
    if (!wasmtime_call_future_poll(run->future))
        return false;
    wasmtime_call_future_delete(TAKE(run->future));
    if (in->phase == PHASE_RUNNING || in->trap || in->error)
        return true;
    if (!run_prepare(in, &run->start))
        return true;
    in->phase = PHASE_RUNNING;
    run->future = wasmtime_func_call_async(in->ctx, &run->start, NULL, 0, NULL, 0, &in->trap,
                                           &in->error);
    if (!wasmtime_call_future_poll(run->future))
        return false;
    wasmtime_call_future_delete(TAKE(run->future));
    return true;
}

void run_drop(struct instance *in)
{
    if (!in->run)
        return;
    if (in->run->future)
        wasmtime_call_future_delete(in->run->future);
    if (in->trap)
        wasm_trap_delete(in->trap);
    if (in->error)
        wasmtime_error_delete(in->error);
    free(in->run);
}

static bool go_on(void *env)
{
    struct instance *in = env;
    int32_t result = 0;
    if (!in->resume(in, &result))
        return false;
    in->resume = NULL;
    if (in->outcome.end != INSTANCE_RUNNING)
        *in->run->trap = run_end_trap(in);
    else
        *in->run->result = (wasmtime_val_t){.kind = WASMTIME_I32, .of.i32 = result};
    return true;
}

static bool at_once(void *env)
{
    (void)env;
    return true;
}

static void call_parking(void *env, wasmtime_caller_t *caller, const wasmtime_val_t *vals, size_t n,
                         wasmtime_val_t *results, size_t result_count, wasm_trap_t **trap,
                         wasmtime_async_continuation_t *next)
{
    (void)result_count;
    const struct host_func *f = env;
    struct instance *in = wasmtime_context_get_data(wasmtime_caller_context(caller));
    uint64_t args[HOST_FN_ARGS_MAX];
    for (size_t i = 0; i < n; i++)
        args[i] = f->params[i] == 'I' ? (uint64_t)vals[i].of.i64 : (uint32_t)vals[i].of.i32;
    next->env = in;
    next->finalizer = NULL;
    int32_t result = run_host_call(in, f, args);
    if (in->outcome.end != INSTANCE_RUNNING) {
        in->resume = NULL;
        *trap = run_end_trap(in);
    } else if (in->resume) {
        in->run->result = results;
        in->run->trap = trap;
        next->callback = go_on;
        return;
    } else {
        *results = (wasmtime_val_t){.kind = WASMTIME_I32, .of.i32 = result};
    }
    next->callback = at_once;
}

wasmtime_error_t *run_define(wasmtime_linker_t *linker, const struct host_func *f,
                             const wasm_functype_t *type)
{
    size_t module_len = strlen(f->module), name_len = strlen(f->name);
    if (f->may_park)
        return wasmtime_linker_define_async_func(linker, f->module, module_len, f->name, name_len,
                                                 type, call_parking, (void *)f, NULL);
    return wasmtime_linker_define_func_unchecked(linker, f->module, module_len, f->name, name_len,
                                                 type, run_call_unchecked, (void *)f, NULL);
}
#endif
