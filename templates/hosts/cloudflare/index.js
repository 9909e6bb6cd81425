// SPDX-License-Identifier: Apache-2.0
// Workers: the main module of a bundle. Needs compatibility date 2025-05-01 or later.
import module from "../app.wasm";
import app from "../bindings.js";
import { createHost } from "../core/host.js";
import { asset } from "./assets.js";
import { toHeaders } from "./headers.js";
import { ClientRequest } from "./request.js";
import { kvStore } from "./kv.js";
import { send } from "./send.js";

// An isolate has 128 MB, for this host, idle sandboxes and what the runtime keeps too.
const host = createHost(module, app, { memory: 80 << 20 });
const cacheScope = {};

class Platform {
    constructor(env, context) {
        this.env = env;
        this.context = context;
        this.cacheScope = cacheScope;
        this.send = send;
    }

    kv(binding) {
        const namespace = this.env[binding];
        return namespace && kvStore(namespace);
    }

    secret(name) {
        return this.env[name];
    }

    variable(name) {
        return this.env[name];
    }

    log(endpoint, text) {
        console.log(`${endpoint} :: ${text}`);
    }

    waitUntil(promise) {
        this.context.waitUntil(promise);
    }
}

const NO_BODY = new Set([204, 205, 304]);

// A stream whose length is known is sent with it, not in chunks.
function framed(stream, length) {
    const fixed = new FixedLengthStream(length);
    stream.pipeTo(fixed.writable).catch(() => {});
    return fixed.readable;
}

function respond(answer, request, env) {
    let { status, headers, body, length } = answer;
    if (status > 599) {
        body?.cancel?.();
        return new Response(`status ${status} cannot be sent from here\n`, { status: 500 });
    }
    const encoded = headers.some((h) => h[0] === "content-encoding");
    if (NO_BODY.has(status) || (request.method === "HEAD" && body instanceof ReadableStream)) {
        body?.cancel?.();
        body = null;
    } else if (body instanceof ReadableStream && length !== undefined && body !== request.body) {
        body = framed(body, length);
    } else if (body === null && length === 0) {
        body = new Uint8Array(0); // text would get a content-type
    }
    const version = env.EDGECTL_VERSION?.id;
    if (version)
        headers = [...headers, ["x-edgectl-version", version]];
    return new Response(body, { status, headers: toHeaders(headers), encodeBody: encoded ? "manual" : "automatic" });
}

export default {
    fetch(request, env, context) {
        const file = app.assets && asset(app.assets, request);
        if (file)
            return file;
        const answer = host.handle(new ClientRequest(request), new Platform(env, context));
        return answer instanceof Promise ? answer.then((a) => respond(a, request, env)) : respond(answer, request, env);
    },
};
