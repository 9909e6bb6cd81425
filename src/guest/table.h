/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that a guest may import, from hostcalls.def: for the linker, for the inspection of
 * artifacts and for the docs' support list. */
#ifndef EDGECTL_GUEST_TABLE_H
#define EDGECTL_GUEST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include "bundle/bundle.h"
#include "wasm/engine.h"

enum hostcall_how {
    HOSTCALL_FULL,      /* works as on the edge */
    HOSTCALL_PEER,      /* answers as the peer's emulator does, without the feature behind it */
    HOSTCALL_NONE,      /* answers "unsupported" */
};

struct hostcall {
    const char *module, *name;
    const char *params;         /* 'i' = i32, 'I' = i64 */
    bool has_result;            /* an i32 */
    enum hostcall_how how;
    unsigned hosts;             /* a bit 1 << enum manifest_provider for each JavaScript host */
    const char *aliases;        /* older names in module "env", separated by spaces */
};

/* Every hostcall, then every WASI function. Static. */
const struct hostcall *guest_hostcalls(size_t *ret_count);
/* True if a guest that imports (module, name) with this signature can be linked. `signature`: as in
 * struct hostcall's params, then ':' and "i" or nothing for the result; NULL = any. */
bool guest_hostcall_known(const char *module, const char *name, const char *signature);

/* What a guest finds under that name on a provider's network. Signature as above. */
enum bundle_support guest_hostcall_support(enum manifest_provider provider, const char *module,
                                           const char *name, const char *signature);

/* For the engine: hostcalls, their aliases, WASI. Built once; never freed. */
const struct host_func *guest_host_funcs(size_t *ret_count);

#endif
