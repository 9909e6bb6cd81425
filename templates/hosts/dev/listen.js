// SPDX-License-Identifier: Apache-2.0
// The front of a platform's stand-in on this machine: not part of any bundle. Serves on a free port of
// the loopback address, and says so in a line on stdout, in the words of workerd's --control-fd.
import http from "node:http";
import process from "node:process";

// `edgectl dev` stands in front, and says who its client is.
const CLIENT = "x-edgectl-dev-client", SCHEME = "x-edgectl-dev-scheme";

// End, with the reason in one line.
export function refuse(error) {
    process.stderr.write(`edgectl :: ${error?.message ?? error}\n`);
    process.exit(1);
}

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
        const { port } = server.address();
        process.stdout.write(`${JSON.stringify({ event: "listen", socket: "http", port })}\n`);
    });
    process.on("SIGTERM", () => {
        server.close(() => process.exit(0)); // what is under way ends well
        server.closeIdleConnections();
    });
}
