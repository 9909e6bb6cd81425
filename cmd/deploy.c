/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/build_now.h"
#include "cmd/bundle_input.h"
#include "cmd/ci.h"
#include "cmd/session.h"
#include "provider/deploy.h"

struct deploy_args {
    const char *message;
    const char *probe;
    bool dry_run, preview, no_traffic, all_targets, no_probe;
};

/* One target's deploy, for what is told of it. */
struct run {
    struct cli *cli;
    struct session *session;
    const struct deploy_args *args;
    json_t *steps;
};

/* --- telling --- */

static const char *verb_sign(enum step_verb verb)
{
    static const char *const signs[] = {
        [STEP_MAKE] = "+", [STEP_CHANGE] = "~", [STEP_ADOPT] = "!", [STEP_DELETE] = "-",
    };
    return signs[verb];
}

static const char *verb_name(enum step_verb verb)
{
    static const char *const names[] = {
        [STEP_MAKE] = "make", [STEP_CHANGE] = "change", [STEP_ADOPT] = "adopt",
        [STEP_DELETE] = "delete",
    };
    return names[verb];
}

/* What is going to be done; of a dry run it is the payload. */
static void on_planned(void *env, const struct shipment *s, const struct steps *steps,
                       bool traffic)
{
    struct run *run = env;
    struct output *out = run->cli->out;
    bool payload = run->args->dry_run && !out_is_json(out);
    if (steps->count || traffic)
        out_note(out, "%s to '%s' (%s):", s->bundle->app, run->session->target->o.name,
                 run->session->target->provider->title);
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->list[i];
        json_array_append_new(run->steps, json_pack("{ss ss ss}", "verb", verb_name(step->verb),
                                                    "id", step->id, "text", step->text));
        if (payload)
            out_printf(out, "  %s %s\n", verb_sign(step->verb), step->text);
        else
            out_note(out, "  %s %s", verb_sign(step->verb), step->text);
    }
    if (traffic && payload)
        out_printf(out, "  ~ give it all traffic\n");
}

static void on_shifted(void *env, const struct split *from, const struct split *to)
{
    struct run *run = env;
    (void)from;
    out_note(run->cli->out, "  ~ version %s has all traffic", to->arms[0].version);
}

static void on_probed(void *env, const struct probe_result *r)
{
    struct run *run = env;
    if (r->status)
        out_note(run->cli->out, "  ? it answers with %d in %.1f ms", r->status,
                 (double)r->took_us / 1000);
}

static void tell_json(struct run *run, const struct shipment *s, const struct deploy_result *res,
                      int64_t took_ns)
{
    const struct target *t = run->session->target;
    out_json(run->cli->out, json_pack(
        "{ss ss ss ss ss* ss* ss* ss* sb sb sb sb so sf}", "target", t->o.name, "provider",
        t->provider->name, "app", s->bundle->app, "release", s->bundle->id, "version",
        s->version[0] ? s->version : NULL, "previous", res->before[0] ? res->before : NULL, "url",
        s->url, "preview_url", s->preview_url, "changed", res->steps > 0 || res->shifted, "traffic",
        res->serving, "first", s->first, "dry_run", run->args->dry_run, "steps",
        json_incref(run->steps), "ms", (double)took_ns / 1e6));
}

static void tell_text(struct run *run, const struct shipment *s, const struct deploy_result *res,
                      int64_t took_ns)
{
    struct output *out = run->cli->out;
    const char *target = run->session->target->o.name;
    const char *url = s->preview_url && run->args->preview ? s->preview_url : s->url;
    if (res->steps == 0 && !res->shifted) {
        out_printf(out, "%s: version %s is on '%s' already, nothing to do%s%s\n", s->bundle->app,
                   s->version, target, url ? ": " : "", url ? url : "");
        return;
    }
    if (run->args->dry_run)
        return;
    out_printf(out, "%s: version %s %s '%s'%s%s (%.0f ms)\n", s->bundle->app, s->version,
               res->serving ? "serves" : "is, without traffic, on", target, url ? " at " : "",
               url ? url : "", (double)took_ns / 1e6);
    if (!res->serving && !run->args->preview && !run->args->no_traffic)
        out_note(out, "the manifest has a rollout: go on with `edgectl rollout run --target %s`",
                 target);
}

/* --- doing --- */

static char *git_revision(const struct bundle *b)
{
    const json_t *git = json_object_get(b->record, "git");
    const char *revision = json_string_value(json_object_get(git, "revision"));
    bool dirty = json_is_true(json_object_get(git, "dirty"));
    return revision ? xasprintf("%s%s", revision, dirty ? "+" : "") : NULL;
}

static void warn_of(struct cli *cli, const struct bundle *b)
{
    for (size_t i = 0; i < b->note_count; i++)
        out_warn(cli->out, "%s%s%s", b->notes[i].msg, b->notes[i].hint[0] ? "; " : "",
                 b->notes[i].hint);
}

/* Then it is the rollout that gives traffic. */
static bool has_rollout(const struct manifest *m)
{
    return m->rollout && m->rollout->step_count > 0;
}

static int ship(struct run *run, struct shipment *s, struct err *err)
{
    const struct deploy_args *args = run->args;
    struct deploy_options options = {
        .dry_run = args->dry_run,
        .skip_probe = args->no_probe,
        .probe_path = args->probe,
        .traffic = args->no_traffic ? DEPLOY_NONE
                   : has_rollout(run->session->manifest) ? DEPLOY_FIRST_ONLY : DEPLOY_ALL,
        .watch = {.planned = on_planned, .probed = on_probed, .shifted = on_shifted, .env = run},
    };
    struct deploy_result result;
    int64_t began = clock_mono_ns();
    int r = deploy_run(run->session->target, s, &options, &result, err);
    if (result.interrupted_ms)
        out_note(run->cli->out, "an earlier run was cut off; what it had done was kept");
    if (r < 0)
        return r;
    int64_t took = clock_mono_ns() - began;
    if (!args->dry_run)
        ci_report(&(struct ci_outcome){
            .command = args->preview ? "deploy --preview" : "deploy", .app = s->bundle->app,
            .target = run->session->target->o.name, .version = s->version,
            .release = s->bundle->id, .url = s->preview_url && args->preview ? s->preview_url
                                                                             : s->url,
            .previous = result.before, .changed = result.steps > 0 || result.shifted,
            .serving = result.serving,
        });
    if (out_is_json(run->cli->out))
        tell_json(run, s, &result, took);
    else
        tell_text(run, s, &result, took);
    return 0;
}

static int deploy(struct cli *cli, const struct deploy_args *args, const char *target,
                  struct err *err)
{
    cleanup(session_close) struct session session = {0};
    cleanup(bundle_input_clear) struct bundle_input in = {0};
    cleanup(build_outcome_clear) struct build_outcome built = {0};
    struct run run = {.cli = cli, .session = &session, .args = args};
    int r = session_open(cli, target, args->dry_run ? JOURNAL_READ : JOURNAL_WRITE, &session, err);
    if (r == 0)
        r = build_now(cli, session.manifest, false, &built, err);
    if (r == 0)
        target_prepare(session.target);
    if (r == 0)
        r = bundle_input_make(session.manifest, session.state_dir, session.journal, &in, err);
    if (r < 0)
        return r;
    warn_of(cli, in.bundle);
    cleanup(free_p) char *revision = git_revision(in.bundle);
    struct shipment s = {
        .bundle = in.bundle, .secrets = in.secrets, .secret_count = in.secret_count,
        .message = args->message, .revision = revision, .preview = args->preview,
    };
    run.steps = json_array();
    r = ship(&run, &s, err);
    json_decref(run.steps);
    free(s.url);
    free(s.preview_url);
    return r;
}

/* All are tried; the first failure is the result. */
static int deploy_all(struct cli *cli, const struct deploy_args *args, struct err *err)
{
    cleanup(manifest_unref_p) struct manifest *m = NULL;
    int result = cmd_load_manifest(cli, &m, err);
    if (result < 0)
        return result;
    if (m->target_count == 0)
        return err_set(err, ERR_MANIFEST, "the manifest has no targets");
    for (size_t i = 0; i < m->target_count; i++) {
        struct err why = {0};
        int r = deploy(cli, args, m->targets[i], &why);
        if (r < 0 && result == 0) {
            result = r;
            if (err)
                *err = why;
        } else if (r < 0) {
            out_error(cli->out, &why);
        }
    }
    return result;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct deploy_args *args = args_ptr;
    if (args->preview && args->no_traffic)
        return err_set(err, ERR_USAGE, "--preview never has traffic: leave --no-traffic out");
    if (args->message && !utf8_valid(args->message, strlen(args->message)))
        return err_set(err, ERR_USAGE, "the message is not UTF-8");
    if (args->probe && args->probe[0] != '/')
        return err_set(err, ERR_USAGE, "--probe takes a path, which begins with '/'");
    return args->all_targets ? deploy_all(cli, args, err) : deploy(cli, args, NULL, err);
}

static const struct cli_opt opts[] = {
    OPT_FLAG(struct deploy_args, 'n', "dry-run", dry_run, "show what would be done; do nothing"),
    OPT_FLAG(struct deploy_args, 0, "no-traffic", no_traffic,
             "upload and test the version, give it no traffic"),
    OPT_FLAG(struct deploy_args, 0, "preview", preview,
             "only a version with an address of its own, for looking at"),
    OPT_FLAG(struct deploy_args, 0, "all-targets", all_targets, "every target of the manifest"),
    OPT_STR(struct deploy_args, 'm', "message", message, "text", COMP_NONE,
            "what this version is, for lists"),
    OPT_STR(struct deploy_args, 0, "probe", probe, "path", COMP_NONE,
            "ask the new version for this page before it gets traffic (/)"),
    OPT_FLAG(struct deploy_args, 0, "no-probe", no_probe, "do not ask it for anything"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl deploy", "to this machine, where `edgectl serve` runs"},
    {"edgectl deploy --target production --dry-run", "see what would be done there"},
    {"edgectl deploy --target production --no-traffic --json", "for a rollout by hand"},
    {NULL, NULL},
};

const struct cli_cmd cmd_deploy = {
    .path = "deploy",
    .group = GRP_SHIP,
    .summary = "put the app onto a target",
    .opts = opts,
    .args_size = sizeof(struct deploy_args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, BUILD, DRIFT, NETWORK, LIMIT, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
