/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/wat.h"

#include <stdio.h>
#include <string.h>
#include <wasm.h>
#include <wasmtime.h>
#include "base/mem.h"

/* The parser's message is several lines: what, then "--> <anon>:LINE:COL", then the source. */
static int syntax_error(const char *path, const char *text, struct err *err)
{
    int line = 0, col = 0;
    const char *place = strstr(text, "<anon>:");
    if (place)
        sscanf(place, "<anon>:%d:%d", &line, &col);
    int r = err_set(err, ERR_BUILD, "not well-formed WebAssembly text: %.*s",
                    (int)strcspn(text, "\n"), text);
    err_place(err, path, line, col);
    return r;
}

int wat_to_module(const char *path, const char *text, size_t len, uint8_t **ret_bytes,
                  size_t *ret_len, struct err *err)
{
    wasm_byte_vec_t binary = {0};
    wasmtime_error_t *error = wasmtime_wat2wasm(text, len, &binary);
    if (error) {
        wasm_name_t message;
        wasmtime_error_message(error, &message);
        wasmtime_error_delete(error);
        cleanup(free_p) char *copy = xstrndup(message.data, message.size);
        wasm_name_delete(&message);
        return syntax_error(path, copy, err);
    }
    *ret_bytes = xmemdup(binary.data, binary.size);
    *ret_len = binary.size;
    wasm_byte_vec_delete(&binary);
    return 0;
}
