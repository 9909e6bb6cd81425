/* SPDX-License-Identifier: Apache-2.0 */
/* The providers' limits as a man page. */
#ifndef EDGECTL_BUNDLE_DOC_H
#define EDGECTL_BUNDLE_DOC_H

#include "base/buf.h"

void bundle_doc_man(struct buf *to);

#endif
