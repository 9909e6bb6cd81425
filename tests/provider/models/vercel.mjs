// SPDX-License-Identifier: Apache-2.0
// Judges recorded requests by Vercel's own SDK: node vercel.mjs MODULES REQUESTS.
//
// Each request is taken apart (path, query, headers, body) and given to the SDK's function for that
// operation, whose schemas were made from Vercel's description of the API. It must be accepted, and what
// the SDK would send then must be what was sent: schemas drop what they do not know, so a key that does
// not exist is found as one that is missing. That all this can fail is shown by requests that were
// spoiled on purpose: every one must be refused.
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { isDeepStrictEqual } from "node:util";

const sdk = path.join(process.argv[2], "@vercel/sdk/esm");
const requests = JSON.parse(fs.readFileSync(process.argv[3]));
const { HTTPClient } = await import(path.join(sdk, "lib/http.js"));
const { VercelCore } = await import(path.join(sdk, "core.js"));

// Operations whose path is older than the SDK's: the CLI has the same, and the SDK has them under
// another name or version.
const RENAMED = [
    [/^\/v1\/edge-config(?=\/|$)/, "/v1/global-config"],
    [/^\/v6\/deployments$/, "/v7/deployments"],
];
// What the SDK does not know and the CLI sends.
const CLI_ONLY = {
    operations: [
        /^POST \/v1\/edge-cache\/purge-all$/, /^DELETE \/v1\/data-cache\/purge-all$/,
        /^PATCH \/v1\/edge-config\/\w+\/items$/,
    ],
    query: {
        "GET /v2/observability/schema/{}": ["teamId"],
        "POST /v2/observability/query": ["teamId"],
        "POST /v13/deployments": ["prebuilt"],
        "GET /v1/projects/{}/deployments/{}/runtime-logs": ["format"],
    },
    // Keys of the body, wherever they stand in it; "*": the SDK says of no body at all.
    body: {
        "POST /v13/deployments": ["version", "source", "env", "build", "mode", "autoAssignCustomDomains"],
        "POST /v1/projects/{}/rolling-release/approve-stage": ["activeStageIndex"],
        "PATCH /v1/projects/{}/rolling-release/config": ["*"],
    },
};
// Operations that must be among the requests.
const WANTED = `
    GET /v2/user
    GET /v2/teams/{}
    GET /v9/projects/{}
    POST /v11/projects
    DELETE /v9/projects/{}
    GET /v9/projects/{}/domains
    POST /v10/projects/{}/domains
    POST /v2/files
    POST /v13/deployments
    GET /v13/deployments/{}
    GET /v7/deployments
    DELETE /v13/deployments/{}
    POST /v10/projects/{}/promote/{}
    POST /v1/projects/{}/rollback/{}
    GET /v1/projects/{}/rolling-release
    GET /v1/projects/{}/rolling-release/config
    PATCH /v1/projects/{}/rolling-release/config
    POST /v1/projects/{}/rolling-release/start
    POST /v1/projects/{}/rolling-release/approve-stage
    POST /v1/projects/{}/rolling-release/complete
    GET /v10/projects/{}/env
    POST /v10/projects/{}/env
    DELETE /v9/projects/{}/env/{}
    GET /v1/global-config
    POST /v1/global-config
    GET /v1/global-config/{}/items
    GET /v1/global-config/{}/item/{}
    GET /v1/projects/{}/deployments/{}/runtime-logs
    GET /v2/observability/schema/{}
    POST /v2/observability/query
    POST /v1/edge-cache/invalidate-by-tags
    POST /v1/edge-cache/dangerously-delete-by-tags`.trim().split(/\n */);

const OPEN = ["scope", "granularity"];

// --- the SDK's functions, by what their code says ---

// The SDK's names for parameters.
const camel = (name) => !name.includes("-") ? name : name.toLowerCase().replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

function operations() {
    const found = [];
    for (const file of fs.readdirSync(path.join(sdk, "funcs")).filter((f) => f.endsWith(".js"))) {
        const code = fs.readFileSync(path.join(sdk, "funcs", file), "utf8");
        const template = code.match(/pathToFunc\("([^"]+)"\)/)?.[1];
        const method = code.match(/method: "([A-Z]+)"/)?.[1];
        const query = code.match(/encodeFormQuery\(\{([^}]*)\}/)?.[1] ?? "";
        if (!template || !method)
            continue;
        found.push({
            name: `${method} ${template.replace(/\{\w+\}/g, "{}")}`, file, method,
            params: [...template.matchAll(/\{(\w+)\}/g)].map((m) => m[1]),
            regex: new RegExp(`^${template.replace(/\{\w+\}/g, "([^/]+)")}$`),
            query: [...query.matchAll(/"([\w-]+)":/g)].map((m) => m[1]),
            headers: [...code.matchAll(/"(x-[\w-]+)": encodeSimple/g)].map((m) => m[1]),
            hasBody: /payload\.RequestBody|encodeJSON/.test(code),
            isBody: /encodeJSON\("body", payload,/.test(code),     // its only parameter
        });
    }
    return found;
}

const known = operations();

function find(method, at) {
    return known.find((o) => o.method === method && o.regex.test(at));
}

// What the SDK sends when it is asked to do that; text when its schemas refuse.
async function sent(op, request) {
    const code = await import(path.join(sdk, "funcs", op.file));
    let captured;
    const client = new VercelCore({
        bearerToken: "t", serverURL: "http://api.invalid",
        httpClient: new HTTPClient({
            fetcher: async (r) => {
                const text = await r.text();
                captured = {
                    path: new URL(r.url).pathname, query: [...new URL(r.url).searchParams],
                    headers: r.headers, body: text,
                };
                return new Response("{}", { status: 418 });
            },
        }),
    });
    const result = await code[op.file.replace(/\.js$/, "")](client, request);
    return captured ?? `refused: ${result.error?.message} ${result.error?.cause?.message ?? ""}`
        .replace(/\s+/g, " ").slice(0, 500);
}

const sorted = (pairs) => pairs.map((p) => p.join("=")).sort();

// Without keys that only the CLI has.
function without(value, keys) {
    if (keys.includes("*"))
        return null;
    if (Array.isArray(value))
        return value.map((v) => without(v, keys));
    if (typeof value !== "object" || value === null || !keys.length)
        return value;
    return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key))
        .map(([key, v]) => [key, key === "meta" ? v : without(v, keys)]));
}

// Without members of which the SDK knows only that they are objects.
function open(body) {
    const copy = { ...body };
    for (const key of OPEN.filter((k) => typeof copy[k] === "object"))
        copy[key] = {};
    return body && copy;
}

// Undefined when the request is as the SDK has it, else what is wrong.
async function judge(given) {
    let request = given, at = request.path;
    for (const [from, to] of RENAMED)
        at = at.replace(from, to);
    const op = find(request.method, at);
    if (!op)
        return "no such operation";
    const extra = CLI_ONLY.query[op.name] ?? [];
    request = { ...given, body: without(given.body, CLI_ONLY.body[op.name] ?? []) };
    const query = request.query.filter(([key]) => !extra.includes(key));
    const unknown = query.filter(([key]) => !op.query.includes(key));
    if (unknown.length)
        return `query keys that do not exist: ${unknown.map(([key]) => key)}`;
    const raw = request.headers["content-type"] === "application/octet-stream";
    const made = {};
    op.regex.exec(at).slice(1).forEach((value, i) => made[op.params[i]] = decodeURIComponent(value));
    for (const name of op.headers.filter((n) => request.headers[n] !== undefined)) {
        const value = request.headers[name];
        made[camel(name)] = name.endsWith("size") ? Number(value) : value;
    }
    // An empty object where there is no body: the CLI sends it as well.
    const empty = !op.hasBody && isDeepStrictEqual(request.body, {});
    if (raw)
        made.requestBody = new Uint8Array(1);
    else if (request.body !== null && !empty)
        made.requestBody = request.body;
    let got;
    for (const typed of [(v) => v, (v) => /^\d+$/.test(v) ? Number(v) : v]) {
        const all = op.isBody ? request.body : { ...made };
        if (op.isBody && query.length)
            return "it has no query";
        for (const [key, value] of op.isBody ? [] : query)
            all[camel(key)] = typed(value);
        got = await sent(op, all);
        if (typeof got !== "string")
            break;
    }
    if (typeof got === "string")
        return got;
    if (got.path !== at)
        return `the path is ${got.path}`;
    // The SDK writes defaults out.
    const asked = got.query.filter(([key]) => query.some(([ours]) => ours === key));
    if (!isDeepStrictEqual(sorted(asked), sorted(query)))
        return `the query is ${sorted(got.query)}, not ${sorted(query)}`;
    if (raw)
        return undefined;
    const body = got.body ? open(JSON.parse(got.body)) : null, ours = empty ? null : open(request.body);
    if (!isDeepStrictEqual(body, ours))
        return `the body is ${JSON.stringify(body)}, not ${JSON.stringify(ours)}`;
    return undefined;
}

// --- requests that are wrong ---

// Members whose content is the user's.
const FREE = new Set(["meta", "items", "value", ...OPEN]);

// Copies of a body, each with one thing wrong in it.
function* spoiled(value, where = "body") {
    if (Array.isArray(value)) {
        for (const [wrong, at] of value.length ? spoiled(value[0], `${where}[0]`) : [])
            yield [[wrong, ...value.slice(1)], at];
        return;
    }
    if (typeof value !== "object" || value === null)
        return;
    yield [{ ...value, edgectlKnowsNoSuchKey: 1 }, `${where} with a key that does not exist`];
    for (const [key, inner] of Object.entries(value)) {
        if (FREE.has(key))
            continue;
        if (typeof inner !== "object" || inner === null)
            yield [{ ...value, [key]: { of: ["another", "type"] } }, `${where}.${key} of another type`];
        for (const [wrong, at] of spoiled(inner, `${where}.${key}`))
            yield [{ ...value, [key]: wrong }, at];
    }
}

async function judgeSpoiled(request, op) {
    const missed = [];
    let count = 0;
    const expect = async (wrong, what) => {
        count++;
        if (!await judge(wrong))
            missed.push(`${op.name}: ${what} was accepted`);
    };
    await expect({ ...request, query: [...request.query, ["noSuchKey", "1"]] }, "a query key that does not exist");
    await expect({ ...request, path: `${request.path}/x/y/z` }, "another path");
    if (op.hasBody && request.body && !request.headers["content-type"]?.includes("octet-stream")) {
        for (const [body, what] of spoiled(without(request.body, CLI_ONLY.body[op.name] ?? [])))
            await expect({ ...request, body }, what);
    }
    return { missed, count };
}

// --- all of them ---

let bad = 0, judged = 0, wrong = 0;
const seen = new Set(), shapes = new Set();
for (const request of requests) {
    const name = `${request.method} ${request.path}`;
    if (CLI_ONLY.operations.some((o) => o.test(name)))
        continue;
    const shape = JSON.stringify([request.method, request.path, request.query.map(([key]) => key), request.body]);
    if (shapes.has(shape))
        continue;
    shapes.add(shape);
    judged++;
    const why = await judge(request);
    if (why) {
        bad = 1;
        console.log(`${name}: ${why.slice(0, 2000)}`);
        continue;
    }
    let at = request.path;
    for (const [from, to] of RENAMED)
        at = at.replace(from, to);
    const op = find(request.method, at);
    if (seen.has(op.name) && !request.body)
        continue;
    seen.add(op.name);
    const { missed, count } = await judgeSpoiled(request, op);
    wrong += count;
    for (const text of missed) {
        bad = 1;
        console.log(text);
    }
}
for (const name of WANTED.filter((n) => !seen.has(n))) {
    bad = 1;
    console.log(`${name}: no good request of that kind`);
}
console.log(`${judged} kinds of requests in ${seen.size} operations; ${wrong} wrong ones, refused`);
process.exitCode = bad;
