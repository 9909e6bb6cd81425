// SPDX-License-Identifier: Apache-2.0
// Between CloudFront's events and the host's plain data.
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import { forbidden, LIMITS } from "./restrictions.js";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// The first value of a header of an event's request.
export const header = (request, name) => request.headers[name]?.[0]?.value;

function versionOf(request) {
    const version = header(request, "cloudfront-viewer-http-version");
    return { "1.0": 10, "2.0": 20, "3.0": 30 }[version] ?? 11;
}

function geoOf(request) {
    const h = (name) => header(request, `cloudfront-viewer-${name}`);
    const number = (value) => (value && Number.isFinite(Number(value)) ? Number(value) : undefined);
    if (h("country") === undefined)
        return undefined;
    const record = {
        as_number: number(h("asn")), city: h("city"), country_code: h("country"),
        country_name: h("country-name"), latitude: number(h("latitude")),
        longitude: number(h("longitude")), metro_code: number(h("metro-code")),
        postal_code: h("postal-code"), region: h("country-region"),
    };
    return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

function tlsOf(request) {
    const [protocol, cipher] = header(request, "cloudfront-viewer-tls")?.split(":") ?? [];
    const ja3 = header(request, "cloudfront-viewer-ja3-fingerprint");
    const ja4 = header(request, "cloudfront-viewer-ja4-fingerprint");
    if (protocol === undefined && ja3 === undefined && ja4 === undefined)
        return undefined;
    return { protocol, cipher, ja4, ja3: ja3 && new Uint8Array(Buffer.from(ja3, "hex")) };
}

// What a guest is given, or an answer that says why there is none for it.
export function fromEvent({ config, request }) {
    const limits = LIMITS[config.eventType];
    if (request.body?.inputTruncated)
        return { answer: refusal(413, `CloudFront passes on ${limits.body} bytes of a request's body`) };
    if (!request.body && Number(header(request, "content-length") ?? 0) > 0)
        return {
            answer: refusal(500, "CloudFront keeps the body back: the function's association needs IncludeBody"),
        };
    const data = request.body?.data;
    const body = data ? Buffer.from(data, request.body.encoding === "text" ? "utf8" : "base64") : null;
    const scheme = header(request, "cloudfront-forwarded-proto") ?? "https";
    const query = request.querystring ? `?${request.querystring}` : "";
    const authority = header(request, "host") ?? config.distributionDomainName;
    return {
        request: {
            method: request.method, url: `${scheme}://${authority}${request.uri}${query}`,
            version: versionOf(request), client: request.clientIp, body,
            length: body?.length, geo: () => geoOf(request), tls: tlsOf(request),
            headers: () => Object.entries(request.headers).flatMap(([name, lines]) =>
                lines.map(({ value }) => [name, Buffer.from(value).toString("latin1")])),
        },
    };
}

function refusal(status, why) {
    return {
        status, body: Buffer.from(`${why}.\n`),
        headers: [["content-type", "text/plain"], ["cache-control", "no-store"], ["x-edgectl-error", "cloudfront"]],
    };
}

// Undefined if there is more than `limit`; throws if it breaks off.
async function allOf(body, limit) {
    if (body === null || body instanceof Uint8Array)
        return Buffer.from(body ?? []);
    const chunks = [];
    let size = 0;
    for await (const chunk of body) {
        size += chunk.length;
        if (size > limit)
            return undefined;
        chunks.push(chunk);
    }
    return Buffer.concat(chunks);
}

// Text goes as text, as base64 counts a third more.
function bodyOf(bytes) {
    if (bytes.length === 0)
        return {};
    try {
        return { body: utf8.decode(bytes), bodyEncoding: "text" };
    } catch {
        return { body: bytes.toString("base64"), bodyEncoding: "base64" };
    }
}

// The event's answer. `dropped(name)`: of a header that CloudFront does not take.
export async function toEvent(answer, eventType, method, dropped) {
    const limit = LIMITS[eventType].answer;
    const headers = {};
    let size = 0;
    for (const [name, value] of answer.headers) {
        if (forbidden(name)) {
            dropped(name);
            continue;
        }
        size += name.length + value.length + 4;
        (headers[name] ??= []).push({ key: name, value: Buffer.from(value, "latin1").toString("utf8") });
    }
    let bytes;
    try {
        bytes = method === "HEAD" ? Buffer.alloc(0) : await allOf(answer.body, limit);
    } catch {
        return toEvent(refusal(502, "The app broke off its answer"), eventType, method, dropped);
    }
    const body = bytes && bodyOf(bytes);
    size += body?.body === undefined ? 0 : Buffer.byteLength(body.body);
    if (!body || size > limit)
        return toEvent(refusal(502, `The app's answer is larger than the ${limit} bytes that CloudFront ` +
            `takes from a function on ${eventType}`), eventType, method, dropped);
    return {
        status: String(answer.status), statusDescription: STATUS_CODES[answer.status] ?? "", headers, ...body,
    };
}
