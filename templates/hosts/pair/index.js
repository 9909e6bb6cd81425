// SPDX-License-Identifier: Apache-2.0
// Two versions of an app in one Lambda@Edge function, each a whole bundle in a folder of its own, with
// its own host. The router (templates/routers/cloudfront.js) has put the version into a header; what has
// none, or one that is not here, is the main version's.
//
// CloudFront's numbers do not tell the two apart. So each request leaves a line in CloudWatch's Embedded
// Metric Format (CloudWatch User Guide, "Specification: Embedded metric format"), from which CloudWatch
// makes metrics by version, in the region where it ran.
//
// Beside this folder stands versions.js, which `edgectl` makes:
//
//     export default { "7": "v7/", "8": "v8/" };
//     export const main = "7", app = "shop";
import process from "node:process";
import versions, { app, main } from "../versions.js";

const VERSION = "x-edgectl-version";
const METRICS = ["Latency", "Errors", "Traps"].map((Name) =>
    ({ Name, Unit: Name === "Latency" ? "Milliseconds" : "Count" }));

// Both at once, so that neither begins later than the other.
const handlers = Object.fromEntries(await Promise.all(Object.entries(versions).map(
    async ([label, folder]) => [label, (await import(`../${folder}lambda/index.js`)).handler])));

function count(label, began, status, trapped) {
    // Written past the console, which puts words before it that make it no such line.
    process.stdout.write(`${JSON.stringify({
        _aws: { Timestamp: Date.now(), CloudWatchMetrics: [
            { Namespace: "edgectl", Dimensions: [["App", "Version"]], Metrics: METRICS }] },
        App: app, Version: label, Latency: Math.round((performance.now() - began) * 1000) / 1000,
        Errors: Number(status >= 500), Traps: Number(trapped),
    })}\n`);
}

export async function handler(event, context) {
    const wanted = event.Records[0].cf.request.headers[VERSION]?.[0]?.value;
    const label = wanted !== undefined && Object.hasOwn(handlers, wanted) ? wanted : main;
    globalThis[Symbol.for("edgectl.version")] = label; // of what is logged: one request at a time
    const began = performance.now();
    let answer;
    try {
        answer = await handlers[label](event,
            Object.create(context ?? null, { edgectlVersion: { value: label } }));
    } catch (error) {
        count(label, began, 500, true);
        throw error;
    }
    count(label, began, Number(answer?.status ?? 200), false);
    return answer;
}
