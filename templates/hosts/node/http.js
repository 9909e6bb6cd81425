// SPDX-License-Identifier: Apache-2.0
// Between Node's (request, response) and the host's plain data.
import { once } from "node:events";
import { Buffer } from "node:buffer";
import { webStream } from "./send.js";

// Header lines as they came: one pair each, names in lower case.
export function headerLines(raw) {
    const list = [];
    for (let i = 0; i < raw.length; i += 2)
        list.push([raw[i].toLowerCase(), raw[i + 1]]);
    return list;
}

// What the host takes of a request; `more`: url, client, geo ...
export function fromNode(request, response, more) {
    const gone = new AbortController();
    response.once("close", () => response.writableFinished || gone.abort());
    const length = request.headers["content-length"];
    const bodiless = length === undefined ? request.headers["transfer-encoding"] === undefined
        : length === "0";
    return {
        method: request.method, version: request.httpVersionMajor * 10 + request.httpVersionMinor,
        headers: () => headerLines(request.rawHeaders),
        body: bodiless ? null : webStream(request), length: length === undefined ? undefined : Number(length),
        server: request.socket.localAddress, signal: gone.signal, ...more,
    };
}

export function early(response, headers) {
    if (response.headersSent || response.destroyed)
        return;
    const hints = {};
    for (const [name, value] of headers)
        hints[name] = name in hints ? [hints[name], value].flat() : value;
    response.writeEarlyHints(hints);
}

// Send an answer of the host's; resolves when it is sent or its client has gone.
export async function toNode(answer, response) {
    const lines = [...answer.headers];
    const has = (name) => lines.some(([n]) => n === name);
    if (answer.end)
        response.shouldKeepAlive = false;
    if (answer.length !== undefined && !has("content-length") && !has("transfer-encoding") &&
        answer.status !== 204 && answer.status !== 304)
        lines.push(["content-length", String(answer.length)]);
    response.writeHead(answer.status, lines.flat());
    if (answer.body === null || answer.body instanceof Uint8Array) {
        response.end(answer.body === null ? undefined : Buffer.from(answer.body));
        return;
    }
    response.flushHeaders();
    const reader = answer.body.getReader();
    const gone = new Promise((resolve) => response.once("close", resolve));
    try {
        for (;;) {
            const { value, done } = await reader.read();
            if (done)
                break;
            if (!response.write(value))
                await Promise.race([gone, once(response, "drain")]);
            if (response.destroyed)
                return void reader.cancel();
        }
        response.end();
    } catch {
        response.destroy(); // the guest has cut it, and so shall the client see
    }
}
