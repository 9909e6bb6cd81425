/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_device_detection: what the manifest says about a User-Agent, by its exact text. */
#include "guest/session.h"

int32_t hc_device_detection_lookup(struct instance *in, const uint64_t *a)
{
    uint8_t *agent;
    TRY(mem_bytes(in, a[0], a[1], &agent));
    if (!utf8_valid(agent, a[1]))
        return HC_ERROR;
    const char *json =
        manifest_device_lookup(guest_of(in)->app->manifest, (const char *)agent, a[1]);
    return json ? (int32_t)give_text(in, json, strlen(json), a[2], a[3], a[4]) : HC_NONE;
}
