/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/units.h"
#include "bundle/record.h"
#include "cmd/bundle_input.h"
#include "cmd/bundle_report.h"
#include "manifest/manifest.h"
#include "world/state.h"

struct bundle_args {
    const char *out;
    const char *verify;
    bool report;
};

/* --- telling --- */

static json_t *notes_json(const struct bundle *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->note_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "message", b->notes[i].msg, "hint",
                                              b->notes[i].hint));
    return list;
}

static void print_json(struct output *out, const struct bundle *b, const char *path)
{
    json_t *root = json_copy(b->record);
    json_object_set_new(root, "path", json_string(path));
    json_object_set_new(root, "notes", notes_json(b));
    out_json(out, root);
}

/* How many imports the target serves in which way. */
static void print_imports(struct output *out, const struct bundle *b)
{
    const json_t *imports = json_object_get(b->record, "imports"), *o;
    size_t counts[SUPPORT_UNKNOWN + 1] = {0}, i;
    json_array_foreach (imports, i, o) {
        const char *support = json_string_value(json_object_get(o, "support"));
        for (int s = 0; s <= SUPPORT_UNKNOWN; s++)
            counts[s] += strcmp(support, bundle_support_name((enum bundle_support)s)) == 0;
    }
    out_printf(out, "  imports  %zu", json_array_size(imports));
    for (int s = 0; s < SUPPORT_UNKNOWN; s++)
        if (counts[s])
            out_printf(out, "%s%zu %s", s && counts[0] + counts[1] > counts[s] ? ", " : ": ",
                       counts[s], bundle_support_name((enum bundle_support)s));
    out_printf(out, "\n");
}

static void print_text(struct output *out, const struct bundle *b, const char *path)
{
    char size[UNIT_TEXT_MAX];
    size_t total = b->package.len;
    for (size_t i = 0; b->form != BUNDLE_ARCHIVE && i < b->part_count; i++)
        total += b->parts[i].len;
    out_printf(out, "%s%s%s\n", out_style(out, OUT_BOLD), path, out_style(out, OUT_PLAIN));
    out_printf(out, "  release  %.16s of %s, for %s\n", b->id, b->app,
               manifest_provider_name(b->provider));
    out_printf(out, "  size     %s, %zu file%s\n", format_size(total, size), b->part_count,
               b->part_count == 1 ? "" : "s");
    print_imports(out, b);
}

/* --- making --- */

/* In the state folder; as seen from here where that is shorter. */
static char *default_path(const struct manifest *m, const struct bundle *b)
{
    cleanup(free_p) char *state = state_dir_for(m, NULL);
    cleanup(free_p) char *here = getcwd(NULL, 0);
    size_t len = here ? strlen(here) : 0;
    bool below = len && strncmp(state, here, len) == 0 && state[len] == '/';
    return xasprintf("%s/bundles/%s/%s", below ? state + len + 1 : state, m->target->name,
                     b->file);
}

static int make(struct cli *cli, const struct bundle_args *args, const struct manifest *m,
                struct err *err)
{
    cleanup(bundle_input_clear) struct bundle_input in = {0};
    cleanup(free_p) char *state_dir = state_dir_for(m, NULL);
    int r = bundle_input_make(m, state_dir, NULL, &in, err);
    if (r < 0)
        return r;
    const struct bundle *b = in.bundle;
    cleanup(free_p) char *path = args->out ? xstrdup(args->out) : default_path(m, b);
    r = bundle_write(b, path, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < b->note_count; i++)
        out_warn(cli->out, "%s%s%s", b->notes[i].msg, b->notes[i].hint[0] ? "; " : "",
                 b->notes[i].hint);
    if (out_is_json(cli->out))
        print_json(cli->out, b, path);
    else
        print_text(cli->out, b, path);
    return 0;
}

/* --- checking --- */

static int verify(struct cli *cli, const char *path, struct err *err)
{
    struct bundle_check check;
    int r = bundle_verify(path, &check, err);
    if (r < 0)
        return err_wrap(err, r, "%s", path);
    char size[UNIT_TEXT_MAX];
    const char *provider = manifest_provider_name(check.provider);
    const char *id = json_string_value(json_object_get(check.record, "id"));
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:s, s:s, s:s?, s:I, s:I}", "path", path, "provider",
                                     provider, "id", id, "files", (json_int_t)check.part_count,
                                     "size", (json_int_t)check.size));
    else
        out_printf(cli->out, "%s: good, for %s: %zu files, %s%s%.16s\n", path, provider,
                   check.part_count, format_size(check.size, size), id ? ", release " : "",
                   id ? id : " (no release record beside it)");
    bundle_check_clear(&check);
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct bundle_args *args = args_ptr;
    if ((args->verify != NULL) + (args->out != NULL) + args->report > 1) {
        err_set(err, ERR_USAGE, "--out makes a bundle, --verify checks one, --report makes none");
        err_hint(err, "use one of them");
        return -ERR_USAGE;
    }
    if (args->verify)
        return verify(cli, args->verify, err);
    struct manifest *m = NULL;
    int r = cmd_load_manifest(cli, &m, err);
    if (r == 0)
        r = args->report ? bundle_report(cli, m, err) : make(cli, args, m, err);
    manifest_unref(m);
    return r;
}

static const struct cli_opt opts[] = {
    OPT_STR(struct bundle_args, 'o', "out", out, "path", COMP_FILE,
            "where to put it, instead of .edgectl/bundles"),
    OPT_STR(struct bundle_args, 0, "verify", verify, "path", COMP_FILE,
            "check a bundle and its release record; make none"),
    OPT_FLAG(struct bundle_args, 0, "report", report,
             "how the artifact fits every provider: imports, sizes, start; make none"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl bundle --target fastly", "make the package that Fastly takes"},
    {"edgectl bundle --target fastly --out app.tar.gz --json", "elsewhere; say all about it"},
    {"edgectl bundle --target cloudflare --out worker", "the modules of a Worker, in a folder"},
    {"edgectl bundle --target vercel --out .vercel/output", "where its CLI looks for it"},
    {"edgectl bundle --report", "which providers have what the app imports, and how it fits"},
    {"edgectl bundle --verify app.tar.gz", "see whether it still is what was bundled"},
    {NULL, NULL},
};

const struct cli_cmd cmd_bundle = {
    .path = "bundle",
    .group = GRP_START,
    .summary = "make exactly what a target's provider takes",
    .opts = opts,
    .args_size = sizeof(struct bundle_args),
    .exits = EXITS(IO, BUILD, LIMIT, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
