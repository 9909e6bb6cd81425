// SPDX-License-Identifier: Apache-2.0
// Vercel's side of a Build Output (version 3), for this machine:
//
//   node vercel.js FOLDER        FOLDER is .vercel/output
//
// The routes of config.json, files of static/, and functions of the Node launcher, which get (request,
// response) and the headers that Vercel puts on a request.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { clientOf, listen, refuse } from "./listen.js";
import { useLocalStores } from "./node_stores.js";

const [, , folder] = process.argv;
const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8"));
if (config.version !== 3)
    throw new Error(`the Build Output is of version ${config.version}`);
const functions = new Map();
const REQUEST_MAX = 4.5 * 1024 * 1024;

async function load(name) {
    const home = path.join(folder, "functions", `${name}.func`);
    const settings = JSON.parse(readFileSync(path.join(home, ".vc-config.json"), "utf8"));
    const major = /^nodejs(\d+)\.x$/.exec(settings.runtime)?.[1];
    if (settings.launcherType !== "Nodejs" || settings.shouldAddHelpers || !settings.supportsResponseStreaming)
        throw new Error(`function ${name}: no plain Node function that streams`);
    if (major !== process.versions.node.split(".")[0])
        throw new Error(`function ${name} is for ${settings.runtime}, this is Node ${process.versions.node}`);
    process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ??= String(settings.memory);
    useLocalStores(path.join(home, "bindings.js"));
    const { default: handler } = await import(pathToFileURL(path.join(home, settings.handler)));
    if (typeof handler !== "function")
        throw new Error(`function ${name}: ${settings.handler} has no default export that is a function`);
    return handler;
}

// Once for all requests, as an instance is started once.
function functionOf(name) {
    if (!functions.has(name))
        functions.set(name, load(name));
    return functions.get(name);
}

function file(url) {
    const name = path.normalize(path.join(folder, "static", decodeURIComponent(url.split("?")[0])));
    const found = [name, path.join(name, "index.html")].find((f) => existsSync(f) && statSync(f).isFile());
    return name.startsWith(path.join(folder, "static")) ? found : undefined;
}

// The first route that applies: { file } or { name } of a function.
function route(url) {
    for (const { handle, src, dest } of config.routes) {
        if (handle === "filesystem") {
            const found = file(url);
            if (found)
                return { file: found };
        } else if (src && new RegExp(`^${src}$`).test(url.split("?")[0])) {
            return { name: dest.replace(/^\//, "") };
        }
    }
    return {};
}

function add(request, name, value) {
    request.headers[name] = value;
    request.rawHeaders.push(name, value);
}

const TYPES = { ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".txt": "text/plain" };

// Started before the first request, so that a fault of the bundle is told at once.
for (const { dest } of config.routes)
    if (dest)
        await functionOf(dest.replace(/^\//, "")).catch(refuse);

listen(async (request, response) => {
    const { client, scheme } = clientOf(request);
    const to = route(request.url);
    if (to.file) {
        response.setHeader("content-type", TYPES[path.extname(to.file)] ?? "application/octet-stream");
        return response.end(readFileSync(to.file));
    }
    if (!to.name) {
        response.writeHead(404, { "content-type": "text/plain", "x-vercel-error": "NOT_FOUND" });
        return response.end("The page could not be found\n");
    }
    if (Number(request.headers["content-length"] ?? 0) > REQUEST_MAX) {
        response.writeHead(413, { "content-type": "text/plain", "x-vercel-error": "FUNCTION_PAYLOAD_TOO_LARGE" });
        return response.end("Request Entity Too Large\n");
    }
    for (const name of ["x-forwarded-for", "x-real-ip", "x-vercel-forwarded-for"])
        add(request, name, client);
    add(request, "x-forwarded-proto", scheme);
    add(request, "x-forwarded-host", request.headers.host ?? "localhost");
    add(request, "x-vercel-id", `dev1::${randomUUID()}`);
    await (await functionOf(to.name))(request, response);
});
