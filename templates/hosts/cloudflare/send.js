// SPDX-License-Identifier: Apache-2.0
// Requests to backends by fetch. The runtime connects, and says Host as in the URL: certificates, SNI, TLS
// versions and connect timeouts of a backend are not ours to set. What would change who is trusted, or
// whom a backend must take for asked, is refused.
import { origin } from "../core/backend.js";
import { Unsupported } from "../core/memory.js";
import { SendError, TAG } from "../core/send.js";
import { fromHeaders, toHeaders } from "./headers.js";

const CAUSES = [
    [/refused/i, TAG.connectionRefused, "connection refused"],
    [/DNS|resolve|lookup/i, TAG.dnsError, "the name of the backend is not known"],
    [/timed? ?out/i, TAG.timeout, "the backend did not answer in time"],
    [/certificate|TLS|SSL/i, TAG.tlsCertificate, "no trusted connection to the backend"],
    [/header|parse|protocol|HTTP\/1|chunk/i, TAG.protocol, "the backend does not speak HTTP"],
    [/lost|reset|disconnect|closed|prematurely/i, TAG.connectionTerminated, "the connection broke"],
];

function failureOf(e) {
    const text = String(e?.message ?? e);
    const [, tag, message] = CAUSES.find(([pattern]) => pattern.test(text)) ?? [undefined, TAG.internal, text];
    return new SendError(tag, message);
}

function bodyOf(call) {
    const { body, length, method } = call;
    if (!(body instanceof ReadableStream))
        return body ?? (method === "GET" || method === "HEAD" ? null : new Uint8Array(0));
    if (length === undefined)
        return body;
    const fixed = new FixedLengthStream(length);
    body.pipeTo(fixed.writable).catch(() => {});
    return fixed.readable;
}

export async function send(call) {
    const { backend: b } = call;
    if (b.ca || b.clientCert)
        throw new Unsupported();
    if (b.overrideHost && b.overrideHost !== origin(b))
        throw new Unsupported();
    const headers = new Headers(toHeaders(call.headers));
    let r;
    try {
        r = await fetch(call.url, {
            method: call.method, headers, body: bodyOf(call), redirect: "manual", signal: call.signal, encodeResponseBody: "manual",
        });
    } catch (e) {
        throw failureOf(e);
    }
    return { status: r.status, headers: fromHeaders(r.headers), body: r.body, version: 11 };
}
