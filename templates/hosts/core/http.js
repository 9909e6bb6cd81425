// SPDX-License-Identifier: Apache-2.0
// fastly_http_req (the objects; sending is in send.js), fastly_http_resp, fastly_http_body.
import { Body, BROKEN, DATA, END, WAIT } from "./body.js";
import { STREAM } from "./guest.js";
import * as headers from "./headers.js";
import {
    AGAIN, BADF, copy, ERROR, give32, give64, giveText, INVAL, LIMITEXCEEDED, NONE, OK, put16, put32, range, slot,
    text, toBinary, u32, utf8Text,
} from "./memory.js";

const VERSION_11 = 2, VERSION_MAX = 4;

// --- what requests and responses have in common; `at` is requestAt or responseAt ---

function message(at) {
    const onHeaders = (fn) => (g, h, a, b, c, d, e, f, i) => fn(g, g[at](h).headers, a, b, c, d, e, f, i);
    return {
        header_names_get: onHeaders(headers.namesOut),
        header_value_get: onHeaders(headers.valueOut),
        header_values_get: onHeaders(headers.valuesOut),
        header_values_set: onHeaders(headers.valuesIn),
        header_insert: onHeaders(headers.insertIn),
        header_append: onHeaders(headers.appendIn),
        header_remove: onHeaders(headers.removeIn),
        version_get: (g, h, out) => give32(g, out, g[at](h).version),
        version_set(g, h, version) {
            const m = g[at](h);
            if (version >>> 0 > VERSION_MAX)
                return INVAL;
            m.version = version;
            return OK;
        },
        framing_headers_mode_set(g, h, mode) {
            const m = g[at](h);
            if (mode >>> 0 > 1)
                return INVAL;
            m.manualFraming = mode === 1;
            return OK;
        },
    };
}

// --- requests ---

// Override tags: only PASS changes anything, as there is no cache in front of the backends.
const OVERRIDE_PASS = 1, OVERRIDE_KNOWN = 31;

function setOverride(g, h, tag) {
    const r = g.requestAt(h);
    if (tag & ~OVERRIDE_KNOWN)
        return INVAL;
    r.pass = (tag & OVERRIDE_PASS) !== 0;
    return OK;
}

export const http_req = {
    ...message("requestAt"),
    new(g, out) {
        out = slot(g, out, 4);
        put32(g, out, g.add(g.requests, {
            method: "GET", uri: "/", version: VERSION_11, headers: [],
        }));
        return OK;
    },
    body_downstream_get(g, request, body) {
        request = slot(g, request, 4);
        give32(g, body, 0);
        put32(g, request, 0);
        return OK;
    },
    close(g, h) {
        g.takeRequest(h);
        return OK;
    },
    method_get: (g, h, buf, len, written) => giveText(g, g.requestAt(h).method, buf, len, written),
    method_set(g, h, ptr, len) {
        const r = g.requestAt(h);
        headers.nameIn(g, ptr, len);        // a method is a token, as field names are
        r.method = text(g, ptr, len);
        return OK;
    },
    uri_get: (g, h, buf, len, written) => giveText(g, g.requestAt(h).uri, buf, len, written),
    uri_set(g, h, ptr, len) {
        const r = g.requestAt(h);
        const u = headers.parseUri(toBinary(utf8Text(g, ptr, len)));
        if (!u)
            return ERROR;
        const root = u.scheme && (u.path === "" || u.path[0] === "?") ? "/" : "";
        r.uri = u.scheme ? `${u.scheme}://${u.authority}${root}${u.path}` : u.path;
        return OK;
    },
    cache_override_set: (g, h, tag) => setOverride(g, h, tag),
    cache_override_v2_set(g, h, tag, ttl, swr, keys, len) {
        range(g, keys, len);
        return setOverride(g, h, tag);
    },
    cache_override_v3_set(g, h, tag, record) {
        for (const [bit, offset] of [[2, 0], [4, 4], [16, 16]])
            if (tag & bit)
                u32(g, (record >>> 0) + offset);
        return setOverride(g, h, tag);
    },
    auto_decompress_response_set(g, h, encodings) {
        const r = g.requestAt(h);
        if (encodings & ~1)
            return INVAL;
        r.gunzip = (encodings & 1) !== 0;
        return OK;
    },
};

// --- responses ---

export const newResponse = () => ({
    status: 200, version: VERSION_11, headers: [],
});

const EARLY_HINTS = 103;

export const http_resp = {
    ...message("responseAt"),
    new(g, out) {
        out = slot(g, out, 4);
        put32(g, out, g.add(g.responses, newResponse()));
        return OK;
    },
    close(g, h) {
        g.responseAt(h);
        g.responses[h >>> 0] = null;
        return OK;
    },
    status_get(g, h, out) {
        const r = g.responseAt(h);
        put16(g, slot(g, out, 2), r.status);
        return OK;
    },
    status_set(g, h, status) {
        const r = g.responseAt(h);
        if (status < 100 || status > 999)
            return INVAL;
        r.status = status;
        return OK;
    },
    http_keepalive_mode_set(g, h, mode) {
        const r = g.responseAt(h);
        if (mode >>> 0 > 1)
            return INVAL;
        r.close = mode === 1;
        return OK;
    },
    get_addr_dest_ip(g, h, octets, len) {
        const { peer } = g.responseAt(h);
        if (!peer)
            return NONE;
        octets = range(g, octets, peer.length);
        give32(g, len, peer.length);
        g.u8.set(peer, octets);
        return OK;
    },
    get_addr_dest_port(g, h, out) {
        const r = g.responseAt(h);
        if (!r.peer)
            return NONE;
        put16(g, slot(g, out, 2), r.port);
        return OK;
    },
    send_downstream(g, h, bodyHandle, streaming) {
        const r = g.responseAt(h);
        g.body(bodyHandle);
        g.responses[h >>> 0] = null;
        if (streaming === 1)
            g.effect();         // somebody reads it from now on
        const body = g.takeBody(bodyHandle, streaming === 1);
        if (r.status < 200 || g.answered) {
            body.stop();
            if (r.status < 200 && r.status !== EARLY_HINTS)
                return INVAL;
            if (g.answered)
                return ERROR;
            g.effect();
            g.platform.early?.(r.headers);
            return OK;
        }
        g.respond(r, body);
        return OK;
    },
};

// --- bodies ---

// What a sandbox may write in all to bodies that it has not begun to stream.
const BUFFERED_MAX = 2 ** 30;

function readNow(g, h, buf, len, out) {
    const b = g.body(h);
    buf = range(g, buf, len);
    out = slot(g, out, 4);
    let n = 0;
    if (len) {
        const state = b.peek(g.signal);
        if (state === WAIT)
            return undefined;
        if (state === BROKEN)
            return ERROR;
        b.endRead = state === END;
        if (state === DATA) {
            const chunk = b.take(len >>> 0);
            g.u8.set(chunk, buf);
            n = chunk.length;
        }
    }
    put32(g, out, n);
    return OK;
}

function writeNow(g, h, ptr, len, end, out) {
    const it = g.writable(h), b = it.value;
    range(g, ptr, len);
    out = slot(g, out, 4);
    if (end >>> 0 > 1)
        return INVAL;
    if (it.kind === STREAM) {
        if (end === 1)
            return BADF;
        if (b.gone)
            return ERROR;
        if (b.full)
            return undefined;
    } else {
        if ((len >>> 0) > BUFFERED_MAX - g.buffered)
            return LIMITEXCEEDED;
        g.buffered += len >>> 0;
    }
    const data = copy(g, ptr, len);
    if (end === 1)
        b.writeFront(data);
    else
        b.write(data);
    put32(g, out, len);
    return OK;
}

function endOf(h, g, finish) {
    const it = g.writable(h), b = it.value;
    b.onDrain = undefined;
    if (it.kind === STREAM)
        finish(b);
    else
        b.stop();
    g.dropItem(h);
    return OK;
}

// The trailers of a body whose end was read.
function readTrailers(g, h) {
    const it = g.itemAt(h);
    if (it?.kind === STREAM)
        throw INVAL;
    const b = g.body(h);
    if (!b.endRead)
        throw AGAIN;
    return b.trailers;
}

export const http_body = {
    new(g, out) {
        out = slot(g, out, 4);
        put32(g, out, g.addBody(new Body()));
        return OK;
    },
    read: (g, h, buf, len, out) => g.wait(() => readNow(g, h, buf, len, out)),
    write(g, h, ptr, len, end, out) {
        const status = writeNow(g, h, ptr, len, end, out);
        return status === undefined ? g.park(() => writeNow(g, h, ptr, len, end, out)) : status;
    },
    append(g, dest, src) {
        const to = g.writable(dest);
        if (dest === src)
            return BADF;
        const from = g.takeBody(src);
        if (to.kind === STREAM && to.value.gone) {
            from.stop();
            return ERROR;
        }
        to.value.append(from);
        if (to.kind !== STREAM || !to.value.full)
            return OK;
        return g.wait(() => (g.items[dest >>> 0] !== to ? BADF : to.value.full ? undefined : OK));
    },
    close: (g, h) => endOf(h, g, (b) => b.end()),
    abandon: (g, h) => endOf(h, g, (b) => b.fail()),
    known_length(g, h, out) {
        if (g.itemAt(h)?.kind === STREAM)
            return NONE;
        const b = g.body(h);
        slot(g, out, 8);
        const { length } = b;
        return length === undefined ? NONE : give64(g, out, length);
    },
    trailer_append: (g, h, n, nl, v, vl) => headers.appendIn(g, g.writable(h).value.trailers, n, nl, v, vl),
    trailer_names_get: (g, h, ...out) => headers.namesOut(g, readTrailers(g, h), ...out),
    trailer_value_get: (g, h, n, nl, b, bl, w) => headers.valueOut(g, readTrailers(g, h), n, nl, b, bl, w),
    trailer_values_get: (g, h, ...a) => headers.valuesOut(g, readTrailers(g, h), ...a),
};

