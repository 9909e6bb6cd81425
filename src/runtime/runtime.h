/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle in the runtime of the platform it is for, as a child process on this machine: workerd
 * for Cloudflare; Node for Lambda@Edge and Vercel, behind what stands in for these
 * (templates/hosts/dev/). It listens on a free port of the loopback address, and ends with edgectl
 * however that ends. */
#ifndef EDGECTL_RUNTIME_RUNTIME_H
#define EDGECTL_RUNTIME_RUNTIME_H

#include <stdint.h>
#include "base/loop.h"
#include "bundle/bundle.h"

enum runtime_kind { RUNTIME_NATIVE, RUNTIME_WORKERD, RUNTIME_NODE };

struct runtime_options {
    enum runtime_kind kind;         /* not RUNTIME_NATIVE */
    const char *program;            /* from runtime_find */
    const char *dir;                /* from runtime_write */
    /* Once, when it answers at that port of 127.0.0.1. */
    void (*on_ready)(void *env, uint16_t port);
    /* A line that it or the app in it wrote. */
    void (*on_line)(void *env, const char *line, size_t len);
    /* It has ended by itself, or, after runtime_stop, as asked. The runtime may be freed in it. Not
     * called after runtime_free. */
    void (*on_end)(void *env, const struct err *err);
    void *env;
};

struct runtime;

/* The target that `--runtime` stands for when none was named: "cloudflare", "vercel". */
const char *runtime_target(enum runtime_kind kind);
/* What to install: a hint for errors. */
const char *runtime_hint(enum runtime_kind kind);
/* Whether bundles for that provider run in it. */
bool runtime_runs(enum runtime_kind kind, enum manifest_provider provider);
/* The program: $EDGECTL_NODE or $EDGECTL_WORKERD, else the project's own (node_modules of `dir` and
 * the folders above), else that in PATH. -ERR_BUILD, with what to install. The caller frees. */
must_use int runtime_find(enum runtime_kind kind, const char *dir, char **ret_program,
                          struct err *err);

/* Where the app finds this machine's stores. */
struct runtime_stores {
    char url[64];
    char token[33];
};

/* Put into the folder `dir`, which is replaced, what runtime_start needs: the bundle as it is, the
 * stand-in and its settings (mode 0600). -ERR_IO. Blocks. */
must_use int runtime_write(const struct bundle *b, const struct runtime_stores *stores,
                           const char *dir, struct err *err);

/* Start it. -ERR_BUILD. */
must_use int runtime_start(struct loop *loop, const struct runtime_options *options,
                           struct runtime **ret, struct err *err);
/* Ask it to finish what is under way and end; on_end follows, within two seconds. */
void runtime_stop(struct runtime *r);
/* Kill it. NULL is allowed. */
void runtime_free(struct runtime *r);

#endif
