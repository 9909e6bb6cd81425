// SPDX-License-Identifier: Apache-2.0
// node.mjs CASE ARGUMENTS...: one case of node.bats, in Node 24: the parts of the hosts for Lambda@Edge
// and Vercel by themselves.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import process from "node:process";

const hosts = path.join(import.meta.dirname, "../../templates/hosts");
const [, , name, ...args] = process.argv;
const bytes = (text) => new Uint8Array(Buffer.from(text));

async function allOf(body) {
    const chunks = [];
    for await (const chunk of body)
        chunks.push(chunk);
    return Buffer.concat(chunks).toString();
}

function serve(handler) {
    return new Promise((resolve) => {
        const server = http.createServer(handler);
        server.listen(0, "127.0.0.1", () => resolve({ server, url: `http://127.0.0.1:${server.address().port}` }));
    });
}

async function call(url, more = {}) {
    const { send } = await import(`${hosts}/node/send.js`);
    const target = new URL(url);
    return send({ url, method: "GET", headers: [], host: target.host, body: null, backend: {}, ...more });
}

const tagOf = (promise) => promise.then((answer) => `answer ${answer.status}`, (error) => error.tag);

const cases = {
    // Of AWS's suite and of botocore's captures: what this signer is for.
    async signature(vectors) {
        const { signed } = await import(`${hosts}/lambda/sigv4.js`);
        const all = JSON.parse(fs.readFileSync(vectors, "utf8"));
        let checked = 0;
        for (const v of all.suite) {
            const names = v.headers.map(([n]) => n.toLowerCase());
            if (v.method !== "POST" || v.path !== "/" || v.query !== "" || new Set(names).size < names.length)
                continue;
            const headers = signed({
                host: v.host, region: v.region, service: v.service, body: v.body, date: new Date(all.time_s * 1000),
                headers: Object.fromEntries(v.headers.map(([n, value]) => [n.toLowerCase(), value])),
                credentials: { id: all.access_key_id, secret: all.secret_key, token: v.token ?? undefined },
            });
            assert.equal(headers.authorization, v.authorization, v.name);
            checked++;
        }
        assert.ok(checked >= 3, `${checked} vectors`);
    },

    async parameters() {
        const asked = [];
        const { server, url } = await serve(async (request, response) => {
            const { Name, WithDecryption } = JSON.parse(await allOf(request));
            asked.push(Name);
            assert.equal(request.headers["x-amz-target"], "AmazonSSM.GetParameter");
            assert.match(request.headers.authorization, /^AWS4-HMAC-SHA256 Credential=AK\/\d{8}\/us-east-1\/ssm\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$/);
            assert.equal(request.headers["x-amz-security-token"], "ST");
            assert.equal(WithDecryption, true);
            const say = (status, value) => response.writeHead(status).end(JSON.stringify(value));
            if (Name === "/app/there")
                return say(200, { Parameter: { Name, Type: "SecureString", Value: "s3cret" } });
            if (Name === "/app/absent")
                return say(400, { __type: "ParameterNotFound" });
            say(400, { __type: "com.amazonaws#AccessDeniedException", message: "no" });
        });
        Object.assign(process.env, {
            AWS_ENDPOINT_URL_SSM: url, AWS_ACCESS_KEY_ID: "AK", AWS_SECRET_ACCESS_KEY: "SK", AWS_SESSION_TOKEN: "ST",
        });
        const { parameter } = await import(`${hosts}/lambda/ssm.js`);
        assert.equal(await parameter("/app/there"), "s3cret");
        assert.equal(await parameter("/app/there"), "s3cret");
        assert.equal(await parameter("/app/absent"), undefined);
        await assert.rejects(parameter("/app/denied"), /\/app\/denied cannot be read: AccessDeniedException/);
        await assert.rejects(parameter("/app/denied"), /AccessDenied/);
        assert.deepEqual(asked, ["/app/there", "/app/absent", "/app/denied", "/app/denied"]);
        server.close();
    },

    async kv(url) {
        const { upstash } = await import(`${hosts}/node/upstash.js`);
        const kv = upstash("STORE", url, () => "t0ken");
        const OK = 1, NOT_FOUND = 3, PRECONDITION = 4, TOO_LARGE = 5;
        assert.equal(await kv.get("none"), null);
        assert.equal(await kv.put("k", bytes("one"), { metadata: "about" }), OK);
        let got = await kv.get("k");
        assert.equal(Buffer.from(got.value).toString(), "one");
        assert.equal(got.metadata, "about");
        assert.ok(got.generation > 10n ** 18n);
        assert.equal(await kv.put("k", bytes("x"), { mode: 1 }), PRECONDITION);
        assert.equal(await kv.put("k", bytes(" and two"), { mode: 2 }), OK);
        assert.equal(await kv.put("k", bytes("zero, "), { mode: 3 }), OK);
        got = await kv.get("k");
        assert.equal(Buffer.from(got.value).toString(), "zero, one and two");
        assert.equal(await kv.put("k", bytes("no"), { generation: got.generation - 1n }), PRECONDITION);
        assert.equal(await kv.put("k", bytes("yes"), { generation: got.generation }), OK);
        assert.equal(await kv.put("fresh", bytes("x"), { generation: 5n }), OK);
        const binary = new Uint8Array(randomBytes(5000));
        assert.equal(await kv.put("bin\u00e9", binary), OK);
        assert.deepEqual(new Uint8Array((await kv.get("bin\u00e9")).value), binary);
        assert.equal(await kv.put("", new Uint8Array(0)), OK);
        assert.equal((await kv.get("")).value.length, 0);
        assert.equal(await kv.put("big", new Uint8Array(2 << 20)), TOO_LARGE);
        // Ten at once, none lost.
        await Promise.all(Array.from({ length: 6 }, (_, i) => kv.put("log", bytes(String(i)), { mode: 2 })));
        assert.equal([...Buffer.from((await kv.get("log")).value).toString()].sort().join(""), "012345");
        assert.equal(await kv.delete("log"), OK);
        assert.equal(await kv.delete("log"), NOT_FOUND);
        // Pages, in byte order, without what has expired.
        for (let i = 0; i < 25; i++)
            await kv.put(`p/${String(i).padStart(2, "0")}`, bytes("x"), i === 3 ? { expires: Date.now() - 1000 } : { ttl: 60 });
        const keys = [];
        let cursor;
        do {
            const page = await kv.list({ prefix: "p/", cursor, limit: 10 });
            assert.ok(page.keys.length <= 10);
            keys.push(...page.keys);
            cursor = page.cursor;
        } while (cursor !== undefined);
        assert.deepEqual(keys, Array.from({ length: 25 }, (_, i) => `p/${String(i).padStart(2, "0")}`).filter((k) => k !== "p/03"));
        assert.deepEqual((await kv.list({ limit: 100 })).keys.slice(0, 3), ["", "bin\u00e9", "fresh"]);
        assert.deepEqual(await kv.list({ prefix: "nothing", limit: 5 }), { keys: [], cursor: undefined });
        await assert.rejects(upstash("STORE", url, () => "wrong").get("k"), /answers 401: Unauthorized/);
    },

    // The tags are those of src/net/failure.c, by what tests/serve/backends.bats expects.
    async failures(port) {
        const bad = (way, more) => tagOf(call(`http://127.0.0.1:${port}/${way}`, more));
        assert.equal(await tagOf(call("http://127.0.0.1:9/")), 7);
        assert.ok([2, 3].includes(await tagOf(call("http://no-such-name.invalid/")))); // 2: no resolver here
        assert.equal(await bad("close"), 8);
        assert.equal(await bad("reset"), 8);
        assert.equal(await bad("half-head"), 13);
        assert.equal(await bad("garbage"), 19);
        assert.ok([17, 19].includes(await bad("status")));
        assert.equal(await bad("endless-head"), 14);
        assert.ok([19].includes(await bad("lengths")));
        for (const way of ["short", "short-reset", "chunk", "no-last-chunk", "huge-chunk"]) {
            const answer = await call(`http://127.0.0.1:${port}/${way}`);
            await assert.rejects(allOf(answer.body), way);
        }
        const stop = new AbortController();
        setTimeout(() => stop.abort(), 100);
        assert.notEqual(await bad("hang", { signal: stop.signal }), "answer 200");
        assert.equal(await allOf((await call(`http://127.0.0.1:${port}/good`)).body), "good\n");
    },

    async requests() {
        const seen = [];
        const { server, url } = await serve(async (request, response) => {
            seen.push({ method: request.method, url: request.url, raw: request.rawHeaders, body: await allOf(request), port: request.socket.remotePort });
            if (request.url === "/none")
                return response.writeHead(204).end();
            response.writeHead(200, ["X-Two", "1", "X-Two", "caf\u00e9", "Trailer", "X-End"]);
            response.addTrailers({ "x-end": "yes" });
            response.end("body");
        });
        const headers = [["x-a", "1"], ["x-a", "2"], ["x-latin", "\u00fc"], ["connection", "close"], ["content-length", "99"]];
        let answer = await call(`${url}/p?q=%20`, { host: "shop.example:8", headers });
        assert.equal(await allOf(answer.body), "body");
        assert.deepEqual(answer.headers.filter(([n]) => n === "x-two"), [["x-two", "1"], ["x-two", "caf\u00e9"]]);
        assert.deepEqual(answer.trailers(), [["x-end", "yes"]]);
        assert.equal(answer.address, "127.0.0.1");
        assert.deepEqual(seen[0].raw, ["host", "shop.example:8", "x-a", "1", "x-a", "2", "x-latin", "\u00fc", "Connection", "keep-alive"]);
        assert.equal(seen[0].url, "/p?q=%20");
        answer = await call(`${url}/none`, { method: "DELETE" });
        assert.equal(answer.status, 204);
        assert.equal(answer.body, null);
        assert.equal(seen[1].port, seen[0].port, "the connection is kept");
        await call(url, { method: "POST" }).then(({ body }) => allOf(body));
        assert.ok(seen[2].raw.join().includes("content-length,0"));
        await call(url, { method: "PUT", body: bytes("data") }).then(({ body }) => allOf(body));
        assert.equal(seen[3].body, "data");
        const stream = new ReadableStream({
            async start(c) {
                for (let i = 0; i < 500; i++)
                    c.enqueue(bytes(`line ${i}\n`));
                c.close();
            },
        });
        await call(url, { method: "POST", body: stream }).then(({ body }) => allOf(body));
        assert.equal(seen[4].body.split("\n").length, 501);
        assert.ok(seen[4].raw.join().includes("transfer-encoding,chunked"));
        // A body that breaks off is not taken for a whole one.
        const broken = new ReadableStream({ pull: (c) => c.error(new Error("cut")) });
        assert.notEqual(await tagOf(call(url, { method: "POST", body: broken })), "answer 200");
        server.closeAllConnections();
        server.close();
    },

    // A kept connection that its server closes just as the next request comes: sent once more.
    async stale() {
        let count = 0;
        const { server, url } = await serve((request, response) => {
            count++;
            if (count === 2)
                return request.socket.destroy();
            response.end("ok");
        });
        await call(url).then(({ body }) => allOf(body));
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(await allOf((await call(url)).body), "ok");
        assert.equal(count, 3);
        server.closeAllConnections();
        server.close();
    },

    // What the platforms say of a client, as guests know it.
    async client() {
        const { fromEvent } = await import(`${hosts}/lambda/event.js`);
        const headers = Object.fromEntries(Object.entries({
            host: "shop.example", "x-name": "h\u00e9", "cloudfront-forwarded-proto": "https",
            "cloudfront-viewer-http-version": "3.0", "cloudfront-viewer-country": "DE",
            "cloudfront-viewer-country-name": "Germany", "cloudfront-viewer-city": "Berlin",
            "cloudfront-viewer-latitude": "52.5", "cloudfront-viewer-asn": "64500",
            "cloudfront-viewer-tls": "TLSv1.3:TLS_AES_128_GCM_SHA256:sessionResumed",
            "cloudfront-viewer-ja3-fingerprint": "e7d705a3286e19ea42f587b344ee6865",
        }).map(([key, value]) => [key, [{ key, value }]]));
        const { request } = fromEvent({
            config: { eventType: "origin-request", distributionDomainName: "d1.cloudfront.net" },
            request: { clientIp: "2001:db8::1", method: "GET", uri: "/p", querystring: "a=1", headers },
        });
        assert.equal(request.url, "https://shop.example/p?a=1");
        assert.equal(request.version, 30);
        assert.equal(request.client, "2001:db8::1");
        assert.deepEqual(request.geo(), {
            as_number: 64500, city: "Berlin", country_code: "DE", country_name: "Germany", latitude: 52.5,
        });
        assert.equal(request.tls.protocol, "TLSv1.3");
        assert.equal(request.tls.cipher, "TLS_AES_128_GCM_SHA256");
        assert.equal(request.tls.ja3.length, 16);
        assert.deepEqual(request.headers().find(([n]) => n === "x-name"), ["x-name", "h\u00c3\u00a9"]);
        const { geoOf } = await import(`${hosts}/vercel/geo.js`);
        assert.deepEqual(geoOf({
            "x-vercel-ip-country": "DE", "x-vercel-ip-city": "M%C3%BCnchen", "x-vercel-ip-latitude": "48.1",
            "x-vercel-ip-longitude": "", "x-vercel-ip-country-region": "BY",
        }), { city: "M\u00fcnchen", country_code: "DE", latitude: 48.1, region: "BY" });
        assert.equal(geoOf({}), undefined);
    },

    async tls(url, ca) {
        const backend = { ca: fs.readFileSync(ca, "utf8"), certHost: "backend.example" };
        assert.equal((await call(url, { backend })).status, 200);
        assert.equal(await tagOf(call(url, { backend: { ...backend, certHost: undefined } })), 11);
        assert.equal(await tagOf(call(url, { backend: { ...backend, certHost: "other.example" } })), 11);
        assert.equal(await tagOf(call(url, { backend: { ...backend, ca: undefined } })), 11);
        assert.equal((await call(url, { backend: { ...backend, noSni: true } })).status, 200);
        assert.equal(await tagOf(call(url.replace("https", "http"))), 8);
    },
};

await cases[name](...args);
process.exit(0);
