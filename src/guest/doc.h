/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGECTL_GUEST_DOC_H
#define EDGECTL_GUEST_DOC_H

#include "base/buf.h"

/* edgectl-hostcalls(7): every function that a guest may import and how it is answered here, from
 * the table that the linker uses. */
void guest_doc_man(struct buf *to);

#endif
