/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_log: named endpoints (abi README section 10, Log). */
#include <stdlib.h>
#include <strings.h>
#include "base/mem.h"
#include "guest/session.h"

static bool reserved(const char *name)
{
    return strcasecmp(name, "stdout") == 0 || strcasecmp(name, "stderr") == 0 ||
           strncasecmp(name, "fst_managed", strlen("fst_managed")) == 0;
}

int32_t hc_log_endpoint_get(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *out;
    cleanup(free_p) char *name = NULL;
    TRY(mem_slot(in, a[2], 4, &out));
    TRY(take_text(in, a[0], a[1], &name));
    if (name[0] == '\0' || reserved(name))
        return HC_INVAL;
    uint32_t handle = 0;
    while (handle < g->endpoints.count && strcmp(g->endpoints.list[handle], name) != 0)
        handle++;
    if (handle == g->endpoints.count)
        handle = table_add(&g->endpoints, TAKE(name));
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_log_write(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *text, *out;
    const char *endpoint = table_get(&g->endpoints, a[0]);
    if (!endpoint)
        return HC_BADF;
    TRY(mem_bytes(in, a[1], a[2], &text));
    TRY(mem_slot(in, a[3], 4, &out));
    size_t len = a[2];
    if (len && text[len - 1] == '\n')
        len--;
    if (len)
        guest_log(g, endpoint, text, len);
    put_u32(out, (uint32_t)a[2]);
    return HC_OK;
}
