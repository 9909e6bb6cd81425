// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4, for calls with a body and no query.
import { createHash, createHmac } from "node:crypto";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();

// The headers of a signed POST to "/": those given (names in lower case), and the signature's.
// `credentials`: { id, secret, token }; `date`: of the signature.
export function signed({ host, region, service, headers, body, credentials, date }) {
    const stamp = date.toISOString().replace(/[-:]|\.\d+/g, "");
    const scope = `${stamp.slice(0, 8)}/${region}/${service}/aws4_request`;
    const all = {
        ...headers, host, "x-amz-date": stamp,
        ...(credentials.token && { "x-amz-security-token": credentials.token }),
    };
    const names = Object.keys(all).sort();
    const list = names.join(";");
    const canonical = ["POST", "/", "", ...names.map((name) => `${name}:${all[name].trim()}`), "",
        list, sha256(body)].join("\n");
    const text = `AWS4-HMAC-SHA256\n${stamp}\n${scope}\n${sha256(canonical)}`;
    const key = scope.split("/").reduce(hmac, `AWS4${credentials.secret}`);
    const signature = createHmac("sha256", key).update(text).digest("hex");
    return {
        ...all,
        authorization: `AWS4-HMAC-SHA256 Credential=${credentials.id}/${scope}, ` +
            `SignedHeaders=${list}, Signature=${signature}`,
    };
}
