/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_req.inspect: the firewall's verdict on a request. There is no firewall here: after
 * the checks of the reference emulator the verdict is always "allow". */
#include <stdatomic.h>
#include "guest/record.h"

enum { INFO_CORP = 1 << 1, INFO_WORKSPACE = 1 << 2, INFO_CLIENT_IP = 1 << 3, INFO_KNOWN = 0xe };

/* A name that must be given. */
static enum hc_status check_name(struct instance *in, const uint64_t *a, uint64_t bit,
                                 unsigned offset)
{
    uint8_t *name;
    uint32_t len;
    if (!(a[2] & bit))
        return HC_INVAL;
    TRY(record_bytes(in, a[3], offset, &name, &len));
    return len && utf8_valid(name, len) ? HC_OK : HC_INVAL;
}

int32_t hc_http_req_inspect(struct instance *in, const uint64_t *a)
{
    static const char verdict[] = "{\"waf_response\":200,\"redirect_url\":\"\",\"tags\":[],"
                                  "\"verdict\":\"allow\",\"decision_ms\":0}";
    static atomic_bool noted;
    struct guest *g = guest_of(in);
    uint8_t *ip, *to, *written;
    uint32_t ip_len;
    if (!table_get(&g->requests, a[0]) || !guest_body(g, a[1]))
        return HC_BADF;
    if (a[2] & ~(uint64_t)INFO_KNOWN)
        return HC_INVAL;
    TRY(check_name(in, a, INFO_CORP, 0));
    TRY(check_name(in, a, INFO_WORKSPACE, 8));
    if (a[2] & INFO_CLIENT_IP) {
        TRY(record_bytes(in, a[3], 16, &ip, &ip_len));
        if (ip_len != 0 && ip_len != 4 && ip_len != 16)
            return HC_INVAL;
    }
    if (!atomic_exchange(&noted, true))
        guest_note_unsupported(g, "fastly_http_req", "inspect");
    if (a[5] < sizeof verdict - 1)
        return HC_BUFLEN;
    TRY(mem_slot(in, a[6], 4, &written));
    TRY(mem_bytes(in, a[4], sizeof verdict - 1, &to));
    memcpy(to, verdict, sizeof verdict - 1);
    put_u32(written, sizeof verdict - 1);
    return HC_OK;
}
