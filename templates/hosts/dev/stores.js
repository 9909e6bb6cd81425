// SPDX-License-Identifier: Apache-2.0
// The stores of this machine, for an app in another runtime: those of `edgectl dev`, over HTTP
// (templates/runtime/stores has the protocol). `at`: { url, token }.

const enc = encodeURIComponent;

function ask(at, method, key, headers, body) {
    return fetch(`${at.url}/${enc(key)}`, {
        method, body, headers: { ...headers, "x-edgectl-token": at.token }, redirect: "manual",
    });
}

// A KV store as the core wants one.
export function kvStore(at, name) {
    const call = (method, key, headers, body) =>
        ask(at, method, key, { "x-edgectl-kv": enc(name), ...headers }, body);
    const result = async (answer) => {
        const code = Number(answer.headers.get("x-edgectl-result"));
        await answer.arrayBuffer();
        if (!code)
            throw new Error(`the store '${name}' of edgectl dev answers ${answer.status}`);
        return code;
    };
    return {
        async get(key) {
            const answer = await call("GET", key);
            const generation = answer.headers.get("x-edgectl-generation");
            if (!answer.ok || generation === null)
                return (await result(answer)) && null;
            const metadata = answer.headers.get("x-edgectl-metadata");
            return {
                value: new Uint8Array(await answer.arrayBuffer()), generation: BigInt(generation),
                metadata: metadata === null ? undefined : decodeURIComponent(metadata),
            };
        },
        async put(key, bytes, { mode = 0, metadata, ttl, expires, generation } = {}) {
            const seconds = ttl || (expires && Math.max(1, Math.ceil((expires - Date.now()) / 1000)));
            return result(await call("PUT", key, {
                "x-edgectl-mode": String(mode),
                ...(metadata !== undefined && { "x-edgectl-metadata": enc(metadata) }),
                ...(seconds && { "x-edgectl-ttl": String(seconds) }),
                ...(generation !== undefined && { "x-edgectl-if-generation": String(generation) }),
            }, bytes));
        },
        delete: async (key) => result(await call("DELETE", key)),
        async list({ prefix, cursor, limit }) {
            const answer = await call("GET", "", {
                ...(limit && { "x-edgectl-limit": String(limit) }),
                ...(prefix && { "x-edgectl-prefix": enc(prefix) }),
                ...(cursor !== undefined && { "x-edgectl-cursor": enc(toBase64(cursor)) }),
            });
            if (!answer.ok)
                throw new Error(`the store '${name}' of edgectl dev answers ${answer.status}`);
            const { data, meta } = await answer.json();
            return { keys: data, cursor: meta.next_cursor && fromBase64(meta.next_cursor) };
        },
    };
}

// The hostcall's cursor is the last key, in base64.
const toBase64 = (key) => btoa(String.fromCharCode(...new TextEncoder().encode(key)));
const fromBase64 = (text) => new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));

// The bytes of a secret; undefined if there is none.
export async function secretOf(at, store, name) {
    const answer = await ask(at, "GET", name, { "x-edgectl-secret": enc(store) });
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return answer.ok ? bytes : undefined;
}

// Which store and key has that name on the platform.
export function findSecret(bindings, wanted) {
    for (const [store, keys] of Object.entries(bindings.secrets ?? {}))
        for (const [key, name] of Object.entries(keys))
            if (name === wanted)
                return { store, key };
    return undefined;
}
