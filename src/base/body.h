/* SPDX-License-Identifier: Apache-2.0 */
/* A message body: a queue of chunks with one writer and one reader, both on the same event loop.
 * Every body in edgectl is one of these: a client's upload, a backend's answer, what a guest
 * builds, a stored value. Counted references: writer and reader hold one each.
 *
 * Callbacks run inside the call that caused them and must not run guest code: they schedule. */
#ifndef EDGECTL_BASE_BODY_H
#define EDGECTL_BASE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/headers.h"

struct body;

typedef void body_fn(void *env);

enum body_read {
    BODY_DATA,      /* bytes are there */
    BODY_WAIT,      /* none yet; on_readable will be called */
    BODY_END,       /* complete; trailers are valid */
    BODY_ERROR,     /* cut short: what follows will never come */
};

/* An empty body, open for writing, with one reference. */
struct body *body_new(void);
/* A body that nobody reads yet but its own maker: writes are taken, and reading past them says
 * BODY_END instead of BODY_WAIT. One reference. */
struct body *body_new_held(void);
/* Hand a held body to another reader: complete as it is, or (open) to be written on. What it holds
 * by then does not make it full. */
void body_release(struct body *b, bool open);
struct body *body_ref(struct body *b);
/* NULL is allowed. The last reference frees it. */
void body_unref(struct body *b);

/* --- writer --- */
/* Copy bytes to the end (or the front). Always accepted; a polite writer stops while body_full.
 * Ignored once the reader has gone. */
void body_write(struct body *b, const void *data, size_t len);
void body_write_front(struct body *b, const void *data, size_t len);
/* As body_write, but takes ownership of memory from malloc. */
void body_write_take(struct body *b, void *data, size_t len);
/* Everything src holds now and will get becomes part of b, trailers too. Takes the caller's
 * reference to src; the caller must have been its reader. If it is its writer as well, it ends src
 * first: complete bodies are moved, only open ones nest. Never b itself. */
void body_append(struct body *b, struct body *src);
/* A good end. Further writes are a programmer's mistake. */
void body_end(struct body *b);
/* Cut short: the reader gets BODY_ERROR after the bytes already queued. `reason` is a static
 * string for logs. No effect after body_end. */
void body_fail(struct body *b, const char *reason);
/* True while the queue holds 8 chunks or 1 MiB, or more. */
bool body_full(const struct body *b);
/* Called when body_full turns false, or when the reader goes away; not after body_end or
 * body_fail. NULL to clear. */
void body_on_drain(struct body *b, body_fn *fn, void *env);
bool body_reader_gone(const struct body *b);
/* Called when the reader meets BODY_WAIT: it wants bytes that are not there yet. NULL to clear. */
void body_on_wanted(struct body *b, body_fn *fn, void *env);
/* The total length, if the writer knows it beforehand (Content-Length). A body that then ends with
 * fewer bytes is cut short. */
void body_set_length(struct body *b, uint64_t length);
/* It came without a length: body_known_length stays -1 even when all of it is here, so that what is
 * passed on is framed the same way however fast it came. */
void body_set_no_length(struct body *b);
/* True between body_new and body_end / body_fail. */
bool body_is_open(const struct body *b);
/* All of it is here: it has ended, and so has whatever was appended to it. */
bool body_is_complete(const struct body *b);

/* --- reader --- */
/* The first contiguous bytes, valid until the next call on this body. */
enum body_read body_peek(struct body *b, const uint8_t **data, size_t *len);
void body_consume(struct body *b, size_t len);
/* Copy at most one chunk's worth of up to cap bytes; *len is written with BODY_DATA only. */
enum body_read body_read(struct body *b, void *to, size_t cap, size_t *len);
/* Has body_read said BODY_END? That all bytes were read is not enough: whether the end is known by
 * then is a matter of timing. */
bool body_end_read(const struct body *b);
/* Called when bytes, the end or an error arrive after BODY_WAIT. NULL to clear. */
void body_on_readable(struct body *b, body_fn *fn, void *env);
/* The reader gives up: queued bytes are dropped and the writer is told by on_drain. */
void body_stop(struct body *b);
/* Bytes queued now, not counting what an appended open body will still bring. */
size_t body_queued(const struct body *b);
/* Remaining length if it is exactly known, else -1. */
int64_t body_known_length(const struct body *b);
/* Trailers: valid for reading after BODY_END; the writer may add until body_end. */
struct headers *body_trailers(struct body *b);
/* Why it was cut short, or NULL. */
const char *body_failure(const struct body *b);

#endif
