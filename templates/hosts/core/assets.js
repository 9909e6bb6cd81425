// SPDX-License-Identifier: Apache-2.0
// The files of the manifest's `static`, for platforms that serve none themselves.

// The entry of bindings.assets that answers this request; undefined if there is none.
export function findAsset(assets, method, path) {
    if (!assets || (method !== "GET" && method !== "HEAD"))
        return undefined;
    let name;
    try {
        name = decodeURIComponent(path);
    } catch {
        return undefined;
    }
    for (const candidate of [name, name.endsWith("/") ? `${name}index.html` : ""])
        if (Object.hasOwn(assets, candidate))
            return assets[candidate];
    return undefined;
}

// The client has this very file.
export function isFresh(entry, ifNoneMatch) {
    return ifNoneMatch?.split(/\s*,\s*/).some((tag) => tag === "*" || tag.replace(/^W\//, "") === entry.etag) ?? false;
}
