/* SPDX-License-Identifier: Apache-2.0 */
/* Wasmtime behind three nouns: an engine (settings and the instance pool), a module (compiled code
 * bound to host functions), and an instance (one run of a module's `_start` as a fiber). Guests
 * are hostile: whatever one does ends its own instance only. */
#ifndef EDGECTL_WASM_ENGINE_H
#define EDGECTL_WASM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct engine;
struct module;
struct instance;

/* --- host functions --- */

enum { HOST_FN_ARGS_MAX = 16 };

/* A host function: i32 and i64 arguments, zero-extended. Returns the guest's i32 result. To wait,
 * it returns instance_park(...). To end the guest, it calls instance_exit or instance_trap and
 * returns anything. */
typedef int32_t host_fn(struct instance *in, const uint64_t *args);

struct host_func {
    const char *module, *name;
    const char *params;         /* one char each: 'i' = i32, 'I' = i64 */
    bool has_result;            /* an i32 */
    bool may_park;              /* such functions cost a little more per call */
    host_fn *fn;
};

/* --- engine --- */

struct engine_options {
    unsigned instances;         /* that may be alive at once; 0 = 1000 */
    uint64_t memory_max;        /* bytes of linear memory of one instance; 0 = 128 MiB */
    const char *cache_dir;      /* for compiled code; NULL = no cache */
    const struct host_func *funcs;  /* borrowed for the engine's life */
    size_t func_count;
};

must_use int engine_new(const struct engine_options *options, struct engine **ret, struct err *err);
/* Every module and instance must be gone. */
void engine_free(struct engine *e);

/* --- modules --- */

/* How a load went. */
struct module_report {
    bool from_cache;
    /* Only the code that it shares with others was needed or compiled; instances start slower
     * until module_precompile has put the whole module into the cache and it is loaded again. */
    bool detached;
    int64_t load_ns;
};

/* Compile or fetch from the cache. `bytes`: binary or text format, from malloc; taken, also on
 * failure. `path`: for messages. Every import that no host function answers is named in the error.
 * -ERR_BUILD. Thread-safe. */
must_use int module_load(struct engine *e, const char *path, void *bytes, size_t len,
                         struct module **ret, struct module_report *report, struct err *err);
/* Compile the whole module into the cache, if it is not there. Takes `bytes`. -ERR_BUILD. */
must_use int module_precompile(struct engine *e, const char *path, void *bytes, size_t len,
                               struct err *err);
struct module *module_ref(struct module *m);
/* Any thread. NULL is allowed. */
void module_unref(struct module *m);

/* --- instances --- */

struct instance_limits {
    int64_t cpu_ns;             /* guest CPU time; 0 = none */
    uint64_t memory_bytes;      /* 0 = the engine's */
};

enum instance_state {
    INSTANCE_YIELDED,           /* used up its slice: poll again soon */
    INSTANCE_PARKED,            /* waits in a host function: poll after instance_wake */
    INSTANCE_DONE,
};

enum instance_end {
    INSTANCE_RUNNING,
    INSTANCE_RETURNED,          /* _start returned */
    INSTANCE_EXITED,            /* instance_exit; see exit_code */
    INSTANCE_TRAPPED,           /* a trap of its own */
    INSTANCE_CPU_LIMIT,
    INSTANCE_MEMORY_LIMIT,      /* trapped after memory was refused */
    INSTANCE_STOPPED,           /* instance_trap by the host */
    INSTANCE_FAILED,            /* could not start: see message */
};

struct instance_outcome {
    enum instance_end end;
    int32_t exit_code;
    char message[256];          /* one line for people, without the backtrace */
    char *backtrace;            /* demangled frames, one a line; NULL if there are none */
    int64_t cpu_ns;
    uint64_t memory_bytes;      /* at the end */
    uint64_t host_calls;        /* so far */
};

/* A fresh sandbox; nothing has run yet. Used by one thread only. `wake` is called (on that thread)
 * by instance_wake; the owner then polls. -ERR_LIMIT when the pool is full. */
must_use int instance_new(struct module *m, const struct instance_limits *limits, void *user,
                          void (*wake)(void *user), struct instance **ret, struct err *err);
/* Runs the guest until it parks, has used its slice (a few ms), or ends. */
enum instance_state instance_poll(struct instance *in);
/* Valid after INSTANCE_DONE; owned by the instance. */
const struct instance_outcome *instance_outcome(struct instance *in);
/* Also while it is parked: it is unwound without running more guest code. */
void instance_free(struct instance *in);

void *instance_user(struct instance *in);
/* CPU time of the guest so far, ns. */
int64_t instance_cpu_ns(struct instance *in);
/* From now on it may use this much more CPU time. 0 = no limit. */
void instance_allow_cpu(struct instance *in, int64_t more_ns);

/* --- inside a host function --- */

/* The guest's memory; the pointer is valid until the guest runs again. */
uint8_t *instance_memory(struct instance *in, size_t *ret_len);

/* Called each time the instance is polled while parked. True: *ret_result is the guest's result. */
typedef bool instance_resume_fn(struct instance *in, int32_t *ret_result);

/* `return instance_park(in, resume);` from a function with may_park: the guest sleeps until resume
 * says true. It is tried at once, then on each poll; its state lives with the user. */
int32_t instance_park(struct instance *in, instance_resume_fn *resume);
/* What a parked instance waits for may have happened. Harmless when it is not parked. */
void instance_wake(struct instance *in);
/* End the guest as proc_exit does. */
void instance_exit(struct instance *in, int32_t code);
/* End the guest with an error of the host's: INSTANCE_STOPPED with this message. */
void instance_trap(struct instance *in, const char *message);

#endif
