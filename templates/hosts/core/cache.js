// SPDX-License-Identifier: Apache-2.0
// fastly_cache and fastly_purge: the core cache, in this isolate's or process's memory, least recently
// used out first. Under a key stand variants, told apart by the request headers that the vary rules of
// earlier inserts name. A transaction on a missing or stale variant gives one caller the obligation to
// fill it; the others wait until it is met or dropped. Those who wait look again by a timer of their
// own: on some platforms one request must not wake another.
import { Body, BROKEN, DATA, END, Source } from "./body.js";
import { BODY, CACHE, CACHE_BUSY } from "./guest.js";
import { nameIn } from "./headers.js";
import {
    BADF, bytes, copy, ERROR, fromBytes, give32, give64, giveText, INVAL, INVALID_HANDLE, NONE, OK, put32, slot, text, u32, u64, Unsupported,
} from "./memory.js";

const KEY_MAX = 4096, SURROGATES_MAX = 16384, BYTES_MAX = 16 << 20, VARIANTS_MAX = 256;
const LOOK_AGAIN_MS = 4, OBLIGED_MS = 120000;
const NS_MAX = (1n << 64n) - 1n;

const plus = (a, b) => (a + b > NS_MAX ? NS_MAX : a + b);
const nowNs = () => BigInt(Math.round(performance.now() * 1e6));

// What the guest writes into a streaming body, kept.
class Data {
    constructor(length) {
        this.chunks = [];
        this.size = 0;
        this.known = length;        // as told with the insert
        this.state = "filling";
    }

    get length() {
        return this.known ?? (this.state === "whole" ? this.size : undefined);
    }

    // Drains `source` as it fills.
    fill(source, cache) {
        for (;;) {
            const state = source.peek(() => this.fill(source, cache));
            if (state === DATA) {
                const chunk = source.take();
                this.chunks.push(chunk);
                this.size += chunk.length;
                cache.bytes += chunk.length;
                if (this.size <= BYTES_MAX / 2)
                    continue;
                source.stop();
                this.state = "broken";
            } else if (state === END) {
                this.state = this.known !== undefined && this.known !== this.size ? "broken" : "whole";
            } else if (state === BROKEN) {
                this.state = "broken";
            }
            if (this.state !== "filling")
                cache.trim();
            return;
        }
    }
}

class Stored {
    constructor(o, data) {
        Object.assign(this, o);     // maxAge, initialAge, stale (ns), metadata, surrogates
        this.data = data;
        this.inserted = nowNs();
        this.soft = false;
        this.hits = 0n;
    }

    get age() {
        return plus(nowNs() - this.inserted, this.initialAge);
    }

    get fresh() {
        return !this.soft && this.age < this.maxAge;
    }

    get usable() {
        return this.age < plus(this.maxAge, this.stale);
    }

    give() {
        if (this.usable)
            this.hits++;
        return this;
    }
}

const signature = (rule, request) => JSON.stringify(rule.map((name) => request.filter((h) => h[0] === name).map((h) => h[1])));

class Entry {
    constructor() {
        this.variants = [];         // the one written last comes first
    }

    matching(request) {
        return this.variants.filter((v) => v.signature === signature(v.rule, request));
    }

    variant(rule, request) {
        const wanted = signature(rule, request), key = rule.join(" ");
        let i = this.variants.findIndex((v) => v.rule.join(" ") === key && v.signature === wanted);
        const v = i < 0 ? { rule, signature: wanted, object: undefined, obligation: undefined } : this.variants.splice(i, 1)[0];
        this.variants.unshift(v);
        i = this.variants.length - 1;
        if (i >= VARIANTS_MAX && !obliged(this.variants[i]))
            this.variants.pop();
        return v;
    }

    tidy(v) {
        if (!v.object && !v.obligation)
            this.variants = this.variants.filter((o) => o !== v);
    }
}

// Somebody is at it. A platform may drop a request and tell nobody: after a while it does not count.
const obliged = (v) => v.obligation !== undefined && Date.now() - v.obligation.since < OBLIGED_MS;

const objectOf = (v) => {
    if (v.object?.data.state === "broken")
        v.object = undefined;
    return v.object;
};

class CoreCache {
    constructor() {
        this.entries = new Map();   // in order of use
        this.bytes = 0;
    }

    entry(key, make) {
        const e = this.entries.get(key) ?? (make ? new Entry() : undefined);
        if (e) {
            this.entries.delete(key);
            this.entries.set(key, e);
        }
        return e;
    }

    trim() {
        for (const [key, e] of this.entries) {
            if (this.bytes <= BYTES_MAX)
                return;
            if (e.variants.some(obliged))
                continue;
            this.entries.delete(key);
            this.bytes = 0;
            for (const other of this.entries.values())
                for (const v of other.variants)
                    this.bytes += v.object?.data.size ?? 0;
        }
    }

    lookup(key, request) {
        for (const v of this.entry(key, false)?.matching(request) ?? [])
            if (objectOf(v))
                return v.object.give();
        return undefined;
    }

    // { found, obligation }, or undefined while somebody else is at it.
    transact(key, request) {
        const e = this.entry(key, true);
        let staleInWork, stale, inWork = false;
        for (const v of e.matching(request)) {
            const o = objectOf(v);
            inWork ||= obliged(v);
            if (!o?.usable)
                continue;
            if (o.fresh)
                return { found: o.give() };
            if (obliged(v))
                staleInWork ??= o;
            else
                stale ??= v;
        }
        if (staleInWork)
            return { found: staleInWork.give() };
        if (inWork)
            return undefined;
        // The answer will most likely vary as the last one did.
        const v = stale ?? e.variant(e.variants[0]?.rule ?? [], request);
        v.obligation = { key, e, v, request, since: Date.now() };
        return { found: stale?.object.give(), obligation: v.obligation };
    }

    discharge(obligation) {
        const { key, e, v } = obligation;
        if (v.obligation === obligation)
            v.obligation = undefined;
        e.tidy(v);
        if (e.variants.length === 0 && this.entries.get(key) === e)
            this.entries.delete(key);
    }

    store(key, request, o, data) {
        const v = this.entry(key, true).variant(o.vary, request);
        v.object = new Stored(o, data);
        return v.object;
    }

    purge(surrogate, soft) {
        for (const [key, e] of this.entries) {
            for (const v of [...e.variants]) {
                if (!objectOf(v)?.surrogates.includes(surrogate))
                    continue;
                if (soft) {
                    v.object.soft = true;
                } else {
                    v.object = undefined;
                    e.tidy(v);
                }
            }
            if (e.variants.length === 0)
                this.entries.delete(key);
        }
    }
}

const caches = new WeakMap();

function cacheOf(g) {
    g.effect();
    const scope = g.platform.cacheScope;
    if (!scope)
        throw new Unsupported();
    if (!caches.has(scope))
        caches.set(scope, new CoreCache());
    return caches.get(scope);
}

// --- handles ---

// Behind CACHE, and behind CACHE_BUSY (whose value is then passed on).
class Item {
    constructor(cache, found) {
        this.cache = cache;
        this.body = INVALID_HANDLE;
        this.always = false;
        this.obligation = this.wanted = undefined;
        this.find(found);
    }

    find(found) {
        this.found = found;
        this.length = found?.data.length;
    }

    static transact(cache, key, request) {
        const item = new Item(cache, undefined);
        item.wanted = { key, request };
        item.look();
        return item;
    }

    look() {
        const answer = this.cache.transact(this.wanted.key, this.wanted.request);
        if (!answer)
            return false;
        this.wanted = undefined;
        this.obligation = answer.obligation;
        this.find(answer.found);
        return true;
    }

    ready(g) {
        if (!this.wanted || this.look())
            return true;
        setTimeout(g.signal, LOOK_AGAIN_MS);
        return false;
    }

    drop() {
        if (this.obligation)
            this.cache.discharge(this.obligation);
        this.obligation = this.wanted = undefined;
    }
}

const USED = { ready: () => true };     // a busy handle that was waited for

function readLookup(g, key, keyLen, mask, options) {
    if (mask & ~14)
        throw INVAL;
    if (mask & 4)
        throw new Unsupported();
    const request = mask & 2 ? g.requestAt(u32(g, options)).headers : [];
    return { key: readKey(g, key, keyLen), request: request.map((h) => [...h]), always: (mask & 8) !== 0 };
}

function readKey(g, ptr, len) {
    const key = text(g, ptr, len);
    if (key.length > KEY_MAX)
        throw INVAL;
    return key;
}

const surrogateOk = (s) => /^[!-~]{1,1024}$/.test(s);

function varyIn(g, ptr, len) {
    const names = new Set(), u8 = bytes(g, ptr, len);
    let at = 0;
    for (const word of fromBytes(u8).split(" ")) {
        if (word)
            names.add(nameIn(g, (ptr >>> 0) + at, word.length));
        at += word.length + 1;
    }
    return [...names].sort();
}

// Options of an insert or update. `mayName`: it may tell the request headers.
function readOptions(g, mask, record, mayName) {
    record >>>= 0;
    if (mask & ~2046 || (mask & 2 && !mayName))
        throw INVAL;
    if (mask & 1024)
        throw new Unsupported();
    const has = (bit) => (mask & (1 << bit)) !== 0;
    const o = { maxAge: u64(g, record), initialAge: 0n, stale: 0n, vary: [], metadata: new Uint8Array(0), surrogates: [], request: [] };
    if (has(3))
        o.initialAge = u64(g, record + 24);
    if (has(4))
        o.stale = u64(g, record + 32);
    if (has(9) && u64(g, record + 64) > o.maxAge)
        throw INVAL;
    if (has(1))
        o.request = g.requestAt(u32(g, record + 8)).headers.map((h) => [...h]);
    if (has(2))
        o.vary = varyIn(g, u32(g, record + 12), u32(g, record + 16));
    if (has(5)) {
        const s = text(g, u32(g, record + 40), u32(g, record + 44));
        o.surrogates = s.split(" ").filter((w) => w !== "");
        if (s.length > SURROGATES_MAX || !o.surrogates.every(surrogateOk))
            throw INVAL;
    }
    if (has(7))
        o.metadata = copy(g, u32(g, record + 56), u32(g, record + 60));
    if (has(6))
        o.length = Number(u64(g, record + 48));
    return o;
}

// A streaming body for the guest to fill, drained into new data.
function newStream(g, cache, o) {
    const handle = g.addBody(new Body()), data = new Data(o.length);
    data.fill(g.takeBody(handle, true), cache);
    return { handle, data };
}

// Meets the obligation of a handle.
function insert(g, h, mask, options) {
    const o = readOptions(g, mask, options, false), item = g.item(h, CACHE);
    if (!item.obligation)
        throw BADF;
    const { key, request } = item.obligation, { cache } = item;
    const { handle, data } = newStream(g, cache, o);
    const object = cache.store(key, request, o, data);
    cache.discharge(item.obligation);
    item.obligation = undefined;
    return { item, handle, object };
}

// Waiting for what this very guest owes would never end.
function waitsForItself(g, item) {
    const { key, request } = item.wanted;
    return g.items.some((it) => {
        const o = (it?.kind === CACHE || it?.kind === CACHE_BUSY) && it.value.obligation;
        return o && o.key === key && o.e.matching(request).includes(o.v);
    });
}

const give = (of) => (g, h, out) => {
    const { found } = g.item(h, CACHE);
    return found ? give64(g, out, of(found)) : NONE;
};

// Skip and length of what a range means for the data: undefined while that cannot be known.
function resolve(data, from, to, always) {
    const { length } = data, whole = { skip: 0, left: Infinity };
    if ((from === undefined && to === undefined) || (length === undefined && !always))
        return whole;
    if (from === undefined) {
        if (length === undefined)
            return undefined;
        return to < 1 || to > length ? whole : { skip: length - to, left: to };
    }
    if (length !== undefined && (from >= length || (to !== undefined && (to < from || to >= length))))
        return whole;
    if (length === undefined && data.size <= from)
        return undefined;
    return { skip: from, left: to === undefined ? Infinity : Math.max(0, to - from + 1) };
}

// Bytes of the range, one after the other: undefined at its end, null while there are none yet.
function reader(data, { skip, left }) {
    let i = 0;
    return () => {
        while (left > 0 && i < data.chunks.length) {
            const chunk = data.chunks[i++], part = chunk.subarray(skip, skip + left);
            skip = Math.max(0, skip - chunk.length);
            left -= part.length;
            if (part.length)
                return part;
        }
        if (left > 0 && data.state === "filling")
            return null;
        if (left > 0 && (data.state === "broken" || left !== Infinity))
            throw new Error("the cached object is incomplete");
        return undefined;
    };
}

function bodyOf(data, part) {
    const b = new Body(), next = reader(data, part);
    if (data.state === "whole") {
        for (let chunk = next(); chunk; chunk = next())
            b.write(chunk);
        return b;
    }
    const { length } = data, left = part.left !== Infinity ? part.left : length && length - part.skip;
    b.add(new Source(new ReadableStream({
        async pull(controller) {
            let chunk;
            while ((chunk = next()) === null)
                await new Promise((r) => setTimeout(r, LOOK_AGAIN_MS));
            if (chunk)
                controller.enqueue(chunk.slice());
            else
                controller.close();
        },
    }, { highWaterMark: 0 }), { length: left }));
    return b;
}

export const cache = {
    lookup(g, key, keyLen, mask, options, out) {
        const l = readLookup(g, key, keyLen, mask, options), store = cacheOf(g);
        out = slot(g, out, 4);
        const item = new Item(store, store.lookup(l.key, l.request));
        item.always = l.always;
        put32(g, out, g.addItem(CACHE, item));
        return OK;
    },
    insert(g, key, keyLen, mask, options, out) {
        key = readKey(g, key, keyLen);
        const o = readOptions(g, mask, options, true), store = cacheOf(g);
        out = slot(g, out, 4);
        const { handle, data } = newStream(g, store, o);
        store.store(key, o.request, o, data);
        put32(g, out, handle);
        return OK;
    },
    transaction_lookup(g, key, keyLen, mask, options, out) {
        slot(g, out, 4);
        const l = readLookup(g, key, keyLen, mask, options), item = Item.transact(cacheOf(g), l.key, l.request);
        item.always = l.always;
        if (item.wanted && waitsForItself(g, item))
            return BADF;
        const h = g.addItem(CACHE_BUSY, item);
        return g.wait(() => {
            if (!item.ready(g))
                return undefined;
            g.items[h].kind = CACHE;
            return give32(g, out, h);
        });
    },
    transaction_lookup_async(g, key, keyLen, mask, options, out) {
        out = slot(g, out, 4);
        const l = readLookup(g, key, keyLen, mask, options), item = Item.transact(cacheOf(g), l.key, l.request);
        item.always = l.always;
        put32(g, out, g.addItem(CACHE_BUSY, item));
        return OK;
    },
    // The busy handle hands its transaction on to a new handle, and stays to be closed.
    cache_busy_handle_wait(g, h, out) {
        const item = g.item(h, CACHE_BUSY);
        if (item === USED || (item.wanted && !item.look() && waitsForItself(g, item)))
            return BADF;
        return g.wait(() => {
            if (!item.ready(g))
                return undefined;
            out = slot(g, out, 4);
            g.items[h >>> 0].value = USED;
            return give32(g, out, g.addItem(CACHE, item));
        });
    },
    transaction_insert(g, h, mask, options, out) {
        out = slot(g, out, 4);
        put32(g, out, insert(g, h, mask, options).handle);
        return OK;
    },
    transaction_insert_and_stream_back(g, h, mask, options, bodyOut, backOut) {
        bodyOut = slot(g, bodyOut, 4);
        backOut = slot(g, backOut, 4);
        const { item, handle, object } = insert(g, h, mask, options);
        const back = new Item(item.cache, object);
        back.always = item.always;
        put32(g, backOut, g.addItem(CACHE, back));
        put32(g, bodyOut, handle);
        return OK;
    },
    transaction_update(g, h, mask, options) {
        const o = readOptions(g, mask, options, false), item = g.item(h, CACHE), { obligation } = item;
        const old = obligation && objectOf(obligation.v);
        if (!old)
            return BADF;
        item.cache.store(obligation.key, obligation.request, o, old.data);
        item.cache.discharge(obligation);
        item.obligation = undefined;
        return OK;
    },
    transaction_cancel(g, h) {
        const item = g.item(h, CACHE);
        if (!item.obligation)
            return BADF;
        item.cache.discharge(item.obligation);
        item.obligation = undefined;
        return OK;
    },
    close_busy(g, h) {
        g.takeItem(h, CACHE_BUSY).drop?.();
        return OK;
    },
    close(g, h) {
        g.takeItem(h, CACHE).drop();
        return OK;
    },
    get_state(g, h, out) {
        const { found, obligation } = g.item(h, CACHE);
        const state = found?.usable ? 3 | (found.fresh ? 0 : 4) : 0;
        return give32(g, out, state | (obligation ? 8 : 0));
    },
    get_user_metadata(g, h, buf, len, written) {
        const { found } = g.item(h, CACHE);
        return found ? giveText(g, found.metadata, buf, len, written) : NONE;
    },
    get_length(g, h, out) {
        const { length } = g.item(h, CACHE);
        return length === undefined ? NONE : give64(g, out, length);
    },
    get_max_age_ns: give((o) => o.maxAge),
    get_stale_while_revalidate_ns: give((o) => o.stale),
    get_age_ns: give((o) => o.age),
    get_hits: give((o) => o.hits),
    get_body(g, h, mask, options, out) {
        return g.wait(() => {
            const item = g.item(h, CACHE);
            options >>>= 0;
            if (!item.found)
                return NONE;
            if (mask & ~6)
                return INVAL;
            const from = mask & 2 ? Number(u64(g, options)) : undefined, to = mask & 4 ? Number(u64(g, options + 8)) : undefined;
            out = slot(g, out, 4);
            if (g.itemAt(item.body)?.kind === BODY)
                return BADF;        // one at a time
            const { data } = item.found, part = resolve(data, from, to, item.always);
            if (!part) {
                if (data.state !== "filling")
                    return ERROR;
                setTimeout(g.signal, LOOK_AGAIN_MS);
                return undefined;
            }
            item.body = g.addBody(bodyOf(data, part));
            put32(g, out, item.body);
            return OK;
        });
    },
};

export const purge = {
    purge_surrogate_key(g, ptr, len, mask, options) {
        const key = text(g, ptr, len);
        options >>>= 0;
        if (!surrogateOk(key) || mask & ~3)
            return INVAL;
        const store = cacheOf(g);
        if (mask & 2) {     // first: with too small a buffer nothing is purged
            const id = crypto.getRandomValues(new Uint8Array(8)).reduce((s, b) => s + b.toString(16).padStart(2, "0"), "");
            const status = giveText(g, `{"status":"ok","id":"${id}"}`, u32(g, options), u32(g, options + 4), u32(g, options + 8));
            if (status !== OK)
                return status;
        }
        store.purge(key, (mask & 1) !== 0);
        return OK;
    },
};

