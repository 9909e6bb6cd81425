/* SPDX-License-Identifier: Apache-2.0 */
#include "xml/xml.h"

#include <expat.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* --- the tree --- */

struct xml *xml_new(const char *name)
{
    struct xml *x = xnew(struct xml);
    x->name = xstrdup(name);
    return x;
}

static void unlink_node(struct xml *x)
{
    struct xml *parent = x->parent;
    if (!parent)
        return;
    *(x->prev ? &x->prev->next : &parent->first) = x->next;
    *(x->next ? &x->next->prev : &parent->last) = x->prev;
    x->parent = x->prev = x->next = NULL;
}

static void free_one(struct xml *x)
{
    for (size_t i = 0; i < x->attribute_count; i++) {
        free(x->attributes[i].name);
        free(x->attributes[i].value);
    }
    free(x->attributes);
    free(x->name);
    free(x->text);
    free(x);
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    while (x->first)
        xml_free(x->first);
    unlink_node(x);
    free_one(x);
}

void xml_free_p(struct xml **x)
{
    xml_free(*x);
}

void xml_insert(struct xml *x, struct xml *child, struct xml *after)
{
    child->parent = x;
    child->prev = after;
    child->next = after ? after->next : x->first;
    *(child->prev ? &child->prev->next : &x->first) = child;
    *(child->next ? &child->next->prev : &x->last) = child;
}

static struct xml *text_node(const char *text, size_t len)
{
    struct xml *x = xnew(struct xml);
    x->text = xstrndup(text, len);
    return x;
}

void xml_set_text(struct xml *x, const char *text)
{
    while (x->first)
        xml_free(x->first);
    if (*text)
        xml_insert(x, text_node(text, strlen(text)), NULL);
}

struct xml *xml_add(struct xml *x, const char *name, const char *text)
{
    struct xml *child = xml_new(name);
    if (text)
        xml_set_text(child, text);
    xml_insert(x, child, x->last);
    return child;
}

static void add_attribute(struct xml *x, const char *name, const char *value)
{
    x->attributes = xreallocarray(x->attributes, x->attribute_count + 1, sizeof *x->attributes);
    x->attributes[x->attribute_count++] = (struct xml_attribute){xstrdup(name), xstrdup(value)};
}

void xml_set_attribute(struct xml *x, const char *name, const char *value)
{
    for (size_t i = 0; i < x->attribute_count; i++) {
        if (strcmp(x->attributes[i].name, name) == 0) {
            free(x->attributes[i].value);
            x->attributes[i].value = xstrdup(value);
            return;
        }
    }
    add_attribute(x, name, value);
}

struct xml *xml_copy(const struct xml *x)
{
    struct xml *copy = x->name ? xml_new(x->name) : text_node(x->text, strlen(x->text));
    for (size_t i = 0; i < x->attribute_count; i++)
        add_attribute(copy, x->attributes[i].name, x->attributes[i].value);
    for (const struct xml *child = x->first; child; child = child->next)
        xml_insert(copy, xml_copy(child), copy->last);
    return copy;
}

static bool is_named(const struct xml *x, const char *name, size_t len)
{
    if (!x->name)
        return false;
    const char *colon = strchr(x->name, ':'), *local = colon ? colon + 1 : x->name;
    return strncmp(local, name, len) == 0 && local[len] == '\0';
}

struct xml *xml_each(const struct xml *x, const char *name, const struct xml *after)
{
    for (struct xml *child = after ? after->next : x->first; child; child = child->next) {
        if (is_named(child, name, strlen(name)))
            return child;
    }
    return NULL;
}

struct xml *xml_find(const struct xml *x, const char *path)
{
    struct xml *found = NULL;
    while (x && *path) {
        size_t len = strcspn(path, "/");
        found = x->first;
        while (found && !is_named(found, path, len))
            found = found->next;
        x = found;
        path += len + (path[len] == '/');
    }
    return x ? found : NULL;
}

const char *xml_get(const struct xml *x, const char *path)
{
    const struct xml *at = path ? xml_find(x, path) : x;
    if (!at)
        return NULL;
    for (const struct xml *child = at->first; child; child = child->next) {
        if (child->name)
            return "";
    }
    /* Neighbouring runs are read as one. */
    return at->first ? at->first->text : "";
}

/* --- reading --- */

struct reader {
    XML_Parser parser;
    struct xml *root, *at;
    struct buf text;                /* of the run that is being read: it comes in many pieces */
    int depth;
    const char *refused;            /* why it was stopped, or NULL */
};

static void parser_free_p(XML_Parser *p)
{
    XML_ParserFree(*p);
}

static void refuse(struct reader *r, const char *why)
{
    r->refused = why;
    XML_StopParser(r->parser, XML_FALSE);
}

static void end_run(struct reader *r)
{
    if (r->text.len)
        xml_insert(r->at, text_node(r->text.data, r->text.len), r->at->last);
    buf_reset(&r->text);
}

static void XMLCALL on_start(void *env, const char *name, const char **attributes)
{
    struct reader *r = env;
    if (++r->depth > XML_DEPTH_MAX) {
        refuse(r, "elements are nested too deep");
        return;
    }
    end_run(r);
    struct xml *x = xml_new(name);
    for (size_t i = 0; attributes[i]; i += 2)
        add_attribute(x, attributes[i], attributes[i + 1]);
    if (r->at)
        xml_insert(r->at, x, r->at->last);
    else
        r->root = x;
    r->at = x;
}

static void XMLCALL on_end(void *env, const char *name)
{
    (void)name;
    struct reader *r = env;
    end_run(r);
    r->depth--;
    r->at = r->at->parent;
}

static void XMLCALL on_text(void *env, const char *text, int len)
{
    struct reader *r = env;
    buf_add(&r->text, text, (size_t)len);
}

static void XMLCALL on_doctype(void *env, const char *name, const char *sysid, const char *pubid,
                               int internal)
{
    (void)name;
    (void)sysid;
    (void)pubid;
    (void)internal;
    refuse(env, "it has a document type");
}

int xml_parse(const char *text, size_t len, struct xml **ret_root, struct err *err)
{
    cleanup(parser_free_p) XML_Parser parser = XML_ParserCreate(NULL);
    if (!parser)
        abort();
    struct reader r = {.parser = parser, .text = BUF_INIT(len)};
    XML_SetUserData(parser, &r);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    bool good = len <= INT_MAX && XML_Parse(parser, text, (int)len, XML_TRUE) == XML_STATUS_OK;
    buf_clear(&r.text);
    if (good) {
        *ret_root = r.root;
        return 0;
    }
    xml_free(r.root);
    return err_set(err, ERR_NETWORK, "no valid XML: line %lu: %s",
                   (unsigned long)XML_GetCurrentLineNumber(parser),
                   r.refused ? r.refused : XML_ErrorString(XML_GetErrorCode(parser)));
}

/* --- writing --- */

static void write_escaped(const char *text, bool attribute, struct buf *to)
{
    for (; *text; text++) {
        if (*text == '&')
            buf_add_str(to, "&amp;");
        else if (*text == '<')
            buf_add_str(to, "&lt;");
        else if (*text == '>')
            buf_add_str(to, "&gt;");
        else if (*text == '"' && attribute)
            buf_add_str(to, "&quot;");
        else if (*text == '\r' || ((*text == '\n' || *text == '\t') && attribute))
            buf_printf(to, "&#%d;", *text); /* a reader would make it a line feed, or a blank */
        else
            buf_add_char(to, *text);
    }
}

void xml_write(const struct xml *x, struct buf *to)
{
    if (!x->name) {
        write_escaped(x->text, false, to);
        return;
    }
    buf_printf(to, "<%s", x->name);
    for (size_t i = 0; i < x->attribute_count; i++) {
        buf_printf(to, " %s=\"", x->attributes[i].name);
        write_escaped(x->attributes[i].value, true, to);
        buf_add_char(to, '"');
    }
    if (!x->first) {
        buf_add_str(to, "/>");
        return;
    }
    buf_add_char(to, '>');
    for (const struct xml *child = x->first; child; child = child->next)
        xml_write(child, to);
    buf_printf(to, "</%s>", x->name);
}
