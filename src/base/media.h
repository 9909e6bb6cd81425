/* SPDX-License-Identifier: Apache-2.0 */
/* Media types of files. */
#ifndef EDGECTL_BASE_MEDIA_H
#define EDGECTL_BASE_MEDIA_H

/* By the extension of a file's name; application/octet-stream for one that is not known. Static. */
const char *media_type(const char *name);

#endif
