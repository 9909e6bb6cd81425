// SPDX-License-Identifier: Apache-2.0
// Files that are modules of the Worker: read when they are asked for, so that a start costs nothing.
import { findAsset, isFresh } from "../core/assets.js";

// The answer, or a promise of it; undefined if the guest is to be asked.
export function asset(assets, request) {
    const entry = findAsset(assets, request.method, new URL(request.url).pathname);
    if (!entry)
        return undefined;
    const headers = { "content-type": entry.type, etag: entry.etag };
    if (isFresh(entry, request.headers.get("if-none-match")))
        return new Response(null, { status: 304, headers });
    headers["content-length"] = String(entry.size);
    if (request.method === "HEAD")
        return new Response(null, { headers });
    return import(`../${entry.part}`).then((module) => new Response(module.default, { headers }));
}
