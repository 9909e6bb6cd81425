/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/version.h"
#include "cmd/session.h"

enum { SKEW_MAX_MS = 60000 };
static const int64_t SOON_MS = INT64_C(7) * 24 * 3600 * 1000;

/* What was found, so far. */
struct findings {
    struct cli *cli;
    json_t *rows;
    int result;                     /* of the first that is wrong */
};

static void found(struct findings *f, const char *target, const char *check, const char *state,
                  const char *detail, const char *hint)
{
    json_t *row = json_pack("{ss ss ss ss}", "target", target, "check", check, "state", state,
                            "detail", detail);
    if (hint && *hint)
        json_object_set_new(row, "hint", json_string(hint));
    json_array_append_new(f->rows, row);
}

static void wrong(struct findings *f, const char *target, const char *check, int r,
                  const struct err *err)
{
    found(f, target, check, "bad", err->msg, err->hint);
    if (f->result == 0)
        f->result = r;
}

/* --- a target --- */

static void look_at_expiry(struct findings *f, const char *target, const struct identity *id)
{
    char when[32];
    int64_t left = id->expires_ms - clock_wall_ns() / 1000000;
    if (!id->expires_ms)
        return;
    session_time(id->expires_ms, when);
    found(f, target, "expiry", left < 0 ? "bad" : left < SOON_MS ? "soon" : "ok", when,
          left < SOON_MS ? "renew the credentials" : NULL);
    if (left < 0 && f->result == 0)
        f->result = -ERR_CREDENTIALS;
}

static void look_at_skew(struct findings *f, const char *target, const struct identity *id)
{
    char text[64];
    bool much = llabs(id->skew_ms) > SKEW_MAX_MS;
    if (!id->skew_ms)
        return;
    snprintf(text, sizeof text, "%+.1f s against this machine", (double)id->skew_ms / 1000);
    found(f, target, "clock", much ? "bad" : "ok", text,
          much ? "set this machine's clock: signatures are refused" : NULL);
    if (much && f->result == 0)
        f->result = -ERR_FAILURE;
}

static void look_at_identity(struct findings *f, const char *target, const struct identity *id,
                             int64_t took_ns)
{
    char text[512];
    cleanup(buf_clear) struct buf scopes = BUF_INIT(4096);
    snprintf(text, sizeof text, "%s%s%s%s%s", id->account ? id->account : "",
             id->account_name ? " (" : "", id->account_name ? id->account_name : "",
             id->account_name ? ")" : "", id->user ? ", user" : "");
    found(f, target, "account", "ok", text, NULL);
    snprintf(text, sizeof text, "%.0f ms", (double)took_ns / 1e6);
    found(f, target, "reachable", "ok", text, NULL);
    if (id->from)
        found(f, target, "credentials", "ok", id->from, NULL);
    for (size_t i = 0; i < id->scope_count; i++)
        buf_printf(&scopes, "%s%s", i ? " " : "", id->scopes[i]);
    if (scopes.len)
        found(f, target, "scopes", id->lacks ? "bad" : "ok", buf_str(&scopes), id->lacks);
    if (id->lacks && f->result == 0)
        f->result = -ERR_CREDENTIALS;
    look_at_expiry(f, target, id);
    look_at_skew(f, target, id);
}

static void look_at_journal(struct findings *f, const char *target, const struct journal *j)
{
    struct journal_op op;
    char text[512];
    if (!journal_interrupted(j, &op))
        return;
    snprintf(text, sizeof text, "%s '%s' was begun and not ended", op.kind, op.what);
    found(f, target, "journal", "open", text, "the next deploy goes on from there");
}

static void look_at_target(struct findings *f, const char *target)
{
    cleanup(session_close) struct session s = {0};
    cleanup(identity_clear) struct identity id = {0};
    struct err err = {0};
    int r = session_open(f->cli, target, JOURNAL_READ, &s, &err);
    if (r < 0) {
        wrong(f, target, "target", r, &err);
        return;
    }
    found(f, target, "provider", "ok", s.target->provider->title, NULL);
    int64_t began = clock_mono_ns();
    r = target_whoami(s.target, &id, &err);
    if (r < 0)
        wrong(f, target, r == -ERR_CREDENTIALS ? "credentials" : "reachable", r, &err);
    else
        look_at_identity(f, target, &id, clock_mono_ns() - began);
    look_at_journal(f, target, s.journal);
}

/* --- all of it --- */

static void tell(struct findings *f)
{
    struct output *out = f->cli->out;
    size_t i;
    json_t *row;
    if (out_is_json(out)) {
        out_json(out, json_pack("{ss sO}", "edgectl", EDGECTL_VERSION, "checks", f->rows));
        return;
    }
    out_printf(out, "edgectl %s\n", EDGECTL_VERSION);
    json_array_foreach(f->rows, i, row) {
        const char *state = json_string_value(json_object_get(row, "state"));
        const char *hint = json_string_value(json_object_get(row, "hint"));
        bool good = strcmp(state, "ok") == 0;
        out_printf(out, "%s%-4s%s  %s: %s: %s%s%s\n",
                   out_style(out, good ? OUT_GREEN : OUT_YELLOW), state, out_style(out, OUT_PLAIN),
                   json_string_value(json_object_get(row, "target")),
                   json_string_value(json_object_get(row, "check")),
                   json_string_value(json_object_get(row, "detail")), hint ? "; " : "",
                   hint ? hint : "");
    }
}

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)args;
    cleanup(manifest_unref_p) struct manifest *m = NULL;
    struct findings f = {.cli = cli, .rows = json_array()};
    bool given = cli->target_given;
    int r = given ? 0 : cmd_load_manifest(cli, &m, err);
    if (r < 0) {
        json_decref(f.rows);
        return r;
    }
    if (given || m->target_count == 0)
        look_at_target(&f, cli->target);
    for (size_t i = 0; !given && i < m->target_count; i++)
        look_at_target(&f, m->targets[i]);
    tell(&f);
    json_decref(f.rows);
    return f.result; /* told, each with its hint */
}

static const struct cli_example examples[] = {
    {"edgectl doctor --target production", "credentials, what they may do, and the way there"},
    {NULL, NULL},
};

const struct cli_cmd cmd_doctor = {
    .path = "doctor",
    .group = GRP_OBSERVE,
    .summary = "check credentials, clocks and the way to each target",
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
