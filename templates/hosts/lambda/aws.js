// SPDX-License-Identifier: Apache-2.0
// Calls of AWS's APIs with the rights of the function's role. A Lambda@Edge function has no environment
// but what Lambda itself puts there: the role's credentials are.
import process from "node:process";
import { signed } from "./sigv4.js";

// `variable`: the service's in the AWS tools' names of endpoints; `base`: where it is otherwise.
export function call({ variable, base, service, region, method, path, query = "", headers = {}, body }) {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
    if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY)
        throw new Error("the function has no credentials of a role");
    const at = process.env[`AWS_ENDPOINT_URL_${variable}`] || process.env.AWS_ENDPOINT_URL || base;
    const { host, ...all } = signed({
        method, path, query, host: new URL(at).host, region, service, headers, body, date: new Date(),
        credentials: { id: AWS_ACCESS_KEY_ID, secret: AWS_SECRET_ACCESS_KEY, token: AWS_SESSION_TOKEN },
    });
    return fetch(new URL(path + (query && `?${query}`), at), { method, headers: all, body });
}

// "com.amazonaws.x#NotFound:http://..." is NotFound.
export function errorCode(answer, said) {
    return String(said?.__type ?? answer.headers.get("x-amzn-errortype") ?? "").replace(/^.*#|:.*$/g, "");
}
