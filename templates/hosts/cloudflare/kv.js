// SPDX-License-Identifier: Apache-2.0
// Workers KV as a store of the core. Metadata holds { edgectl: generation, text }. Workers KV cannot
// write on a condition, nor add to a value without a race: those are unsupported.
import { BAD_REQUEST, KV_OK, NOT_FOUND, TOO_LARGE, TOO_MANY_REQUESTS } from "../core/kv.js";
import { Unsupported } from "../core/memory.js";

const KEY_MAX = 512, METADATA_MAX = 1024, TTL_MIN = 60, PAGE_MAX = 1000;

const tooLong = (key) => new TextEncoder().encode(key).length > KEY_MAX;

// Metadata that others have written is passed on as text.
function readMetadata(m) {
    if (m && typeof m === "object" && "edgectl" in m)
        return { metadata: m.text, generation: BigInt(m.edgectl) };
    const metadata = m === null || m === undefined ? undefined : typeof m === "string" ? m : JSON.stringify(m);
    return { metadata, generation: 0n };
}

function errorOf(e) {
    const [, status] = /\b(4\d\d)\b/.exec(e.message) ?? [];
    const known = { 400: BAD_REQUEST, 413: TOO_LARGE, 414: BAD_REQUEST, 429: TOO_MANY_REQUESTS };
    if (!known[status])
        throw e;
    return known[status];
}

class Store {
    constructor(namespace) {
        this.namespace = namespace;
    }

    async get(key) {
        if (tooLong(key))
            return null;        // nobody can have written it
        const { value, metadata } = await this.namespace.getWithMetadata(key, { type: "stream" });
        return value === null ? null : { value, ...readMetadata(metadata) };
    }

    async put(key, value, { mode, metadata, ttl, expires, generation }) {
        if (mode !== 0 || generation !== undefined)
            throw new Unsupported();
        if (ttl !== undefined && ttl < TTL_MIN)
            throw new Unsupported();
        if (tooLong(key))
            return BAD_REQUEST;
        if (expires !== undefined) {
            await this.namespace.delete(key);
            return KV_OK;
        }
        const kept = { edgectl: String(BigInt(Date.now()) * 1000000n) };
        if (metadata !== undefined)
            kept.text = metadata;
        if (new TextEncoder().encode(JSON.stringify(kept)).length > METADATA_MAX)
            return TOO_LARGE;
        try {
            await this.namespace.put(key, value, { metadata: kept, expirationTtl: ttl });
        } catch (e) {
            return errorOf(e);
        }
        return KV_OK;
    }

    async delete(key) {
        const found = await this.get(key);
        if (!found)
            return NOT_FOUND;
        await found.value.cancel();
        await this.namespace.delete(key);
        return KV_OK;
    }

    async list({ prefix, cursor, limit }) {
        const keys = [];
        for (;;) {
            const page = await this.namespace.list({ prefix, cursor, limit: Math.min(limit - keys.length, PAGE_MAX) });
            keys.push(...page.keys.map((k) => k.name));
            cursor = page.list_complete ? undefined : page.cursor;
            if (cursor === undefined || keys.length >= limit)
                return { keys, cursor };
        }
    }
}

export const kvStore = (namespace) => new Store(namespace);
