// SPDX-License-Identifier: Apache-2.0
// What a Worker knows of its client. Everything is asked for late: most guests want little of it.
import { fromHeaders } from "./headers.js";

const VERSIONS = { "HTTP/1.0": 10, "HTTP/2": 20, "HTTP/3": 30 };
// Names of TLS 1.3 suites here, and OpenSSL's.
const CIPHERS = {
    "AEAD-AES128-GCM-SHA256": "TLS_AES_128_GCM_SHA256", "AEAD-AES256-GCM-SHA384": "TLS_AES_256_GCM_SHA384",
    "AEAD-CHACHA20-POLY1305-SHA256": "TLS_CHACHA20_POLY1305_SHA256",
};

const fromHex = (s) => s && Uint8Array.from(s.match(/../g), (b) => parseInt(b, 16));

function offsetOf(timezone) {
    const name = new Intl.DateTimeFormat("en", { timeZone: timezone, timeZoneName: "longOffset" })
        .formatToParts().find((p) => p.type === "timeZoneName").value;
    return Number(name.replace(/^GMT/, "").replace(":", "") || 0);
}

// The record of SDKs; what is not known here is empty or 0.
function geoOf(cf) {
    const country = cf.country ?? "";
    const named = country && new Intl.DisplayNames(["en"], { type: "region" }).of(country);
    return {
        as_name: cf.asOrganization ?? "", as_number: cf.asn ?? 0, area_code: 0, city: (cf.city ?? "").toLowerCase(),
        conn_speed: "?", conn_type: "?", continent: cf.continent ?? "", country_code: country, country_code3: "",
        country_name: named.toLowerCase(), latitude: Number(cf.latitude ?? 0), longitude: Number(cf.longitude ?? 0),
        metro_code: Number(cf.metroCode ?? 0), postal_code: cf.postalCode ?? "", proxy_description: "?", proxy_type: "?",
        region: cf.regionCode ?? "", utc_offset: cf.timezone ? offsetOf(cf.timezone) : 0,
    };
}

export class ClientRequest {
    constructor(request) {
        this.request = request;
    }

    get method() {
        return this.request.method;
    }

    get url() {
        return this.request.url;
    }

    get version() {
        return VERSIONS[this.request.cf?.httpProtocol] ?? 11;
    }

    headers() {
        return fromHeaders(this.request.headers);
    }

    get body() {
        return this.request.body;
    }

    get length() {
        const length = this.request.headers.get("content-length");
        return length === null ? undefined : Number(length);
    }

    // Without Cloudflare in front the client is on this machine.
    get client() {
        return this.request.headers.get("cf-connecting-ip") ?? "127.0.0.1";
    }

    get tls() {
        const { cf } = this.request;
        if (!cf?.tlsVersion || !cf.tlsVersion.startsWith("TLS"))
            return undefined;
        return {
            protocol: cf.tlsVersion, cipher: CIPHERS[cf.tlsCipher] ?? cf.tlsCipher, servername: new URL(this.url).hostname,
            ja3: fromHex(cf.botManagement?.ja3Hash), ja4: cf.botManagement?.ja4,
        };
    }

    geo() {
        const { cf } = this.request;
        return cf?.country || cf?.asn ? geoOf(cf) : undefined;
    }
}
