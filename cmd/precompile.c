/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles a module into the cache and ends: what `edgectl dev` starts in the background. A process
 * of its own can be killed when the next edit comes, is polite to the machine, and takes the
 * compiler's memory with it. */
#include "cmd/cmd.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "guest/table.h"

struct precompile_args {
    const char *module;
};

enum { MODULE_MAX = 1 << 30 };

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct precompile_args *args = args_ptr;
    (void)cli;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (nice(10) < 0) {
        /* it only runs less politely */
    }
    cleanup(free_p) char *dir = file_cache_dir("modules");
    cleanup(free_p) char *bytes = NULL;
    size_t len;
    int r = file_read(args->module, MODULE_MAX, &bytes, &len, err);
    if (r < 0)
        return r;
    struct engine *e;
    struct engine_options options = {.instances = 1, .cache_dir = dir};
    options.funcs = guest_host_funcs(&options.func_count);
    r = engine_new(&options, &e, err);
    if (r < 0)
        return r;
    r = module_precompile(e, args->module, TAKE(bytes), len, err);
    engine_free(e);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct precompile_args, "MODULE", module, COMP_FILE, "the module"),
    ARG_END,
};

const struct cli_cmd cmd_precompile = {
    .path = "_precompile",
    .group = GRP_TOOL,
    .summary = "compile a module into the cache",
    .operands = operands,
    .args_size = sizeof(struct precompile_args),
    .exits = EXITS(IO, BUILD),
    .hidden = true,
    .run = run,
};
