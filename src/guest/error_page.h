/* SPDX-License-Identifier: Apache-2.0 */
/* The answer a client gets when a guest ends without one: cause, place, next step. HTML for
 * browsers, text for others. */
#ifndef EDGECTL_GUEST_ERROR_PAGE_H
#define EDGECTL_GUEST_ERROR_PAGE_H

#include "serve/exchange.h"
#include "wasm/engine.h"

/* 500 for everything that the guest did. The exchange must not have been answered. */
void error_page_respond(struct exchange *ex, const struct instance_outcome *outcome);
/* The same page for any trouble of this machine's: `title` one line, `detail` may have many or be
 * NULL, `hint` says what to do next or is NULL. */
void error_page_show(struct exchange *ex, int status, const char *title, const char *detail,
                     const char *hint);

#endif
