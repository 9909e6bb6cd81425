/* SPDX-License-Identifier: Apache-2.0 */
/* The app as a JavaScript host sees it: bindings.js, whose default export is the object that
 * templates/hosts/README.md describes. Beside what stands there:
 *
 *   target, provider  "production", "cloudflare"
 *   kv.STORE.id       the target's id for the store. On AWS, and on Vercel where there is one,
 *                     the URL of a REST store of Upstash's kind; `token` is then the secret with
 *                     its token: a parameter of SSM, or a variable
 *   secrets           on AWS the names are those of SSM parameters
 *   assets            {URL PATH: {part, type, etag, size}}: answered before the guest is asked, in
 *                     reply to GET and HEAD; `part` is a file beside bindings.js. Not there where
 *                     the platform serves files itself */
#ifndef EDGECTL_BUNDLE_APP_H
#define EDGECTL_BUNDLE_APP_H

#include "bundle/internal.h"

/* Read config stores, name bindings, check that the target has what the app asks for. Fills
 * mk->config and b->bindings. -ERR_MANIFEST. */
must_use int app_bind(struct making *mk, struct err *err);
/* The text of bindings.js. `assets`: the host serves them. The caller frees. */
char *app_module(const struct making *mk, bool assets);
/* The name of an asset's part: "assets" and its URL. The caller frees. */
char *asset_part_name(const struct asset *a);

#endif
