// SPDX-License-Identifier: Apache-2.0
// The front of a platform's stand-in on this machine: not part of any bundle. Serves on a free port of
// the loopback address, which it writes to file descriptor 3.
import { closeSync, writeSync } from "node:fs";
import http from "node:http";
import process from "node:process";

// `edgectl dev` stands in front, and says who its client is.
const CLIENT = "x-edgectl-dev-client", SCHEME = "x-edgectl-dev-scheme";

// What is known of a request's client; the headers that say it are taken away.
export function clientOf(request) {
    const { headers, rawHeaders } = request;
    const client = headers[CLIENT] ?? request.socket.remoteAddress;
    const scheme = headers[SCHEME] ?? "http";
    for (const name of [CLIENT, SCHEME]) {
        delete headers[name];
        for (let i = 0; i < rawHeaders.length; i += 2)
            if (rawHeaders[i].toLowerCase() === name)
                rawHeaders.splice(i, 2);
    }
    return { client, scheme };
}

export async function bodyOf(request) {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(chunk);
    return Buffer.concat(chunks);
}

export function listen(serve) {
    const server = http.createServer({ maxHeaderSize: 512 * 1024, keepAliveTimeout: 60000 }, (request, response) => {
        Promise.resolve(serve(request, response)).catch((error) => {
            process.stderr.write(`edgectl :: ${error?.stack ?? error}\n`);
            if (response.headersSent)
                return response.destroy();
            response.writeHead(500, { "content-type": "text/plain" });
            response.end(`${error?.message ?? error}\n`);
        });
    });
    server.listen(Number(process.env.PORT) || 0, "127.0.0.1", () => {
        writeSync(3, `${server.address().port}\n`);
        closeSync(3);
    });
}
