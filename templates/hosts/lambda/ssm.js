// SPDX-License-Identifier: Apache-2.0
// Secrets: parameters of the Systems Manager, read with the rights of the function's role. They live
// in us-east-1, where the function was made; replicas run anywhere. A Lambda@Edge function has no
// environment but what Lambda itself puts there: the role's credentials are.
import process from "node:process";
import { signed } from "./sigv4.js";

const REGION = "us-east-1";
const KEEP = 5 * 60 * 1000; // ms: as long as a value is believed
const ABSENT = 30 * 1000;

const kept = new Map(); // name -> { until, value: promise }

// The text of a parameter; undefined if there is none.
export function parameter(name) {
    const now = Date.now();
    const old = kept.get(name);
    if (old && now < old.until)
        return old.value;
    const entry = { until: now + KEEP, value: read(name) };
    kept.set(name, entry);
    entry.value.then((value) => {
        if (value === undefined)
            entry.until = now + ABSENT;
    }, () => kept.get(name) === entry && kept.delete(name));
    return entry.value;
}

async function read(name) {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
    if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY)
        throw new Error("the function has no credentials of a role");
    const base = process.env.AWS_ENDPOINT_URL_SSM || process.env.AWS_ENDPOINT_URL ||
        `https://ssm.${REGION}.amazonaws.com`;
    const body = JSON.stringify({ Name: name, WithDecryption: true });
    const { host, ...headers } = signed({
        host: new URL(base).host, region: REGION, service: "ssm", body, date: new Date(),
        headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter" },
        credentials: { id: AWS_ACCESS_KEY_ID, secret: AWS_SECRET_ACCESS_KEY, token: AWS_SESSION_TOKEN },
    });
    const answer = await fetch(new URL("/", base), { method: "POST", headers, body });
    const said = await answer.json();
    if (answer.ok)
        return said.Parameter.Value;
    const type = String(said.__type ?? answer.headers.get("x-amzn-errortype") ?? "").replace(/^.*#|:.*$/g, "");
    if (type === "ParameterNotFound" || type === "ParameterVersionNotFound")
        return undefined;
    throw new Error(`the parameter ${name} cannot be read: ${type || answer.status}`);
}
