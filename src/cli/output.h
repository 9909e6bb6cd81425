/* SPDX-License-Identifier: Apache-2.0 */
/* What a command says. Payload (what was asked for) goes to stdout, as text or, with --json, as
 * JSON; everything else goes to stderr. Nothing here fails: output_finish reports a stdout that
 * could not be written, at the end. One thread at a time. */
#ifndef EDGECTL_CLI_OUTPUT_H
#define EDGECTL_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

struct output;

struct output_mode {
    bool json;              /* --json */
    bool quiet;             /* --quiet: no out_note, no progress */
    bool verbose;           /* --verbose: out_detail is shown */
};

/* Writes to the streams, which stay the caller's. Colour is used on a stream that is a terminal,
 * unless NO_COLOR is set and not empty, or TERM is "dumb". */
struct output *output_new(FILE *out, FILE *err, struct output_mode mode);
void output_mode_set(struct output *o, struct output_mode mode);
void output_free(struct output *o);
/* Flushes; ERR_IO when some payload was lost. Call once, after the command. */
must_use int output_finish(struct output *o, struct err *err);

/* --- payload, stdout --- */
bool out_is_json(const struct output *o);
/* Text as it is; the caller ends its lines. Bytes: as they are. */
void out_printf(struct output *o, const char *fmt, ...) printf_like(2, 3);
void out_write(struct output *o, const void *data, size_t len);
/* One JSON value on one line. Takes the caller's reference. */
void out_json(struct output *o, json_t *value);
/* Make what was written so far visible (events of a long-running command). */
void out_flush(struct output *o);

struct out_column {
    const char *key;        /* of the row objects */
    const char *title;      /* head of the column */
    bool right;             /* align right */
};

/* `rows`, an array of objects: in text a table with those columns (missing = empty), with --json
 * the array itself. Takes the caller's reference. `columns` ends with a NULL key. */
void out_table(struct output *o, json_t *rows, const struct out_column *columns);

/* --- messages, stderr; a newline is added --- */
void out_note(struct output *o, const char *fmt, ...) printf_like(2, 3);
void out_detail(struct output *o, const char *fmt, ...) printf_like(2, 3);
/* "edgectl: warning: ..."; shown with --quiet too. */
void out_warn(struct output *o, const char *fmt, ...) printf_like(2, 3);
/* The error, its place and its hint; with --json one line {"error": {...}}, on stderr too. */
void out_error(struct output *o, const struct err *err);

/* A line for whoever reads the log by machine, as it is; also with --quiet. */
void out_command(struct output *o, const char *line);

/* Escape sequences for stdout (or stderr) text, "" where there is no colour. */
enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_RED, OUT_GREEN, OUT_YELLOW, OUT_BLUE };
const char *out_style(const struct output *o, enum out_style style);
const char *out_err_style(const struct output *o, enum out_style style);

/* --- progress, stderr --- */
/* On a terminal one line that is redrawn, elsewhere a line at the start and one at the end. */
struct out_progress {
    struct output *out;
    const char *label;      /* borrowed */
    uint64_t total, done;   /* total 0 = unknown */
    int64_t drawn_ns;
    bool shown;
};

void out_progress_start(struct output *o, struct out_progress *p, const char *label,
                        uint64_t total);
void out_progress_add(struct out_progress *p, uint64_t n);
/* `result`: what to say at the end ("12 files"), or NULL. */
void out_progress_end(struct out_progress *p, const char *result);

#endif
