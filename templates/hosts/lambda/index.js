// SPDX-License-Identifier: Apache-2.0
// A guest as a Lambda@Edge function: Node 24, on viewer-request or origin-request, where it answers in
// the place of the origin. KV by Upstash's REST interface or in a CloudFront KeyValueStore, secrets from
// the Systems Manager, config from the bundle or a KeyValueStore.
import process from "node:process";
import bindings from "../bindings.js";
import { createHost } from "../core/host.js";
import { asset, loadGuest } from "../node/guest.js";
import { log } from "../node/log.js";
import { send } from "../node/send.js";
import { upstash } from "../node/upstash.js";
import { fromEvent, header, toEvent } from "./event.js";
import { LIMITS } from "./restrictions.js";
import { keyValueConfig, keyValueStore } from "./kvs.js";
import { parameter } from "./ssm.js";

const VERSION = "x-edgectl-version";
const host = createHost(await loadGuest(), bindings, { memory: 0 }); // one request at a time
const cacheScope = {};
const told = new Set();

// What `edgectl dev --runtime node` puts in the place of the stores.
const local = globalThis[Symbol.for("edgectl.dev")];

function kv(binding, { id, token }) {
    if (local)
        return local.kv(binding);
    return id && (id.includes("://") ? upstash(binding, id, () => parameter(token)) : keyValueStore(id));
}

// A config store that the target has given to a KeyValueStore; on this machine its values are here.
function config(name) {
    const store = Object.values(bindings.config ?? {}).find(({ binding }) => binding === name);
    return local ? JSON.stringify(store?.values ?? {}) : store && keyValueConfig(store.id);
}

function platform(waiting) {
    return {
        send, log, cacheScope, kv,
        secret: (name) => local ? local.secret(name) : parameter(name),
        variable: config,
        waitUntil: (promise) => waiting.push(promise),
    };
}

// Lambda stops the process once the answer is given, so the guest's last work comes before that.
async function settled(waiting, context) {
    const left = (context?.getRemainingTimeInMillis?.() ?? 30000) - 500;
    let timer;
    const late = new Promise((resolve) => {
        timer = setTimeout(resolve, Math.max(0, left));
    });
    await Promise.race([Promise.allSettled(waiting), late]);
    clearTimeout(timer);
}

function dropped(name) {
    if (!told.has(name))
        log("edgectl", `header ${name} of the app's answers is left out: CloudFront does not take it`);
    told.add(name);
}

export async function handler(event, context) {
    const { cf } = event.Records[0];
    const { eventType } = cf.config;
    if (!Object.hasOwn(LIMITS, eventType))
        throw new Error(`edgectl: an app runs on viewer-request or origin-request, not on ${eventType}`);
    const asked = fromEvent(cf);
    const waiting = [];
    const answer = asked.answer ??
        await asset(bindings, cf.request.method, cf.request.uri,
            header(cf.request, "if-none-match")) ??
        await host.handle(asked.request, platform(waiting));
    const result = await toEvent(answer, eventType, cf.request.method, dropped);
    if (waiting.length)
        await settled(waiting, context);
    if (header(cf.request, VERSION) !== undefined)
        log("edgectl", JSON.stringify({
            request: cf.config.requestId, status: Number(result.status),
            version: context?.edgectlVersion ?? process.env.AWS_LAMBDA_FUNCTION_VERSION,
        }));
    return result;
}
