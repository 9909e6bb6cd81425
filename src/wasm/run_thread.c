/* SPDX-License-Identifier: Apache-2.0 */
#ifdef EDGE_THREAD_FIBERS
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "wasm/run.h"

/* The loop's thread and the guest's take turns: exactly one of them runs at any time, so the rest
 * of the program sees what it would see with fibers. */
enum turn { TURN_LOOP, TURN_GUEST };

struct run {
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t cond;
    enum turn turn;
    bool over, cancelled;
};

static void hand_over(struct run *run, enum turn to)
{
    uv_mutex_lock(&run->lock);
    run->turn = to;
    uv_cond_broadcast(&run->cond);
    while (run->turn == to)
        uv_cond_wait(&run->cond, &run->lock);
    uv_mutex_unlock(&run->lock);
}

static wasmtime_error_t *on_epoch(wasmtime_context_t *ctx, void *data, uint64_t *ticks,
                                  wasmtime_update_deadline_kind_t *kind)
{
    (void)ctx;
    struct instance *in = data;
    *ticks = 1;
    *kind = WASMTIME_UPDATE_DEADLINE_CONTINUE;
    wasmtime_error_t *error = run_tick(in);
    if (error)
        return error;
    hand_over(in->run, TURN_LOOP);
    return in->run->cancelled ? wasmtime_error_new("cancelled") : NULL;
}

static void run_guest(struct instance *in)
{
    in->error = wasmtime_instance_pre_instantiate(in->module->pre, in->ctx, &in->handle, &in->trap);
    if (in->error || in->trap)
        return;
    wasmtime_func_t start;
    in->phase = PHASE_RUNNING;
    if (run_prepare(in, &start))
        in->error = wasmtime_func_call(in->ctx, &start, NULL, 0, NULL, 0, &in->trap);
}

static void thread_main(void *arg)
{
    struct instance *in = arg;
    struct run *run = in->run;
    uv_mutex_lock(&run->lock);
    while (run->turn == TURN_LOOP)
        uv_cond_wait(&run->cond, &run->lock);
    uv_mutex_unlock(&run->lock);
    if (!run->cancelled)
        run_guest(in);
    uv_mutex_lock(&run->lock);
    run->over = true;
    run->turn = TURN_LOOP;
    uv_cond_broadcast(&run->cond);
    uv_mutex_unlock(&run->lock);
}

/* Guest and loop are two threads, with a CPU clock each. */
int64_t run_cpu_clock_ns(void)
{
    return clock_mono_ns();
}

bool run_step(struct instance *in)
{
    if (in->phase == PHASE_NEW) {
        wasmtime_store_epoch_deadline_callback(in->store, on_epoch, in, NULL);
        wasmtime_context_set_epoch_deadline(in->ctx, 1);
        in->run = xnew(struct run);
        uv_mutex_init(&in->run->lock);
        uv_cond_init(&in->run->cond);
        uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = 16 << 20};
        if (uv_thread_create_ex(&in->run->thread, &options, thread_main, in) != 0)
            abort(); /* a sanitizer build out of threads */
        in->phase = PHASE_STARTING;
    }
    hand_over(in->run, TURN_GUEST);
    return in->run->over;
}

void run_drop(struct instance *in)
{
    struct run *run = in->run;
    if (!run)
        return;
    run->cancelled = true;
    while (!run->over)
        hand_over(run, TURN_GUEST);
    uv_thread_join(&run->thread);
    uv_mutex_destroy(&run->lock);
    uv_cond_destroy(&run->cond);
    if (in->trap)
        wasm_trap_delete(in->trap);
    if (in->error)
        wasmtime_error_delete(in->error);
    free(run);
}

static wasm_trap_t *call_parking(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slots,
                                 size_t slot_count)
{
    (void)slot_count;
    const struct host_func *f = env;
    struct instance *in = wasmtime_context_get_data(wasmtime_caller_context(caller));
    uint64_t args[HOST_FN_ARGS_MAX];
    for (size_t i = 0; f->params[i]; i++)
        args[i] = f->params[i] == 'I' ? (uint64_t)slots[i].i64 : (uint32_t)slots[i].i32;
    int32_t result = run_host_call(in, f, args);
    while (in->resume && in->outcome.end == INSTANCE_RUNNING && !in->resume(in, &result)) {
        hand_over(in->run, TURN_LOOP);
        if (in->run->cancelled)
            return wasmtime_trap_new("cancelled", 9);
    }
    in->resume = NULL;
    if (in->outcome.end != INSTANCE_RUNNING)
        return run_end_trap(in);
    if (f->has_result)
        slots[0].i32 = result;
    return NULL;
}

wasmtime_error_t *run_define(wasmtime_linker_t *linker, const struct host_func *f,
                             const wasm_functype_t *type)
{
    return wasmtime_linker_define_func_unchecked(
        linker, f->module, strlen(f->module), f->name, strlen(f->name), type,
        f->may_park ? call_parking : run_call_unchecked, (void *)f, NULL);
}
#endif
