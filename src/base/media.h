/* SPDX-License-Identifier: Apache-2.0 */
/* Media types of files. */
#ifndef EDGECTL_BASE_MEDIA_H
#define EDGECTL_BASE_MEDIA_H

#include <stdbool.h>

/* By the extension of a file's name; application/octet-stream for one that is not known. Static. */
const char *media_type(const char *name);

/* Whether that file or folder, by its name (which may go on after a slash), is served to nobody.
 * Names that begin with a dot are not served, but for /.well-known (RFC 8615). */
bool media_hidden(const char *name);

#endif
