// SPDX-License-Identifier: Apache-2.0
// What apps made with the JavaScript SDK do, by path. Backends: origin (the guest c/origin), refused.
import { SimpleCache } from "fastly:cache";
import { ConfigStore } from "fastly:config-store";
import { env } from "fastly:env";
import { getGeolocationForIpAddress } from "fastly:geolocation";
import { KVStore } from "fastly:kv-store";
import { SecretStore } from "fastly:secret-store";

addEventListener("fetch", (event) => event.respondWith(handle(event)));

const get = (path, options) =>
  fetch(`http://app.example${path}`, { backend: "origin", ...options });

const routes = {
  async "/proxy"({ request }) {
    const headers = new Headers(request.headers);
    headers.set("x-via", "js");
    return get("/echo", { method: request.method, headers, body: request.body, duplex: "half" });
  },
  async "/parallel"() {
    const began = Date.now();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => get("/slow/300")));
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    const good = texts.filter((text) => text === "slow").length;
    return new Response(`${good} good, at once: ${Date.now() - began < 1000}\n`);
  },
  async "/kv"() {
    const store = new KVStore("store");
    await store.put("js/key", "value", { metadata: "about" });
    const entry = await store.get("js/key");
    const said = `${await entry.text()} ${entry.metadataText()}`;
    const { list } = await store.list({ prefix: "js/" });
    await store.delete("js/key");
    return new Response(`${said} ${list} ${await store.get("js/key")}\n`);
  },
  async "/stores"({ client }) {
    const plain = new ConfigStore("settings").get("plain");
    const token = (await new SecretStore("secrets").get("token")).plaintext();
    const { city } = getGeolocationForIpAddress("203.0.113.9");
    return new Response(`${plain} ${token} ${city} ${client.address} ${env("FASTLY_HOSTNAME")}\n`);
  },
  async "/cache"({ request }) {
    let made = 0;
    let said = "";
    for (let i = 0; i < 2; i++) {
      const entry = await SimpleCache.getOrSet(new URL(request.url).search, async () => {
        made++;
        return { value: "cached", ttl: 60 };
      });
      said += await entry.text();
    }
    return new Response(`${said} made: ${made}\n`);
  },
  async "/stream"() {
    const answer = await get("/stream/5/20");
    const upper = new TransformStream({
      transform(chunk, to) {
        to.enqueue(new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase()));
      },
    });
    return new Response(answer.body.pipeThrough(upper));
  },
  async "/refused"() {
    return get("/", { backend: "refused" });
  },
  async "/timers"() {
    const began = Date.now();
    await new Promise((done) => setTimeout(done, 100));
    return new Response(`${Date.now() - began >= 100}\n`);
  },
  async "/late"(event) {
    event.waitUntil(new Promise((done) => setTimeout(done, 100)).then(() => console.log("late")));
    return new Response("early\n");
  },
};

async function handle(event) {
  const route = routes[new URL(event.request.url).pathname];
  return route ? route(event) : new Response("", { status: 404 });
}
