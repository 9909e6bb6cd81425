// SPDX-License-Identifier: Apache-2.0
// Secrets: parameters of the Systems Manager, read with the rights of the function's role. They live
// in us-east-1, where the function was made; replicas run anywhere.
import { call, errorCode } from "./aws.js";

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
    const answer = await call({
        variable: "SSM", base: `https://ssm.${REGION}.amazonaws.com`, service: "ssm", region: REGION,
        method: "POST", path: "/", body: JSON.stringify({ Name: name, WithDecryption: true }),
        headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.GetParameter" },
    });
    const said = await answer.json();
    if (answer.ok)
        return said.Parameter.Value;
    const type = errorCode(answer, said);
    if (type === "ParameterNotFound" || type === "ParameterVersionNotFound")
        return undefined;
    throw new Error(`the parameter ${name} cannot be read: ${type || answer.status}`);
}
