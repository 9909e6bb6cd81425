// SPDX-License-Identifier: Apache-2.0
// fastly_kv_store, and the older fastly_object_store over the same stores. A call starts an operation
// and gives a pending handle; the outcome comes from the matching wait.
import { Body, Source } from "./body.js";
import { KV_DELETE, KV_INSERT, KV_LIST, KV_LOOKUP } from "./guest.js";
import {
    BADF, bytes, decode, encode, ERROR, give32, giveText, INVAL, NONE, OK, put32, put64, slot, u32, u64, Unsupported, utf8Text,
} from "./memory.js";

// kv_error
export const KV_OK = 1, BAD_REQUEST = 2, NOT_FOUND = 3, PRECONDITION_FAILED = 4, TOO_LARGE = 5, INTERNAL_ERROR = 6,
    TOO_MANY_REQUESTS = 7;

const KEY_MAX = 1024, METADATA_MAX = 2000, VALUE_MAX = 25 << 20;

// Begun at once; `ready` when `promise` has an outcome: a kv_error, or what was found.
class Operation {
    constructor(g, promise) {
        this.g = g;
        this.result = this.error = undefined;
        this.promise = promise.then((v) => {
            this.result = v;
        }, (e) => {
            this.error = e ?? new Error("the store failed");
        }).then(g.signal);
    }

    ready() {
        return this.result !== undefined || this.error !== undefined;
    }

    // A kv_error, or what was found.
    outcome() {
        if (this.error instanceof Unsupported)
            throw this.error;
        if (this.error !== undefined) {
            this.g.log("stderr", `edgectl: the KV store failed: ${this.error.message ?? this.error}`);
            return INTERNAL_ERROR;
        }
        return this.result;
    }

    drop() {
        this.g.platform.waitUntil(this.promise);
    }
}

function open(g, ptr, len, out) {
    const u8 = bytes(g, ptr, len);
    out = slot(g, out, 4);
    const name = decode(u8), entry = name !== undefined && g.app.kv && Object.hasOwn(g.app.kv, name) ? g.app.kv[name] : undefined;
    if (!entry)
        return INVAL;
    let h = g.kvStores.indexOf(entry);
    if (h < 0)
        h = g.add(g.kvStores, entry);
    put32(g, out, h);
    return OK;
}

function storeAt(g, h) {
    g.effect();
    const entry = g.kvStores[h >>> 0];
    if (!entry)
        throw BADF;
    return entry;
}

function theStore(g, entry) {
    const store = g.platform.kv?.(entry.binding, entry);
    if (!store)
        throw new Unsupported();
    return store;
}

// Undefined if it breaks the rules for keys.
function keyIn(g, ptr, len) {
    const u8 = bytes(g, ptr, len), key = decode(u8);
    if (key === undefined || u8.length < 1 || u8.length > KEY_MAX || /[\r\n#;?^|\0]/.test(key))
        return undefined;
    if (/(^|\/)\.\.?(\/|$)/.test(key) || key.startsWith(".well-known/acme-challenge"))
        return undefined;
    return key;
}

const lookup = (g, entry, key) => new Operation(g, (async () => theStore(g, entry).get(key))());
const remove = (g, entry, key) => new Operation(g, (async () => theStore(g, entry).delete(key))());

// Nothing is stored unless the value ends well: then the outcome is -1.
const BROKEN_VALUE = -1;

function insert(g, entry, key, source, options) {
    return new Operation(g, (async () => {
        const value = await source.collect(VALUE_MAX);
        if (value === undefined)
            return BROKEN_VALUE;
        return value === null ? TOO_LARGE : theStore(g, entry).put(key, value, options);
    })());
}

function begin(g, kind, operation, out) {
    put32(g, out, g.addItem(kind, operation));
    return OK;
}

// args: store, key, key_len, mask, config, handle out
const starter = (kind, make) => (g, h, ptr, len, mask, config, out) => {
    const entry = storeAt(g, h), key = keyIn(g, ptr, len);
    out = slot(g, out, 4);
    return key === undefined || mask !== 0 ? INVAL : begin(g, kind, make(g, entry, key), out);
};

const INSERT_KNOWN = 2 | 8 | 16 | 32;

function insertOptions(g, mask, config) {
    config >>>= 0;
    if (mask & ~INSERT_KNOWN)
        throw INVAL;
    const options = { mode: u32(g, config) };
    if (options.mode > 3)
        throw INVAL;
    if (mask & 8) {
        const len = u32(g, config + 12), u8 = bytes(g, u32(g, config + 8), len);
        options.metadata = decode(u8);
        if (len === 0 || len > METADATA_MAX || options.metadata === undefined)
            throw INVAL;
    }
    if (mask & 16) {
        const ttl = u32(g, config + 16);
        if (ttl)
            options.ttl = ttl;
        else
            options.expires = Date.now();   // gone at once
    }
    if (mask & 32)
        options.generation = u64(g, config + 24);
    return options;
}

function listText(g, config, offset) {
    const len = u32(g, config + offset + 4), s = utf8Text(g, u32(g, config + offset), len, INVAL);
    if (len === 0 || s.includes("\0"))
        throw INVAL;
    return s;
}

const toBase64 = (s) => btoa(String.fromCharCode(...encode(s)));

function fromBase64(s) {
    try {
        return decode(Uint8Array.from(atob(s), (c) => c.charCodeAt(0)));
    } catch {
        return undefined;
    }
}

// The page as guests get it: bytes.
async function page(g, entry, options) {
    const { limit, prefix } = options, cursor = options.cursor === undefined ? undefined : fromBase64(options.cursor);
    if (limit === 0 || (options.cursor !== undefined && cursor === undefined))
        return BAD_REQUEST;
    const found = await theStore(g, entry).list({ prefix, cursor, limit });
    if (typeof found === "number")
        return found;
    const meta = { limit };
    if (prefix !== undefined)
        meta.prefix = prefix;
    if (found.cursor !== undefined)
        meta.next_cursor = toBase64(found.cursor);
    return encode(JSON.stringify({ data: found.keys, meta }));
}

// --- waiting ---

// Once the operation is over, its handle is gone and `finish` gets the outcome.
const waitFor = (g, h, kind, finish) => g.wait(() => {
    if (!g.item(h, kind).ready())
        return undefined;
    return finish(g.takeItem(h, kind).outcome());
});

function valueBody(g, found) {
    if (found.value instanceof Uint8Array)
        return g.addText(found.value);
    const b = new Body();
    b.add(new Source(found.value));
    return g.addBody(b);
}

// `wide`: the generation is 8 bytes; the first version of the call had none yet, its value is always 0.
const lookupWait = (wide) => (g, h, bodyOut, buf, len, written, generation, error) =>
    waitFor(g, h, KV_LOOKUP, (found) => {
        if (found === null || typeof found === "number")
            return give32(g, error, found ?? NOT_FOUND);
        put32(g, slot(g, bodyOut, 4), valueBody(g, found));
        const status = giveText(g, encode(found.metadata ?? ""), buf, len, written);
        if (status !== OK)
            return status;
        generation = slot(g, generation, wide ? 8 : 4);
        give32(g, error, KV_OK);
        if (wide)
            put64(g, generation, found.generation ?? 0n);
        else
            put32(g, generation, 0);
        return OK;
    });

const writeWait = (kind) => (g, h, error) =>
    waitFor(g, h, kind, (result) => (result === BROKEN_VALUE ? ERROR : give32(g, error, result)));

export const kv_store = {
    open,
    lookup: starter(KV_LOOKUP, lookup),
    delete: starter(KV_DELETE, remove),
    insert(g, h, ptr, len, body, mask, config, out) {
        const entry = storeAt(g, h), key = keyIn(g, ptr, len);
        if (key === undefined)
            return INVAL;
        const source = g.takeBody(body);
        let options;
        try {
            options = insertOptions(g, mask, config);
            out = slot(g, out, 4);
        } catch (status) {
            source.stop();
            throw status;
        }
        return begin(g, KV_INSERT, insert(g, entry, key, source, options), out);
    },
    list(g, h, mask, config, out) {
        const entry = storeAt(g, h), options = { limit: 1000 };
        config >>>= 0;
        if (mask & ~14 || u32(g, config) > 1)
            return INVAL;
        if (mask & 2)
            options.cursor = listText(g, config, 4);
        if (mask & 4)
            options.limit = u32(g, config + 12);
        if (mask & 8)
            options.prefix = listText(g, config, 16);
        out = slot(g, out, 4);
        return begin(g, KV_LIST, new Operation(g, page(g, entry, options)), out);
    },
    lookup_wait: lookupWait(false),
    lookup_wait_v2: lookupWait(true),
    insert_wait: writeWait(KV_INSERT),
    delete_wait: writeWait(KV_DELETE),
    list_wait: (g, h, body, error) => waitFor(g, h, KV_LIST, (found) => {
        if (typeof found === "number")
            return give32(g, error, found);
        body = slot(g, body, 4);
        give32(g, error, KV_OK);
        put32(g, body, g.addText(found));
        return OK;
    }),
};

// --- the older form: a missing key is ok with the out handle left alone, a bad key is an error ---

function placeOf(g, h, ptr, len) {
    const entry = storeAt(g, h), key = keyIn(g, ptr, len);
    if (key === undefined)
        throw ERROR;
    return [entry, key];
}

function giveValue(g, found, out) {
    if (found === null)
        return OK;
    if (typeof found === "number")
        return found === NOT_FOUND ? OK : INVAL;
    put32(g, slot(g, out, 4), valueBody(g, found));
    return OK;
}

const written = (result) => (result === BROKEN_VALUE ? ERROR : result === KV_OK ? OK : result === NOT_FOUND ? NONE : INVAL);

export const object_store = {
    open,
    lookup(g, h, ptr, len, out) {
        const op = lookup(g, ...placeOf(g, h, ptr, len));
        return g.wait(() => (op.ready() ? giveValue(g, op.outcome(), out) : undefined));
    },
    lookup_async(g, h, ptr, len, out) {
        const place = placeOf(g, h, ptr, len);
        out = slot(g, out, 4);
        return begin(g, KV_LOOKUP, lookup(g, ...place), out);
    },
    pending_lookup_wait: (g, h, out) => waitFor(g, h, KV_LOOKUP, (found) => giveValue(g, found, out)),
    insert(g, h, ptr, len, body) {
        const place = placeOf(g, h, ptr, len), op = insert(g, ...place, g.takeBody(body), { mode: 0 });
        return g.wait(() => (op.ready() ? written(op.outcome()) : undefined));
    },
    insert_async(g, h, ptr, len, body, out) {
        out = slot(g, out, 4);
        const place = placeOf(g, h, ptr, len);
        return begin(g, KV_INSERT, insert(g, ...place, g.takeBody(body), { mode: 0 }), out);
    },
    pending_insert_wait: (g, h) => waitFor(g, h, KV_INSERT, written),
    delete_async(g, h, ptr, len, out) {
        const place = placeOf(g, h, ptr, len);
        out = slot(g, out, 4);
        return begin(g, KV_DELETE, remove(g, ...place), out);
    },
    pending_delete_wait: (g, h) => waitFor(g, h, KV_DELETE, written),
};
