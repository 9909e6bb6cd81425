/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "base/units.h"
#include "build/inspect.h"
#include "cmd/build_now.h"
#include "guest/table.h"
#include "manifest/manifest.h"

struct build_args {
    const char *module;
    bool force;
};

/* --- the report --- */

static const char *state_name(enum inspect_import_state state)
{
    static const char *const names[] = {"known", "unknown", "other-type"};
    return names[state];
}

static json_t *imports_json(const struct inspection *in)
{
    json_t *list = json_array();
    for (size_t i = 0; i < in->info.import_count; i++) {
        const struct module_import *imp = &in->info.imports[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:s}", "module", imp->module,
                                              "name", imp->name, "signature", imp->signature,
                                              "state", state_name(in->imports[i])));
    }
    return list;
}

static void print_json(struct output *out, const struct inspection *in,
                       const struct build_outcome *o)
{
    json_t *exports = json_array(), *problems = json_array();
    for (size_t i = 0; i < in->info.export_count; i++)
        json_array_append_new(exports, json_string(in->info.exports[i].name));
    for (size_t i = 0; i < in->problem_count; i++)
        json_array_append_new(problems, json_pack("{s:s, s:s}", "message", in->problems[i].msg,
                                                  "hint", in->problems[i].hint));
    json_t *root = json_pack(
        "{s:s, s:b, s:s?, s:f, s:I, s:I, s:I, s:s, s:s, s:o, s:o, s:b, s:o}", "artifact", in->path,
        "built", o->built, "reason", o->built ? o->reason : NULL, "build_ms",
        (double)o->build_ns / 1e6, "size", (json_int_t)in->size, "gzip_size",
        (json_int_t)in->gzip_size, "memory_min", (json_int_t)(in->info.memory.min * 65536),
        "language", in->language, "made_by", in->sdk, "exports", exports, "imports",
        imports_json(in), "runs", in->problem_count == 0, "problems", problems);
    out_json(out, root);
}

static void print_list(struct output *out, const char *title, const struct module_export *exports,
                       size_t count)
{
    enum { SHOWN = 12 };
    out_printf(out, "  %-9s", title);
    for (size_t i = 0; i < count && i < SHOWN; i++)
        out_printf(out, "%s%s", i ? ", " : "", exports[i].name);
    if (count > SHOWN)
        out_printf(out, " and %zu more", count - SHOWN);
    out_printf(out, "%s\n", count ? "" : "none");
}

static void print_imports(struct cli *cli, const struct inspection *in)
{
    enum { SHOWN = 20 };
    size_t wasi = 0, known = in->info.import_count - in->unknown_count, shown = 0;
    for (size_t i = 0; i < in->info.import_count; i++)
        wasi += in->imports[i] == IMPORT_KNOWN &&
                strncmp(in->info.imports[i].module, "wasi_", 5) == 0;
    out_printf(cli->out, "  imports  %zu: %zu of the edge, %zu of WASI, %zu unknown\n",
               in->info.import_count, known - wasi, wasi, in->unknown_count);
    for (size_t i = 0; i < in->info.import_count; i++) {
        const struct module_import *imp = &in->info.imports[i];
        if (!cli->verbose && (in->imports[i] == IMPORT_KNOWN || shown++ >= SHOWN))
            continue;
        out_printf(cli->out, "    %-11s%s.%s %s\n", state_name(in->imports[i]), imp->module,
                   imp->name, imp->signature ? imp->signature : "");
    }
    if (!cli->verbose && in->unknown_count > SHOWN)
        out_printf(cli->out, "    and %zu more (--verbose lists all)\n", in->unknown_count - SHOWN);
}

static void print_text(struct cli *cli, const struct inspection *in, const struct build_outcome *o)
{
    struct output *out = cli->out;
    char size[UNIT_TEXT_MAX], gzip[UNIT_TEXT_MAX], memory[UNIT_TEXT_MAX];
    out_printf(out, "%s%s%s\n", out_style(out, OUT_BOLD), in->path, out_style(out, OUT_PLAIN));
    if (o->built)
        out_printf(out, "  built    in %.1f s\n", (double)o->build_ns / 1e9);
    out_printf(out, "  size     %s, %s as gzip%s\n", format_size(in->size, size),
               format_size(in->gzip_size, gzip), in->text ? " (text)" : "");
    if (in->sdk[0])
        out_printf(out, "  made by  %s%s%s\n", in->language, in->language[0] ? ", " : "", in->sdk);
    if (in->info.memory_count)
        out_printf(out, "  memory   %s to begin with\n",
                   format_size(in->info.memory.min * 65536, memory));
    print_list(out, "exports", in->info.exports, in->info.export_count);
    print_imports(cli, in);
}

static int report(struct cli *cli, const char *path, const struct build_outcome *o, struct err *err)
{
    cleanup(inspection_clear) struct inspection in = {0};
    int r = inspect_artifact(path, guest_hostcall_known, &in, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out)) {
        print_json(cli->out, &in, o);
    } else {
        print_text(cli, &in, o);
        for (size_t i = 0; i < in.problem_count; i++)
            out_error(cli->out, &in.problems[i]);
    }
    return in.problem_count ? -ERR_BUILD : 0; /* told, each with its hint */
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct build_args *args = args_ptr;
    cleanup(build_outcome_clear) struct build_outcome o = {0};
    if (args->module && args->force) {
        err_set(err, ERR_USAGE, "--force builds, but a module that is named is only inspected");
        err_hint(err, "leave out one of the two");
        return -ERR_USAGE;
    }
    if (args->module)
        return report(cli, args->module, &o, err);
    struct manifest *m = NULL;
    int r = cmd_load_manifest(cli, &m, err);
    if (r < 0)
        return r;
    r = build_now(cli, m, args->force, &o, err);
    if (r == 0)
        r = report(cli, m->build.artifact, &o, err);
    manifest_unref(m);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct build_args, "MODULE", module, COMP_FILE,
                 "inspect this .wasm or .wat file; nothing is built"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_FLAG(struct build_args, 'f', "force", force, "build even when nothing has changed"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl build", "run the manifest's command if the sources have changed, and inspect"},
    {"edgectl build app.wasm", "say what a module imports, and whether it would run"},
    {"edgectl build --json", "the same for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_build = {
    .path = "build",
    .group = GRP_START,
    .summary = "build the app and inspect the module",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct build_args),
    .exits = EXITS(IO, BUILD, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
