// Runs the app and looks at its answers. EDGECTL: the program to use.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const state = mkdtempSync(join(tmpdir(), "app-"));
const ready = join(state, "url");
let server;
let url;

before(async () => {
  const args = ["dev", "--addr", "127.0.0.1:0", "--state", state, "--ready-file", ready];
  server = spawn(process.env.EDGECTL ?? "edgectl", args, {
    env: { ...process.env, ADMIN_TOKEN: "test-token" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  for (let tries = 0; !url; tries++) {
    assert.ok(tries < 1200 && server.exitCode === null, "edgectl dev does not start");
    await sleep(50);
    try {
      url = readFileSync(ready, "utf8").trim();
    } catch {}
  }
});

after(async () => {
  server.kill();
  await new Promise((done) => server.once("exit", done));
  rmSync(state, { recursive: true });
});

test("the page greets and gives the visitor a variant", async () => {
  const answer = await fetch(url);
  assert.match(await answer.text(), /<h1>Hello from the edge<\/h1>/);
  assert.match(answer.headers.get("set-cookie"), /^variant=[ab];/);
});

test("a visitor keeps the variant", async () => {
  for (const v of ["a", "b"]) {
    const answer = await fetch(url, { headers: { cookie: `x=y; variant=${v}` } });
    assert.match(await answer.text(), new RegExp(`You see variant ${v}`));
  }
});

test("items come from the origin, by way of the edge", async () => {
  const answer = await fetch(new URL("/items", url));
  assert.equal(answer.headers.get("x-served-by"), "edge");
  assert.deepEqual((await answer.json()).map((item) => item.name), ["teapot", "kettle"]);
});

test("only the token changes the greeting", async () => {
  const put = (headers) =>
    fetch(new URL("/greeting", url), { method: "PUT", body: "Good day", headers });
  assert.equal((await put({})).status, 401);
  assert.equal((await put({ authorization: "Bearer x" })).status, 401);
  assert.equal((await put({ authorization: "Bearer test-token" })).status, 200);
  assert.match(await (await fetch(url)).text(), /<h1>Good day<\/h1>/);
});

test("all else is not found", async () => {
  assert.equal((await fetch(new URL("/nothing", url))).status, 404);
});
