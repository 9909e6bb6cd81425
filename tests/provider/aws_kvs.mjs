// SPDX-License-Identifier: Apache-2.0
// The Lambda@Edge host's KeyValueStore at work: node aws_kvs.mjs KVS.JS STORE. Each step's outcome.
import { pathToFileURL } from "node:url";
import process from "node:process";

const { keyValueConfig, keyValueStore } = await import(pathToFileURL(process.argv[2]));
const store = keyValueStore(process.argv[3]);
const bytes = (text) => new TextEncoder().encode(text);
const read = async (key) => {
    const found = await store.get(key);
    return found && found.value.toString();
};
const refused = (promise) => promise.then((code) => code, (error) => error.constructor.name);
const out = {};

out.nothing = await read("a b/c");
out.put = await store.put("a b/c", bytes("one"));
out.got = await read("a b/c");
out.added = await store.put("a b/c", bytes("x"), { mode: 1 });
out.appended = await store.put("a b/c", bytes("-two"), { mode: 2 });
out.prepended = await store.put("a b/c", bytes("zero-"), { mode: 3 });
out.joined = await read("a b/c");
const { generation } = await store.get("a b/c");
out.conditional = await store.put("a b/c", bytes("new"), { generation });
out.stale = await store.put("a b/c", bytes("newer"), { generation });
out.large = await store.put("k", bytes("x".repeat(1025)));
out.binary = await refused(store.put("k", Uint8Array.of(0xff)));
out.metadata = await refused(store.put("k", bytes("v"), { metadata: "m" }));
for (const key of ["p/3", "p/1", "p/2", "é"])
    await store.put(key, bytes(key));
out.page = await store.list({ prefix: "p/", limit: 2 });
out.rest = await store.list({ prefix: "p/", cursor: out.page.cursor, limit: 2 });
out.deleted = await store.delete("p/1");
out.again = await store.delete("p/1");
out.config = await keyValueConfig(process.argv[3]);
process.stdout.write(`${JSON.stringify(out)}\n`);
