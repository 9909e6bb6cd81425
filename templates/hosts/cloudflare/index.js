// SPDX-License-Identifier: Apache-2.0
// Workers: the main module of a bundle.
import module from "../app.wasm";
import app from "../bindings.js";
import { createHost } from "../core/host.js";

// An isolate has 128 MB, for this host and what the runtime keeps too.
const host = createHost(module, app, { memory: 96 << 20 });

class Platform {
    constructor(env, context) {
        this.env = env;
        this.context = context;
    }

    log(endpoint, text) {
        console.log(endpoint === "stdout" || endpoint === "stderr" ? text : `${endpoint} :: ${text}`);
    }

    waitUntil(promise) {
        this.context.waitUntil(promise);
    }
}

class ClientRequest {
    constructor(request) {
        this.request = request;
    }

    get method() {
        return this.request.method;
    }

    get url() {
        return this.request.url;
    }

    get version() {
        return { "HTTP/1.0": 10, "HTTP/2": 20, "HTTP/3": 30 }[this.request.cf?.httpProtocol] ?? 11;
    }

    headers() {
        return [...this.request.headers];
    }

    get body() {
        return this.request.body;
    }

    get length() {
        const length = this.request.headers.get("content-length");
        return length === null ? undefined : Number(length);
    }

    get client() {
        return this.request.headers.get("cf-connecting-ip") ?? "127.0.0.1";
    }

    get server() {
        return undefined;
    }
}

const respond = (a) => new Response(a.body, { status: a.status, headers: a.headers });

export default {
    fetch(request, env, context) {
        const answer = host.handle(new ClientRequest(request), new Platform(env, context));
        return answer instanceof Promise ? answer.then(respond) : respond(answer);
    },
};
