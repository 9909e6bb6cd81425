// SPDX-License-Identifier: Apache-2.0
// A KV namespace for workerd, in memory: the interface that its kvNamespace bindings speak.
// Variable SEED: { key: { value, metadata } }.
let entries;

const live = (e) => e !== undefined && (e.expires === undefined || e.expires > Date.now());

function list(query) {
    const prefix = query.get("prefix") ?? "", after = query.get("cursor") ?? "", limit = Number(query.get("key_count_limit") ?? 1000);
    const names = [...entries.keys()].filter((k) => live(entries.get(k)) && k.startsWith(prefix) && k > after).sort();
    const page = names.slice(0, limit), done = page.length === names.length;
    return Response.json({ keys: page.map((name) => ({ name })), list_complete: done, cursor: done ? undefined : page.at(-1) });
}

export default {
    async fetch(request, env) {
        entries ??= new Map(Object.entries(env.SEED).map(([k, e]) => [k, { ...e, metadata: JSON.stringify(e.metadata) }]));
        const url = new URL(request.url), key = decodeURIComponent(url.pathname.slice(1)), query = url.searchParams;
        if (request.method === "PUT") {
            const ttl = query.get("expiration_ttl"), metadata = request.headers.get("cf-kv-metadata");
            const value = await request.arrayBuffer();
            entries.set(key, { value, metadata, expires: ttl ? Date.now() + ttl * 1000 : undefined });
            return new Response();
        }
        if (request.method === "DELETE") {
            entries.delete(key);
            return new Response();
        }
        if (key === "")
            return list(query);
        const e = entries.get(key);
        if (!live(e))
            return new Response(null, { status: 404 });
        return new Response(e.value, { headers: e.metadata ? { "cf-kv-metadata": e.metadata } : {} });
    },
};
