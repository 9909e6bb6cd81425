// SPDX-License-Identifier: Apache-2.0
// Judges recorded requests by Cloudflare's own SDK: node cloudflare.mjs MODULES REQUESTS.
//
// Each request becomes a call of the SDK's method for that operation, with what it had in path, query
// and body written out as literals. TypeScript then checks the calls against the SDK's types, which were
// made from Cloudflare's description of the API: a member that does not exist is an error in a literal,
// as is one of another type or one that is missing. What the SDK sends for the call must be what was
// sent. That all this can fail is shown by requests that were spoiled on purpose: each must be an error.
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { isDeepStrictEqual } from "node:util";

const modules = process.argv[2];
const requests = JSON.parse(fs.readFileSync(process.argv[3]));
const require = createRequire(path.join(modules, "x.js"));
const ts = require("typescript");
const Cloudflare = require("cloudflare");

// --- operations: method, path, what the SDK has for it ---

// `call`: of the client `c`, with the path's parts in their order, and `p`, the rest as an object.
// `body`: what becomes of the body among the parameters: "spread" (the default), "array" (it is the
// member `body`), "metadata" (of a multipart upload, whose files are not looked at), "none" (the SDK
// has none, wrangler sends one).
const OPERATIONS = [
    ["GET /user/tokens/verify", "c.user.tokens.verify()"],
    ["GET /accounts", "c.accounts.list(p)"],
    ["GET /accounts/A/tokens/verify", "c.accounts.tokens.verify(p)"],
    ["GET /accounts/A/workers/subdomain", "c.workers.subdomains.get(p)"],
    ["GET /accounts/A/workers/scripts/{}/settings", "c.workers.scripts.scriptAndVersionSettings.get(0, p)"],
    ["PUT /accounts/A/workers/scripts/{}", "c.workers.scripts.update(0, p)", "metadata"],
    ["POST /accounts/A/workers/scripts/{}/versions", "c.workers.scripts.versions.create(0, p)", "metadata"],
    ["GET /accounts/A/workers/scripts/{}/versions", "c.workers.scripts.versions.list(0, p)"],
    ["DELETE /accounts/A/workers/workers/{}/versions/{}",
        "c.workers.beta.workers.versions.delete(1, { ...p, worker_id: 0 })"],
    ["GET /accounts/A/workers/scripts/{}/deployments", "c.workers.scripts.deployments.list(0, p)"],
    ["POST /accounts/A/workers/scripts/{}/deployments", "c.workers.scripts.deployments.create(0, p)"],
    ["GET /accounts/A/workers/scripts/{}/subdomain", "c.workers.scripts.subdomain.get(0, p)"],
    ["POST /accounts/A/workers/scripts/{}/subdomain", "c.workers.scripts.subdomain.create(0, p)"],
    ["POST /accounts/A/workers/scripts/{}/tails", "c.workers.scripts.tail.create(0, p)", "none"],
    ["DELETE /accounts/A/workers/scripts/{}/tails/{}",
        "c.workers.scripts.tail.delete(1, { ...p, script_name: 0 })"],
    ["GET /zones", "c.zones.list(p)"],
    ["GET /zones/{}/workers/routes", "c.workers.routes.list({ ...p, zone_id: 0 })"],
    ["POST /zones/{}/workers/routes", "c.workers.routes.create({ ...p, zone_id: 0 })"],
    ["PUT /zones/{}/workers/routes/{}", "c.workers.routes.update(1, { ...p, zone_id: 0 })"],
    ["DELETE /zones/{}/workers/routes/{}", "c.workers.routes.delete(1, { ...p, zone_id: 0 })"],
    ["POST /zones/{}/purge_cache", "c.cache.purge({ ...p, zone_id: 0 })"],
    ["GET /accounts/A/workers/domains", "c.workers.domains.list(p)"],
    ["PUT /accounts/A/workers/domains", "c.workers.domains.update(p)"],
    ["DELETE /accounts/A/workers/domains/{}", "c.workers.domains.delete(0, p)"],
    ["GET /accounts/A/storage/kv/namespaces", "c.kv.namespaces.list(p)"],
    ["POST /accounts/A/storage/kv/namespaces", "c.kv.namespaces.create(p)"],
    ["DELETE /accounts/A/storage/kv/namespaces/{}", "c.kv.namespaces.delete(0, p)"],
    ["GET /accounts/A/storage/kv/namespaces/{}/keys", "c.kv.namespaces.keys.list(0, p)"],
    ["PUT /accounts/A/storage/kv/namespaces/{}/bulk", "c.kv.namespaces.keys.bulkUpdate(0, p)", "array"],
    ["POST /accounts/A/storage/kv/namespaces/{}/bulk/delete", "c.kv.namespaces.keys.bulkDelete(0, p)", "array"],
    ["POST /accounts/A/storage/kv/namespaces/{}/bulk/get", "c.kv.namespaces.keys.bulkGet(0, p)"],
    ["GET /accounts/A/storage/kv/namespaces/{}/values/{}",
        "c.kv.namespaces.values.get(1, { ...p, namespace_id: 0 })"],
    ["GET /accounts/A/storage/kv/namespaces/{}/metadata/{}",
        "c.kv.namespaces.metadata.get(1, { ...p, namespace_id: 0 })"],
].map(([name, call, body]) => {
    const [method, template] = name.split(" ");
    const regex = template.replace(/[.]/g, "\\.").replace("/accounts/A", "/accounts/(?<account>[^/]+)")
        .replace(/\{\}/g, "([^/]+)");
    return { name, method, call, body: body ?? "spread", regex: new RegExp(`^/client/v4${regex}$`) };
});
// What wrangler sends and the public description does not have.
const WRANGLER_ONLY = [
    /^(GET|DELETE) \/client\/v4\/accounts\/\w+\/workers\/services\/\w+$/,
    /^PATCH \/client\/v4\/accounts\/\w+\/workers\/workers\/\w+\/versions\/latest$/,
    /^POST \/client\/v4\/graphql$/,
    /^GET \/_tail\//,
];
const WRANGLER_QUERY = { "PUT /accounts/A/workers/scripts/{}": ["excludeScript"] };
// Members whose content is the user's.
const FREE = new Set(["value", "text", "metadata"]);

const find = (r) => OPERATIONS.find((o) => o.method === r.method && o.regex.test(r.path));

// --- a call as TypeScript ---

// Query values have the types of their parameters.
const typed = (key, value) => key === "account.id" ? undefined
    : /^\d+$/.test(value) && ["page", "per_page", "limit"].includes(key) ? Number(value)
        : value === "true" ? true : value === "false" ? false : value;

function parameters(op, r) {
    const { account } = op.regex.exec(r.path).groups ?? {};
    const p = account ? { account_id: account } : {};
    for (const [key, value] of r.query.filter(([k]) => !(WRANGLER_QUERY[op.name] ?? []).includes(k))) {
        if (key === "account.id")
            p.account = { id: value };
        else
            p[key] = typed(key, value);
    }
    if (r.body === null || op.body === "none")
        return p;
    if (op.body === "array")
        return { ...p, body: r.body };
    if (op.body === "metadata")
        return { ...p, metadata: r.body.find((part) => part.name === "metadata").json };
    return { ...p, ...r.body };
}

function source(op, r) {
    const groups = [...op.regex.exec(r.path)].slice(1);
    const parts = (op.regex.exec(r.path).groups?.account ? groups.slice(1) : groups)
        .map((part) => JSON.stringify(decodeURIComponent(part)));
    const p = JSON.stringify(parameters(op, r));
    // `{ ...p, zone_id: 0 }`: one literal, or its members would not be checked.
    return op.call.replace(/\{ \.\.\.p, (\w+): (\d) \}/, (_, name, i) =>
        `{ ${p.slice(1, -1)}${p === "{}" ? "" : ","} ${name}: ${parts[i]} }`)
        .replace(/\((\d),/, (_, i) => `(${parts[i]},`).replace(/\bp\)/, () => `${p})`);
}

// --- requests that are wrong ---

function* spoiled(value, where) {
    if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) {
            for (const [wrong, at] of spoiled(item, `${where}[${i}]`))
                yield [value.with(i, wrong), at];
        }
        return;
    }
    if (typeof value !== "object" || value === null)
        return;
    yield [{ ...value, edgectl_knows_no_such_key: 1 }, `${where} with a key that does not exist`];
    for (const [key, inner] of Object.entries(value)) {
        if (!FREE.has(key) && (typeof inner !== "object" || inner === null))
            yield [{ ...value, [key]: { of: ["another", "type"] } }, `${where}.${key} of another type`];
        for (const [wrong, at] of spoiled(inner, `${where}.${key}`))
            yield [{ ...value, [key]: wrong }, at];
    }
}

function* spoiledRequests(op, r) {
    yield [{ ...r, query: [...r.query, ["no_such_key", "x"]] }, "a query key that does not exist"];
    if (r.body === null || op.body === "none")
        return;
    if (op.body === "metadata") {
        for (const [json, at] of spoiled(r.body.find((part) => part.name === "metadata").json, "metadata"))
            yield [{ ...r, body: [{ name: "metadata", json }] }, at];
        return;
    }
    for (const [body, at] of spoiled(r.body, "body"))
        yield [{ ...r, body }, at];
    if (Array.isArray(r.body))
        yield [{ ...r, body: [{ of: "another type" }] }, "a list of something else"];
}

// --- checking ---

const calls = [];
const shapes = new Set(), seen = new Set();
let bad = 0;
function complain(text) {
    bad = 1;
    console.log(text.slice(0, 1500));
}
for (const r of requests) {
    const name = `${r.method} ${r.path}`;
    if (WRANGLER_ONLY.some((o) => o.test(name)))
        continue;
    const op = find(r);
    if (!op) {
        complain(`${name}: no such operation`);
        continue;
    }
    const shape = JSON.stringify([name, r.query, r.body]);
    if (shapes.has(shape))
        continue;
    shapes.add(shape);
    calls.push({ what: name, op, r, good: true, code: source(op, r) });
    // Some kinds of bodies of an operation are enough to spoil.
    if (calls.filter((c) => c.op === op && c.good).length > 4)
        continue;
    seen.add(op.name);
    for (const [wrong, at] of spoiledRequests(op, r)) {
        // An operation without parameters cannot be given one.
        if (op.call.endsWith("()"))
            continue;
        calls.push({ what: `${name}: ${at}`, op, r: wrong, good: false, code: source(op, wrong) });
    }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "models-"));
const file = path.join(folder, "calls.ts");
const head = "import Cloudflare from 'cloudflare';\nexport const calls: ((c: Cloudflare) => unknown)[] = [\n";
fs.symlinkSync(modules, path.join(folder, "node_modules"));
fs.writeFileSync(file, head + calls.map((c) => `(c: Cloudflare) => ${c.code},`).join("\n") + "\n];\n");
const program = ts.createProgram([file], {
    strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"], module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Node10,
});
const errors = new Map();
for (const d of ts.getPreEmitDiagnostics(program)) {
    const text = ts.flattenDiagnosticMessageText(d.messageText, "\n");
    if (d.file?.fileName !== file) {
        complain(`${d.file?.fileName ?? "TypeScript"}: ${text}`);
        continue;
    }
    const line = d.file.getLineAndCharacterOfPosition(d.start).line - head.split("\n").length + 1;
    errors.set(line, [...errors.get(line) ?? [], text]);
}
const code = ts.transpileModule(fs.readFileSync(file, "utf8"), {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
}).outputText;
const made = { exports: {} };
new Function("exports", "require", code)(made.exports, require);
fs.rmSync(folder, { recursive: true });

// What the SDK sends.
async function sent(call) {
    let captured;
    const client = new Cloudflare({
        apiToken: "t", maxRetries: 0, baseURL: "http://api.invalid/client/v4",
        fetch: async (url, init) => {
            captured = {
                path: new URL(url).pathname, query: [...new URL(url).searchParams], method: init.method,
                body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
            };
            return new Response("{}", { status: 418 });
        },
    });
    await call(client)?.then?.(() => {}, () => {});
    return captured;
}

const sorted = (pairs) => pairs.map(([k, v]) => `${k.replace(/^account\[id\]$/, "account.id")}=${v}`).sort();
let judged = 0, wrong = 0;
for (const [i, c] of calls.entries()) {
    const why = errors.get(i);
    if (!c.good) {
        wrong++;
        if (!why)
            complain(`${c.what} was accepted`);
        continue;
    }
    judged++;
    if (why) {
        complain(`${c.what}: ${why.join("; ")}\n    ${c.code.slice(0, 400)}`);
        continue;
    }
    const got = await sent(made.exports.calls[i]);
    const query = c.r.query.filter(([k]) => !(WRANGLER_QUERY[c.op.name] ?? []).includes(k));
    if (!got || got.method !== c.r.method || decodeURIComponent(got.path) !== decodeURIComponent(c.r.path))
        complain(`${c.what}: the SDK sends ${got?.method} ${got?.path}`);
    // The SDK leaves empty texts out.
    else if (!isDeepStrictEqual(sorted(got.query), sorted(query.filter(([, v]) => v !== ""))) &&
        !isDeepStrictEqual(sorted(got.query), sorted(query)))
        complain(`${c.what}: the SDK's query is ${sorted(got.query)}, not ${sorted(query)}`);
    else if (["spread", "array"].includes(c.op.body) && c.r.body !== null && !isDeepStrictEqual(got.body, c.r.body))
        complain(`${c.what}: the SDK's body is ${JSON.stringify(got.body)}, not ${JSON.stringify(c.r.body)}`);
}
for (const { name } of OPERATIONS.filter((o) => !seen.has(o.name)))
    complain(`${name}: no request of that kind`);
if (!wrong)
    complain("nothing was spoiled");
console.log(`${judged} kinds of requests in ${seen.size} operations; ${wrong} wrong ones, refused`);
process.exitCode = bad;
