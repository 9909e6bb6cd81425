// SPDX-License-Identifier: Apache-2.0
// The main module in `edgectl dev --runtime workerd`: the bundle's own gets this machine's stores in
// the place of its bindings. settings.js is made by edgectl.
import worker from "../cloudflare/index.js";
import bindings from "../bindings.js";
import settings from "./settings.js";
import { kvStore, secretOf } from "./stores.js";

const CLIENT = "x-edgectl-dev-client", SCHEME = "x-edgectl-dev-scheme";

// A message is one line on this machine, as all messages are.
const print = console.log;
console.log = (...words) => print(...words.map((word) => String(word).replaceAll("\n", "\\n")));

// As much of Workers KV as the host asks of it, over a store of this machine. Metadata is as the host
// would have put it: { edgectl: generation, text }.
function namespace(store) {
    return {
        async getWithMetadata(key) {
            const found = await store.get(key);
            if (!found)
                return { value: null, metadata: null };
            return {
                value: new Blob([found.value]).stream(),
                metadata: { edgectl: String(found.generation), text: found.metadata },
            };
        },
        async put(key, value, { metadata, expirationTtl } = {}) {
            const code = await store.put(key, value, { metadata: metadata?.text, ttl: expirationTtl });
            if (code !== 1)
                throw new Error(`KV PUT failed: 400 the store answers ${code}`);
        },
        delete: (key) => store.delete(key),
        async list({ prefix, cursor, limit }) {
            const page = await store.list({ prefix, cursor, limit });
            return {
                keys: page.keys.map((name) => ({ name })), list_complete: page.cursor === undefined,
                cursor: page.cursor,
            };
        },
    };
}

async function environment() {
    const env = { ...settings.variables };
    for (const [name, { binding }] of Object.entries(bindings.kv ?? {}))
        env[binding] = namespace(kvStore(settings, name));
    for (const [store, keys] of Object.entries(bindings.secrets ?? {}))
        for (const [key, name] of Object.entries(keys)) {
            const bytes = await secretOf(settings, store, key);
            if (bytes)
                env[name] = new TextDecoder().decode(bytes);
        }
    return env;
}

function asSent(request) {
    const headers = new Headers(request.headers);
    const client = headers.get(CLIENT), scheme = headers.get(SCHEME);
    headers.delete(CLIENT);
    headers.delete(SCHEME);
    if (client)
        headers.set("cf-connecting-ip", client);
    const url = new URL(request.url);
    if (scheme)
        url.protocol = scheme;
    return new Request(url, new Request(request, { headers }));
}

export default {
    async fetch(request, env, context) {
        return worker.fetch(asSent(request), { ...env, ...await environment() }, context);
    },
};
