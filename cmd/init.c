/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "manifest/manifest.h"
#include "template/template.h"

enum { YAML_MAX = 16 * 1024 * 1024 };

struct args {
    const char *folder;
    const char *template;
    const char *ref;
    const char *subdir;
    const char *from;
    bool force;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* The first signal ends the work in an orderly way, a second one at once. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool on_cancelled(void *env)
{
    (void)env;
    return interrupted;
}

struct clone_progress {
    struct output *out;
    struct out_progress bar;
    bool started;
};

static void on_progress(void *env, uint64_t done, uint64_t total)
{
    struct clone_progress *p = env;
    if (!p->started) {
        out_progress_start(p->out, &p->bar, "cloning", total);
        p->started = true;
    }
    out_progress_add(&p->bar, done - p->bar.done);
}

/* The last part of the folder's path, "." being what it stands for. */
static char *app_name(const char *folder)
{
    cleanup(free_p) char *real = realpath(folder, NULL);
    const char *path = real ? real : folder;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return xstrndup(path + start, len - start);
}

static void report(struct cli *cli, const struct args *args, const char *name, size_t files)
{
    if (out_is_json(cli->out)) {
        out_json(cli->out, json_pack("{s:s, s:s, s:s, s:I}", "name", name, "folder", args->folder,
                                     "template", args->template, "files", (json_int_t)files));
        return;
    }
    out_note(cli->out, "%s: %zu files from template %s", args->folder, files, args->template);
    if (strcmp(args->folder, ".") != 0)
        out_note(cli->out, "next: cd %s && edgectl dev", args->folder);
    else
        out_note(cli->out, "next: edgectl dev");
}

static int make(struct cli *cli, const struct args *args, struct err *err)
{
    cleanup(free_p) char *name = app_name(args->folder);
    if (!template_name_ok(name)) {
        int r = err_set(err, ERR_USAGE, "'%s' cannot be the name of an app", name);
        err_hint(err, "a name has letters, digits, '-' and '_', begins with a letter and is at "
                      "most 63 long");
        return r;
    }
    catch_signals();
    struct clone_progress progress = {.out = cli->out};
    struct template_job job = {
        .folder = args->folder,
        .name = name,
        .source = args->template,
        .ref = args->ref,
        .subdir = args->subdir,
        .force = args->force,
        .progress = on_progress,
        .cancelled = on_cancelled,
        .env = &progress,
    };
    size_t files = 0;
    int r = template_make(&job, &files, err);
    if (progress.started)
        out_progress_end(&progress.bar, NULL);
    if (r == 0)
        report(cli, args, name, files);
    return r;
}

/* Write a file whole or not at all; an existing one only with `force`. */
static int write_file(const char *path, const struct buf *text, bool force, struct err *err)
{
    if (!force && access(path, F_OK) == 0) {
        int r = err_set(err, ERR_USAGE, "'%s' is there already", path);
        err_hint(err, "--force writes over it");
        return r;
    }
    return file_write(path, text->data, text->len, 0644, err);
}

/* An edge.yaml beside the fastly.toml, which means the same. */
static int import(struct cli *cli, const struct args *args, struct err *err)
{
    if (args->folder)
        return err_set(err, ERR_USAGE, "--from makes an edge.yaml beside '%s': it takes no NAME",
                       args->from);
    cli->manifest_file = args->from;
    struct manifest *m = NULL;
    int r = cmd_load_manifest(cli, &m, err);
    if (r < 0)
        return r;
    struct buf text = BUF_INIT(YAML_MAX);
    cleanup(free_p) char *path = xasprintf("%s/edge.yaml", m->dir);
    if (m->kind != MANIFEST_FASTLY)
        r = err_set(err, ERR_USAGE, "'%s' is not a fastly.toml", args->from);
    if (r == 0)
        r = manifest_write_yaml(m, &text, err);
    if (r == 0)
        r = write_file(path, &text, args->force, err);
    if (r == 0 && out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:s, s:s}", "name", m->name, "manifest", path));
    else if (r == 0)
        out_note(cli->out, "wrote %s; 'edgectl dev' goes by it from now on", path);
    buf_clear(&text);
    manifest_unref(m);
    return r;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    struct args *args = args_ptr;
    if (args->from)
        return import(cli, args, err);
    if (!args->folder)
        return err_set(err, ERR_USAGE, "which folder? 'edgectl init NAME' makes one");
    return make(cli, args, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "NAME", folder, COMP_DIR,
                 "folder to make; its last part names the app"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 't', "template", template, "name|url", COMP_TEMPLATE,
            "c, rust, go, js, or the address of a git repository"),
    OPT_STR(struct args, 0, "ref", ref, "ref", COMP_NONE,
            "branch, tag or commit of the repository"),
    OPT_STR(struct args, 0, "subdir", subdir, "dir", COMP_NONE,
            "directory of the repository to take"),
    OPT_STR(struct args, 0, "from", from, "file", COMP_FILE,
            "write the edge.yaml that means the same as this fastly.toml, beside it"),
    OPT_FLAG(struct args, 0, "force", force, "write over files that have the same name"),
    OPT_END,
};

static const struct args defaults = {.template = "c"};

static const struct cli_example examples[] = {
    {"edgectl init hello", "a first app, ready to run"},
    {"edgectl init shop --template rust", "the same in Rust"},
    {"edgectl init shop --template https://git.example.com/starter.git --ref v2",
     "from a repository, at a tag"},
    {"edgectl init --from fastly.toml", "an edge.yaml for an app that has only a fastly.toml"},
    {NULL, NULL},
};

const struct cli_cmd cmd_init = {
    .path = "init",
    .group = GRP_START,
    .summary = "make a new app from a template",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .defaults = &defaults,
    .exits = EXITS(IO, NETWORK, LIMIT, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
