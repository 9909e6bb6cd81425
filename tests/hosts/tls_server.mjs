// SPDX-License-Identifier: Apache-2.0
// tls_server.mjs CERT KEY: an HTTPS server on a free port, which it prints.
import { readFileSync } from "node:fs";
import https from "node:https";
import process from "node:process";

const [, , cert, key] = process.argv;
const server = https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_, response) => response.end("ok"));
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
