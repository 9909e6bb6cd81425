// SPDX-License-Identifier: Apache-2.0
// fastly_abi, fastly_compute_runtime, the gate of fastly_http_cache, and what is answered as the
// reference emulator does, without the feature behind it: rate counters, the firewall.
import { BUFLEN, bytes, decode, ERROR, give32, give64, giveText, INVAL, OK, u32, UNSUPPORTED } from "./memory.js";

const MIB = 1 << 20;
const noProduct = (g, out) => give32(g, out, 0);

export const abi = { init: (g, version) => (version === 1n ? OK : ERROR) };

export const compute_runtime = {
    get_vcpu_ms: (g, out) => give64(g, out, Math.floor(g.busy())),
    get_heap_mib: (g, out) => give32(g, out, Math.ceil(g.u8.length / MIB)),
    has_domain_inspector: noProduct,
    has_image_optimizer: noProduct,
    has_origin_inspector: noProduct,
};

// Every SDK asks this first; "unsupported" makes it send without the guest-side HTTP cache.
export const http_cache = { is_request_cacheable: () => UNSUPPORTED };

export const erl = {
    check_rate: (g, ...a) => give32(g, a[10], 0),
    ratecounter_increment: () => OK,
    ratecounter_lookup_rate: (g, ...a) => give32(g, a[5], 0),
    ratecounter_lookup_count: (g, ...a) => give32(g, a[5], 0),
    penaltybox_add: () => OK,
    penaltybox_has: (g, ...a) => give32(g, a[4], 0),
};

const VERDICT = '{"waf_response":200,"redirect_url":"","tags":[],"verdict":"allow","decision_ms":0}';

export function inspect(g, request, body, mask, info, buf, len, out) {
    info >>>= 0;
    g.requestAt(request);
    g.body(body);
    if (mask & ~14 || (mask & 6) !== 6)
        return INVAL;
    for (const offset of [0, 8]) {
        const name = bytes(g, u32(g, info + offset), u32(g, info + offset + 4));
        if (name.length === 0 || decode(name) === undefined)
            return INVAL;
    }
    if (mask & 8 && ![0, 4, 16].includes(bytes(g, u32(g, info + 16), u32(g, info + 20)).length))
        return INVAL;
    return len >>> 0 < VERDICT.length ? BUFLEN : giveText(g, VERDICT, buf, len, out);
}

