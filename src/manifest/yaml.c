/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to a node tree, from libyaml's events. Plain scalars follow the YAML 1.2 core schema (so
 * `off` and `no` are text). Aliases are copied, within the node limit; what would make a file mean
 * two things (duplicate keys, merge keys, several documents, foreign tags) is refused. */
#include "manifest/node.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "base/mem.h"

struct anchor {
    char *name;
    const struct node *node;    /* owned by the tree */
};

struct reader {
    const char *text;
    size_t len;
    yaml_parser_t parser;
    struct node_builder build;
    struct anchor *anchors;
    size_t anchor_count;
    bool done;                  /* the first document has ended */
};

static int place(struct err *err, int r, yaml_mark_t mark)
{
    err_place(err, NULL, (int)mark.line + 1, (int)mark.column + 1);
    return r;
}

static bool is_integer(const char *s, size_t len)
{
    size_t i = len && (s[0] == '-' || s[0] == '+');
    if (i == len)
        return false;
    for (; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
    }
    return true;
}

static bool is_float(const char *s, size_t len)
{
    size_t i = len && (s[0] == '-' || s[0] == '+'), digits = 0;
    bool dot = false;
    for (; i < len && s[i] != 'e' && s[i] != 'E'; i++) {
        if (s[i] == '.' && !dot)
            dot = true;
        else if (s[i] >= '0' && s[i] <= '9')
            digits++;
        else
            return false;
    }
    if (digits == 0)
        return false;
    return i == len ? dot : is_integer(s + i + 1, len - i - 1);
}

static enum node_kind plain_kind(const char *s, size_t len)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
    for (size_t i = 0; i < ARRAY_LEN(nulls); i++) {
        if (strlen(nulls[i]) == len && memcmp(s, nulls[i], len) == 0)
            return NODE_NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(bools); i++) {
        if (strlen(bools[i]) == len && memcmp(s, bools[i], len) == 0)
            return NODE_BOOL;
    }
    if (is_integer(s, len))
        return NODE_INT;
    return is_float(s, len) ? NODE_FLOAT : NODE_TEXT;
}

static int check_tag(const yaml_char_t *tag, const char *expected, struct err *err)
{
    if (!tag || strcmp((const char *)tag, expected) == 0 || strcmp((const char *)tag, "!") == 0)
        return 0;
    return err_set(err, ERR_MANIFEST, "tag '%s' is not supported", (const char *)tag);
}

static void remember(struct reader *rd, const yaml_char_t *name, const struct node *n)
{
    if (!name)
        return;
    rd->anchors = xreallocarray(rd->anchors, rd->anchor_count + 1, sizeof *rd->anchors);
    rd->anchors[rd->anchor_count++] = (struct anchor){xstrdup((const char *)name), n};
}

static bool is_open(const struct node_builder *b, const struct node *n)
{
    for (int i = 0; i < b->depth; i++) {
        if (b->stack[i] == n)
            return true;
    }
    return false;
}

static int on_alias(struct reader *rd, const yaml_event_t *ev, struct err *err)
{
    const char *name = (const char *)ev->data.alias.anchor;
    if (node_builder_wants_key(&rd->build))
        return err_set(err, ERR_MANIFEST, "an alias cannot be a key");
    for (size_t i = rd->anchor_count; i-- > 0;) {
        const struct anchor *a = &rd->anchors[i];
        if (strcmp(a->name, name) != 0)
            continue;
        if (is_open(&rd->build, a->node))
            return err_set(err, ERR_MANIFEST, "alias '*%s' contains itself", name);
        struct node *copy = node_copy(a->node, &rd->build.count);
        if (!copy)
            return err_set(err, ERR_MANIFEST, "aliases make more than %d values", NODE_COUNT_MAX);
        free(copy->key);
        copy->key = NULL;
        int depth = rd->build.depth;
        int r = node_builder_add(&rd->build, copy, err);
        if (r == 0)
            rd->build.depth = depth;
        return r;
    }
    return err_set(err, ERR_MANIFEST, "alias '*%s' has no anchor before it", name);
}

static int on_scalar(struct reader *rd, const yaml_event_t *ev, struct err *err)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;
    int line = (int)ev->start_mark.line + 1, col = (int)ev->start_mark.column + 1;
    bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !ev->data.scalar.tag;
    int r = check_tag(ev->data.scalar.tag, YAML_STR_TAG, err);
    if (r < 0)
        return r;
    if (node_builder_wants_key(&rd->build)) {
        if (plain && len == 2 && memcmp(text, "<<", 2) == 0)
            return err_set(err, ERR_MANIFEST, "merge keys (<<) are not supported");
        return node_builder_key(&rd->build, text, len, line, col, err);
    }
    struct node *n = node_scalar(plain ? plain_kind(text, len) : NODE_TEXT, text, len, line, col);
    r = node_builder_add(&rd->build, n, err);
    if (r == 0)
        remember(rd, ev->data.scalar.anchor, n);
    return r;
}

static int on_open(struct reader *rd, const yaml_event_t *ev, struct err *err)
{
    bool map = ev->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *tag = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
    if (node_builder_wants_key(&rd->build))
        return err_set(err, ERR_MANIFEST, "a key must be text");
    int r = check_tag(tag, map ? YAML_MAP_TAG : YAML_SEQ_TAG, err);
    if (r < 0)
        return r;
    struct node *n = node_new(map ? NODE_MAP : NODE_LIST, (int)ev->start_mark.line + 1,
                              (int)ev->start_mark.column + 1);
    r = node_builder_add(&rd->build, n, err);
    if (r == 0)
        remember(rd, map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor, n);
    return r;
}

static int on_event(struct reader *rd, const yaml_event_t *ev, struct err *err)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        return rd->done ? err_set(err, ERR_MANIFEST, "only one document is allowed") : 0;
    case YAML_DOCUMENT_END_EVENT:
        rd->done = true;
        return 0;
    case YAML_ALIAS_EVENT:
        return on_alias(rd, ev, err);
    case YAML_SCALAR_EVENT:
        return on_scalar(rd, ev, err);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return on_open(rd, ev, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        node_builder_end(&rd->build);
        return 0;
    default:
        return 0;
    }
}

/* For bytes that are no text libyaml knows only their offset. */
static yaml_mark_t mark_of(const struct reader *rd, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < rd->len; i++) {
        mark.column += ((unsigned char)rd->text[i] & 0xC0) != 0x80;
        if (rd->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int syntax_error(const struct reader *rd, struct err *err)
{
    const yaml_parser_t *p = &rd->parser;
    int r = err_set(err, ERR_MANIFEST, "not valid YAML: %s%s%s",
                    p->problem ? p->problem : "unreadable", p->context ? ", " : "",
                    p->context ? p->context : "");
    return place(err, r, p->error == YAML_READER_ERROR ? mark_of(rd, p->problem_offset)
                                                       : p->problem_mark);
}

/* `err` starts out zeroed; what was not placed where it was found is placed at its event. */
static int read_all(struct reader *rd, struct err *err)
{
    for (;;) {
        yaml_event_t ev;
        if (!yaml_parser_parse(&rd->parser, &ev))
            return syntax_error(rd, err);
        bool end = ev.type == YAML_STREAM_END_EVENT;
        int r = on_event(rd, &ev, err);
        if (r < 0 && err->line == 0)
            place(err, r, ev.start_mark);
        yaml_event_delete(&ev);
        if (r < 0 || end)
            return r;
    }
}

static void reader_clear(struct reader *rd)
{
    yaml_parser_delete(&rd->parser);
    node_builder_clear(&rd->build);
    for (size_t i = 0; i < rd->anchor_count; i++)
        free(rd->anchors[i].name);
    free(rd->anchors);
}

int node_from_yaml(const char *text, size_t len, const char *file, struct node **ret_root,
                   struct err *err)
{
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    cleanup(reader_clear) struct reader rd = {.text = text, .len = len};
    if (!yaml_parser_initialize(&rd.parser))
        abort();
    yaml_parser_set_encoding(&rd.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&rd.parser, (const unsigned char *)text, len);
    struct err why = {0};
    int r = read_all(&rd, &why);
    if (r < 0) {
        err_place(&why, file, why.line, why.col);
        if (err)
            *err = why;
        return r;
    }
    struct node *root = TAKE(rd.build.root);
    if (!root || root->kind == NODE_NULL) {
        node_free(root);
        root = node_new(NODE_MAP, 1, 1);
    }
    *ret_root = root;
    return 0;
}
