// SPDX-License-Identifier: Apache-2.0
// Puts this machine's stores in the place of the platform's, where `edgectl dev` says so: the file that
// EDGECTL_DEV names holds { url, token, variables }.
import { readFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { findSecret, kvStore, secretOf } from "./stores.js";

export function useLocalStores(file) {
    if (!process.env.EDGECTL_DEV)
        return;
    const at = JSON.parse(readFileSync(process.env.EDGECTL_DEV, "utf8"));
    const bindings = import(pathToFileURL(file)).then((module) => module.default);
    const stores = new Map(); // by the name of the binding
    bindings.then(({ kv }) => {
        for (const [name, { binding }] of Object.entries(kv ?? {}))
            stores.set(binding, kvStore(at, name));
    });
    globalThis[Symbol.for("edgectl.dev")] = {
        kv: (binding) => stores.get(binding),
        async secret(name) {
            const found = findSecret(await bindings, name);
            return found && secretOf(at, found.store, found.key);
        },
    };
    Object.assign(process.env, at.variables);
}
