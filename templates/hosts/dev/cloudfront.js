// SPDX-License-Identifier: Apache-2.0
// A CloudFront distribution's side of a Lambda@Edge function, for this machine:
//
//   node cloudfront.js FOLDER [PHASE] [no-body]
//
// FOLDER is the unpacked zip; PHASE (or EDGECTL_CLOUDFRONT_EVENT) an event; no-body leaves
// out IncludeBody. Each request becomes an event, and what the function makes of it is held against
// CloudFront's rules (the Developer Guide's "Restrictions on edge functions", "Quotas" and "Lambda@Edge
// event structure"): what breaks one gets the status that CloudFront gives. On stderr stands why.
import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { bodyOf, clientOf, listen, refuse } from "./listen.js";
import { useLocalStores } from "./node_stores.js";

const [, , folder, phase = process.env.EDGECTL_CLOUDFRONT_EVENT ?? "origin-request", withBody] = process.argv;
const PHASES = ["viewer-request", "viewer-response", "origin-request", "origin-response"];
if (!PHASES.includes(phase))
    throw new Error(`no such event: ${phase}`);

const viewer = phase.startsWith("viewer");
const BODY_MAX = viewer ? 40 * 1024 : 1024 * 1024;
const ANSWER_MAX = BODY_MAX;
const HEAD_MAX = 20480, URL_MAX = 8192;
const TIME_MAX = 30000; // ms

const HOP = new Set(["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"]);
const READ_ONLY = {
    "viewer-request": ["cdn-loop", "content-length", "host", "transfer-encoding", "via"],
    "origin-request": ["accept-encoding", "cdn-loop", "content-length", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "transfer-encoding", "via"],
};
const DISALLOWED = new RegExp("^(connection|expect|keep-alive|proxy-authenticate|proxy-authorization|" +
    "proxy-connection|trailer|upgrade|x-accel-(buffering|charset|limit-rate|redirect)|x-amz-cf-.*|" +
    "x-amzn-(auth|cf-billing|cf-id|cf-xff|errortype|fle-profile|header-count|header-order|" +
    "lambda-integration-tag|requestid)|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip)$");

process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ??= "128";
process.env.AWS_REGION ??= "us-east-1";
useLocalStores(path.join(folder, "bindings.js"));
const { handler } = await import(pathToFileURL(path.join(folder, "lambda/index.js"))).catch(refuse);

class Violation extends Error {}

function invalid(why) {
    throw new Violation(why);
}

// --- the event ---

function headersOf(request, { client, scheme }) {
    const headers = {};
    const add = (key, value) => (headers[key.toLowerCase()] ??= []).push({ key, value });
    for (let i = 0; i < request.rawHeaders.length; i += 2)
        if (!HOP.has(request.rawHeaders[i].toLowerCase()))
            add(request.rawHeaders[i], Buffer.from(request.rawHeaders[i + 1], "latin1").toString());
    if (!viewer) {
        add("X-Forwarded-For", client);
        add("CloudFront-Forwarded-Proto", scheme); // as with the managed policy AllViewerAndCloudFrontHeaders
        add("Via", `${request.httpVersion} d111111abcdef8.cloudfront.net (CloudFront)`);
    }
    return headers;
}

function eventOf(request, from, body) {
    const mark = request.url.indexOf("?");
    const cf = {
        config: {
            distributionDomainName: "d111111abcdef8.cloudfront.net", distributionId: "EDFDVBD6EXAMPLE",
            eventType: phase, requestId: randomUUID(),
        },
        request: {
            clientIp: from.client, method: request.method, headers: headersOf(request, from),
            uri: mark < 0 ? request.url : request.url.slice(0, mark),
            querystring: mark < 0 ? "" : request.url.slice(mark + 1),
        },
    };
    if (body.length && withBody !== "no-body")
        cf.request.body = {
            inputTruncated: body.length > BODY_MAX, action: "read-only", encoding: "base64",
            data: body.subarray(0, BODY_MAX).toString("base64"),
        };
    if (!viewer)
        cf.request.origin = {
            custom: {
                customHeaders: {}, domainName: "origin.example", keepaliveTimeout: 5, path: "", port: 443,
                protocol: "https", readTimeout: 30, sslProtocols: ["TLSv1.2"],
            },
        };
    return { Records: [{ cf }] };
}

// --- the result ---

function checkHeaders(headers, before) {
    if (typeof headers !== "object" || headers === null)
        invalid("headers is no object");
    for (const [name, lines] of Object.entries(headers)) {
        if (name !== name.toLowerCase())
            invalid(`the header name ${name} is not in lower case`);
        if (!Array.isArray(lines) || lines.some((line) => typeof line?.value !== "string"))
            invalid(`the header ${name} is no array of {key, value}`);
        if (lines.some(({ key }) => key !== undefined && key.toLowerCase() !== name))
            invalid(`a key of the header ${name} is another header's`);
        if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) || lines.some(({ value }) => /[\x00-\x08\x0a-\x1f\x7f]/.test(value)))
            invalid(`the header ${name} cannot be sent`);
        if (DISALLOWED.test(name) && !(before && name in before))
            invalid(`the header ${name} is not allowed`);
    }
    for (const name of READ_ONLY[phase] ?? [])
        if (before ? JSON.stringify(headers[name]) !== JSON.stringify(before[name])
            : ["content-length", "transfer-encoding", "via"].includes(name) && name in headers)
            invalid(`the header ${name} is read-only on ${phase}`);
}

function checked(result, request) {
    if (typeof result !== "object" || result === null)
        invalid("the function returned no object");
    if (result.status === undefined) {
        checkHeaders(result.headers, request.headers);
        invalid("the request was passed on, and there is no origin here");
    }
    if (!/^[2-5]\d\d$/.test(String(result.status)))
        invalid(`the status is ${result.status}`);
    checkHeaders(result.headers ?? {});
    const { body = "", bodyEncoding = "text" } = result;
    if (typeof body !== "string" || !["text", "base64"].includes(bodyEncoding))
        invalid("body or bodyEncoding is not valid");
    const head = Object.entries(result.headers ?? {}).reduce((sum, [name, lines]) =>
        lines.reduce((s, { value }) => s + name.length + Buffer.byteLength(value) + 4, sum), 0);
    if (head > HEAD_MAX)
        invalid(`the head has ${head} bytes, ${HEAD_MAX} are allowed`);
    if (head + Buffer.byteLength(body) > ANSWER_MAX)
        invalid(`the response has ${head + Buffer.byteLength(body)} bytes, ${ANSWER_MAX} are allowed on ${phase}`);
    return Buffer.from(body, bodyEncoding === "text" ? "utf8" : "base64");
}

// --- a request ---

function fail(response, status, kind, why) {
    process.stderr.write(`cloudfront :: ${kind}: ${why}\n`);
    response.writeHead(status, { "content-type": "text/html", "x-cache": `${kind} from cloudfront` });
    response.end(`<H1>${status} ERROR</H1>\n`);
}

function timeLimit() {
    let timer;
    const until = Date.now() + TIME_MAX;
    const over = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took longer than ${TIME_MAX / 1000} s`)), TIME_MAX);
    });
    return { over, stop: () => clearTimeout(timer), left: () => Math.max(0, until - Date.now()) };
}

async function call(event) {
    const limit = timeLimit();
    const context = {
        functionName: "us-east-1.app", functionVersion: "1", memoryLimitInMB: "128",
        awsRequestId: randomUUID(), getRemainingTimeInMillis: limit.left,
    };
    try {
        // What Lambda hands over is JSON, both ways.
        const result = await Promise.race([handler(JSON.parse(JSON.stringify(event)), context), limit.over]);
        return JSON.parse(JSON.stringify(result ?? null));
    } finally {
        limit.stop();
    }
}

listen(async (request, response) => {
    const from = clientOf(request);
    const body = await bodyOf(request);
    if (Buffer.byteLength(request.url) > URL_MAX)
        return fail(response, 414, "Error", "the URL is too long");
    if (body.length && /^(GET|HEAD|OPTIONS|TRACE)$/.test(request.method))
        return fail(response, 403, "Error", `${request.method} with a body`);
    const event = eventOf(request, from, body);
    let result;
    try {
        result = await call(event);
    } catch (error) {
        return fail(response, 503, "LambdaExecutionError", error?.stack ?? String(error));
    }
    try {
        const bytes = checked(result, event.Records[0].cf.request);
        const lines = Object.entries(result.headers ?? {}).flatMap(([name, list]) =>
            list.map(({ value }) => [name, Buffer.from(value).toString("latin1")]));
        const bodiless = request.method === "HEAD" || result.status === "204" || result.status === "304";
        if (!bodiless)
            lines.push(["content-length", String(bytes.length)]);
        response.writeHead(Number(result.status), STATUS_CODES[result.status],
            [...lines, ["x-cache", "LambdaGeneratedResponse from cloudfront"]].flat());
        response.end(bodiless ? undefined : bytes);
    } catch (error) {
        if (!(error instanceof Violation))
            throw error;
        fail(response, 502, "LambdaValidationError", error.message);
    }
});
