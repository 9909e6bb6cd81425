/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a module: reading, checking, detaching, and what makes it resettable. What detaching
 * makes must itself be a module that detaches to the same key, and its segments must stay inside
 * memory and input; what is made resettable must be a module. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "wasm/detach.h"
#include "wasm/module_info.h"
#include "wasm/reset.h"

static void check_segments(const struct detached *d, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < d->segment_count; i++) {
        const struct detached_segment *s = &d->segments[i];
        assert(s->data >= data && s->len <= len && s->data + s->len <= data + len);
        assert((uint64_t)s->offset + s->len <= d->memory_min_pages * 65536);
    }
}

static void check_code(const struct detached *d)
{
    size_t code_len;
    struct detached *again;
    uint8_t *code = detached_code(d, &code_len);
    assert(detach_module(code, code_len, &again, NULL) == 0);
    assert(again->possible && again->memory_min_pages == 0 && again->segment_count == 0);
    assert(memcmp(again->key, d->key, HASH_SIZE) == 0);
    detached_free(again);
    free(code);
}

static void check_reset(const uint8_t *data, size_t len)
{
    struct module_info info;
    struct err err;
    size_t made_len;
    const char *why_not = NULL;
    uint8_t *made = reset_module(data, len, &made_len, &why_not);
    assert(made || why_not);
    if (!made)
        return;
    assert(module_info_read(made, made_len, &info, &err) == 0);
    module_info_clear(&info);
    free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct module_info info;
    struct detached *d;
    struct err err = {0}, problems[MODULE_PROBLEMS_MAX];
    uint8_t whole[HASH_SIZE];
    if (module_info_read(data, len, &info, &err) < 0) {
        assert(err.code == ERR_BUILD && err.msg[0] && err.hint[0]);
        assert(detach_module(data, len, &d, NULL) < 0);
        return 0;
    }
    module_info_problems(&info, problems);
    module_info_clear(&info);
    check_reset(data, len);
    assert(detach_module(data, len, &d, NULL) == 0);
    check_segments(d, data, len);
    detached_whole_key(d, whole);
    if (d->possible)
        check_code(d);
    detached_free(d);
    return 0;
}
