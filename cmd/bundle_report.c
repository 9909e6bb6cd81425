/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle_report.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/units.h"
#include "build/inspect.h"
#include "bundle/limits.h"
#include "cmd/cmd.h"
#include "guest/table.h"
#include "manifest/manifest.h"
#include "wasm/module_info.h"

static const enum manifest_provider targets[] = {
    PROVIDER_FASTLY, PROVIDER_CLOUDFLARE, PROVIDER_AWS, PROVIDER_VERCEL,
};

static enum bundle_support support(enum manifest_provider p, const struct module_import *imp)
{
    if (imp->kind != MODULE_FUNC || !imp->signature)
        return SUPPORT_UNKNOWN;
    cleanup(free_p) char *letters = module_signature_letters(imp->signature);
    return guest_hostcall_support(p, imp->module, imp->name, letters);
}

/* --- imports --- */

static json_t *import_json(const struct module_import *imp)
{
    json_t *o = json_pack("{s:s, s:s}", "module", imp->module, "name", imp->name);
    for (size_t t = 0; t < ARRAY_LEN(targets); t++)
        json_object_set_new(o, manifest_provider_name(targets[t]),
                            json_string(bundle_support_name(support(targets[t], imp))));
    return o;
}

static json_t *imports_json(const struct inspection *in)
{
    json_t *list = json_array();
    for (size_t i = 0; i < in->info.import_count; i++)
        json_array_append_new(list, import_json(&in->info.imports[i]));
    return list;
}

/* One row a target; below it, with --verbose or where something is missing, the imports. */
static void print_imports(struct cli *cli, const struct inspection *in)
{
    out_printf(cli->out, "  %-12s%8s%8s%8s%9s\n", "imports", "native", "host", "missing",
               "unknown");
    for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
        size_t counts[SUPPORT_UNKNOWN + 1] = {0};
        for (size_t i = 0; i < in->info.import_count; i++)
            counts[support(targets[t], &in->info.imports[i])]++;
        out_printf(cli->out, "  %-12s%8zu%8zu%8zu%9zu\n", manifest_provider_name(targets[t]),
                   counts[SUPPORT_NATIVE], counts[SUPPORT_HOST], counts[SUPPORT_MISSING],
                   counts[SUPPORT_UNKNOWN]);
        for (size_t i = 0; i < in->info.import_count; i++) {
            enum bundle_support s = support(targets[t], &in->info.imports[i]);
            if (s == SUPPORT_UNKNOWN || (cli->verbose && s == SUPPORT_MISSING))
                out_printf(cli->out, "    %-9s%s.%s\n", bundle_support_name(s),
                           in->info.imports[i].module, in->info.imports[i].name);
        }
    }
}

/* --- sizes against limits --- */

struct fact {
    enum limit_kind kind;
    const char *what;
    uint64_t value;
};

static size_t facts(const struct inspection *in, const struct startup *s, struct fact to[8])
{
    size_t n = 0;
    to[n++] = (struct fact){LIMIT_CODE_RAW, "module", in->size};
    to[n++] = (struct fact){LIMIT_CODE_GZIP, "module as gzip", in->gzip_size};
    to[n++] = (struct fact){LIMIT_PACKAGE, "module as gzip", in->gzip_size};
    to[n++] = (struct fact){LIMIT_MEMORY, "memory to begin with", in->info.memory.min * 65536};
    to[n++] = (struct fact){LIMIT_STARTUP, "start, p99", (uint64_t)(s->p99_ms + 0.999)};
    return n;
}

/* Calls fn for each limit that speaks of one of the facts. */
static void each_limit(const struct inspection *in, const struct startup *s,
                       void (*fn)(void *env, const struct limit *l, const struct fact *f),
                       void *env)
{
    struct fact list[8];
    size_t count = facts(in, s, list);
    const struct limit *l;
    for (size_t i = 0; (l = limit_row(i)); i++)
        for (size_t f = 0; f < count; f++)
            if (list[f].kind == l->kind)
                fn(env, l, &list[f]);
}

static void add_limit(void *env, const struct limit *l, const struct fact *f)
{
    json_array_append_new(env, json_pack(
        "{s:s, s:s, s:I, s:I, s:b, s:s, s:s}", "limits", limit_profile_name(l->profile), "what",
        f->what, "value", (json_int_t)f->value, "limit", (json_int_t)l->value, "within",
        f->value <= l->value, "date", l->date, "source", l->source));
}

static void print_limit(void *env, const struct limit *l, const struct fact *f)
{
    struct output *out = env;
    char is[LIMIT_TEXT_MAX], allowed[LIMIT_TEXT_MAX];
    bool over = f->value > l->value;
    out_printf(out, "  %-20s%-22s%s of %s (%s)%s%s%s\n", limit_profile_name(l->profile), f->what,
               limit_text(l->kind, f->value, is), limit_text(l->kind, l->value, allowed), l->date,
               out_style(out, over ? OUT_RED : OUT_PLAIN), over ? "  too much" : "",
               out_style(out, OUT_PLAIN));
}

/* --- the whole --- */

static void print_json(struct output *out, const struct inspection *in, const struct startup *s)
{
    json_t *limits = json_array();
    each_limit(in, s, add_limit, limits);
    out_json(out, json_pack("{s:s, s:I, s:I, s:{s:i, s:f, s:f}, s:o, s:o}", "artifact", in->path,
                            "size", (json_int_t)in->size, "gzip_size", (json_int_t)in->gzip_size,
                            "startup", "runs", s->runs, "p50_ms", s->p50_ms, "p99_ms", s->p99_ms,
                            "imports", imports_json(in), "limits", limits));
}

int bundle_report(struct cli *cli, const struct manifest *m, struct err *err)
{
    cleanup(inspection_clear) struct inspection in = {0};
    struct startup s = {0};
    int r = inspect_artifact(m->build.artifact, guest_hostcall_known, &in, err);
    if (r < 0)
        return r;
    if (in.problem_count) {
        *err = in.problems[0];
        return -ERR_BUILD;
    }
    r = startup_measure(m->build.artifact, &s, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out)) {
        print_json(cli->out, &in, &s);
        return 0;
    }
    char size[UNIT_TEXT_MAX], gzip[UNIT_TEXT_MAX];
    out_printf(cli->out, "%s%s%s: %s, %s as gzip\n", out_style(cli->out, OUT_BOLD), in.path,
               out_style(cli->out, OUT_PLAIN), format_size(in.size, size),
               format_size(in.gzip_size, gzip));
    out_printf(cli->out, "  start     %.2f ms p50, %.2f ms p99 of CPU up to the first hostcall "
                         "(%d runs here)\n", s.p50_ms, s.p99_ms, s.runs);
    print_imports(cli, &in);
    each_limit(&in, &s, print_limit, cli->out);
    return 0;
}
