/* SPDX-License-Identifier: Apache-2.0 */
/* Streaming gzip decoder (RFC 1952, any number of members) that writes into a struct body and
 * stops while that is full, so that a small input cannot blow up memory. */
#ifndef EDGECTL_NET_GUNZIP_H
#define EDGECTL_NET_GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

struct body;
struct gunzip;

struct gunzip *gunzip_new(void);
/* NULL is allowed. */
void gunzip_free(struct gunzip *g);
/* Decode and write to `to`; what it had no room for is kept. False: the input is broken. */
bool gunzip_write(struct gunzip *g, struct body *to, const void *data, size_t len);
/* Go on with kept input. False: the input is broken. */
bool gunzip_resume(struct gunzip *g, struct body *to);
/* True while input is kept back. */
bool gunzip_pending(const struct gunzip *g);
/* True if the input may end here: nothing came at all, or the last member is whole. */
bool gunzip_complete(const struct gunzip *g);

#endif
