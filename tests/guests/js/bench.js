// SPDX-License-Identifier: Apache-2.0
// What `make bench` asks of a JavaScript app: /kv is one get and one put, all else a plain text.
import { KVStore } from "fastly:kv-store";

async function answer(request) {
  if (new URL(request.url).pathname !== "/kv") return new Response("bench");
  const store = new KVStore("bench");
  const key = `key-${Date.now() % 1000}`;
  const entry = await store.get(key);
  const seen = entry ? (await entry.text()).length : 0;
  await store.put(key, `${Date.now()}`);
  return new Response(`${seen}\n`);
}

addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
