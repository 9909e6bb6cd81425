/* SPDX-License-Identifier: Apache-2.0 */
/* TOML to a node tree, from the events of src/rust. */
#include "manifest/node.h"

#include <stdint.h>
#include <string.h>
#include "base/mem.h"
#include "rust/edgectl_rs.h"

struct reader {
    const char *text;
    size_t len;
    size_t *lines;              /* where each begins */
    size_t line_count;
    size_t at;                  /* offset that line and col stand for */
    int line, col;
    struct node_builder build;
    struct err err;
    int failed;                 /* first failure; the rest of the events is ignored */
};

static void find_lines(struct reader *rd)
{
    size_t count = 1;
    for (const char *p = rd->text; (p = memchr(p, '\n', rd->len - (size_t)(p - rd->text))); p++)
        count++;
    rd->lines = xreallocarray(NULL, count, sizeof *rd->lines);
    rd->lines[0] = 0;
    rd->line_count = 1;
    for (size_t i = 0; rd->line_count < count; i++) {
        if (rd->text[i] == '\n')
            rd->lines[rd->line_count++] = i + 1;
    }
}

/* Sets line and col for an offset; columns count characters. Tables may be scattered over the
 * file, so offsets go back as well as on. */
static void seek(struct reader *rd, size_t to)
{
    size_t lo = 0, hi = rd->line_count;
    if (to > rd->len)
        to = rd->len;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (rd->lines[mid] <= to)
            lo = mid;
        else
            hi = mid;
    }
    /* On from the last place where that is in the same line. */
    if (rd->line != (int)lo + 1 || rd->at > to) {
        rd->line = (int)lo + 1;
        rd->at = rd->lines[lo];
        rd->col = 1;
    }
    for (; rd->at < to; rd->at++)
        rd->col += ((unsigned char)rd->text[rd->at] & 0xC0) != 0x80;
}

static void on_event(void *env, uint32_t kind, const char *text, size_t text_len, size_t at)
{
    static const enum node_kind kinds[] = {
        [EDGECTL_RS_TOML_TABLE] = NODE_MAP,     [EDGECTL_RS_TOML_ARRAY] = NODE_LIST,
        [EDGECTL_RS_TOML_STRING] = NODE_TEXT,   [EDGECTL_RS_TOML_INTEGER] = NODE_INT,
        [EDGECTL_RS_TOML_FLOAT] = NODE_FLOAT,   [EDGECTL_RS_TOML_BOOL] = NODE_BOOL,
        [EDGECTL_RS_TOML_DATETIME] = NODE_DATE,
    };
    struct reader *rd = env;
    if (rd->failed < 0)
        return;
    if (kind == EDGECTL_RS_TOML_END) {
        node_builder_end(&rd->build);
        return;
    }
    seek(rd, at);
    if (kind == EDGECTL_RS_TOML_KEY) {
        rd->failed = node_builder_key(&rd->build, text, text_len, rd->line, rd->col, &rd->err);
        return;
    }
    bool opens = kind == EDGECTL_RS_TOML_TABLE || kind == EDGECTL_RS_TOML_ARRAY;
    struct node *n = opens ? node_new(kinds[kind], rd->line, rd->col)
                           : node_scalar(kinds[kind], text, text_len, rd->line, rd->col);
    rd->failed = node_builder_add(&rd->build, n, &rd->err);
}

int node_from_toml(const char *text, size_t len, const char *file, struct node **ret_root,
                   struct err *err)
{
    struct reader rd = {.text = text, .len = len, .line = 1, .col = 1};
    find_lines(&rd);
    cleanup(free_p) size_t *lines = rd.lines;
    char why[512] = "";
    size_t why_at = 0;
    if (edgectl_rs_toml_events(text, len, on_event, &rd, why, sizeof why, &why_at) < 0) {
        seek(&rd, why_at);
        /* The parser's text may have several lines; the first says what is wrong. */
        why[strcspn(why, "\n")] = '\0';
        rd.failed = err_set(&rd.err, ERR_MANIFEST, "not valid TOML: %s", why);
        err_place(&rd.err, NULL, rd.line, rd.col);
    }
    if (rd.failed < 0) {
        node_builder_clear(&rd.build);
        err_place(&rd.err, file, rd.err.line, rd.err.col);
        if (err)
            *err = rd.err;
        return rd.failed;
    }
    *ret_root = TAKE(rd.build.root);
    return 0;
}
