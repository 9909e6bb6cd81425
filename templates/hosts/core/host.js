// SPDX-License-Identifier: Apache-2.0
// From a client request to an answer: admission, a fresh instance, and how it ends.
import { Exit, Guest } from "./guest.js";
import { encode } from "./memory.js";
import { makeBackend } from "./backend.js";
import { Sandboxes } from "./sandbox.js";

export { hostcalls } from "./table.js";
export { Unsupported } from "./memory.js";
export { SendError, TAG } from "./send.js";

const PAGE = 65536, WALL_DEFAULT = 120000, TICKET_MS = 2000, SKIPS = 32, PATIENCE_MAX = 128;

class Host {
    constructor(module, app, options) {
        this.app = app;
        this.backends = new Map(Object.entries(app.backends ?? {}).map(([name, b]) => [name, makeBackend(b)]));
        this.memory = options.memory ?? 0;
        this.queueTime = options.queueTime ?? 10000;
        this.queueLength = options.queueLength ?? 100;
        this.direct = new Sandboxes(module, false);
        this.suspendable = new Sandboxes(module, true);
        this.skips = 0;             // requests that are not tried on the caller's stack
        this.patience = 1;
        this.each = 2 * PAGE;       // what a guest takes, as seen last
        this.held = 0;              // by all guests at work that may wait
        this.leases = new Set();    // of each: { bytes, seen }
        this.queue = [];
    }

    // --- admission ---

    get room() {
        return !this.memory || this.held === 0 || this.held + this.each <= this.memory;
    }

    // A platform may drop a request with everything that it waits for, and tell nobody. What has not
    // been heard of for long does not count.
    forget() {
        const now = Date.now(), limit = this.app.limits?.wall || WALL_DEFAULT;
        for (const lease of this.leases)
            if (now - lease.seen > limit)
                this.release(lease);
        if (this.queue.length && now - this.queue[0].seen > TICKET_MS)
            this.queue.shift();
    }

    release(lease) {
        if (this.leases.delete(lease))
            this.held -= lease.bytes;
    }

    async admitted() {
        if (this.queue.length >= this.queueLength)
            return false;
        const began = Date.now(), ticket = { seen: began };
        this.queue.push(ticket);
        while (!this.room || this.queue[0] !== ticket) {
            // By a timer of this request's own: on some platforms one request cannot wake another.
            await new Promise((resolve) => setTimeout(resolve, 2));
            ticket.seen = Date.now();
            this.forget();
            if (ticket.seen - began >= this.queueTime) {
                this.queue = this.queue.filter((other) => other !== ticket);
                return false;
            }
        }
        this.queue.shift();
        return true;
    }

    // --- a request ---

    handle(request, platform) {
        if (this.room && this.queue.length === 0)
            return this.start(request, platform);
        return this.admitted().then((ok) => (ok ? this.start(request, platform)
            : problem(503, "too many requests at once")));
    }

    // The answer, or a promise of it. A guest runs on the caller's stack first, which is cheaper: if it
    // must wait there, nothing that it did has had an effect yet, and it begins again on a stack that
    // can be suspended. Apps that wait are not tried each time.
    start(request, platform) {
        if (this.skips > 0) {
            this.skips--;
        } else {
            const g = new Guest(this, request, platform, true);
            this.runDirect(g);
            if (!g.restart) {
                this.patience = Math.max(1, this.patience >> 1);
                return g.answer;
            }
            this.skips = SKIPS * this.patience;
            this.patience = Math.min(PATIENCE_MAX, this.patience * 2);
        }
        return this.startSuspendable(new Guest(this, request, platform, false));
    }

    startSuspendable(g) {
        g.platform.waitUntil(new Promise((resolve) => (g.onEnd = resolve)));
        this.run(g);
        return g.answer ?? new Promise((resolve) => (g.onAnswer = resolve));
    }

    runDirect(g) {
        let slot, error;
        try {
            slot = this.direct.take(g);
            slot.box.start();
        } catch (e) {
            error = e;
        }
        if (g.restart)
            this.direct.give(slot);
        else
            this.ended(g, this.direct, slot, error);
    }

    async run(g) {
        let slot, error;
        g.lease = { bytes: this.each, seen: Date.now() };
        this.leases.add(g.lease);
        this.held += this.each;
        try {
            slot = this.suspendable.take(g);
            this.account(g);
            await slot.box.start();
        } catch (e) {
            error = e;
        }
        this.ended(g, this.suspendable, slot, error);
    }

    account({ lease, u8 }) {
        if (this.leases.has(lease))
            this.held += u8.length - lease.bytes;
        lease.bytes = u8.length;
        lease.seen = Date.now();
        this.each = Math.max(u8.length, this.each);
    }

    // The guest waits for something: from now on it holds memory beside others, and has a time limit.
    suspended(g) {
        this.account(g);
        const limit = this.app.limits?.wall;
        if (limit && g.wall === undefined)
            g.wall = setTimeout(() => this.stop(g), limit);
    }

    // Its time is over. Its stack is never run again, so its sandbox is lost.
    stop(g) {
        this.ended(g, undefined, undefined, new Error(`the guest ran longer than ${this.app.limits.wall} ms`));
    }

    ended(g, sandboxes, slot, error) {
        if (g.over)
            return;
        this.release(g.lease);
        g.close();
        g.onEnd?.();
        if (slot)
            sandboxes.give(slot);
        if (error instanceof Exit && error.code === 0)
            error = undefined;
        if (error)
            g.log("stderr", `edgectl: ${reason(error)}`);
        if (g.answered)
            return;
        g.answer = error ? problem(500, reason(error)) : { status: 200, headers: [], body: null, length: 0 };
        g.onAnswer?.(g.answer);
    }
}

function reason(e) {
    if (e instanceof Exit)
        return `the guest exited with code ${e.code}`;
    return e instanceof WebAssembly.RuntimeError ? `wasm trap: ${e.message}` : String(e?.message ?? e);
}

// A short answer of the host's own.
function problem(status, text) {
    const body = encode(text + "\n");
    return { status, headers: [["content-type", "text/plain; charset=utf-8"]], body, length: body.length, end: false };
}

export function createHost(module, app, options = {}) {
    return new Host(module, app, options);
}
