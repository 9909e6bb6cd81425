// SPDX-License-Identifier: Apache-2.0
// Every function that a guest may import, and the import objects made of them.
import { statusOf } from "./guest.js";
import { UNSUPPORTED } from "./memory.js";
import { backend, register_dynamic_backend, shielding } from "./backend.js";
import { cache, purge } from "./cache.js";
import { http_downstream, ofFirst } from "./downstream.js";
import { http_body, http_req, http_resp } from "./http.js";
import { kv_store, object_store } from "./kv.js";
import { abi, compute_runtime, erl, http_cache, inspect } from "./runtime.js";
import { async_io, send_downstream_pending, sending } from "./send.js";
import { acl, config_store, device_detection, geo, log, secret_store } from "./stores.js";
import { wasi } from "./wasi.js";

const WASI = "wasi_snapshot_preview1";

const served = {
    fastly_abi: abi,
    fastly_acl: acl,
    fastly_async_io: async_io,
    fastly_backend: backend,
    fastly_cache: cache,
    fastly_compute_runtime: compute_runtime,
    fastly_config_store: config_store,
    fastly_device_detection: device_detection,
    fastly_dictionary: config_store,
    fastly_erl: erl,
    fastly_geo: geo,
    fastly_http_body: http_body,
    fastly_http_cache: http_cache,
    fastly_http_downstream: http_downstream,
    fastly_http_req: { ...http_req, ...sending, ...ofFirst, register_dynamic_backend, inspect },
    fastly_http_resp: { ...http_resp, send_downstream_pending },
    fastly_kv_store: kv_store,
    fastly_log: log,
    fastly_object_store: object_store,
    fastly_purge: purge,
    fastly_secret_store: secret_store,
    fastly_shielding: shielding,
    [WASI]: wasi,
};

// Those that may wait.
const PARK = new Set();
for (const [module, names] of Object.entries({
    fastly_async_io: "select",
    fastly_cache: "cache_busy_handle_wait get_body transaction_lookup",
    fastly_config_store: "open",
    fastly_dictionary: "open",
    fastly_http_body: "append read write",
    fastly_http_req: `pending_req_poll pending_req_poll_v2 pending_req_select pending_req_select_v2
        pending_req_wait pending_req_wait_v2 send send_v2 send_v3`,
    fastly_kv_store: "delete_wait insert_wait list_wait lookup_wait lookup_wait_v2",
    fastly_object_store: "insert lookup pending_delete_wait pending_insert_wait pending_lookup_wait",
    fastly_secret_store: "get",
    [WASI]: "poll_oneoff sched_yield",
}))
    for (const name of names.split(/\s+/))
        PARK.add(`${module}.${name}`);

// Those that are answered without the feature behind them.
const PEER = (module, name) => module === "fastly_erl" || name === "inspect";

export const hostcalls = [];
const functions = new Map();
for (const [module, calls] of Object.entries(served))
    for (const [name, fn] of Object.entries(calls)) {
        const key = `${module}.${name}`;
        hostcalls.push([module, name, PARK.has(key) ? "PARK" : PEER(module, name) ? "PEER" : "CALL"]);
        functions.set(key, fn);
    }

// What V8 calls: `s.g` is the guest at work in this slot, and its views are renewed after its memory
// has grown.
const enter = (s) => {
    const { g } = s;
    if (g.restart)
        g.effect();
    if (g.u8.length === 0)
        g.refresh();
    return g;
};

// No call has more than 11 arguments; those that are not there are undefined, and cost next to nothing.
const bind = (s, f) => (a, b, c, d, e, h, i, j, k, l, m) => {
    try {
        return f(enter(s), a, b, c, d, e, h, i, j, k, l, m);
    } catch (error) {
        return statusOf(error);
    }
};

const unsupported = () => UNSUPPORTED;

// The imports that `module` wants, for a slot. `suspendable`: for a stack that can be suspended.
export function importsFor(module, s, suspendable) {
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
        if (kind !== "function")
            continue;
        const key = `${from}.${name}`, f = functions.get(key);
        let fn = unsupported;
        if (f) {
            fn = bind(s, f);
            if (suspendable && PARK.has(key))
                fn = new WebAssembly.Suspending(fn);
        }
        (imports[from] ??= {})[name] = fn;
    }
    return imports;
}
