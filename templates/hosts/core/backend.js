// SPDX-License-Identifier: Apache-2.0
// fastly_backend, dynamic backends, and fastly_shielding, which makes some.
import { parseUri, splitHost } from "./headers.js";
import {
    BADF, BUFLEN, bytes, decode, ERROR, give32, giveText, INVAL, LIMITEXCEEDED, NONE, OK, put16, put32, range, slot,
    toBinary, u32, UNSUPPORTED, utf8Text,
} from "./memory.js";

const DYNAMIC_MAX = 200, NAME_MAX = 1024, PEM_MAX = 64 << 10;
const CONNECT_DEFAULT = 1000, FIRST_BYTE_DEFAULT = 15000, BETWEEN_BYTES_DEFAULT = 10000;

// The fields of an entry of bindings.backends, and those of its URL.
export function makeBackend(entry) {
    const u = parseUri(entry.url), at = u?.authority && splitHost(u.authority);
    if (!at || !/^https?$/.test(u.scheme))
        return undefined;
    const tls = u.scheme === "https";
    return {
        ...entry, tls, host: at.host, port: at.port || (tls ? 443 : 80), prefix: u.path.split("?", 1)[0].replace(/\/+$/, ""),
        dynamic: false,
    };
}

export function origin(b) {
    const host = b.host.includes(":") ? `[${b.host}]` : b.host;
    return b.port === (b.tls ? 443 : 80) ? host : `${host}:${b.port}`;
}

// By name; undefined if there is none.
export function backendNamed(g, name) {
    return g.host.backends.get(name) ?? g.dynamic?.get(name);
}

export function backendIn(g, ptr, len) {
    const name = decode(bytes(g, ptr, len));
    return name === undefined ? undefined : backendNamed(g, name);
}

function known(g, ptr, len) {
    const b = backendIn(g, ptr, len);
    if (!b)
        throw INVAL;
    return b;
}

const number = (of) => (g, ptr, len, out) => give32(g, out, of(known(g, ptr, len)));
const HEALTH = { healthy: 1, unhealthy: 2 };
const tlsVersion = (field) => (g, ptr, len, out) => {
    const v = known(g, ptr, len)[field];
    return v === undefined ? UNSUPPORTED : give32(g, out, v);
};

export const backend = {
    exists: (g, ptr, len, out) => give32(g, out, backendIn(g, ptr, len) ? 1 : 0),
    is_healthy: number((b) => HEALTH[b.health] ?? 0),
    is_dynamic: number((b) => (b.dynamic ? 1 : 0)),
    get_host: (g, ptr, len, ...out) => giveText(g, toBinary(known(g, ptr, len).host), ...out),
    get_override_host(g, ptr, len, ...out) {
        const { overrideHost } = known(g, ptr, len);
        return overrideHost ? giveText(g, toBinary(overrideHost), ...out) : NONE;
    },
    get_port(g, ptr, len, out) {
        const b = known(g, ptr, len);
        put16(g, slot(g, out, 2), b.port);
        return OK;
    },
    is_ssl: number((b) => (b.tls ? 1 : 0)),
    get_connect_timeout_ms: number((b) => b.connectTimeout || CONNECT_DEFAULT),
    get_first_byte_timeout_ms: number((b) => b.firstByteTimeout || FIRST_BYTE_DEFAULT),
    get_between_bytes_timeout_ms: number((b) => b.betweenBytesTimeout || BETWEEN_BYTES_DEFAULT),
    get_http_keepalive_time: number((b) => b.keepalive ?? 0),
    get_tcp_keepalive_enable: number((b) => b.tcpKeepalive?.[0] ?? 0),
    get_tcp_keepalive_interval: number((b) => b.tcpKeepalive?.[1] ?? 0),
    get_tcp_keepalive_probes: number((b) => b.tcpKeepalive?.[2] ?? 0),
    get_tcp_keepalive_time: number((b) => b.tcpKeepalive?.[3] ?? 0),
    get_ssl_min_version: tlsVersion("tlsMin"),
    get_ssl_max_version: tlsVersion("tlsMax"),
};

// --- dynamic backends: a record, of which only the fields whose bit is set exist ---

const KNOWN = (1 << 19) - 2;

function textField(g, record, offset, min, max) {
    const ptr = u32(g, record + offset), len = u32(g, record + offset + 4);
    if (len < min || len > max)
        throw INVAL;
    const u8 = bytes(g, ptr, len), s = decode(u8);
    if (s === undefined)
        throw INVAL;
    return s;
}

function tlsField(g, record, offset) {
    const v = u32(g, record + offset);
    if (v > 3)
        throw INVAL;
    return v;
}

function readTls(g, record, has, b) {
    b.tls = has(5);
    if (has(6))
        b.tlsMin = tlsField(g, record, 20);
    if (has(7))
        b.tlsMax = tlsField(g, record, 24);
    if (has(8))
        b.certHost = textField(g, record, 28, 1, NAME_MAX);
    if (has(11)) {
        const sni = textField(g, record, 52, 0, NAME_MAX);
        b.noSni = sni === "";
        if (sni && b.certHost && sni !== b.certHost)
            throw INVAL;
        if (sni)
            b.certHost ??= sni;
    }
    if (has(9) && b.tls) {
        b.ca = textField(g, record, 36, 1, PEM_MAX);
        if (!b.ca.includes("-----BEGIN CERTIFICATE-----"))
            throw ERROR;
    }
    if (has(13)) {
        b.clientCert = textField(g, record, 60, 1, PEM_MAX);
        const key = g.secrets[u32(g, record + 68)];
        if (!key)
            throw BADF;
        b.clientKey = decode(key);
        if (b.clientKey === undefined)
            throw INVAL;
    }
}

function addDynamic(g, name, b) {
    g.dynamic ??= new Map();
    if (g.dynamic.size >= DYNAMIC_MAX)
        return LIMITEXCEEDED;
    g.dynamic.set(name, b);
    return OK;
}

export function register_dynamic_backend(g, name, nameLen, target, targetLen, mask, record) {
    const has = (bit) => (mask & (1 << bit)) !== 0;
    record >>>= 0;
    if (!g.app.dynamicBackends)
        return UNSUPPORTED;
    if (mask & ~KNOWN)
        return INVAL;
    name = utf8Text(g, name, nameLen);
    const at = splitHost(utf8Text(g, target, targetLen));
    if (!at)
        return ERROR;
    const b = { dynamic: true, host: at.host, port: at.port, prefix: "" };
    if (has(1))
        b.overrideHost = textField(g, record, 0, 1, NAME_MAX);
    if (has(2))
        b.connectTimeout = u32(g, record + 8);
    if (has(3))
        b.firstByteTimeout = u32(g, record + 12);
    if (has(4))
        b.betweenBytesTimeout = u32(g, record + 16);
    readTls(g, record, has, b);
    b.grpc = has(14);
    if (has(15)) {
        b.keepalive = u32(g, record + 72);
        b.tcpKeepalive = [76, 80, 84, 88].map((offset) => u32(g, record + offset));
    }
    if (backendNamed(g, name))
        return ERROR;
    b.port ||= b.tls ? 443 : 80;
    return addDynamic(g, name, b);
}

// --- shield sites ---

function giveBlock(g, s, buf, len, out) {
    if (s.length > len >>> 0)
        return BUFLEN;
    out = slot(g, out, 4);
    buf = range(g, buf, s.length);
    for (let i = 0; i < s.length; i++)
        g.u8[buf + i] = s.charCodeAt(i);
    put32(g, out, s.length);
    return OK;
}

export const shielding = {
    shield_info(g, name, len, ...out) {
        const s = g.app.shields?.[utf8Text(g, name, len)];
        if (!s)
            return INVAL;
        return giveBlock(g, toBinary(`${s.local ? "\x01" : "\0"}${s.unencrypted ?? ""}\0${s.encrypted ?? ""}\0`), ...out);
    },
    backend_for_shield(g, ptr, len, mask, record, ...out) {
        const url = utf8Text(g, ptr, len), name = `shield:${url}`;
        record >>>= 0;
        if (mask & ~14)
            return INVAL;
        if (mask & 2 && decode(bytes(g, u32(g, record), u32(g, record + 4))) === undefined)
            return INVAL;
        const b = makeBackend({ url, noSni: true });
        if (!b)
            return INVAL;
        if (mask & 4)
            b.firstByteTimeout = u32(g, record + 8);
        if (mask & 8)
            b.betweenBytesTimeout = u32(g, record + 12);
        b.dynamic = true;
        if (!backendNamed(g, name)) {
            const status = addDynamic(g, name, b);
            if (status !== OK)
                return status;
        }
        return giveBlock(g, toBinary(name), ...out);
    },
};

