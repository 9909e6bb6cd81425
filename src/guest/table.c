/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/table.h"

#include <stdatomic.h>
#include <stdio.h>
#include "base/mem.h"
#include "guest/session.h"

/* A row that answers "unsupported" gets a function of its own, which reports it once by name. */
#define STUB_CALL(module, name)
#define STUB_PARK(module, name)
#define STUB_PEER(module, name)
#define STUB_NONE(module, name)                                                    \
    static int32_t none_##module##_##name(struct instance *in, const uint64_t *a) \
    {                                                                              \
        static atomic_flag noted = ATOMIC_FLAG_INIT;                               \
        (void)a;                                                                   \
        if (!atomic_flag_test_and_set(&noted))                                     \
            guest_note_unsupported(guest_of(in), #module, #name);                  \
        return HC_UNSUPPORTED;                                                     \
    }
#define HOSTCALL(module, name, params, how, fn, hosts, aliases) STUB_##how(module, name)
#define WASI(name, params, how, hosts)
#include "guest/hostcalls.def"
#undef HOSTCALL
#undef WASI

#define FN_CALL(module, name, fn) fn
#define FN_PARK(module, name, fn) fn
#define FN_PEER(module, name, fn) fn
#define FN_NONE(module, name, fn) none_##module##_##name
enum { PARKS_CALL = false, PARKS_PARK = true, PARKS_PEER = false, PARKS_NONE = false };
enum {
    HOW_CALL = HOSTCALL_FULL, HOW_PARK = HOSTCALL_FULL, HOW_PEER = HOSTCALL_PEER,
    HOW_NONE = HOSTCALL_NONE,
};

enum {
    ON_NO = 0,
    ON_WORKERS = 1 << PROVIDER_CLOUDFLARE,
    ON_NODE = 1 << PROVIDER_AWS | 1 << PROVIDER_VERCEL,
    ON_ALL = ON_WORKERS | ON_NODE,
};

static const char WASI_MODULE[] = "wasi_snapshot_preview1";

/* proc_exit is the one function that gives nothing back. */
static bool wasi_has_result(const char *name)
{
    return strcmp(name, "proc_exit") != 0;
}

static const struct host_func funcs[] = {
#define HOSTCALL(module, name, params, how, fn, hosts, aliases) \
    {#module, #name, params, true, PARKS_##how, FN_##how(module, name, fn)},
#define WASI(name, params, how, hosts) {WASI_MODULE, #name, params, true, PARKS_##how, wasi_##name},
#include "guest/hostcalls.def"
#undef HOSTCALL
#undef WASI
};

static const struct hostcall calls[] = {
#define HOSTCALL(module, name, params, how, fn, hosts, aliases) \
    {#module, #name, params, true, (enum hostcall_how)HOW_##how, ON_##hosts, aliases},
#define WASI(name, params, how, hosts) \
    {WASI_MODULE, #name, params, true, HOSTCALL_FULL, ON_##hosts, ""},
#include "guest/hostcalls.def"
#undef HOSTCALL
#undef WASI
};

const struct hostcall *guest_hostcalls(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(calls);
    return calls;
}

/* Is `name` one of the words of `list`? */
static bool has_word(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' '))
            return true;
    return false;
}

/* By import name, aliases included; NULL if there is none. */
static const struct hostcall *find(const char *module, const char *name)
{
    bool old = strcmp(module, "env") == 0;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        const struct hostcall *c = &calls[i];
        if (old ? has_word(c->aliases, name)
                : strcmp(c->module, module) == 0 && strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

bool guest_hostcall_known(const char *module, const char *name, const char *signature)
{
    const struct hostcall *c = find(module, name);
    if (!c || !signature)
        return c != NULL;
    size_t n = strlen(c->params);
    const char *result = strcmp(module, WASI_MODULE) != 0 || wasi_has_result(name) ? ":i" : ":";
    return strncmp(signature, c->params, n) == 0 && strcmp(signature + n, result) == 0;
}

enum bundle_support guest_hostcall_support(enum manifest_provider provider, const char *module,
                                           const char *name, const char *signature)
{
    const struct hostcall *c = find(module, name);
    if (!guest_hostcall_known(module, name, signature))
        return SUPPORT_UNKNOWN;
    if (provider == PROVIDER_FASTLY)
        return SUPPORT_NATIVE;
    if (provider == PROVIDER_LOCAL)
        return c->how == HOSTCALL_NONE ? SUPPORT_MISSING : SUPPORT_NATIVE;
    return c->hosts & 1u << provider ? SUPPORT_HOST : SUPPORT_MISSING;
}

static struct host_func *all;
static size_t all_count;
static uv_once_t once = UV_ONCE_INIT;

static void build(void)
{
    size_t cap = ARRAY_LEN(funcs) + 64;
    all = xcalloc(cap, sizeof *all);
    for (size_t i = 0; i < ARRAY_LEN(funcs); i++) {
        all[all_count] = funcs[i];
        if (strcmp(funcs[i].module, WASI_MODULE) == 0)
            all[all_count].has_result = wasi_has_result(funcs[i].name);
        all_count++;
        for (const char *at = calls[i].aliases; *at; at += strspn(at, " ")) {
            size_t len = strcspn(at, " ");
            if (all_count == cap)
                all = xreallocarray(all, cap *= 2, sizeof *all);
            all[all_count] = funcs[i];
            all[all_count].module = "env";
            all[all_count++].name = xstrndup(at, len);
            at += len;
        }
    }
}

const struct host_func *guest_host_funcs(size_t *ret_count)
{
    uv_once(&once, build);
    *ret_count = all_count;
    return all;
}
