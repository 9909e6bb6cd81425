// SPDX-License-Identifier: Apache-2.0
// Sending requests to backends, and what becomes of them; fastly_async_io.
import { Body, Source, WAIT } from "./body.js";
import { backendIn, origin } from "./backend.js";
import * as headers from "./headers.js";
import { newResponse } from "./http.js";
import { BODY, CACHE, CACHE_BUSY, PENDING, STREAM } from "./guest.js";
import {
    BADALIGN, BADF, encode, ERROR, give32, HTTPHEADTOOLARGE, HTTPINCOMPLETE, HTTPINVALID, HTTPINVALIDSTATUS, INVAL, INVALID_HANDLE, ipOctets,
    LIMITEXCEEDED, OK, put16, put32, range, slot, Unsupported,
} from "./memory.js";

const PENDING_MAX = 16384;

// send_error_detail_tag, as far as a host can tell.
export const TAG = {
    ok: 1, dnsTimeout: 2, dnsError: 3, destinationNotFound: 4, connectionRefused: 7, connectionTerminated: 8, connectionTimeout: 9,
    tlsCertificate: 11, incomplete: 13, headTooLarge: 14, timeout: 16, statusInvalid: 17, protocol: 19, internal: 22,
};

export class SendError extends Error {
    constructor(tag, message) {
        super(message);
        this.tag = tag;
    }
}

const FAILURE_STATUS = {
    [TAG.protocol]: HTTPINVALID, [TAG.incomplete]: HTTPINCOMPLETE, [TAG.headTooLarge]: HTTPHEADTOOLARGE,
    [TAG.statusInvalid]: HTTPINVALIDSTATUS,
};

// --- starting ---

// Prefix of the backend, then path and query of the request, with one slash between.
function targetOf(b, uri) {
    const path = headers.parseUri(uri)?.path ?? "";
    return `${b.tls ? "https" : "http"}://${origin(b)}${b.prefix}/${path.replace(/^\//, "")}`;
}

const authorityOf = (b, r) => b.overrideHost ?? headers.get(r.headers, "host") ?? headers.parseUri(r.uri)?.authority ?? origin(b);

const HOP = new Set(["host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length", "te", "upgrade"]);

export function callFor(b, r, body, host) {
    const { body: data, length } = body ? body.forPlatform() : { body: null, length: 0 };
    return {
        url: targetOf(b, r.uri), method: r.method, headers: r.headers.filter((h) => !HOP.has(h[0])), host: host ?? authorityOf(b, r),
        body: data, length, backend: b, gunzip: r.gunzip,
    };
}

// platform.send within the backend's time to the first byte.
async function exchange(g, call) {
    const { firstByteTimeout } = call.backend;
    const abort = new AbortController();
    call.signal = abort.signal;
    const sent = g.platform.send(call);
    if (!firstByteTimeout)
        return sent;
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new SendError(TAG.timeout, "the backend did not answer in time"));
            abort.abort();
        }, firstByteTimeout);
    });
    sent.catch(() => {});
    return Promise.race([sent, late]).finally(() => clearTimeout(timer));
}

const isGzip = (v) => /^(x-)?gzip$/i.test(v ?? "");

// The body of an answer, decoded if the guest has asked for that.
export function answerBody(a, call) {
    let stream = a.body, length = headers.get(a.headers, "content-length");
    const b = new Body();
    length = /^\d+$/.test(length ?? "") ? +length : undefined;
    if (!stream)
        return b;
    if (call.gunzip && isGzip(headers.get(a.headers, "content-encoding"))) {
        stream = stream.pipeThrough(new DecompressionStream("gzip"));
        headers.remove(a.headers, "content-encoding");
        headers.remove(a.headers, "content-length");
        length = undefined;
    }
    b.add(new Source(stream, {
        length: call.method === "HEAD" ? 0 : length, betweenBytes: call.backend.betweenBytesTimeout, trailers: a.trailers,
    }));
    return b;
}

class Pending {
    constructor(g, call, pass) {
        this.g = g;
        this.call = call;
        this.pass = pass;
        this.answer = this.failure = undefined;
        this.forward = false;
        this.edits = [];
        this.sent = exchange(g, call).then((a) => {
            this.answer = a;
        }, (e) => {
            this.failure = e instanceof Error ? e : new Error(String(e));
            if (call.body instanceof ReadableStream && !call.body.locked)
                call.body.cancel().catch(() => {});
        }).then(() => (this.forward ? this.deliver() : g.signal()));
    }

    ready() {
        return this.answer !== undefined || this.failure !== undefined;
    }

    // Nobody will ask: it still goes out, and its answer is dropped when it comes.
    drop() {
        this.g.platform.waitUntil(this.sent.then(() => this.answer?.body?.cancel()).catch(() => {}));
    }

    // The host answers the client with it.
    deliver() {
        const { g, answer: a, failure } = this;
        const list = a ? a.headers : [["content-type", "text/plain; charset=utf-8"]];
        for (const op of [REMOVE, INSERT, APPEND])
            for (const e of this.edits)
                if (e.op === op && e.target !== (a ? TARGET_ERROR : TARGET_RESPONSE))
                    op === REMOVE ? headers.remove(list, e.name) : op === INSERT ? headers.set(list, e.name, e.value) : list.push([e.name, e.value]);
        if (a)
            return g.respond({ status: a.status, headers: list }, answerBody(a, this.call));
        const body = new Body();
        body.write(encode(failure.message));
        const { tag } = failure;
        const slow = tag === TAG.dnsTimeout || tag === TAG.connectionTimeout || tag === TAG.timeout;
        g.respond({ status: slow ? 504 : tag === TAG.internal ? 500 : 502, headers: list }, body);
    }
}

// Consumes request and body, whatever comes of it.
function start(g, request, body, name, nameLen, streaming) {
    g.effect();
    range(g, name, nameLen);
    const r = g.requestAt(request);
    g.body(body);
    g.takeRequest(request);
    const b = backendIn(g, name, nameLen), from = g.takeBody(body, streaming);
    if (!b || g.pendingCount >= PENDING_MAX) {
        from.stop();
        throw b ? LIMITEXCEEDED : INVAL;
    }
    g.pendingCount++;
    return new Pending(g, callFor(b, r, from), r.pass);
}

// --- handing the answer to the guest ---

const RCODE = 2, INFO = 4, ALERT = 8;

// Tag and mask lie in the first 8 bytes of every SDK's record; what is behind them is written only if
// the guest's mask says that its record has it.
function writeDetail(g, ptr, failure) {
    ptr >>>= 0;
    if (ptr === 0 || ptr % 4 || ptr + 8 > g.u8.length)
        return;
    const tag = failure ? failure.tag ?? TAG.internal : TAG.ok;
    const known = tag === TAG.dnsError ? RCODE | INFO : failure?.alert !== undefined ? ALERT : 0;
    const asked = g.view.getUint32(ptr + 4, true) & known;
    put32(g, ptr, tag);
    put32(g, ptr + 4, asked);
    if (!asked || ptr + 20 > g.u8.length)
        return;
    if (known & RCODE) {
        put16(g, ptr + 8, failure.rcode ?? 0);
        put16(g, ptr + 10, 0);
    }
    if (known & ALERT)
        g.u8[ptr + 12] = failure.alert;
}

function give(g, p, detail, response, body) {
    g.pendingCount--;
    if (p.failure) {
        if (p.failure instanceof Unsupported)
            throw p.failure;
        writeDetail(g, detail, p.failure);
        return FAILURE_STATUS[p.failure.tag] ?? ERROR;
    }
    response = slot(g, response, 4);
    body = slot(g, body, 4);
    const a = p.answer, r = newResponse(), from = answerBody(a, p.call);
    Object.assign(r, { status: a.status, headers: a.headers, version: a.version === 10 ? 1 : a.version === 20 ? 3 : 2 });
    if (p.pass) {
        r.peer = ipOctets(a.address);
        r.port = a.port ?? 0;
    }
    put32(g, response, g.add(g.responses, r));
    put32(g, body, g.addBody(from));
    writeDetail(g, detail, undefined);
    return OK;
}

// --- send: start and wait ---

function sendAndWait(g, request, body, name, len, detail, response, bodyOut) {
    slot(g, response, 4);
    slot(g, bodyOut, 4);
    let p;
    try {
        p = start(g, request, body, name, len, false);
    } catch (status) {
        writeDetail(g, detail, { tag: TAG.destinationNotFound });
        throw status;
    }
    return g.wait(() => (p.ready() ? give(g, p, detail, response, bodyOut) : undefined));
}

function sendAsync(g, request, body, name, len, streaming, out) {
    out = slot(g, out, 4);
    put32(g, out, g.addItem(PENDING, start(g, request, body, name, len, streaming)));
    return OK;
}

// --- poll: one that finds nothing must not starve the loop ---

const EAGER_POLLS = 16;

function poll(g, h, detail, done, response, body) {
    let first = true;
    const now = () => {
        const p = g.item(h, PENDING);
        done = slot(g, done, 4);
        response = slot(g, response, 4);
        body = slot(g, body, 4);
        if (p.ready()) {
            g.idlePolls = 0;
            g.dropItem(h);
            const status = give(g, p, detail, response, body);
            if (status === OK)
                put32(g, done, 1);
            return status;
        }
        if (first) {
            first = false;
            return undefined;
        }
        put32(g, done, 0);
        put32(g, response, INVALID_HANDLE);
        put32(g, body, INVALID_HANDLE);
        return OK;
    };
    return g.waitFor(g.idlePolls++ < EAGER_POLLS ? 0 : 1, now);
}

function waitOne(g, h, detail, response, body) {
    slot(g, response, 4);
    slot(g, body, 4);
    const p = g.item(h, PENDING);
    return g.wait(() => {
        if (!p.ready())
            return undefined;
        g.dropItem(h);
        return give(g, p, detail, response, body);
    });
}

// --- select ---

// Handles of a list in guest memory.
function listAt(g, list, count, max) {
    count >>>= 0;
    if (count > max)
        throw INVAL;
    if (list & 3)
        throw BADALIGN;
    list = range(g, list, count * 4);
    return Array.from({ length: count }, (_, i) => g.view.getUint32(list + i * 4, true));
}

function selectPending(g, list, count, detail, index, response, body) {
    if (count === 0)
        return INVAL;
    return g.wait(() => {
        index = slot(g, index, 4);
        response = slot(g, response, 4);
        body = slot(g, body, 4);
        const handles = listAt(g, list, count, PENDING_MAX), all = handles.map((h) => g.item(h, PENDING));
        const i = all.findIndex((p) => p.ready());
        if (i < 0)
            return undefined;
        g.dropItem(handles[i]);
        put32(g, index, i);
        // A request that failed is "selected" with invalid handles; the detail says why.
        if (give(g, all[i], detail, response, body) !== OK) {
            put32(g, response, INVALID_HANDLE);
            put32(g, body, INVALID_HANDLE);
        }
        return OK;
    });
}

// --- edits of a response that the host will send ---

const REMOVE = 0, INSERT = 1, APPEND = 2, TARGET_RESPONSE = 1, TARGET_ERROR = 2;

function edit(g, h, op, name, nameLen, value, valueLen, target) {
    const p = g.item(h, PENDING);
    name = headers.nameIn(g, name, nameLen);
    value = op === REMOVE ? "" : headers.valueIn(g, value, valueLen);
    if (target >>> 0 > TARGET_ERROR)
        return INVAL;
    p.edits.push({ op, name, value, target });
    return OK;
}

export const sending = {
    send: (g, r, b, n, nl, response, body) => sendAndWait(g, r, b, n, nl, 0, response, body),
    send_v2: sendAndWait,
    send_v3: sendAndWait,
    send_async: (g, r, b, n, nl, out) => sendAsync(g, r, b, n, nl, false, out),
    send_async_v2: (g, r, b, n, nl, streaming, out) => sendAsync(g, r, b, n, nl, streaming === 1, out),
    send_async_streaming: (g, r, b, n, nl, out) => sendAsync(g, r, b, n, nl, true, out),
    pending_req_poll: (g, h, done, response, body) => poll(g, h, 0, done, response, body),
    pending_req_poll_v2: (g, h, detail, done, response, body) => poll(g, h, detail, done, response, body),
    pending_req_wait: (g, h, response, body) => waitOne(g, h, 0, response, body),
    pending_req_wait_v2: waitOne,
    pending_req_select: (g, l, n, index, response, body) => selectPending(g, l, n, 0, index, response, body),
    pending_req_select_v2: selectPending,
    pending_req_header_insert: (g, h, n, nl, v, vl, target) => edit(g, h, INSERT, n, nl, v, vl, target),
    pending_req_header_append: (g, h, n, nl, v, vl, target) => edit(g, h, APPEND, n, nl, v, vl, target),
    pending_req_header_remove: (g, h, n, nl, target) => edit(g, h, REMOVE, n, nl, 0, 0, target),
};

export function send_downstream_pending(g, h) {
    const p = g.takeItem(h, PENDING);
    g.pendingCount--;
    if (g.answered) {
        p.drop();
        return ERROR;
    }
    g.promised = true;
    if (p.ready()) {
        p.deliver();
    } else {
        p.forward = true;
        g.platform.waitUntil(p.sent);
    }
    return OK;
}

// --- fastly_async_io ---

const TIMED_OUT = 0xffffffff, SELECT_MAX = 65536;

// Would a wait for it return at once?
function isReady(g, it) {
    switch (it.kind) {
    case BODY:
        return it.value.peek(g.signal) !== WAIT;
    case STREAM:
        return !it.value.full;
    case CACHE:
    case CACHE_BUSY:
        return it.value.ready(g);
    default:
        return it.value.ready();
    }
}

// Index of the first that is ready, or -1; a bad handle is an error wherever it stands.
function firstReady(g, list, count) {
    const all = listAt(g, list, count, SELECT_MAX).map((h) => g.itemAt(h));
    if (all.some((it) => !it))
        throw BADF;
    return all.findIndex((it) => isReady(g, it));
}

export const async_io = {
    select(g, list, count, timeout, out) {
        slot(g, out, 4);
        timeout >>>= 0;
        if (count === 0 && timeout === 0)
            return INVAL;
        const now = (late) => {
            const i = firstReady(g, list, count);
            return i < 0 && !late ? undefined : give32(g, out, i < 0 ? TIMED_OUT : i);
        };
        return timeout ? g.waitFor(Math.min(timeout, 0x7fffffff), now) : g.wait(now);
    },
    is_ready(g, h, out) {
        const it = g.itemAt(h);
        if (!it)
            return BADF;
        out = slot(g, out, 4);
        put32(g, out, isReady(g, it) ? 1 : 0);
        return OK;
    },
};

