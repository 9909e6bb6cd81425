// SPDX-License-Identifier: Apache-2.0
// Every function that a guest may import, and the import objects made of them.
import { statusOf } from "./guest.js";
import { UNSUPPORTED } from "./memory.js";
import { http_downstream, ofFirst } from "./downstream.js";
import { http_body, http_req, http_resp } from "./http.js";
import { wasi } from "./wasi.js";

const WASI = "wasi_snapshot_preview1";

const served = {
    fastly_http_req: { ...http_req, ...ofFirst },
    fastly_http_resp: http_resp,
    fastly_http_body: http_body,
    fastly_http_downstream: http_downstream,
    [WASI]: wasi,
};

// Those that may wait.
const PARK = new Set((`fastly_http_body.append fastly_http_body.read fastly_http_body.write
${WASI}.poll_oneoff ${WASI}.sched_yield`).split(/\s+/));

export const hostcalls = [];
const functions = new Map();
for (const [module, calls] of Object.entries(served))
    for (const [name, fn] of Object.entries(calls)) {
        const key = `${module}.${name}`;
        hostcalls.push([module, name, PARK.has(key) ? "PARK" : "CALL"]);
        functions.set(key, fn);
    }

// What V8 calls: `s.g` is the guest at work in this slot, and its views are renewed after its memory
// has grown. Spelt out for the usual numbers of arguments, as a spread costs on each call.
const enter = (s) => {
    const { g } = s;
    if (g.u8.length === 0)
        g.refresh();
    return g;
};

const binders = [
    (s, f) => () => { try { return f(enter(s)); } catch (e) { return statusOf(e); } },
    (s, f) => (a) => { try { return f(enter(s), a); } catch (e) { return statusOf(e); } },
    (s, f) => (a, b) => { try { return f(enter(s), a, b); } catch (e) { return statusOf(e); } },
    (s, f) => (a, b, c) => { try { return f(enter(s), a, b, c); } catch (e) { return statusOf(e); } },
    (s, f) => (a, b, c, d) => { try { return f(enter(s), a, b, c, d); } catch (e) { return statusOf(e); } },
    (s, f) => (a, b, c, d, e) => { try { return f(enter(s), a, b, c, d, e); } catch (x) { return statusOf(x); } },
    (s, f) => (a, b, c, d, e, h) => { try { return f(enter(s), a, b, c, d, e, h); } catch (x) { return statusOf(x); } },
];
const anyNumber = (s, f) => (...a) => { try { return f(enter(s), ...a); } catch (x) { return statusOf(x); } };

const unsupported = () => UNSUPPORTED;

// The imports that `module` wants, for a slot.
export function importsFor(module, s) {
    const imports = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
        if (kind !== "function")
            continue;
        const key = `${from}.${name}`, f = functions.get(key);
        let fn = unsupported;
        if (f) {
            fn = (binders[f.length - 1] ?? anyNumber)(s, f);
            if (PARK.has(key))
                fn = new WebAssembly.Suspending(fn);
        }
        (imports[from] ??= {})[name] = fn;
    }
    return imports;
}
