/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/engine.h"

#include <edgectl_rs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/buf.h"
#include "base/mem.h"
#include "wasm/internal.h"

enum {
    DEFAULT_INSTANCES = 1000,
    WASM_STACK_BYTES = 1 << 20,             /* what Fastly gives a guest */
    FIBER_STACK_BYTES = 2 << 20,            /* the guest's, and host functions on top of it */
    MEMORY_KEEP_RESIDENT = 2 << 20,         /* cleared, not given back, between runs */
    TABLE_KEEP_RESIDENT = 64 << 10,
    STACK_KEEP_RESIDENT = 32 << 10,
    TABLE_ELEMENTS_MAX = 98765,             /* the peer's limit */
    POOL_EXTRA_BYTES = 64 << 20,            /* per instance: guards, stack, table, and some more */
};

static const uint64_t DEFAULT_MEMORY_MAX = 128 << 20;

/* --- the ticker --- */

static void ticker_main(void *arg)
{
    struct engine *e = arg;
    unsigned long seen = 0;
    int idle = 0;
    uv_mutex_lock(&e->lock);
    while (!e->stopping) {
        unsigned long polls = atomic_load(&e->polls);
        idle = polls == seen ? idle + 1 : 0;
        seen = polls;
        if (idle < TICKER_IDLE_TICKS) {
            uv_cond_timedwait(&e->cond, &e->lock, (uint64_t)TICK_MS * 1000000);
            wasmtime_engine_increment_epoch(e->wasm);
            continue;
        }
        atomic_store(&e->ticker_asleep, true);
        if (atomic_load(&e->polls) == seen)
            uv_cond_wait(&e->cond, &e->lock);
        atomic_store(&e->ticker_asleep, false);
        idle = 0;
    }
    uv_mutex_unlock(&e->lock);
}

void engine_note_poll(struct engine *e)
{
    atomic_fetch_add(&e->polls, 1);
    if (!atomic_load(&e->ticker_asleep))
        return;
    uv_mutex_lock(&e->lock);
    uv_cond_signal(&e->cond);
    uv_mutex_unlock(&e->lock);
}

/* --- settings --- */

static void set_pool(wasm_config_t *config, unsigned instances, uint64_t memory_max)
{
    wasmtime_pooling_allocation_config_t *pool = wasmtime_pooling_allocation_config_new();
    wasmtime_pooling_allocation_config_total_core_instances_set(pool, instances);
    wasmtime_pooling_allocation_config_total_memories_set(pool, instances);
    wasmtime_pooling_allocation_config_total_tables_set(pool, instances);
    wasmtime_pooling_allocation_config_total_stacks_set(pool, instances);
    wasmtime_pooling_allocation_config_max_memories_per_module_set(pool, 1);
    wasmtime_pooling_allocation_config_max_tables_per_module_set(pool, 1);
    wasmtime_pooling_allocation_config_table_elements_set(pool, TABLE_ELEMENTS_MAX);
    wasmtime_pooling_allocation_config_max_core_instance_size_set(pool, 1 << 20);
    wasmtime_pooling_allocation_config_max_memory_size_set(pool, memory_max);
    wasmtime_pooling_allocation_config_linear_memory_keep_resident_set(pool, MEMORY_KEEP_RESIDENT);
    wasmtime_pooling_allocation_config_table_keep_resident_set(pool, TABLE_KEEP_RESIDENT);
    wasmtime_pooling_allocation_config_async_stack_keep_resident_set(pool, STACK_KEEP_RESIDENT);
    edgectl_rs_pool_scan_pages(pool);
    wasmtime_pooling_allocation_strategy_set(config, pool);
    wasmtime_pooling_allocation_config_delete(pool);
}

/* Is there address space for the pool, with that much for each instance? Wasmtime panics when
 * there is not. */
static bool room_for(unsigned instances, uint64_t each)
{
    size_t size = instances * (each + POOL_EXTRA_BYTES);
    void *at = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at != MAP_FAILED && munmap(at, size) == 0;
}

static wasm_config_t *make_config(unsigned instances, uint64_t memory_max, bool compact)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_epoch_interruption_set(config, true);
    wasmtime_config_max_wasm_stack_set(config, WASM_STACK_BYTES);
    wasmtime_config_async_stack_size_set(config, FIBER_STACK_BYTES);
    wasmtime_config_strategy_set(config, WASMTIME_STRATEGY_CRANELIFT);
#ifdef EDGE_THREAD_FIBERS
    /* ThreadSanitizer cannot see what orders the compiler's threads: they are not built for it. */
    wasmtime_config_parallel_compilation_set(config, false);
#endif
    if (compact)
        wasmtime_config_memory_reservation_set(config, memory_max);
    set_pool(config, instances, memory_max);
    return config;
}

int engine_new(const struct engine_options *options, struct engine **ret, struct err *err)
{
    struct engine *e = xnew(struct engine);
    unsigned instances = options->instances ? options->instances : DEFAULT_INSTANCES;
    e->memory_max = options->memory_max ? options->memory_max : DEFAULT_MEMORY_MAX;
    /* All that 32 bits can address, so that code need not check; or, where address space is
     * limited (ulimit -v, ThreadSanitizer), only what a memory may become. */
    e->compact = !room_for(instances, UINT64_C(1) << 32);
    if (e->compact && !room_for(instances, e->memory_max)) {
        free(e);
        err_set(err, ERR_LIMIT, "cannot reserve memory for %u instances", instances);
        err_hint(err, "lower the number of requests at once (--max-requests), or raise the limit "
                      "on address space (ulimit -v)");
        return -ERR_LIMIT;
    }
    e->wasm = wasm_engine_new_with_config(make_config(instances, e->memory_max, e->compact));
    e->funcs = options->funcs;
    e->func_count = options->func_count;
    e->cache_dir = options->cache_dir ? xstrdup(options->cache_dir) : NULL;
    e->linker = wasmtime_linker_new(e->wasm);
    uv_mutex_init(&e->lock);
    uv_cond_init(&e->cond);
    int r = engine_link(e, err);
    if (r == 0 && uv_thread_create(&e->ticker, ticker_main, e) != 0)
        r = err_set(err, ERR_IO, "cannot start a thread");
    e->ticker_started = r == 0;
    if (r < 0) {
        engine_free(e);
        return r;
    }
    *ret = e;
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    if (e->ticker_started) {
        uv_mutex_lock(&e->lock);
        e->stopping = true;
        uv_cond_signal(&e->cond);
        uv_mutex_unlock(&e->lock);
        uv_thread_join(&e->ticker);
    }
    uv_mutex_destroy(&e->lock);
    uv_cond_destroy(&e->cond);
    wasmtime_linker_delete(e->linker);
    wasm_engine_delete(e->wasm);
    free(e->cache_dir);
    free(e);
}

/* --- texts --- */

/* One line from Wasmtime's message and the list of causes below it: "0: first", "1: second". */
static void join_causes(const char *message, const char *causes, char *line, size_t cap)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(4096);
    buf_add(&text, message, strcspn(message, "\n"));
    for (const char *at = causes; *at; at += strcspn(at, "\n")) {
        at += strspn(at, " \n\t");
        const char *digits = at + strspn(at, "0123456789");
        if (digits > at && *digits == ':')
            at = digits + 1 + strspn(digits + 1, " ");
        if (*at) {
            buf_add_str(&text, ": ");
            buf_add(&text, at, strcspn(at, "\n"));
        }
    }
    snprintf(line, cap, "%s", buf_str(&text));
}

/* Wasmtime prints an error as its message, then "wasm backtrace:" and frames, and "Caused by:"
 * with the reasons. Of a trap the first reason is all that people want. */
static void split_text(const char *text, size_t len, char *line, size_t cap, char **ret_backtrace)
{
    cleanup(free_p) char *copy = xstrndup(text, len);
    char *trace = strstr(copy, "wasm backtrace:");
    char *cause = strstr(copy, "Caused by:");
    const char *first = copy;
    if (cause && !trace) {
        join_causes(copy, cause + strlen("Caused by:"), line, cap);
        return;
    }
    if (cause) {
        first = cause + strlen("Caused by:");
        first += strspn(first, " \n\t");
        if (first[0] && first[1] == ':')
            first += 2 + strspn(first + 2, " ");
    }
    snprintf(line, cap, "%.*s", (int)strcspn(first, "\n"), first);
    if (!trace || !ret_backtrace)
        return;
    if (cause && cause > trace)
        *cause = '\0';
    char *frames = strchr(trace, '\n');
    if (!frames)
        return;
    size_t end = strlen(frames);
    while (end > 1 && strchr(" \n", frames[end - 1]))
        end--;
    *ret_backtrace = xstrndup(frames + 1, end - 1);
}

void wasm_error_text(wasmtime_error_t *error, char *line, size_t cap, char **ret_backtrace)
{
    wasm_byte_vec_t text;
    wasmtime_error_message(error, &text);
    split_text(text.data, text.size, line, cap, ret_backtrace);
    wasm_byte_vec_delete(&text);
    wasmtime_error_delete(error);
}

void wasm_trap_text(wasm_trap_t *trap, char *line, size_t cap, char **ret_backtrace)
{
    wasm_byte_vec_t text;
    wasm_trap_message(trap, &text);
    split_text(text.data, strnlen(text.data, text.size), line, cap, ret_backtrace);
    wasm_byte_vec_delete(&text);
    wasm_trap_delete(trap);
}
