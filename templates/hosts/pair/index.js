// SPDX-License-Identifier: Apache-2.0
// Two versions of an app in one Lambda@Edge function, each a whole bundle in a folder of its own, with
// its own host. The router (templates/routers/cloudfront.js) has put the version into a header; what has
// none, or one that is not here, is the main version's.
//
// Beside this folder stands versions.js, which `edgectl` makes:
//
//     export default { "7": "v7/", "8": "v8/" };
//     export const main = "7";
import versions, { main } from "../versions.js";

const VERSION = "x-edgectl-version";
const load = (label) => import(`../${versions[label]}lambda/index.js`);
await load(main);

export async function handler(event, context) {
    const wanted = event.Records[0].cf.request.headers[VERSION]?.[0]?.value;
    const label = wanted !== undefined && Object.hasOwn(versions, wanted) ? wanted : main;
    const { handler: run } = await load(label);
    return run(event, Object.create(context ?? null, { edgectlVersion: { value: label } }));
}
