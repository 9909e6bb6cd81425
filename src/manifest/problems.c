/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "manifest/load.h"

static struct err *add(struct manifest_problems *p)
{
    if (p->count >= PROBLEMS_MAX)
        return NULL;
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 4;
        p->list = xreallocarray(p->list, p->cap, sizeof *p->list);
    }
    struct err *e = &p->list[p->count++];
    *e = (struct err){0};
    p->only_warnings = !problems_any_error(p);
    return e;
}

/* Length of the UTF-8 character at s, 0 when it is not one. */
static size_t utf8_length(const unsigned char *s)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xC2 && s[0] < 0xE0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3
                 : s[0] >= 0xF0 && s[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    return len;
}

/* What is quoted comes from anywhere and may be cut inside a character: messages stay one line of
 * UTF-8, whatever they quote. */
static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        size_t len = utf8_length(p);
        if (len == 0 || *p < ' ' || *p == 0x7f)
            *p = '?';
        p += len ? len : 1;
    }
}

static void report(struct load *l, enum err_code code, int line, int col, const char *text)
{
    struct err *e = add(l->problems);
    if (!e)
        return;
    err_set(e, code, "%s", text);
    err_place(e, l->file, line, col);
    clean(e->msg);
    clean(e->file);
    l->problems->only_warnings = !problems_any_error(l->problems);
}

#define FORMAT(text, fmt)                       \
    char text[1024];                            \
    va_list ap_;                                \
    va_start(ap_, fmt);                         \
    vsnprintf(text, sizeof text, fmt, ap_);     \
    va_end(ap_)

/* A map or list begins at its first entry, maybe lines below: its key says better where it is. */
static bool at_key(const struct node *n)
{
    return n->key && (n->kind == NODE_MAP || n->kind == NODE_LIST);
}

void problem_at(struct load *l, struct node *n, const char *fmt, ...)
{
    FORMAT(text, fmt);
    bool key = at_key(n);
    report(l, ERR_MANIFEST, key ? n->key_line : n->line, key ? n->key_col : n->col, text);
    n->bad = true;
}

void problem_at_key(struct load *l, struct node *n, const char *fmt, ...)
{
    FORMAT(text, fmt);
    report(l, ERR_MANIFEST, n->key ? n->key_line : n->line, n->key ? n->key_col : n->col, text);
    n->bad = true;
}

void warning_at(struct load *l, const struct node *n, const char *fmt, ...)
{
    FORMAT(text, fmt);
    bool key = at_key(n);
    report(l, ERR_NONE, key ? n->key_line : n->line, key ? n->key_col : n->col, text);
}

void warning_at_key(struct load *l, const struct node *n, const char *fmt, ...)
{
    FORMAT(text, fmt);
    report(l, ERR_NONE, n->key ? n->key_line : n->line, n->key ? n->key_col : n->col, text);
}

void problem_hint(struct load *l, const char *fmt, ...)
{
    FORMAT(text, fmt);
    clean(text);
    if (l->problems->count > 0 && l->problems->count < PROBLEMS_MAX)
        err_hint(&l->problems->list[l->problems->count - 1], "%s", text);
}

void problem_err(struct load *l, struct node *n, const struct err *err)
{
    struct err *e = add(l->problems);
    if (!e)
        return;
    *e = *err;
    if (e->file[0] == '\0' && n)
        err_place(e, l->file, at_key(n) ? n->key_line : n->line, at_key(n) ? n->key_col : n->col);
    else if (e->file[0] == '\0')
        err_place(e, l->file, 0, 0);
    clean(e->msg);
    clean(e->file);
    l->problems->only_warnings = !problems_any_error(l->problems);
    if (n)
        n->bad = true;
}

bool problems_any_error(const struct manifest_problems *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (p->list[i].code != ERR_NONE)
            return true;
    }
    return false;
}

static bool comes_after(const struct err *a, const struct err *b, const char *file)
{
    bool main_a = strcmp(a->file, file) == 0, main_b = strcmp(b->file, file) == 0;
    if (!main_a || !main_b)
        return false;
    return a->line != b->line ? a->line > b->line : a->col > b->col;
}

void problems_sort(struct manifest_problems *p, const char *manifest_file)
{
    /* Insertion: stable, and the list is short and nearly in order. */
    for (size_t i = 1; i < p->count; i++) {
        for (size_t k = i; k > 0 && comes_after(&p->list[k - 1], &p->list[k], manifest_file); k--) {
            struct err t = p->list[k];
            p->list[k] = p->list[k - 1];
            p->list[k - 1] = t;
        }
    }
}

void manifest_problems_clear(struct manifest_problems *p)
{
    free(p->list);
    *p = (struct manifest_problems){0};
}
