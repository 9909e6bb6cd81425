/* SPDX-License-Identifier: Apache-2.0 */
/* ${NAME} in values. Done on the tree, after parsing: what a variable holds can never change the
 * shape of the document. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "manifest/load.h"

enum { EXPANDED_MAX = 1024 * 1024 };

static bool is_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && s[i] != '_')
            return false;
    }
    return len > 0 && !isdigit((unsigned char)s[0]);
}

/* One ${...} whose inside is at (s, len). */
static bool expand_one(struct load *l, struct node *n, const char *s, size_t len, struct buf *out)
{
    const char *dflt = memmem(s, len, ":-", 2);
    size_t name_len = dflt ? (size_t)(dflt - s) : len;
    if (!is_name(s, name_len)) {
        problem_at(l, n, "'${%.*s}' is not ${NAME} or ${NAME:-default}", (int)len, s);
        problem_hint(l, "write $${ for a literal ${");
        return false;
    }
    cleanup(free_p) char *name = xstrndup(s, name_len);
    const char *value = manifest_getenv(l->m, name);
    if (dflt && (!value || !*value))
        return buf_add(out, dflt + 2, len - name_len - 2);
    if (!value) {
        problem_at(l, n, "environment variable %s is not set", name);
        problem_hint(l, "set it, put it in .env beside the manifest, or write ${%s:-default}",
                     name);
        return false;
    }
    return buf_add_str(out, value);
}

static void expand_text(struct load *l, struct node *n)
{
    cleanup(buf_clear) struct buf out = BUF_INIT(EXPANDED_MAX);
    const char *at = n->text, *end = n->text + n->len;
    while (at < end) {
        const char *open = memmem(at, (size_t)(end - at), "${", 2);
        if (!open)
            break;
        if (open > at && open[-1] == '$') {
            buf_add(&out, at, (size_t)(open - at));
            buf_add_char(&out, '{');
            at = open + 2;
            continue;
        }
        const char *close = memchr(open, '}', (size_t)(end - open));
        if (!close) {
            problem_at(l, n, "'${' is not closed by '}'");
            problem_hint(l, "write $${ for a literal ${");
            return;
        }
        buf_add(&out, at, (size_t)(open - at));
        if (!expand_one(l, n, open + 2, (size_t)(close - open - 2), &out))
            return;
        at = close + 1;
    }
    if (at == n->text)
        return;
    buf_add(&out, at, (size_t)(end - at));
    if (out.overflow) {
        problem_at(l, n, "longer than %d bytes after expansion", EXPANDED_MAX);
        return;
    }
    n->written = n->text;
    n->len = out.len;
    n->text = buf_take(&out);
}

void expand_tree(struct load *l, struct node *n)
{
    if (n->kind == NODE_TEXT)
        expand_text(l, n);
    for (size_t i = 0; i < n->count; i++)
        expand_tree(l, n->items[i]);
}
