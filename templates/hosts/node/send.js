// SPDX-License-Identifier: Apache-2.0
// Requests to backends, by Node's own clients: HTTP/1.1 on connections that are kept, HTTP/2 for gRPC.
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import tls from "node:tls";
import { once } from "node:events";

// enum send_error_detail_tag of the guest ABI.
const TAG = {
    dnsTimeout: 2, dnsError: 3, unavailable: 5, unroutable: 6, refused: 7, terminated: 8,
    connectTimeout: 9, connectionLimit: 10, certificate: 11, tlsConfiguration: 12, incomplete: 13,
    headTooLarge: 14, statusInvalid: 17, protocol: 19, tlsProtocol: 24, h2: 25,
};
const BY_CODE = {
    EAI_AGAIN: TAG.dnsTimeout, ENOTFOUND: TAG.dnsError, EAI_FAIL: TAG.dnsError,
    ECONNREFUSED: TAG.refused, ENETUNREACH: TAG.unroutable, EHOSTUNREACH: TAG.unroutable,
    EADDRNOTAVAIL: TAG.unroutable, EACCES: TAG.unroutable, EINVAL: TAG.unroutable,
    ETIMEDOUT: TAG.connectTimeout, EMFILE: TAG.connectionLimit, ENFILE: TAG.connectionLimit,
    ECONNRESET: TAG.terminated, ECONNABORTED: TAG.terminated, EPIPE: TAG.terminated,
    HPE_HEADER_OVERFLOW: TAG.headTooLarge, HPE_INVALID_STATUS: TAG.statusInvalid,
    HPE_INVALID_EOF_STATE: TAG.incomplete, EPROTO: TAG.tlsProtocol,
    CERT_HAS_EXPIRED: TAG.certificate, CERT_NOT_YET_VALID: TAG.certificate,
    DEPTH_ZERO_SELF_SIGNED_CERT: TAG.certificate, SELF_SIGNED_CERT_IN_CHAIN: TAG.certificate,
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: TAG.certificate, UNABLE_TO_GET_ISSUER_CERT: TAG.certificate,
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TAG.certificate, CERT_SIGNATURE_FAILURE: TAG.certificate,
    CERT_UNTRUSTED: TAG.certificate, CERT_REJECTED: TAG.certificate, INVALID_CA: TAG.certificate,
    ERR_TLS_CERT_ALTNAME_INVALID: TAG.certificate,
};
const FRAMING = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "te",
    "trailer", "upgrade", "content-length", "host"]);
const IDLE = 4000; // ms: well below what servers keep connections for

const pools = new Map(); // TLS settings of a backend -> its agent

export function send(call) {
    return call.backend.grpc ? sendHttp2(call) : sendHttp1(call, true);
}

function failure(error, socket) {
    const code = error.code ?? "";
    let tag = BY_CODE[code];
    if (tag === TAG.terminated && socket?.headBytes !== undefined && socket.bytesRead > socket.headBytes)
        tag = TAG.incomplete;
    tag ??= code.startsWith("HPE_") ? TAG.protocol : code.startsWith("ERR_SSL_") ? TAG.tlsProtocol
        : code.startsWith("ERR_HTTP2") ? TAG.h2 : code.startsWith("ERR_OSSL") ? TAG.tlsConfiguration
            : TAG.unavailable;
    return Object.assign(new Error(error.message || code || "the backend cannot be reached"), { tag });
}

function tlsOptions(url, backend) {
    if (url.protocol !== "https:")
        return {};
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const name = backend.certHost ?? host;
    const sni = backend.noSni ? "" : backend.sniHostname ?? name;
    return {
        servername: net.isIP(sni) ? "" : sni,
        checkServerIdentity: (_, certificate) => tls.checkServerIdentity(name, certificate),
        ...(backend.ca && { ca: backend.ca }),
        ...(backend.clientCert && { cert: backend.clientCert, key: backend.clientKey }),
    };
}

function drop() {
    this.destroy();
}

function agentOf(url, backend) {
    const key = JSON.stringify([url.protocol, backend.certHost, backend.sniHostname, backend.noSni,
        backend.ca, backend.clientCert]);
    let agent = pools.get(key);
    if (!agent) {
        const options = { keepAlive: true, timeout: 0, ...tlsOptions(url, backend) };
        agent = url.protocol === "https:" ? new https.Agent(options) : new http.Agent(options);
        agent.on("free", (socket) => {
            if (socket.listenerCount("timeout", drop) === 0)
                socket.on("timeout", drop);
            socket.setTimeout(IDLE);
        });
        pools.set(key, agent);
    }
    return agent;
}

function headerList(call) {
    const list = [["host", call.host], ...call.headers.filter(([name]) => !FRAMING.has(name))];
    const length = call.body instanceof Uint8Array ? call.body.length
        : call.body ? call.length : /^(POST|PUT|PATCH)$/.test(call.method) ? 0 : undefined;
    if (length !== undefined && length !== null)
        list.push(["content-length", String(length)]);
    else if (call.body)
        list.push(["transfer-encoding", "chunked"]);
    return list;
}

async function sendHttp1(call, mayRetry) {
    const url = new URL(call.url);
    const client = url.protocol === "https:" ? https : http;
    const streamed = call.body && !(call.body instanceof Uint8Array);
    const request = client.request({
        host: url.hostname.replace(/^\[|\]$/g, ""), port: url.port || undefined,
        method: call.method, path: url.pathname + url.search, setHost: false,
        headers: headerList(call).flat(), signal: call.signal,
        // A kept connection may end under a request; a stream cannot be sent twice.
        agent: streamed ? undefined : agentOf(url, call.backend),
        ...(streamed && { agent: false, ...tlsOptions(url, call.backend) }),
        maxHeaderSize: 512 * 1024,
    });
    request.on("error", () => {}); // what comes after the answer is the body's affair
    watchConnect(request, call.backend.connectTimeout);
    const answered = once(request, "response");
    if (streamed)
        pump(call.body, request);
    else
        request.end(call.body ?? undefined);
    let response;
    try {
        [response] = await answered;
    } catch (error) {
        if (mayRetry && request.reusedSocket && !streamed && /^(ECONNRESET|EPIPE)$/.test(error.code) &&
            !(request.socket?.bytesRead > request.socket?.headBytes))
            return sendHttp1(call, false);
        throw failure(error, request.socket);
    }
    const bodiless = call.method === "HEAD" || response.statusCode === 204 || response.statusCode === 304;
    if (bodiless)
        response.resume();
    return {
        status: response.statusCode, version: response.httpVersionMajor * 10 + response.httpVersionMinor,
        headers: pairs(response.rawHeaders).filter(([name]) => name !== "transfer-encoding" &&
            name !== "connection" && name !== "keep-alive"),
        body: bodiless ? null : webStream(response),
        address: response.socket.remoteAddress, port: response.socket.remotePort,
        trailers: () => pairs(response.rawTrailers),
    };
}

// Note how much had come on the connection before this answer; end a connect that takes too long.
function watchConnect(request, timeout) {
    request.once("socket", (socket) => {
        socket.headBytes = socket.bytesRead;
        socket.setTimeout(0);
        if (!socket.connecting || !timeout)
            return;
        const timer = setTimeout(() => request.destroy(Object.assign(
            new Error("the backend took too long to connect"), { code: "ETIMEDOUT" })), timeout);
        const stop = () => clearTimeout(timer);
        socket.once(request.protocol === "https:" ? "secureConnect" : "connect", stop);
        socket.once("close", stop);
    });
}

function pairs(raw) {
    const list = [];
    for (let i = 0; i < raw.length; i += 2)
        list.push([raw[i].toLowerCase(), raw[i + 1]]);
    return list;
}

// A stream of the guest's into a request; if the guest breaks it off, so is the request.
async function pump(stream, request) {
    const reader = stream.getReader();
    const gone = new Promise((resolve) => request.once("close", resolve));
    try {
        for (;;) {
            const { value, done } = await reader.read();
            if (done)
                break;
            if (!request.write(value))
                await Promise.race([gone, once(request, "drain")]);
            if (request.destroyed)
                return await reader.cancel();
        }
        request.end();
    } catch (error) {
        request.destroy(error);
    }
}

// Node's stream as the platform-neutral one, with nothing read ahead.
export function webStream(from) {
    const chunks = from[Symbol.asyncIterator]();
    return new ReadableStream({
        async pull(controller) {
            const { value, done } = await chunks.next();
            if (done)
                controller.close();
            else
                controller.enqueue(value);
        },
        cancel() {
            from.destroy();
        },
    }, { highWaterMark: 0 });
}

const sessions = new Map(); // origin and TLS settings -> HTTP/2 session

async function session(url, backend) {
    const key = JSON.stringify([url.origin, backend.certHost, backend.sniHostname, backend.noSni,
        backend.ca, backend.clientCert]);
    const kept = sessions.get(key);
    if (kept && !kept.closed && !kept.destroyed)
        return kept;
    const made = http2.connect(url.origin, tlsOptions(url, backend));
    made.on("error", () => {});
    made.on("close", () => sessions.get(key) === made && sessions.delete(key));
    sessions.set(key, made);
    await once(made, "connect");
    made.unref();
    return made;
}

async function sendHttp2(call) {
    const url = new URL(call.url);
    try {
        const stream = (await session(url, call.backend)).request(http2Headers(call, url), {
            endStream: !call.body, signal: call.signal,
        });
        if (call.body instanceof Uint8Array)
            stream.end(call.body);
        else if (call.body)
            pump(call.body, stream);
        let trailers = [];
        stream.on("trailers", (_, __, raw) => {
            trailers = pairs(raw ?? []);
        });
        const [head, , raw] = await once(stream, "response");
        const { remoteAddress, remotePort } = stream.session.socket;
        return {
            status: head[":status"], version: 20,
            headers: pairs(raw).filter(([name]) => !name.startsWith(":")),
            body: call.method === "HEAD" ? null : webStream(stream),
            address: remoteAddress, port: remotePort, trailers: () => trailers,
        };
    } catch (error) {
        throw failure(error);
    }
}

function http2Headers(call, url) {
    const headers = {
        ":method": call.method, ":path": url.pathname + url.search, ":authority": call.host,
        ":scheme": url.protocol.slice(0, -1),
    };
    for (const [name, value] of call.headers) {
        if (FRAMING.has(name) && !(name === "te" && value === "trailers"))
            continue;
        headers[name] = name in headers ? [headers[name], value].flat() : value;
    }
    return headers;
}
