// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 (AWS General Reference, "Signature Version 4 signing process"), and 4A, whose
// key is one of P-256 and whose scope names no region: CloudFront's KeyValueStores want it.
import { createECDH, createHash, createHmac, createPrivateKey, sign } from "node:crypto";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, data) => createHmac("sha256", key).update(data).digest();
const ORDER_LESS_TWO = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254fn;

// RFC 3986: also what encodeURIComponent leaves alone.
export const encoded = (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

const derived = new Map(); // access key id -> the key of 4A

function asymmetricKey({ id, secret }) {
    if (derived.has(id))
        return derived.get(id);
    const word = (n) => Buffer.from([0, 0, n >> 8, n & 255]);
    for (let count = 1; count < 255; count++) {
        const input = Buffer.concat([word(1), Buffer.from("AWS4-ECDSA-P256-SHA256\0"), Buffer.from(id),
            Buffer.from([count]), word(256)]);
        const number = BigInt(`0x${hmac(`AWS4A${secret}`, input).toString("hex")}`);
        if (number > ORDER_LESS_TWO)
            continue;
        const d = Buffer.from((number + 1n).toString(16).padStart(64, "0"), "hex");
        const curve = createECDH("prime256v1");
        curve.setPrivateKey(d);
        const point = curve.getPublicKey();
        const text = (bytes) => bytes.toString("base64url");
        const key = createPrivateKey({ format: "jwk", key: {
            kty: "EC", crv: "P-256", d: text(d), x: text(point.subarray(1, 33)), y: text(point.subarray(33)),
        } });
        derived.clear(); // keys of a role are changed every few hours
        derived.set(id, key);
        return key;
    }
    throw new Error("no key follows from these credentials");
}

// The headers of a signed request: those given (names in lower case), and the signature's. `path` and
// `query` are percent-encoded, the keys of the query in order. `credentials`: { id, secret, token };
// `date`: of the signature; without a `region` it is one of 4A.
export function signed({ method = "POST", path = "/", query = "", host, region, service, headers, body = "",
    credentials, date }) {
    const stamp = date.toISOString().replace(/[-:]|\.\d+/g, "");
    const scope = [stamp.slice(0, 8), ...(region ? [region] : []), service, "aws4_request"].join("/");
    const algorithm = region ? "AWS4-HMAC-SHA256" : "AWS4-ECDSA-P256-SHA256";
    const all = {
        ...headers, host, "x-amz-date": stamp, ...(!region && { "x-amz-region-set": "*" }),
        ...(credentials.token && { "x-amz-security-token": credentials.token }),
    };
    const names = Object.keys(all).sort();
    const list = names.join(";");
    const canonical = [method, path.split("/").map(encoded).join("/"), query,
        ...names.map((name) => `${name}:${all[name].trim()}`), "", list, sha256(body)].join("\n");
    const text = `${algorithm}\n${stamp}\n${scope}\n${sha256(canonical)}`;
    const signature = region
        ? hmac(scope.split("/").reduce(hmac, `AWS4${credentials.secret}`), text)
        : sign("sha256", Buffer.from(text), asymmetricKey(credentials));
    return {
        ...all,
        authorization: `${algorithm} Credential=${credentials.id}/${scope}, SignedHeaders=${list}, ` +
            `Signature=${signature.toString("hex")}`,
    };
}
