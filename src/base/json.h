/* SPDX-License-Identifier: Apache-2.0 */
/* What jansson leaves to its users. */
#ifndef EDGECTL_BASE_JSON_H
#define EDGECTL_BASE_JSON_H

#include <jansson.h>

/* For cleanup(): gives the reference back. NULL is allowed. */
void json_decref_p(json_t **json);

#endif
