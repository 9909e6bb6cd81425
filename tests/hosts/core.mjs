// SPDX-License-Identifier: Apache-2.0
// What the core does by itself, on a platform that does next to nothing: admission and time limits.
//   core.mjs HOST_JS HOSTILE_WASM
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const [, , script, wasm] = process.argv;
const { createHost } = await import(script);
const module = new WebAssembly.Module(readFileSync(wasm));
const limits = { wall: 1500 };
const log = [];
const platform = { log: (endpoint, text) => log.push(`${endpoint} :: ${text}`), waitUntil() {} };

async function ask(host, path) {
    const request = { method: "GET", url: `http://x/${path}`, version: 11, headers: () => [], body: null };
    const answer = await host.handle(request, platform);
    return `${answer.status} ${Buffer.from(answer.body ?? []).toString().trim()}`;
}

// One guest fills the memory and sleeps: two may wait for their turn, and have waited in vain.
const host = createHost(module, { limits }, { memory: 1, queueTime: 300, queueLength: 2 });
const full = "503 too many requests at once";
assert.deepEqual(await Promise.all(["nap", "fine", "fine", "fine", "fine"].map((path) => ask(host, path))),
    ["500 the guest ran longer than 1500 ms", full, full, full, full]);
assert.ok(log.includes("stderr :: edgectl: the guest ran longer than 1500 ms"));
// All of it has been given back.
assert.equal(await ask(host, "fine"), "200 fine");
assert.equal(host.held, 0);

// Whoever waits long enough is served.
const patient = createHost(module, { limits }, { memory: 1, queueTime: 60000 });
const [slept, ...others] = await Promise.all(["nap", "fine", "fine"].map((path) => ask(patient, path)));
assert.equal(slept, "500 the guest ran longer than 1500 ms");
assert.deepEqual(others, ["200 fine", "200 fine"]);
process.exit(0);
