// SPDX-License-Identifier: Apache-2.0
// Config stores in an Edge Config: `connection` is its connection string,
// https://edge-config.vercel.com/ecfg_...?token=...; any other text is the store itself.

const KEEP = 10 * 1000; // ms: as long as what was read is believed

const kept = new Map(); // connection -> { until, text: promise }

// JSON text of an object of strings; undefined if there is none.
export function edgeConfig(connection) {
    if (!connection?.startsWith("http"))
        return connection;
    const old = kept.get(connection);
    if (old && Date.now() < old.until)
        return old.text;
    const entry = { until: Date.now() + KEEP, text: read(connection) };
    kept.set(connection, entry);
    entry.text.catch(() => kept.get(connection) === entry && kept.delete(connection));
    return entry.text;
}

async function read(connection) {
    const url = new URL(connection);
    const token = url.searchParams.get("token");
    url.search = "";
    url.pathname += "/items";
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    if (answer.status === 404)
        return undefined;
    if (!answer.ok)
        throw new Error(`the Edge Config answers ${answer.status}`);
    const items = Object.entries(await answer.json());
    return JSON.stringify(Object.fromEntries(items.map(([key, value]) =>
        [key, typeof value === "string" ? value : JSON.stringify(value)])));
}
