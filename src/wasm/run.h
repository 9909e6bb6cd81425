/* SPDX-License-Identifier: Apache-2.0 */
/* How a guest's stack is kept while it waits: a Wasmtime fiber (run_fiber.c), or, in sanitizer
 * builds, which fibers confuse, a thread that takes strict turns with the loop (run_thread.c,
 * EDGE_THREAD_FIBERS). The rest of src/wasm does not know which. */
#ifndef EDGECTL_WASM_RUN_H
#define EDGECTL_WASM_RUN_H

#include "wasm/internal.h"

enum instance_phase { PHASE_NEW, PHASE_STARTING, PHASE_RUNNING, PHASE_OVER };

struct instance {
    struct module *module;
    wasmtime_store_t *store;
    wasmtime_context_t *ctx;
    enum instance_phase phase;
    wasmtime_instance_t handle;
    wasmtime_memory_t memory;
    bool has_memory;
    bool image_mapped;              /* over the start of the memory */
    uint8_t *mem;                   /* of the guest, refreshed at each host call */
    size_t mem_len;
    void *user;
    void (*wake)(void *user);
    instance_resume_fn *resume;     /* not NULL while parked */
    struct instance_outcome outcome;    /* .end is set early when the host ends the guest */
    /* limits */
    uint64_t memory_limit, memory_bytes, memory_refused;
    int64_t cpu_limit_ns;           /* absolute, in terms of instance_cpu_ns; 0 = none */
    int64_t cpu_allowance_ns;       /* what the limit was set from */
    int64_t cpu_used_ns;            /* of finished slices */
    int64_t slice_start_ns;         /* 0 when not running */
    int64_t slice_tick_ns, slice_tick_cpu_ns;   /* both clocks at the slice's first tick */
    /* results of the run */
    wasm_trap_t *trap;
    wasmtime_error_t *error;
    struct run *run;                /* private to the run_*.c in use */
};

/* Go on until the guest parks, yields or is over; true when it is over (trap and error are set).
 * The first call instantiates. */
bool run_step(struct instance *in);
/* A clock that counts the guest's CPU time, the same from the loop and from inside of the guest. */
int64_t run_cpu_clock_ns(void);
/* Unwind what is left. */
void run_drop(struct instance *in);
/* Between instantiation and _start: fetch the memory; false with outcome FAILED set. */
bool run_prepare(struct instance *in, wasmtime_func_t *ret_start);
/* What the epoch callback does at a tick: an error to stop the guest, else NULL to go on. */
wasmtime_error_t *run_tick(struct instance *in);
/* The trap that ends a guest whose outcome the host has set. */
wasm_trap_t *run_end_trap(struct instance *in);
/* Arguments of a host call as 64-bit values, then the call itself. */
int32_t run_host_call(struct instance *in, const struct host_func *f, const uint64_t *args);
/* Define one host function the way this run wants it. */
wasmtime_error_t *run_define(wasmtime_linker_t *linker, const struct host_func *f,
                             const wasm_functype_t *type);

/* An unchecked host function that cannot park; env is its struct host_func. */
wasm_trap_t *run_call_unchecked(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slots,
                                size_t slot_count);

#endif
