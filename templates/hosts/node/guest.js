// SPDX-License-Identifier: Apache-2.0
// The guest's module and what lies beside it in the bundle.
import { readFile } from "node:fs/promises";
import process from "node:process";
import { findAsset, isFresh } from "../core/assets.js";

const root = new URL("../", import.meta.url);

// A guest waits for JavaScript by JSPI, which V8 has from the one of Node 24 on.
function requireJspi() {
    if (typeof WebAssembly.Suspending !== "function")
        throw new Error(`edgectl: this is Node ${process.versions.node}, which has no JSPI: a guest ` +
            "cannot wait for its backends here. Set the function's runtime to nodejs24.x");
}

export async function loadGuest() {
    requireJspi();
    return WebAssembly.compile(await readFile(new URL("app.wasm", root)));
}

// What the manifest's `static` has at a path, as an answer; undefined if there is nothing. For
// platforms that serve no files themselves.
export async function asset(bindings, method, path, ifNoneMatch) {
    const entry = findAsset(bindings.assets, method, path);
    if (!entry)
        return undefined;
    const headers = [["content-type", entry.type], ["etag", entry.etag]];
    if (isFresh(entry, ifNoneMatch))
        return { status: 304, headers, body: null };
    const body = method === "HEAD" ? null : await readFile(new URL(entry.part, root));
    return { status: 200, headers, body, length: entry.size };
}
