// SPDX-License-Identifier: Apache-2.0
// KV over a Redis with Upstash's REST interface: a command is a JSON array in a POST.
//
//   edgectl:STORE:KEY     a hash: v value, e "b" if v is base64 (no UTF-8), m metadata, g generation;
//                         it expires with the entry
//   edgectl:STORE         a sorted set, all scores 0: the keys, in byte order
import { Buffer } from "node:buffer";

// kv_error of the guest ABI.
const DONE = 1, NOT_FOUND = 3, PRECONDITION = 4, TOO_LARGE = 5, TOO_MANY = 7;
const OVERWRITE = 0, ADD = 1, APPEND = 2;
const TRIES = 8;

// KEYS: hash, set. ARGV: key, "1" if it must not exist, the generation that it must have if it exists
// ("": any), v, e, m, g, time of expiry in ms ("": none), "1" if it must exist with that generation.
const PUT = `
local old = redis.call('HGET', KEYS[1], 'g')
if old and (ARGV[2] == '1' or (ARGV[3] ~= '' and old ~= ARGV[3])) then return 4 end
if not old and ARGV[9] == '1' then return 4 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[4], 'e', ARGV[5], 'm', ARGV[6], 'g', ARGV[7])
if ARGV[8] ~= '' then redis.call('PEXPIREAT', KEYS[1], ARGV[8]) end
redis.call('ZADD', KEYS[2], 0, ARGV[1])
return 1`;

let lastGeneration = 0n;

// The time in ns, never the same twice here.
function nextGeneration() {
    const now = BigInt(Date.now()) * 1000000n + BigInt(Math.floor(Math.random() * 1000000));
    lastGeneration = now > lastGeneration ? now : lastGeneration + 1n;
    return lastGeneration;
}

// UTF-8 goes as it is, so that other programs read it; other bytes cannot stand in JSON.
function encoded(bytes) {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const utf8 = text.toString("utf8");
    return Buffer.from(utf8).equals(text) ? [utf8, ""] : [text.toString("base64"), "b"];
}

export function upstash(store, url, token) {
    const set = `edgectl:${store}`;
    const hash = (key) => `${set}:${key}`;

    // Answers come in base64, as a value need not be UTF-8 either.
    async function ask(path, commands) {
        const answer = await fetch(url.replace(/\/+$/, "") + path, {
            method: "POST", body: JSON.stringify(commands),
            headers: {
                authorization: `Bearer ${await token()}`, "content-type": "application/json",
                "upstash-encoding": "base64",
            },
        });
        if (answer.status === 413)
            return { code: TOO_LARGE };
        if (answer.status === 429)
            return { code: TOO_MANY };
        const said = await answer.json();
        const failed = [said].flat().find((one) => one.error !== undefined);
        if (failed && /max request size|too large/i.test(failed.error))
            return { code: TOO_LARGE };
        if (!answer.ok || failed)
            throw new Error(`the KV store answers ${answer.status}: ${failed?.error ?? ""}`);
        return { result: Array.isArray(said) ? said.map((one) => one.result) : said.result };
    }

    async function get(key) {
        const { result, code } = await ask("", ["HMGET", hash(key), "v", "e", "m", "g"]);
        if (code)
            return code;
        if (result[0] === null)
            return null;
        const [v, e, m, g] = result.map((one) => Buffer.from(one ?? "", "base64"));
        return {
            value: e.toString() === "b" ? Buffer.from(v.toString(), "base64") : v,
            metadata: m.length ? m.toString() : undefined, generation: BigInt(g.toString() || "0"),
        };
    }

    async function write(key, bytes, { mode, metadata, ttl, expires, generation }, mustExist) {
        const [v, e] = encoded(bytes);
        const until = ttl ? Date.now() + ttl * 1000 : expires;
        const { result, code } = await ask("", [
            "EVAL", PUT, "2", hash(key), set, key, mode === ADD ? "1" : "",
            generation === undefined ? "" : String(generation), v, e, metadata ?? "",
            String(nextGeneration()), until ? String(Math.ceil(until)) : "", mustExist ? "1" : "",
        ]);
        return code ?? Number(result);
    }

    // Read, join, write if nobody else has written meanwhile.
    async function join(key, bytes, options) {
        for (let i = 0; i < TRIES; i++) {
            const old = await get(key);
            if (typeof old === "number")
                return old;
            if (old && options.generation !== undefined && old.generation !== options.generation)
                return PRECONDITION;
            const parts = options.mode === APPEND ? [old?.value ?? "", bytes] : [bytes, old?.value ?? ""];
            const all = Buffer.concat(parts.map((part) => Buffer.from(part)));
            const code = await write(key, all, {
                ...options, mode: old ? OVERWRITE : ADD, generation: old?.generation,
                metadata: options.metadata ?? old?.metadata,
            }, Boolean(old));
            if (code !== PRECONDITION)
                return code;
        }
        return TOO_MANY;
    }

    return {
        get,
        put: (key, bytes, options = {}) => (options.mode ?? OVERWRITE) <= ADD
            ? write(key, bytes, options, false) : join(key, bytes, options),
        async delete(key) {
            const { result, code } = await ask("/multi-exec", [["DEL", hash(key)], ["ZREM", set, key]]);
            return code ?? (Number(result[0]) > 0 ? DONE : NOT_FOUND);
        },
        // Entries that have expired are in the set still; they are left out.
        async list({ prefix = "", cursor, limit }) {
            const keys = [];
            let from = cursor !== undefined && cursor >= prefix ? `(${cursor}` : `[${prefix}`;
            for (;;) {
                const want = limit - keys.length + 1;
                const { result, code } =
                    await ask("", ["ZRANGE", set, from, "+", "BYLEX", "LIMIT", "0", String(want)]);
                if (code)
                    return code;
                const found = result.map((one) => Buffer.from(one, "base64").toString());
                const ours = found.filter((key) => key.startsWith(prefix));
                const there = ours.length
                    ? (await ask("/pipeline", ours.map((key) => ["EXISTS", hash(key)]))).result ?? [] : [];
                keys.push(...ours.filter((_, i) => Number(there[i]) > 0));
                const last = keys.length > limit ? keys[limit - 1] : undefined;
                if (found.length < want || ours.length < found.length || last !== undefined)
                    return { keys: keys.slice(0, limit), cursor: last };
                from = `(${found.at(-1)}`;
            }
        },
    };
}
