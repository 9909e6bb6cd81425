// SPDX-License-Identifier: Apache-2.0
// One guest at work on a client request: its handle tables, what it waits for, its answer.
import { Body, Source } from "./body.js";
import { BADF, fromBinary, LIMITEXCEEDED, ipOctets, toBinary, toBytes, UNSUPPORTED, Unsupported } from "./memory.js";

// What may stand in the shared table of async items.
export const BODY = 1, STREAM = 2, PENDING = 3, KV_LOOKUP = 4, KV_INSERT = 5, KV_DELETE = 6,
    KV_LIST = 7, CACHE = 8, CACHE_BUSY = 9, PROMISE = 10;

const TABLE_MAX = 1 << 20;

// Thrown by proc_exit.
export class Exit {
    constructor(code) {
        this.code = code;
    }
}

// Thrown to leave a guest that must begin again; it has no status.
const RESTART = new Error("restart");

// Why a call failed, as the guest hears it; what is no status of ours ends the guest.
export function statusOf(e) {
    if (typeof e === "number")
        return e;
    if (e instanceof Unsupported)
        return UNSUPPORTED;
    throw e;
}

const loose = new TextDecoder();
let sandboxes = 0;

export class Guest {
    // `direct`: it runs on the caller's stack, where it cannot wait.
    constructor(host, request, platform, direct) {
        this.host = host;
        this.app = host.app;
        this.request = request;
        this.platform = platform;
        this.number = sandboxes++;
        this.memory = this.u8 = this.view = undefined;
        this.requests = [undefined];
        this.responses = [];
        this.items = [undefined];
        this.stores = [];           // dictionaries and configs
        this.kvStores = [];
        this.secretStores = [];
        this.secrets = [];
        this.acls = [];
        this.endpoints = [];
        this.dynamic = undefined;   // Map of dynamic backends
        this.pendingCount = 0;
        this.buffered = 0;
        this.idlePolls = 0;
        this.lines = ["", ""];
        this.said = undefined;      // log messages not passed on yet
        this.wake = undefined;
        this.over = false;
        this.started = performance.now();
        this.waited = 0;            // ms, of the time since
        this.wall = undefined;
        this.direct = direct;
        this.restart = false;       // it must begin again where it can wait
        this.lease = undefined;     // memory, as counted by the host
        this.signal = direct ? undefined : () => {
            const fn = this.wake;
            this.wake = undefined;
            fn?.();
        };
        this.answer = undefined;    // what the client gets
        this.promised = false;      // the host will answer from a pending request
        this.onAnswer = undefined;
        this.onEnd = undefined;
        this.headersOf = undefined;
    }

    refresh() {
        const { buffer } = this.memory;
        this.u8 = new Uint8Array(buffer);
        this.view = new DataView(buffer);
    }

    // --- the client request, made when it is first asked for ---

    get originalHeaders() {
        return (this.headersOf ??= this.request.headers());
    }

    clientRequest() {
        const { method, url, version } = this.request;
        return {
            method, uri: toBinary(url), version: version === 10 ? 1 : version === 20 ? 3 : version === 30 ? 4 : 2,
            headers: this.originalHeaders.map((h) => [...h]),
        };
    }

    requestAt(handle) {
        handle >>>= 0;
        if (handle === 0 && this.requests[0] === undefined)
            this.requests[0] = this.clientRequest();
        const r = this.requests[handle];
        if (!r)
            throw BADF;
        return r;
    }

    takeRequest(handle) {
        const r = this.requestAt(handle);
        this.requests[handle >>> 0] = null;
        return r;
    }

    responseAt(handle) {
        const r = this.responses[handle >>> 0];
        if (!r)
            throw BADF;
        return r;
    }

    // --- tables; handles count up from 0 and are never given out twice ---

    add(table, value) {
        if (table.length >= TABLE_MAX)
            throw LIMITEXCEEDED;
        return table.push(value) - 1;
    }

    addItem(kind, value) {
        return this.add(this.items, { kind, value });
    }

    // Any kind.
    itemAt(handle) {
        handle >>>= 0;
        if (handle === 0 && this.items[0] === undefined)
            this.items[0] = { kind: BODY, value: this.clientBody() };
        return this.items[handle] ?? undefined;
    }

    item(handle, kind) {
        const it = this.itemAt(handle);
        if (it?.kind !== kind)
            throw BADF;
        return it.value;
    }

    takeItem(handle, kind) {
        const value = this.item(handle, kind);
        this.items[handle >>> 0] = null;
        return value;
    }

    dropItem(handle) {
        this.items[handle >>> 0] = null;
    }

    // --- bodies ---

    clientBody() {
        const b = new Body(), { body, length } = this.request;
        if (body instanceof Uint8Array)
            b.write(body);
        else if (body)
            b.add(new Source(body, { length }));
        return b;
    }

    addBody(body = new Body()) {
        return this.addItem(BODY, body);
    }

    addText(bytes) {
        const b = new Body();
        b.write(bytes);
        return this.addBody(b);
    }

    body(handle) {
        return this.item(handle, BODY);
    }

    // A body that may be written: { kind, value }.
    writable(handle) {
        const it = this.itemAt(handle);
        if (it?.kind !== BODY && it?.kind !== STREAM)
            throw BADF;
        return it;
    }

    takeBody(handle, streaming = false) {
        const b = this.body(handle);
        if (streaming) {
            b.begin();
            b.onDrain = this.signal;
            this.items[handle >>> 0].kind = STREAM;
        } else {
            this.items[handle >>> 0] = null;
        }
        return b;
    }

    // --- waiting ---

    // `now` gives a status, or undefined while it must wait. What it waits for calls this.signal.
    wait(now) {
        const status = now();
        return status === undefined ? this.park(now) : status;
    }

    // Before anything that others can see, other than an answer and log lines: it happens once only.
    effect() {
        if (this.direct) {
            this.restart = true;
            throw RESTART;
        }
    }

    park(now, timer) {
        this.effect();
        return this.parked(now, timer);
    }

    async parked(now, timer) {
        this.host.suspended(this);
        for (;;) {
            const since = performance.now();
            await new Promise((resolve) => (this.wake = resolve));
            this.waited += performance.now() - since;
            if (this.over)
                await new Promise(() => {});    // nobody runs this stack any more
            if (this.u8.length === 0)
                this.refresh();
            let status;
            try {
                status = now();
            } catch (e) {
                status = statusOf(e);
            }
            if (status === undefined)
                continue;
            clearTimeout(timer);
            return status;
        }
    }

    // As wait, and `now(true)` once the time is over.
    waitFor(ms, now) {
        const status = now(false);
        if (status !== undefined)
            return status;
        this.effect();
        let late = false;
        const timer = setTimeout(() => {
            late = true;
            this.signal();
        }, ms);
        return this.park(() => now(late), timer);
    }

    // A call whose outcome is a promise.
    whenDone(promise, then) {
        promise.catch(() => {});    // also when nobody waits for it here
        this.effect();
        let done = false, value, error;
        promise.then((v) => {
            value = v;
            done = true;
            this.signal();
        }, (e) => {
            error = e ?? new Error("it failed");
            done = true;
            this.signal();
        });
        return this.park(() => {
            if (!done)
                return undefined;
            if (error !== undefined)
                throw error;
            return then(value);
        });
    }

    // ms at work.
    busy() {
        return performance.now() - this.started - this.waited;
    }

    // --- output ---

    // `s` holds a byte a character.
    log(endpoint, s) {
        s = fromBinary(s) ?? loose.decode(toBytes(s));
        if (this.direct)
            (this.said ??= []).push([endpoint, s]);
        else
            this.platform.log(endpoint, s);
    }

    // --- the answer ---

    get answered() {
        return this.answer !== undefined || this.promised;
    }

    // head: { status, headers, manualFraming, close }; `body` is a Body or null.
    respond(head, body) {
        const headers = head.manualFraming && framed(head.headers) ? head.headers
            : head.headers.filter((h) => h[0] !== "content-length" && h[0] !== "transfer-encoding");
        const { body: data, length } = body ? body.forPlatform() : { body: null, length: 0 };
        this.answer = { status: head.status, headers, body: data, length, end: head.close === true };
        this.onAnswer?.(this.answer);
    }

    // --- what is known of the client ---

    clientOctets() {
        return ipOctets(this.request.client) ?? new Uint8Array(0);
    }

    serverOctets() {
        return ipOctets(this.request.server) ?? new Uint8Array(0);
    }

    // The end: nothing that is left will be waited for.
    close() {
        this.over = true;
        clearTimeout(this.wall);
        for (const it of this.items) {
            if (it?.kind === STREAM)
                it.value.fail();
            else if (it?.kind === BODY)
                it.value.stop();
            else
                it?.value.drop?.();
        }
        for (const i of [0, 1])
            if (this.lines[i])
                this.log(i ? "stderr" : "stdout", this.lines[i]);
        this.direct = false;
        for (const [endpoint, s] of this.said ?? [])
            this.platform.log(endpoint, s);
    }
}

// A guest that frames by hand must do it well, else the host does.
function framed(headers) {
    const lengths = headers.filter((h) => h[0] === "content-length");
    const codings = headers.filter((h) => h[0] === "transfer-encoding");
    if (lengths.length + codings.length === 0)
        return false;
    return lengths.length <= 1 && lengths.every((h) => /^\d+$/.test(h[1])) &&
        codings.every((h) => h[1] === "chunked");
}

