import { ConfigStore } from "fastly:config-store";
import { KVStore } from "fastly:kv-store";
import { Logger } from "fastly:logger";
import { SecretStore } from "fastly:secret-store";

addEventListener("fetch", (event) => event.respondWith(handle(event.request)));

const routes = {
  "GET /": home,
  "GET /items": items,
  "PUT /greeting": setGreeting,
};

async function handle(request) {
  const { pathname } = new URL(request.url);
  const method = request.method === "HEAD" ? "GET" : request.method;
  const route = routes[`${method} ${pathname}`];
  return route ? route(request) : new Response("There is nothing here.\n", { status: 404 });
}

// Visitors are split in two once and then remembered by a cookie.
function variant(request) {
  const cookie = /(?:^|;\s*)variant=([ab])(?:;|$)/.exec(request.headers.get("cookie") ?? "");
  if (cookie) return cookie[1];
  const percent = Number(new ConfigStore("flags").get("b-percent") ?? 0);
  return Math.random() * 100 < percent ? "b" : "a";
}

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// The greeting that is in the KV store, in the visitor's variant.
async function home(request) {
  const v = variant(request);
  const entry = await new KVStore("content").get("greeting");
  const greeting = entry ? await entry.text() : "Hello";
  const page = `<!doctype html>
<meta charset=utf-8>
<title>Edge app</title>
<style>
  body { font: 1.2rem/1.5 system-ui; max-width: 36rem; margin: 4rem auto; padding: 1rem;
         border-top: .5rem solid ${v === "b" ? "seagreen" : "royalblue"} }
</style>
<h1>${escape(greeting)}</h1>
<p>You see variant ${v}.
<p><a href=/items>Items from the origin</a>
`;
  return new Response(page, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "private, no-store",
      "set-cookie": `variant=${v}; Path=/; Max-Age=2592000; SameSite=Lax; HttpOnly`,
    },
  });
}

// What the origin says, marked as having come this way.
async function items() {
  try {
    const answer = await fetch("http://origin/items.json", { backend: "origin" });
    const headers = new Headers(answer.headers);
    headers.set("x-served-by", "edge");
    return new Response(answer.body, { status: answer.status, headers });
  } catch (error) {
    new Logger("app").log(`origin failed: ${error.message}`);
    return new Response("The origin does not answer.\n", { status: 502 });
  }
}

// Compare in a time that does not tell where two texts differ.
async function same(a, b) {
  const digest = (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const [x, y] = (await Promise.all([digest(a), digest(b)])).map((d) => new Uint8Array(d));
  return x.reduce((difference, byte, i) => difference | (byte ^ y[i]), 0) === 0;
}

// For those who know the token.
async function setGreeting(request) {
  const secret = await new SecretStore("secrets").get("admin-token");
  const token = secret?.plaintext();
  const given = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (!token || !given || !(await same(given, token))) {
    const headers = { "www-authenticate": "Bearer" };
    return new Response("Not allowed.\n", { status: 401, headers });
  }
  const text = await request.text();
  if (text.length === 0 || text.length > 1000) {
    return new Response("A greeting has 1 to 1000 characters.\n", { status: 400 });
  }
  await new KVStore("content").put("greeting", text);
  new Logger("app").log(`greeting changed, ${text.length} characters`);
  return new Response("Stored.\n");
}
