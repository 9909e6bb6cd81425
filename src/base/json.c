/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

void json_decref_p(json_t **json)
{
    json_decref(*json);
}
