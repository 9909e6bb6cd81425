/* SPDX-License-Identifier: Apache-2.0 */
/* A request body that can be sent more than once: pieces of memory and of files, read only while
 * they go out, so that a 100 MB artifact costs no memory. */
#ifndef EDGECTL_NET_API_BODY_H
#define EDGECTL_NET_API_BODY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/spool.h"

struct api_body;

struct api_body *api_body_new(const char *content_type);
/* NULL is allowed. */
void api_body_free(struct api_body *b);
void api_body_free_p(struct api_body **b);
/* Copied, and cleared when freed: it may hold a secret. */
void api_body_add(struct api_body *b, const void *data, size_t len);
/* Must stay valid as long as the body. */
void api_body_add_borrowed(struct api_body *b, const void *data, size_t len);
/* The same, in base64: as text within JSON. It is encoded while it goes out. */
void api_body_add_base64(struct api_body *b, const void *data, size_t len);
/* Borrowed data may be of this spool, whose memory is then given back while it goes out. NULL = it
 * is not. */
void api_body_spool(struct api_body *b, const struct spool *sp);
/* The whole file, as it is now: -ERR_IO if it cannot be read or is no regular file. It is opened
 * here; one that shrinks meanwhile fails the call. */
must_use int api_body_add_file(struct api_body *b, const char *path, struct err *err);
uint64_t api_body_size(const struct api_body *b);

/* JSON text, compact, keys in their order; takes the caller's reference. */
struct api_body *api_body_json(json_t *value);
/* Text as it is. */
struct api_body *api_body_text(const char *content_type, const void *data, size_t len);
/* application/x-www-form-urlencoded: names and values in turn, NULL ends; pairs whose value is NULL
 * are left out. */
struct api_body *api_body_form(const char *name, ...) __attribute__((sentinel));

/* multipart/form-data (RFC 7578). The boundary follows from `seed` alone: the same upload has the
 * same bytes. Fields are added in their order; end it with api_body_end_parts. */
struct api_body *api_body_parts(const char *seed);
/* Opens a part; filename and type may be NULL. Its content is what is added next. */
void api_body_part(struct api_body *b, const char *name, const char *filename, const char *type);
void api_body_end_parts(struct api_body *b);

/* SHA-256 of the content, read once. -ERR_IO. */
must_use int api_body_sha256(struct api_body *b, uint8_t ret_digest[32], struct err *err);

/* --- for the client --- */
const char *api_body_type(const struct api_body *b);
void api_body_rewind(struct api_body *b);
/* The next at most `cap` bytes; 0 = end; -1 with errno. */
long api_body_read(struct api_body *b, void *to, size_t cap);

#endif
