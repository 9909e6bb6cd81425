/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

/* 15 digits: as many as every decimal keeps, so that 0.1 is not written as 0.10000000000000001. */
#define JSON_FLAGS (JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

struct output {
    FILE *out, *err;
    struct output_mode mode;
    bool out_colour, err_colour, err_tty;
    bool line_open;         /* a progress line stands on the terminal, to be wiped */
    int write_errno;        /* first failure to write payload */
};

static bool wants_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && !(term && strcmp(term, "dumb") == 0) && isatty(fileno(f));
}

struct output *output_new(FILE *out, FILE *err, struct output_mode mode)
{
    struct output *o = xnew(struct output);
    o->out = out;
    o->err = err;
    o->mode = mode;
    o->out_colour = wants_colour(out);
    o->err_colour = wants_colour(err);
    o->err_tty = isatty(fileno(err));
    return o;
}

void output_mode_set(struct output *o, struct output_mode mode)
{
    o->mode = mode;
}

void output_free(struct output *o)
{
    free(o);
}

/* --- payload --- */

static void note_failure(struct output *o, bool failed)
{
    if (failed && !o->write_errno)
        o->write_errno = errno ? errno : EIO;
}

bool out_is_json(const struct output *o)
{
    return o->mode.json;
}

static void wipe_line(struct output *o)
{
    if (o->line_open)
        fputs("\r\033[K", o->err);
    o->line_open = false;
}

void out_write(struct output *o, const void *data, size_t len)
{
    wipe_line(o);
    errno = 0;
    note_failure(o, fwrite(data, 1, len, o->out) < len);
}

void out_printf(struct output *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    wipe_line(o);
    errno = 0;
    note_failure(o, vfprintf(o->out, fmt, ap) < 0);
    va_end(ap);
}

void out_json(struct output *o, json_t *value)
{
    cleanup(free_p) char *text = json_dumps(value, JSON_FLAGS);
    json_decref(value);
    if (text)
        out_printf(o, "%s\n", text);
}

void out_flush(struct output *o)
{
    errno = 0;
    note_failure(o, fflush(o->out) != 0);
}

int output_finish(struct output *o, struct err *err)
{
    wipe_line(o);
    out_flush(o);
    if (!o->write_errno)
        return 0;
    return err_sys(err, ERR_IO, o->write_errno, "cannot write to standard output");
}

/* --- tables --- */

enum { LINE_MAX_BYTES = 1 << 20 };

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static size_t width_of(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* The text of a cell; memory that is needed for it is kept in *own. */
static const char *cell_text(const json_t *row, const char *key, char **own)
{
    const json_t *v = json_object_get(row, key);
    *own = NULL;
    if (!v || json_is_null(v))
        return "";
    if (json_is_string(v))
        return json_string_value(v);
    return *own = json_dumps(v, JSON_FLAGS);
}

static void add_cell(struct buf *line, const struct out_column *c, const char *text, size_t width)
{
    int pad = (int)(width - width_of(text));
    if (c->right)
        buf_printf(line, "%*s%s  ", pad, "", text);
    else
        buf_printf(line, "%s%*s", text, pad + 2, "");
}

static void print_line(struct output *o, struct buf *line)
{
    while (line->len && line->data[line->len - 1] == ' ')
        line->len--;
    buf_add_char(line, '\n');
    out_write(o, line->data, line->len);
    buf_reset(line);
}

static void print_table(struct output *o, const json_t *rows, const struct out_column *columns)
{
    size_t count = 0, i;
    while (columns[count].key)
        count++;
    size_t *widths = xcalloc(count, sizeof *widths);
    json_t *row;
    for (size_t c = 0; c < count; c++) {
        widths[c] = width_of(columns[c].title);
        json_array_foreach(rows, i, row) {
            char *own;
            size_t w = width_of(cell_text(row, columns[c].key, &own));
            widths[c] = w > widths[c] ? w : widths[c];
            free(own);
        }
    }
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    for (size_t c = 0; c < count; c++)
        add_cell(&line, &columns[c], columns[c].title, widths[c]);
    print_line(o, &line);
    json_array_foreach(rows, i, row) {
        for (size_t c = 0; c < count; c++) {
            char *own;
            add_cell(&line, &columns[c], cell_text(row, columns[c].key, &own), widths[c]);
            free(own);
        }
        print_line(o, &line);
    }
    buf_clear(&line);
    free(widths);
}

void out_table(struct output *o, json_t *rows, const struct out_column *columns)
{
    if (o->mode.json) {
        out_json(o, rows);
        return;
    }
    if (json_array_size(rows))
        print_table(o, rows, columns);
    json_decref(rows);
}

/* --- messages --- */

static const char *style_text(enum out_style style)
{
    static const char *const codes[] = {
        [OUT_PLAIN] = "\033[0m", [OUT_BOLD] = "\033[1m",    [OUT_DIM] = "\033[2m",
        [OUT_RED] = "\033[31m",  [OUT_GREEN] = "\033[32m",  [OUT_YELLOW] = "\033[33m",
        [OUT_BLUE] = "\033[34m",
    };
    return codes[style];
}

const char *out_style(const struct output *o, enum out_style style)
{
    return o->out_colour ? style_text(style) : "";
}

const char *out_err_style(const struct output *o, enum out_style style)
{
    return o->err_colour ? style_text(style) : "";
}

static void message(struct output *o, const char *fmt, va_list ap)
{
    /* Both may be the same terminal: keep the order in which things were said. */
    fflush(o->out);
    wipe_line(o);
    vfprintf(o->err, fmt, ap);
    fputc('\n', o->err);
    fflush(o->err);
}

void out_note(struct output *o, const char *fmt, ...)
{
    if (o->mode.quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    message(o, fmt, ap);
    va_end(ap);
}

void out_detail(struct output *o, const char *fmt, ...)
{
    if (!o->mode.verbose)
        return;
    va_list ap;
    va_start(ap, fmt);
    message(o, fmt, ap);
    va_end(ap);
}

static void said(struct output *o, const char *fmt, ...) printf_like(2, 3);
static void said(struct output *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    message(o, fmt, ap);
    va_end(ap);
}

void out_warn(struct output *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cleanup(free_p) char *text = xvasprintf(fmt, ap);
    va_end(ap);
    said(o, "%sedgectl: warning:%s %s", out_err_style(o, OUT_YELLOW), out_err_style(o, OUT_PLAIN),
         text);
}

void out_command(struct output *o, const char *line)
{
    said(o, "%s", line);
}

static void error_json(struct output *o, const struct err *err)
{
    json_t *e = json_pack("{s:s, s:s, s:i}", "code", err_name(err->code), "message", err->msg,
                          "exit", err_exit_status(err->code));
    /* A message that is not UTF-8 (a file's name) is not JSON; say the code at least. */
    if (!e)
        e = json_pack("{s:s, s:i}", "code", err_name(err->code), "exit",
                      err_exit_status(err->code));
    if (err->file[0])
        json_object_set_new(e, "file", json_string(err->file));
    if (err->line)
        json_object_set_new(e, "line", json_integer(err->line));
    if (err->col)
        json_object_set_new(e, "column", json_integer(err->col));
    if (err->hint[0])
        json_object_set_new(e, "hint", json_string(err->hint));
    json_t *whole = json_pack("{s:o}", "error", e);
    cleanup(free_p) char *text = json_dumps(whole, JSON_COMPACT);
    json_decref(whole);
    said(o, "%s", text ? text : "{}");
}

void out_error(struct output *o, const struct err *err)
{
    if (o->mode.json) {
        error_json(o, err);
        return;
    }
    struct buf place = BUF_INIT(sizeof err->file + 64);
    if (err->file[0]) {
        buf_add_str(&place, err->file);
        if (err->line)
            buf_printf(&place, ":%d", err->line);
        if (err->line && err->col)
            buf_printf(&place, ":%d", err->col);
        buf_add_str(&place, ": ");
    }
    said(o, "%sedgectl:%s %s%s", out_err_style(o, OUT_RED), out_err_style(o, OUT_PLAIN),
         buf_str(&place), err->msg);
    buf_clear(&place);
    if (err->hint[0])
        said(o, "%shint:%s %s", out_err_style(o, OUT_BLUE), out_err_style(o, OUT_PLAIN), err->hint);
}

/* --- progress --- */

enum { REDRAW_NS = 100 * 1000 * 1000, BAR = 24 };

static void draw(struct out_progress *p)
{
    struct output *o = p->out;
    char bar[BAR + 1];
    if (p->total) {
        size_t full = (size_t)(p->done >= p->total ? BAR : p->done * BAR / p->total);
        memset(bar, '-', BAR);
        memset(bar, '#', full);
        bar[BAR] = '\0';
        int percent = p->done >= p->total ? 100 : (int)(p->done * 100 / p->total);
        fprintf(o->err, "\r\033[K%s [%s] %d%%", p->label, bar, percent);
    } else {
        fprintf(o->err, "\r\033[K%s %" PRIu64, p->label, p->done);
    }
    fflush(o->err);
    o->line_open = true;
    p->drawn_ns = clock_mono_ns();
}

void out_progress_start(struct output *o, struct out_progress *p, const char *label, uint64_t total)
{
    *p = (struct out_progress){.out = o, .label = label, .total = total, .shown = !o->mode.quiet};
    if (p->shown && o->err_tty)
        draw(p);
    else
        out_note(o, "%s ...", label);
}

void out_progress_add(struct out_progress *p, uint64_t n)
{
    p->done += n;
    if (p->shown && p->out->err_tty && clock_mono_ns() - p->drawn_ns >= REDRAW_NS)
        draw(p);
}

void out_progress_end(struct out_progress *p, const char *result)
{
    if (p->shown && result)
        out_note(p->out, "%s: %s", p->label, result);
    wipe_line(p->out);
}
