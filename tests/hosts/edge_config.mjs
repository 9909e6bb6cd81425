// SPDX-License-Identifier: Apache-2.0
// edge_config.mjs ITEMS: an Edge Config `ecfg_1` with those items (JSON), token "tk". Prints its port.
import http from "node:http";
import process from "node:process";

const server = http.createServer((request, response) => {
    const allowed = request.headers.authorization === "Bearer tk";
    const there = request.url === "/ecfg_1/items";
    response.writeHead(!allowed ? 401 : there ? 200 : 404, { "content-type": "application/json" });
    response.end(allowed && there ? process.argv[2] : "{}");
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
