// SPDX-License-Identifier: Apache-2.0
// fastly_http_downstream: what is known of the client; and the older forms in fastly_http_req
// without a handle, which mean the first client request. One request is all that a sandbox gets.
import * as headers from "./headers.js";
import { BADF, ERROR, give32, giveMulti, giveText, INVAL, LIMITEXCEEDED, NONE, OK, put32, range, slot, toBinary, u32, UNSUPPORTED } from "./memory.js";
import { PROMISE } from "./guest.js";

function giveAddress(g, octets, buf, out) {
    buf = range(g, buf, octets.length);
    give32(g, out, octets.length);
    g.u8.set(octets, buf);
    return OK;
}

// Text or bytes, or NONE when the platform does not know.
const giveKnown = (g, v, ...out) => (v === undefined ? NONE : giveText(g, typeof v === "string" ? toBinary(v) : v, ...out));

const fromTls = (name) => (g, ...out) => giveKnown(g, g.request.tls?.[name], ...out);

// The Go SDK asks these of every https request, and ends the guest when there is no answer; the Rust SDK
// ends it when the JA3 has not 16 bytes. So what the platform does not know is empty then, or zeros.
const secure = (g) => g.request.url.startsWith("https:");
const ofTls = (name) => (g, ...out) => giveKnown(g, g.request.tls?.[name] ?? (secure(g) ? "" : undefined), ...out);

// Bots: from request headers that a tester sends.
const BOT_KINDS = `none suspected accessibility ai-crawler ai-fetcher content-fetcher monitoring-site-tools
    online-marketing page-preview platform-integration research search-engine-crawler
    search-engine-optimization security-tools headless`.split(/\s+/);

const sent = (g, name) => headers.get(g.originalHeaders, `x-fastly-bot-${name}`);
const botFlag = (name) => (g, out) => give32(g, out, /^(1|true)$/i.test(sent(g, name) ?? "") ? 1 : 0);
const botText = (name) => (g, ...out) => giveKnown(g, sent(g, name), ...out);

function botCategoryKind(g, out) {
    const v = sent(g, "category");
    const kind = v === undefined ? -1 : BOT_KINDS.indexOf(v.toLowerCase());
    if (kind >= 0)
        return give32(g, out, kind);
    return /^\d+$/.test(v ?? "") && +v <= 0xffffffff ? give32(g, out, +v) : NONE;
}

const unknown = () => NONE;

const both = {
    downstream_client_ip_addr: (g, buf, out) => giveAddress(g, g.clientOctets(), buf, out),
    downstream_server_ip_addr: (g, buf, out) => giveAddress(g, g.serverOctets(), buf, out),
    downstream_client_h2_fingerprint: unknown,
    downstream_client_oh_fingerprint: unknown,
    downstream_client_request_id: (g, ...out) => giveText(g, "00000000" + g.number.toString(16).padStart(24, "0"), ...out),
    downstream_client_ddos_detected: (g, out) => give32(g, out, 0),
    downstream_tls_cipher_openssl_name: ofTls("cipher"),
    downstream_tls_protocol: ofTls("protocol"),
    downstream_tls_client_hello: ofTls("clientHello"),
    downstream_tls_raw_client_certificate: fromTls("clientCert"),
    downstream_tls_client_cert_verify_result(g, out) {
        const v = g.request.tls?.verifyResult;
        return v === undefined ? NONE : give32(g, out, v);
    },
    downstream_tls_ja3_md5(g, buf, out) {
        const v = g.request.tls?.ja3 ?? (secure(g) ? new Uint8Array(16) : undefined);
        return v === undefined ? NONE : giveAddress(g, v, buf, out);
    },
    downstream_tls_ja4: fromTls("ja4"),
    downstream_compliance_region: (g, ...out) => giveText(g, "none", ...out),
    fastly_key_is_valid(g, out) {
        const key = headers.get(g.originalHeaders, "fastly-key");
        return give32(g, out, key !== undefined && (g.app.fastlyKeys ?? []).some((k) => toBinary(k) === key) ? 1 : 0);
    },
};

const originalNames = (g, ...out) => giveMulti(g, g.originalHeaders.map((h) => h[0]), ...out);
const originalCount = (g, out) => give32(g, out, g.originalHeaders.length);

const ofRequest = {
    ...both,
    downstream_tls_client_servername: fromTls("servername"),
    downstream_original_header_names: originalNames,
    downstream_original_header_count: originalCount,
    downstream_bot_analyzed: botFlag("analyzed"),
    downstream_bot_detected: botFlag("detected"),
    downstream_bot_name: botText("name"),
    downstream_bot_category: botText("category"),
    downstream_bot_category_kind: botCategoryKind,
    downstream_bot_verified: (g, out) => (sent(g, "verified") === undefined ? NONE : botFlag("verified")(g, out)),
};
for (const name of `anonymous anonymous_vpn hosting_provider proxy_over_vpn public_proxy relay_proxy residential_proxy
        smart_dns_proxy tor_exit_node vpn_datacenter`.split(/\s+/))
    ofRequest[`downstream_resvpnproxy_is_${name}`] = unknown;
ofRequest.downstream_resvpnproxy_vpn_service_name = unknown;

// --- further client requests in the same sandbox: asking is answered, none ever comes ---

const promiseOf = (g, h) => g.item(h, PROMISE);

export const http_downstream = {
    next_request(g, mask, options, out) {
        if (mask & ~2)
            return INVAL;
        if (mask & 2)
            u32(g, options);
        out = slot(g, out, 4);
        if (g.items.some((it) => it?.kind === PROMISE))
            return LIMITEXCEEDED;
        put32(g, out, g.addItem(PROMISE, { ready: () => true }));
        return OK;
    },
    next_request_wait(g, h) {
        promiseOf(g, h);
        if (!g.answered)
            return UNSUPPORTED;
        g.dropItem(h);
        return NONE;
    },
    next_request_abandon(g, h) {
        promiseOf(g, h);
        g.dropItem(h);
        return OK;
    },
};
for (const [name, fn] of Object.entries(ofRequest))
    http_downstream[name] = (g, request, ...out) => {
        request >>>= 0;
        if (request === 0)
            return fn(g, ...out);
        return request < g.requests.length ? ERROR : BADF;
    };

// For fastly_http_req.
export const ofFirst = {
    ...both,
    original_header_names_get: originalNames,
    original_header_count: originalCount,
};
