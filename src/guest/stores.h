/* SPDX-License-Identifier: Apache-2.0 */
/* What the stores that a guest can open have in common. */
#ifndef EDGECTL_GUEST_STORES_H
#define EDGECTL_GUEST_STORES_H

#include "guest/session.h"

/* The handle that `ptr` has in the table already, else a new one: opening twice costs nothing.
 * HANDLE_INVALID when the table is full. */
uint32_t table_share(struct table *t, void *ptr);
/* A body handle that gives this text. HANDLE_INVALID when the table is full. */
uint32_t guest_add_text(struct guest *g, const void *text, size_t len);
/* True if the guest's bytes are this name. */
bool name_is(const char *name, const uint8_t *text, size_t len);

#endif
