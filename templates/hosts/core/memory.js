// SPDX-License-Identifier: Apache-2.0
// Statuses, and what hostcalls read from and write to a guest's memory. Every pointer and length is
// the guest's word: a bad one is thrown as a status, which becomes the result of the call.

export const OK = 0, ERROR = 1, INVAL = 2, BADF = 3, BUFLEN = 4, UNSUPPORTED = 5, BADALIGN = 6,
    HTTPINVALID = 7, HTTPINCOMPLETE = 9, NONE = 10, HTTPHEADTOOLARGE = 11, HTTPINVALIDSTATUS = 12,
    LIMITEXCEEDED = 13, AGAIN = 14;
export const INVALID_HANDLE = 0xfffffffe;

// What a platform cannot do; the guest gets status 5.
export class Unsupported extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

// A range of guest memory as a checked pointer.
export function range(g, ptr, len) {
    ptr >>>= 0;
    if (ptr + (len >>> 0) > g.u8.length)
        throw INVAL;
    return ptr;
}

// A place for a value of `size` bytes, aligned to it.
export function slot(g, ptr, size) {
    ptr >>>= 0;
    if (ptr & (size - 1))
        throw BADALIGN;
    if (ptr + size > g.u8.length)
        throw INVAL;
    return ptr;
}

// Borrowed: gone at the guest's next step.
export function bytes(g, ptr, len) {
    ptr = range(g, ptr, len);
    return g.u8.subarray(ptr, ptr + (len >>> 0));
}

export function copy(g, ptr, len) {
    ptr = range(g, ptr, len);
    return g.u8.slice(ptr, ptr + (len >>> 0));
}

// One character a byte.
export function text(g, ptr, len) {
    ptr = range(g, ptr, len);
    return fromBytes(g.u8, ptr, ptr + (len >>> 0));
}

export function fromBytes(u8, at = 0, end = u8.length) {
    let s = "";
    if (end - at < 48) {
        for (; at < end; at++)
            s += String.fromCharCode(u8[at]);
        return s;
    }
    for (; at < end; at += 8192)
        s += String.fromCharCode.apply(null, u8.subarray(at, Math.min(end, at + 8192)));
    return s;
}

export function toBytes(s) {
    const u8 = new Uint8Array(s.length);
    for (let i = 0; i < s.length; i++)
        u8[i] = s.charCodeAt(i);
    return u8;
}

// eslint-disable-next-line no-control-regex
const isAscii = (s) => /^[\x00-\x7f]*$/.test(s);
export const encode = (s) => encoder.encode(s);
// UTF-8 as one character a byte, and back (undefined if it is not UTF-8).
export const toBinary = (s) => (isAscii(s) ? s : fromBytes(encoder.encode(s)));
export const fromBinary = (s) => (isAscii(s) ? s : decode(toBytes(s)));

export function decode(u8) {
    try {
        return utf8.decode(u8);
    } catch {
        return undefined;
    }
}

// Text in, which must be UTF-8.
export function utf8Text(g, ptr, len, status = ERROR) {
    const s = decode(bytes(g, ptr, len));
    if (s === undefined)
        throw status;
    return s;
}

export const u32 = (g, ptr) => g.view.getUint32(slot(g, ptr, 4), true);
export const u64 = (g, ptr) => g.view.getBigUint64(slot(g, ptr, 8), true);

export function put16(g, ptr, v) {
    g.view.setUint16(ptr, v, true);
}
export function put32(g, ptr, v) {
    g.view.setUint32(ptr, v, true);
}
export function put64(g, ptr, v) {
    g.view.setBigUint64(ptr, v, true);
}

export function give32(g, ptr, v) {
    g.view.setUint32(slot(g, ptr, 4), v, true);
    return OK;
}
export function give64(g, ptr, v) {
    g.view.setBigUint64(slot(g, ptr, 8), BigInt(v), true);
    return OK;
}

function write(g, at, s) {
    const u8 = g.u8;
    for (let i = 0; i < s.length; i++)
        u8[at + i] = s.charCodeAt(i);
}

// Single text out, one character a byte, or bytes: copied if it fits; its size is told either way.
export function giveText(g, s, buf, len, nwritten) {
    nwritten = slot(g, nwritten, 4);
    if (s.length > len >>> 0) {
        put32(g, nwritten, s.length);
        return BUFLEN;
    }
    buf = range(g, buf, s.length);
    if (typeof s === "string")
        write(g, buf, s);
    else
        g.u8.set(s, buf);
    put32(g, nwritten, s.length);
    return OK;
}

// Multi-value out: items from `cursor` on, each ended by NUL, as many as fit whole.
export function giveMulti(g, items, buf, len, cursor, ending, nwritten) {
    ending = slot(g, ending, 8);
    nwritten = slot(g, nwritten, 4);
    buf = range(g, buf, len);
    len >>>= 0;
    let used = 0;
    for (let i = cursor >>> 0; i < items.length; i++) {
        const s = items[i];
        if (s.length + 1 > len - used) {
            put64(g, ending, used ? BigInt(i) : -1n);
            put32(g, nwritten, used || s.length + 1);
            return used ? OK : BUFLEN;
        }
        write(g, buf + used, s);
        g.u8[buf + used + s.length] = 0;
        used += s.length + 1;
    }
    put64(g, ending, -1n);
    put32(g, nwritten, used);
    return OK;
}

// Octets of an IP address in text; undefined if it is none.
export function ipOctets(s) {
    const four = (t) => {
        const parts = t.split(".");
        const ok = parts.length === 4 && parts.every((p) => /^\d{1,3}$/.test(p) && p < 256);
        return ok ? parts.map(Number) : undefined;
    };
    if (!s?.includes(":")) {
        const v4 = s && four(s);
        return v4 && Uint8Array.from(v4);
    }
    const tail = s.lastIndexOf(":") + 1, v4 = s.includes(".") ? four(s.slice(tail)) : undefined;
    if (v4)
        s = s.slice(0, tail) + ((v4[0] << 8) | v4[1]).toString(16) + ":" + ((v4[2] << 8) | v4[3]).toString(16);
    const [left, right] = s.split("::").map((p) => (p ? p.split(":") : []));
    const gap = 8 - left.length - (right?.length ?? 0);
    if (right ? gap < 0 : gap !== 0)
        return undefined;
    const words = [...left, ...Array(gap).fill("0"), ...(right ?? [])];
    if (!words.every((w) => /^[0-9a-f]{1,4}$/i.test(w)))
        return undefined;
    return Uint8Array.from(words.flatMap((w) => [parseInt(w, 16) >> 8, parseInt(w, 16) & 255]));
}

// The most specific of [["192.0.2.0/24", value], ...] for an address; of equals the last.
export function longestPrefix(list, octets) {
    let best, most = -1;
    for (const entry of list ?? []) {
        const [address, mask] = entry[0].split("/");
        const net = ipOctets(address), bits = mask === undefined ? (net?.length ?? 0) * 8 : +mask;
        if (net?.length !== octets.length || bits < most)
            continue;
        const differs = net.some((b, i) => {
            const keep = Math.max(0, Math.min(8, bits - i * 8));
            return ((b ^ octets[i]) >> (8 - keep)) !== 0;
        });
        if (!differs)
            [best, most] = [entry, bits];
    }
    return best;
}
