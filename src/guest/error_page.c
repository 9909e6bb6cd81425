/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/error_page.h"

#include <string.h>
#include "base/buf.h"
#include "base/mem.h"

enum { PAGE_MAX = 256 << 10 };

static void add_escaped(struct buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buf_add_str(b, "&lt;");
        else if (*text == '&')
            buf_add_str(b, "&amp;");
        else
            buf_add_char(b, *text);
    }
}

static void write_html(struct buf *b, const char *title, const char *detail, const char *hint)
{
    buf_add_str(b, "<!doctype html><meta charset=utf-8><title>edgectl: ");
    add_escaped(b, title);
    buf_add_str(b, "</title><style>body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;"
                   "max-width:60rem;padding:0 1rem}pre{background:#f4f4f4;padding:1rem;"
                   "overflow:auto;font-size:13px}@media(prefers-color-scheme:dark){body{"
                   "background:#111;color:#ddd}pre{background:#222}}</style><h1>");
    add_escaped(b, title);
    buf_add_str(b, "</h1>");
    if (hint) {
        buf_add_str(b, "<p>");
        add_escaped(b, hint);
        buf_add_str(b, "</p>");
    }
    if (detail) {
        buf_add_str(b, "<pre>");
        add_escaped(b, detail);
        buf_add_str(b, "</pre>");
    }
    buf_add_str(b, "<p><small>edgectl dev</small></p>\n");
}

static void write_text(struct buf *b, const char *title, const char *detail, const char *hint)
{
    buf_printf(b, "%s\n", title);
    if (hint)
        buf_printf(b, "hint: %s\n", hint);
    if (detail)
        buf_printf(b, "\n%s\n", detail);
}

void error_page_show(struct exchange *ex, int status, const char *title, const char *detail,
                     const char *hint)
{
    cleanup(buf_clear) struct buf page = BUF_INIT(PAGE_MAX);
    const char *accept = headers_get(&ex->headers, "accept");
    bool html = accept && strstr(accept, "text/html");
    if (html)
        write_html(&page, title, detail, hint);
    else
        write_text(&page, title, detail, hint);
    const char *type = html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
    exchange_respond_text(ex, status, type, buf_str(&page));
}

static const char *hint_for(const struct instance_outcome *out)
{
    switch (out->end) {
    case INSTANCE_CPU_LIMIT:
        return "look for a loop that does not end, or raise limits.cpu in the manifest";
    case INSTANCE_MEMORY_LIMIT:
        return "raise limits.memory in the manifest, or look for what keeps growing";
    case INSTANCE_TRAPPED:
        return "the frames below are the guest's, innermost first; build with symbols to see names";
    case INSTANCE_EXITED:
        return "the guest ended itself with this code before it answered; see its log above";
    case INSTANCE_STOPPED:
        return "limits.wall in the manifest sets how long a request may take";
    default:
        return NULL;
    }
}

void error_page_respond(struct exchange *ex, const struct instance_outcome *outcome)
{
    /* With the words of Wasmtime, by which people and scripts know a backtrace. */
    cleanup(free_p) char *frames =
        outcome->backtrace
            ? xasprintf("error while executing at wasm backtrace:\n%s", outcome->backtrace)
            : NULL;
    error_page_show(ex, 500, outcome->message, frames, hint_for(outcome));
}
