// SPDX-License-Identifier: Apache-2.0
// The Systems Manager's GetParameter, for parameters that are named on the command line:
// ssm.mjs NAME=VALUE... Prints its port. Without a signature it answers as AWS does.
import http from "node:http";
import process from "node:process";

const parameters = new Map(process.argv.slice(2).map((pair) => pair.split(/=(.*)/s)));

const server = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request)
        chunks.push(chunk);
    const { Name } = JSON.parse(Buffer.concat(chunks));
    const say = (status, value) => response.writeHead(status).end(JSON.stringify(value));
    if (!/^AWS4-HMAC-SHA256 Credential=.*\/us-east-1\/ssm\/aws4_request/.test(request.headers.authorization))
        return say(400, { __type: "MissingAuthenticationToken" });
    if (!parameters.has(Name))
        return say(400, { __type: "ParameterNotFound" });
    say(200, { Parameter: { Name, Type: "SecureString", Value: parameters.get(Name) } });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
