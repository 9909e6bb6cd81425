// SPDX-License-Identifier: Apache-2.0
// Upstash's REST interface in front of a real Redis: node upstash.mjs SOCKET. Prints its port. The
// token is "t0ken"; /, /pipeline and /multi-exec; answers in base64 where the request wants that.
import http from "node:http";
import net from "node:net";
import process from "node:process";

// One reply of RESP 2 at the start of `buffer`: [value, bytes used], or undefined.
function reply(buffer, at = 0) {
    const end = buffer.indexOf("\r\n", at);
    if (end < 0)
        return undefined;
    const line = buffer.toString("latin1", at + 1, end);
    const type = String.fromCharCode(buffer[at]);
    let next = end + 2;
    if (type === "+" || type === ":")
        return [type === ":" ? Number(line) : line, next];
    if (type === "-")
        return [new Error(line), next];
    if (line === "-1")
        return [null, next];
    if (type === "$")
        return buffer.length < next + Number(line) + 2 ? undefined
            : [buffer.subarray(next, next + Number(line)), next + Number(line) + 2];
    const list = [];
    for (let i = 0; i < Number(line); i++) {
        const one = reply(buffer, next);
        if (!one)
            return undefined;
        list.push(one[0]);
        next = one[1];
    }
    return [list, next];
}

// The replies to some commands, on a connection of their own.
function run(commands) {
    return new Promise((resolve, reject) => {
        const socket = net.connect(process.argv[2]);
        let buffer = Buffer.alloc(0);
        const replies = [];
        socket.on("error", reject);
        for (const command of commands) {
            const words = command.map((word) => Buffer.from(String(word)));
            socket.write(Buffer.concat([Buffer.from(`*${words.length}\r\n`),
                ...words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from("\r\n")])]));
        }
        socket.on("data", (data) => {
            buffer = Buffer.concat([buffer, data]);
            for (let one; (one = reply(buffer)); buffer = buffer.subarray(one[1]))
                replies.push(one[0]);
            if (replies.length === commands.length) {
                socket.destroy();
                resolve(replies);
            }
        });
    });
}

function json(value, base64) {
    if (value instanceof Error)
        return { error: value.message };
    const plain = (v) => Array.isArray(v) ? v.map(plain) : Buffer.isBuffer(v)
        ? v.toString(base64 ? "base64" : "utf8") : typeof v === "string" && base64
            ? Buffer.from(v).toString("base64") : v;
    return { result: plain(value) };
}

const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(chunk);
    const say = (status, value) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(value));
    };
    if (request.headers.authorization !== "Bearer t0ken")
        return say(401, { error: "Unauthorized" });
    const text = Buffer.concat(chunks);
    if (text.length > 1048576)
        return say(413, { error: "ERR max request size exceeded" });
    const command = JSON.parse(text);
    const base64 = request.headers["upstash-encoding"] === "base64";
    if (request.url === "/pipeline")
        return say(200, (await run(command)).map((one) => json(one, base64)));
    if (request.url === "/multi-exec") {
        const replies = await run([["MULTI"], ...command, ["EXEC"]]);
        return say(200, replies.at(-1).map((one) => json(one, base64)));
    }
    const said = json((await run([command]))[0], base64);
    say(said.error === undefined ? 200 : 400, said);
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
