/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "manifest/manifest.h"

static json_t *problem_json(const struct err *p)
{
    json_t *o = json_pack("{s:s, s:s, s:s}", "severity", p->code == ERR_NONE ? "warning" : "error",
                          "file", p->file, "message", p->msg);
    if (p->line > 0) {
        json_object_set_new(o, "line", json_integer(p->line));
        json_object_set_new(o, "column", json_integer(p->col));
    }
    if (p->hint[0])
        json_object_set_new(o, "hint", json_string(p->hint));
    return o;
}

static void print_json(struct output *out, const struct manifest *m,
                       const struct manifest_problems *problems)
{
    json_t *list = json_array();
    for (size_t i = 0; i < problems->count; i++)
        json_array_append_new(list, problem_json(&problems->list[i]));
    json_t *o = json_pack("{s:b, s:o}", "valid", m != NULL, "problems", list);
    if (m) {
        json_object_set_new(o, "name", json_string(m->name));
        json_object_set_new(o, "manifest", json_string(m->file));
        json_object_set_new(o, "artifact", json_string(m->build.artifact));
    }
    out_json(out, o);
}

static void print_problem(struct output *out, const struct err *p)
{
    bool warning = p->code == ERR_NONE;
    if (p->file[0])
        out_printf(out, "%s:", p->file);
    if (p->line > 0)
        out_printf(out, "%d:%d:", p->line, p->col);
    out_printf(out, "%s%s%s:%s %s\n", p->file[0] ? " " : "",
               out_style(out, warning ? OUT_YELLOW : OUT_RED), warning ? "warning" : "error",
               out_style(out, OUT_PLAIN), p->msg);
    if (p->hint[0])
        out_printf(out, "    %s\n", p->hint);
}

static void print_text(struct output *out, const struct manifest *m,
                       const struct manifest_problems *problems)
{
    size_t errors = 0;
    for (size_t i = 0; i < problems->count; i++) {
        print_problem(out, &problems->list[i]);
        errors += problems->list[i].code != ERR_NONE;
    }
    if (m)
        out_printf(out, "%s: valid (app '%s')\n", strrchr(m->file, '/') + 1, m->name);
    else
        out_note(out, "%zu error%s", errors, errors == 1 ? "" : "s");
}

static int run(struct cli *cli, void *args, struct err *err)
{
    struct manifest *m = NULL;
    struct manifest_problems problems;
    (void)args;
    (void)err;
    int r = manifest_load(".", cli->manifest_file, cli->target, &m, &problems);
    if (out_is_json(cli->out))
        print_json(cli->out, m, &problems);
    else
        print_text(cli->out, m, &problems);
    manifest_problems_clear(&problems);
    manifest_unref(m);
    return r;
}

static const struct cli_example examples[] = {
    {"edgectl validate", "every problem of the manifest in this folder"},
    {"edgectl validate --manifest fastly.toml --json", "the same of another file, for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_validate = {
    .path = "validate",
    .group = GRP_START,
    .summary = "check the manifest and the files it names",
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
