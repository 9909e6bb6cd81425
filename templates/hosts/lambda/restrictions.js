// SPDX-License-Identifier: Apache-2.0
// What CloudFront takes from a Lambda@Edge function. Beyond it the client gets a 502 that says nothing
// (CloudFront Developer Guide, "Restrictions on Lambda@Edge" and "Quotas", 2026).

// bytes of a generated response, head and body; and of a request's body as the function sees it
export const LIMITS = {
    "viewer-request": { answer: 40 * 1024, body: 40 * 1024 },
    "origin-request": { answer: 1024 * 1024, body: 1024 * 1024 },
};

const NEVER = new Set(["connection", "expect", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "trailer", "upgrade", "x-accel-buffering",
    "x-accel-charset", "x-accel-limit-rate", "x-accel-redirect", "x-amzn-auth",
    "x-amzn-cf-billing", "x-amzn-cf-id", "x-amzn-cf-xff", "x-amzn-errortype",
    "x-amzn-fle-profile", "x-amzn-header-count", "x-amzn-header-order",
    "x-amzn-lambda-integration-tag", "x-amzn-requestid", "x-cache", "x-forwarded-proto", "x-real-ip",
    // CloudFront's own to write: framing, and where a message has been
    "content-length", "transfer-encoding", "via"]);

// A header that a generated response must not have.
export function forbidden(name) {
    return NEVER.has(name) || name.startsWith("x-amz-cf-") || name.startsWith("x-edge-");
}
