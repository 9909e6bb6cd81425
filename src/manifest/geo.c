/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "manifest/manifest.h"

/* What the reference emulator tells about loopback: the same words, since apps compare them. */
static const char loopback[] =
    "{\"as_name\":\"Fastly, Inc\",\"as_number\":54113,\"area_code\":415,"
    "\"city\":\"San Francisco\",\"conn_speed\":\"broadband\",\"conn_type\":\"wired\","
    "\"continent\":\"NA\",\"country_code\":\"US\",\"country_code3\":\"USA\","
    "\"country_name\":\"United States of America\",\"latitude\":37.77869,"
    "\"longitude\":-122.39557,\"metro_code\":0,\"postal_code\":\"94107\","
    "\"proxy_description\":\"?\",\"proxy_type\":\"?\",\"region\":\"CA\",\"utc_offset\":-700}";

static bool is_loopback(const uint8_t *octets, size_t len)
{
    static const uint8_t six[16] = {[15] = 1};
    return len == 4 ? octets[0] == 127 : len == 16 && memcmp(octets, six, 16) == 0;
}

const char *manifest_geo_lookup(const struct manifest *m, const uint8_t *octets, size_t len)
{
    const struct manifest_geo *best = NULL;
    for (size_t i = 0; i < m->geo_count; i++) {
        const struct manifest_geo *g = &m->geo[i];
        if (ip_prefix_match(&g->prefix, octets, len) &&
            (!best || g->prefix.bits >= best->prefix.bits))
            best = g;
    }
    if (best)
        return best->json;
    return m->geo_default_loopback && is_loopback(octets, len) ? loopback : NULL;
}

const char *manifest_device_lookup(const struct manifest *m, const char *user_agent, size_t len)
{
    for (size_t i = m->device_count; i-- > 0;) {
        const struct manifest_device *d = &m->devices[i];
        if (strlen(d->user_agent) == len && memcmp(d->user_agent, user_agent, len) == 0)
            return d->json;
    }
    return NULL;
}
