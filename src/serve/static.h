/* SPDX-License-Identifier: Apache-2.0 */
/* Static files named in the manifest, answered before the app is asked, as Cloudflare and Vercel
 * do: GET and HEAD of a path that is a file, all else is the app's. */
#ifndef EDGECTL_SERVE_STATIC_H
#define EDGECTL_SERVE_STATIC_H

#include <stdbool.h>
#include <stddef.h>
#include "manifest/manifest.h"
#include "serve/exchange.h"

/* True if a file answers this request: the caller's reference to `ex` is taken. False: nothing was
 * done. `sites` are borrowed for the call; of those whose path is a prefix the longest decides.
 *
 * A directory gives its index.html, by a redirect if the slash is missing. Names beginning with a
 * dot, special files, and symbolic links that lead out of the site's directory are not there.
 * ETag, Last-Modified, conditional requests (RFC 9110, 13) and single byte ranges (14.2) are
 * served; files must be revalidated each time. Looking up is done at once, reading off the loop. */
bool static_try(const struct manifest_static *sites, size_t count, struct exchange *ex);

#endif
