/* SPDX-License-Identifier: Apache-2.0 */
/* Host functions in Wasmtime's linker. Those that never park are "unchecked" (no type checks per
 * call); how the others wait is the run's business. */
#include <assert.h>
#include <string.h>
#include "wasm/run.h"

static wasm_functype_t *function_type(const struct host_func *f)
{
    size_t n = strlen(f->params);
    assert(n <= HOST_FN_ARGS_MAX);
    wasm_valtype_t *list[HOST_FN_ARGS_MAX];
    for (size_t i = 0; i < n; i++)
        list[i] = wasm_valtype_new(f->params[i] == 'I' ? WASM_I64 : WASM_I32);
    wasm_valtype_vec_t params, results;
    wasm_valtype_vec_new(&params, n, list);
    wasm_valtype_t *result = f->has_result ? wasm_valtype_new(WASM_I32) : NULL;
    wasm_valtype_vec_new(&results, f->has_result, &result);
    return wasm_functype_new(&params, &results);
}

int engine_link(struct engine *e, struct err *err)
{
    for (size_t i = 0; i < e->func_count; i++) {
        wasm_functype_t *type = function_type(&e->funcs[i]);
        wasmtime_error_t *error = run_define(e->linker, &e->funcs[i], type);
        wasm_functype_delete(type);
        if (!error)
            continue;
        char line[256];
        wasm_error_text(error, line, sizeof line, NULL);
        return err_set(err, ERR_FAILURE, "host function %s.%s: %s", e->funcs[i].module,
                       e->funcs[i].name, line);
    }
    return 0;
}

wasm_trap_t *run_call_unchecked(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *slots,
                                size_t slot_count)
{
    (void)slot_count;
    const struct host_func *f = env;
    struct instance *in = wasmtime_context_get_data(wasmtime_caller_context(caller));
    uint64_t args[HOST_FN_ARGS_MAX];
    for (size_t i = 0; f->params[i]; i++)
        args[i] = f->params[i] == 'I' ? (uint64_t)slots[i].i64 : (uint32_t)slots[i].i32;
    int32_t result = run_host_call(in, f, args);
    assert(!in->resume);
    if (in->outcome.end != INSTANCE_RUNNING)
        return run_end_trap(in);
    if (f->has_result)
        slots[0].i32 = result;
    return NULL;
}
