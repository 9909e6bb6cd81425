// SPDX-License-Identifier: Apache-2.0
// KV and config in a CloudFront KeyValueStore: `id` is its ARN, or its name in the account. Keys of 512
// bytes, values of 1 KB of text, 5 MB in all; no metadata, no expiry. What is written is everywhere
// within seconds. Every write names the version of the whole store (its ETag) that it goes on top of,
// which makes add, append and conditions true ones.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { call, errorCode } from "./aws.js";
import { encoded } from "./sigv4.js";
import { Unsupported } from "../core/memory.js";

// kv_error of the guest ABI.
const DONE = 1, BAD_REQUEST = 2, NOT_FOUND = 3, PRECONDITION = 4, TOO_LARGE = 5, TOO_MANY = 7;
const OVERWRITE = 0, ADD = 1, APPEND = 2;
const TRIES = 8, KEEP = 10 * 1000; // ms: as long as the config that was read is believed
const KEY_MAX = 512, VALUE_MAX = 1024;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const arns = new Map(); // name -> promise

function arnOf(id) {
    if (id.startsWith("arn:"))
        return id;
    if (!arns.has(id)) {
        const arn = find(id);
        arns.set(id, arn);
        arn.catch(() => arns.delete(id));
    }
    return arns.get(id);
}

async function find(name) {
    const answer = await call({
        variable: "CLOUDFRONT", base: "https://cloudfront.amazonaws.com", service: "cloudfront",
        region: "us-east-1", method: "GET", path: `/2020-05-31/key-value-store/${encoded(name)}`,
    });
    const arn = /<ARN>([^<]+)<\/ARN>/.exec(await answer.text())?.[1];
    if (!answer.ok || !arn)
        throw new Error(`the KeyValueStore ${name} cannot be found: ${answer.status}`);
    return arn;
}

async function ask(id, { path = "", etag, body, ...rest }) {
    const arn = await arnOf(id);
    const answer = await call({
        variable: "CLOUDFRONT_KEYVALUESTORE", service: "cloudfront-keyvaluestore",
        base: `https://${arn.split(":")[4]}.cloudfront-kvs.global.api.aws`,
        path: `/key-value-stores/${encoded(arn)}${path}`, body: body && JSON.stringify(body),
        headers: { ...(etag && { "if-match": etag }), ...(body && { "content-type": "application/json" }) },
        ...rest,
    });
    const text = await answer.text();
    const said = text ? JSON.parse(text) : {};
    const code = answer.ok ? "" : errorCode(answer, said);
    const known = ["", "ResourceNotFoundException", "ConflictException", "ServiceQuotaExceededException"];
    if (!known.includes(code) && answer.status !== 429)
        throw new Error(`the KeyValueStore ${id} answers ${answer.status}: ${code} ${said.Message ?? said.message ?? ""}`);
    return { said, code, busy: answer.status === 429, etag: answer.headers.get("etag") };
}

const keyPath = (key) => `/keys/${encoded(key)}`;
const generationOf = (value) => createHash("sha256").update(value).digest().readBigUInt64BE() | 1n;

async function pairs(id) {
    const all = [];
    let query = "MaxResults=50";
    for (;;) {
        const { said, busy, code } = await ask(id, { method: "GET", path: "/keys", query });
        if (busy || code)
            return undefined;
        all.push(...(said.Items ?? []));
        if (!said.NextToken)
            return all;
        query = `MaxResults=50&NextToken=${encoded(said.NextToken)}`;
    }
}

export function keyValueStore(id) {
    async function get(key) {
        const { said, code, busy } = await ask(id, { method: "GET", path: keyPath(key) });
        if (busy)
            return TOO_MANY;
        if (code)
            return null;
        const value = Buffer.from(said.Value);
        return { value, generation: generationOf(said.Value) };
    }

    // `change(etag)`: writes on top of that version, or tells why not.
    async function onTop(change) {
        for (let i = 0; i < TRIES; i++) {
            const { etag, busy } = await ask(id, { method: "GET" });
            if (busy)
                return TOO_MANY;
            const result = await change(etag);
            if (result.code !== "ConflictException")
                return result.busy ? TOO_MANY : result.code === "ServiceQuotaExceededException" ? TOO_LARGE
                    : result.result ?? (result.code ? NOT_FOUND : DONE);
        }
        return TOO_MANY;
    }

    async function join(key, bytes, { mode, generation }) {
        if (mode === OVERWRITE && generation === undefined)
            return { bytes };
        const old = await get(key);
        if (typeof old === "number")
            return { result: old };
        if ((old && mode === ADD) || (generation !== undefined && old?.generation !== generation))
            return { result: PRECONDITION };
        if (mode <= ADD || !old)
            return { bytes };
        return { bytes: Buffer.concat(mode === APPEND ? [old.value, bytes] : [bytes, old.value]) };
    }

    return {
        get,
        async put(key, bytes, { mode = OVERWRITE, metadata, ttl, expires, generation } = {}) {
            if (metadata !== undefined || ttl || expires)
                throw new Unsupported();
            if (Buffer.byteLength(key) > KEY_MAX)
                return BAD_REQUEST;
            return onTop(async (etag) => {
                const joined = await join(key, bytes, { mode, generation });
                if (joined.result)
                    return joined;
                if (joined.bytes.length > VALUE_MAX)
                    return { result: TOO_LARGE };
                let Value;
                try {
                    Value = utf8.decode(joined.bytes);
                } catch {
                    throw new Unsupported(); // it keeps text alone
                }
                return ask(id, { method: "PUT", path: keyPath(key), etag, body: { Value } });
            });
        },
        delete: (key) => onTop((etag) => ask(id, { method: "DELETE", path: keyPath(key), etag })),
        // The service knows no prefixes and promises no order.
        async list({ prefix = "", cursor, limit }) {
            const all = await pairs(id);
            if (!all)
                return TOO_MANY;
            const keys = all.map(({ Key }) => Key)
                .filter((key) => key.startsWith(prefix))
                .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
                .filter((key) => cursor === undefined || Buffer.compare(Buffer.from(key), Buffer.from(cursor)) > 0);
            return { keys: keys.slice(0, limit), cursor: keys.length > limit ? keys[limit - 1] : undefined };
        },
    };
}

const kept = new Map(); // id -> { until, text: promise }

// A config store: JSON text of an object of strings.
export function keyValueConfig(id) {
    const old = kept.get(id);
    if (old && Date.now() < old.until)
        return old.text;
    const text = pairs(id).then((all) => {
        if (!all)
            throw new Error(`the KeyValueStore ${id} cannot be read now`);
        return JSON.stringify(Object.fromEntries(all.map(({ Key, Value }) => [Key, Value])));
    });
    const entry = { until: Date.now() + KEEP, text };
    kept.set(id, entry);
    text.catch(() => kept.get(id) === entry && kept.delete(id));
    return text;
}
