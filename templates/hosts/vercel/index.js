// SPDX-License-Identifier: Apache-2.0
// A guest as a Vercel function: Node 24, (request, response), streaming. KV by Upstash's REST
// interface, secrets from the environment, config from the bundle or an Edge Config.
import process from "node:process";
import bindings from "../bindings.js";
import { createHost } from "../core/host.js";
import { loadGuest } from "../node/guest.js";
import { early, fromNode, toNode } from "../node/http.js";
import { log } from "../node/log.js";
import { send } from "../node/send.js";
import { upstash } from "../node/upstash.js";
import { edgeConfig } from "./edge_config.js";
import { geoOf } from "./geo.js";

const host = createHost(await loadGuest(), bindings, { memory: budget() });
const cacheScope = {};

// Requests share the function's memory, of which Node itself wants some.
function budget() {
    const mib = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE) || 1024;
    return Math.max(64, mib - 160) << 20;
}

// What `edgectl dev --runtime node` puts in the place of the stores.
const local = globalThis[Symbol.for("edgectl.dev")];

function kv(binding, { id, token }) {
    if (local)
        return local.kv(binding);
    const url = id ?? process.env[`${binding}_URL`];
    return url && upstash(binding, url, () => process.env[token] ?? "");
}

const shared = {
    send, log, cacheScope, kv,
    secret: (name) => local ? local.secret(name) : process.env[name],
    variable: (name) => edgeConfig(process.env[name] ?? process.env.EDGE_CONFIG),
};

export default async function handler(request, response) {
    const context = globalThis[Symbol.for("@vercel/request-context")]?.get?.();
    const first = (name) => request.headers[name]?.split(",")[0].trim();
    const scheme = first("x-forwarded-proto") ?? "https";
    const authority = first("x-forwarded-host") ?? request.headers.host ?? "localhost";
    const answer = await host.handle(fromNode(request, response, {
        url: `${scheme}://${authority}${request.url}`,
        client: first("x-vercel-forwarded-for") ?? first("x-forwarded-for") ?? first("x-real-ip") ??
            request.socket.remoteAddress,
        geo: () => geoOf(request.headers),
    }), {
        ...shared,
        waitUntil: (promise) => context?.waitUntil?.(promise),
        early: (headers) => early(response, headers),
    });
    await toNode(answer, response);
}
