/* SPDX-License-Identifier: Apache-2.0 */
/* From a signature as people read it to one as tables hold it. */
#include <string.h>
#include "base/buf.h"
#include "wasm/module_info.h"

static char type_letter(const char *type, size_t len)
{
    if (len == 3 && memcmp(type, "i32", 3) == 0)
        return 'i';
    if (len == 3 && memcmp(type, "i64", 3) == 0)
        return 'I';
    if (len == 3 && memcmp(type, "f32", 3) == 0)
        return 'f';
    return len == 3 && memcmp(type, "f64", 3) == 0 ? 'F' : '?';
}

char *module_signature_letters(const char *signature)
{
    cleanup(buf_clear) struct buf out = BUF_INIT(4096);
    while (*signature) {
        size_t word = strcspn(signature, "(),->");
        if (word)
            buf_add_char(&out, type_letter(signature, word));
        else if (*signature == '-')
            buf_add_char(&out, ':');
        signature += word ? word : 1;
    }
    return buf_take(&out);
}
