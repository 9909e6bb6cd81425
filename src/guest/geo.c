/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_geo: what the manifest says about an address. */
#include "guest/session.h"

int32_t hc_geo_lookup(struct instance *in, const uint64_t *a)
{
    uint8_t *octets;
    TRY(mem_bytes(in, a[0], a[1], &octets));
    if (a[1] != 4 && a[1] != 16)
        return HC_INVAL;
    const char *json = manifest_geo_lookup(guest_of(in)->app->manifest, octets, a[1]);
    if (!json)
        json = ""; /* an unknown address is no error */
    return (int32_t)give_text(in, json, strlen(json), a[2], a[3], a[4]);
}
