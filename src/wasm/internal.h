/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of src/wasm only. */
#ifndef EDGECTL_WASM_INTERNAL_H
#define EDGECTL_WASM_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>
#include <wasm.h>
#include <wasmtime.h>
#include "crypto/hash.h"
#include "wasm/detach.h"
#include "wasm/engine.h"
#include "wasm/image.h"

struct engine {
    wasm_engine_t *wasm;
    wasmtime_linker_t *linker;
    const struct host_func *funcs;
    size_t func_count;
    uint64_t memory_max;
    bool compact;                   /* code checks bounds: little address space */
    char *cache_dir;                /* NULL = no cache */
    /* The epoch ticker: a thread that interrupts running guests every TICK_MS, and sleeps while
     * none has run lately. */
    uv_thread_t ticker;
    uv_mutex_t lock;
    uv_cond_t cond;
    bool stopping, ticker_started;  /* under lock */
    atomic_bool ticker_asleep;
    atomic_ulong polls;             /* counts instance_poll, so that the ticker sees activity */
};

enum { TICK_MS = 2, TICKER_IDLE_TICKS = 50 };

struct module {
    atomic_int refs;
    struct engine *engine;
    wasmtime_module_t *code;
    wasmtime_instance_pre_t *pre;
    /* The code is the detached part only: each instance's memory is filled from `data`, which
     * points into `bytes`. NULL when the module was compiled whole. */
    struct detached *data;
    uint8_t *bytes;
    struct image *image;            /* the same as a file to map; NULL if that cannot be had */
};

/* Text of a Wasmtime error or trap, which is deleted: the reason in `line`; the backtrace, if any,
 * in *ret_backtrace (caller frees; the argument may be NULL). */
void wasm_error_text(wasmtime_error_t *error, char *line, size_t cap, char **ret_backtrace);
void wasm_trap_text(wasm_trap_t *trap, char *line, size_t cap, char **ret_backtrace);

/* Define every host function of the engine in its linker (hostcall.c). */
int engine_link(struct engine *e, struct err *err);

/* Make sure that epochs advance while guests run (engine.c). */
void engine_note_poll(struct engine *e);

/* The compile cache (cache.c). `key` names the source. Fetch: NULL when there is no good entry.
 * Store: best effort. */
wasmtime_module_t *cache_fetch(struct engine *e, const uint8_t key[HASH_SIZE]);
void cache_store(struct engine *e, const uint8_t key[HASH_SIZE], wasmtime_module_t *code);

#endif
