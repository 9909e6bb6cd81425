/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "rollout/report.h"
#include "rollout/trace.h"

enum { SVG_MAX = 4 << 20 };

struct args {
    const char *file;
    const char *svg;
    const char *alpha;
    bool looks;
    int target;
};

static int parse_alpha(const char *text, double *ret, struct err *err)
{
    char *end;
    double v = strtod(text, &end);
    if (*end || !(v > 0 && v < 1))
        return err_set(err, ERR_USAGE, "--alpha: '%s' is no number between 0 and 1", text);
    *ret = v;
    return 0;
}

static json_t *point_json(const struct trace *t, size_t i)
{
    const struct trace_point *p = &t->points[i];
    json_t *o = json_pack("{s:I, s:f, s:s, s:s}", "look", (json_int_t)i + 1, "canary_requests",
                          p->canary, "verdict", gate_verdict_name(p->verdict), "reason",
                          gate_reason_name(p->reason));
    json_object_set_new(o, "log10_fail", isfinite(p->fail) ? json_real(p->fail) : json_null());
    json_object_set_new(o, "log10_pass", isfinite(p->pass) ? json_real(p->pass) : json_null());
    return o;
}

static void tell_json(struct cli *cli, const struct trace *t, bool looks)
{
    json_t *o = report_gate(t->gate);
    long at;
    enum gate_verdict decision = trace_decision(t, &at);
    json_object_set_new(o, "decision", json_string(gate_verdict_name(decision)));
    json_object_set_new(o, "decided_at_look", at >= 0 ? json_integer(at + 1) : json_null());
    json_object_set_new(o, "decided_at_requests",
                        at >= 0 ? json_real(t->points[at].canary) : json_null());
    json_object_set_new(o, "advanced_at_look",
                        t->advanced >= 0 ? json_integer(t->advanced + 1) : json_null());
    if (looks) {
        json_t *list = json_array();
        for (size_t i = 0; i < t->count; i++)
            json_array_append_new(list, point_json(t, i));
        json_object_set_new(o, "points", list);
    }
    out_json(cli->out, o);
}

static void tell_metric(struct cli *cli, const struct gate *g, int i)
{
    struct gate_view v = gate_view(g, i);
    static const char *const arms[] = {"stable", "canary"};
    out_printf(cli->out, "%s:%s\n", gate_config(g)->rule[i].name, v.known ? "" : " no data");
    for (int arm = 0; v.known && arm < 2; arm++)
        out_printf(cli->out, "  %s %10.0f of %12.0f  (%.4f to %.4f %%)\n", arms[arm], v.bad[arm],
                   v.requests[arm], v.rate[arm].low * 100, v.rate[arm].high * 100);
    if (v.known)
        out_printf(cli->out, "  evidence (powers of ten): against %.2f, for %.2f; dispersion "
                             "%.2f\n", v.log_fail / log(10),
                   fmax(v.log_pass, v.log_floor) / log(10), v.phi);
}

static void tell_look(struct cli *cli, const struct trace *t, long look, const char *what,
                      const char *verdict)
{
    if (look >= 0)
        out_printf(cli->out, "%s at look %ld, after %.0f canary requests: %s\n", what, look + 1,
                   t->points[look].canary, verdict);
}

static void tell_text(struct cli *cli, const struct trace *t, bool looks)
{
    struct gate_result v = gate_verdict(t->gate, true);
    for (size_t i = 0; looks && i < t->count; i++)
        out_printf(cli->out, "%6zu %10.0f  against %6.2f  for %6.2f  %s\n", i + 1,
                   t->points[i].canary, t->points[i].fail, t->points[i].pass,
                   gate_reason_name(t->points[i].reason));
    for (int i = 0; i < gate_config(t->gate)->count; i++)
        tell_metric(cli, t->gate, i);
    tell_look(cli, t, t->advanced, t->failed < 0 ? "decided" : "let advance before", "advance");
    tell_look(cli, t, t->failed, "decided", "fail");
    out_printf(cli->out, "now, after %zu looks: %s, %s", t->count, gate_verdict_name(v.verdict),
               gate_reason_text(v.reason));
    if (v.reason == GATE_WAITING && isfinite(v.needed))
        out_printf(cli->out, " (about %.0f)", v.needed);
    out_printf(cli->out, "\n");
}

/* What a rollout would have ended with. */
static int result_of(const struct trace *t)
{
    long at;
    enum gate_verdict v = trace_decision(t, &at);
    return v == GATE_FAIL ? -ERR_GATE : v == GATE_ADVANCE ? 0 : -ERR_INCONCLUSIVE;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(trace_free_p) struct trace *t = NULL;
    double alpha = 0;
    int r = args->alpha ? parse_alpha(args->alpha, &alpha, err) : 0;
    if (r == 0)
        r = trace_read(args->file, alpha, args->target - 1, &t, err);
    if (r < 0)
        return r;
    if (args->svg) {
        cleanup(buf_clear) struct buf svg = BUF_INIT(SVG_MAX);
        trace_svg(t, args->file, &svg);
        r = file_write(args->svg, svg.data, svg.len, 0644, err);
        if (r < 0)
            return r;
    }
    if (out_is_json(cli->out))
        tell_json(cli, t, args->looks);
    else
        tell_text(cli, t, args->looks);
    r = result_of(t);
    if (r < 0 && err)
        err->msg[0] = '\0';
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "FILE", file, COMP_FILE, "a rollout's journal, or counts as JSON"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "svg", svg, "file", COMP_FILE, "write a plot to this file"),
    OPT_STR(struct args, 0, "alpha", alpha, "chance", COMP_NONE,
            "accepted chance of a false rollback (0.01)"),
    OPT_INT(struct args, 0, "of", target, "number", 1, 8, "which target of a journal with several"),
    OPT_FLAG(struct args, 0, "looks", looks, "how things stood after each look"),
    OPT_END,
};

static const struct args defaults = {.target = 1};

static const struct cli_example examples[] = {
    {"edgectl rollout analyze trace.json --svg trace.svg", "judge counts that were written down"},
    {"edgectl rollout analyze .edgectl/rollouts/local/20261126-140509-1f2e.jsonl",
     "how a rollout came to its verdict"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_analyze = {
    .path = "rollout analyze",
    .group = GRP_SHIP,
    .summary = "compute the verdict of a rollout again, offline",
    .about =
        "Judges counts again, without a network: those of a rollout's journal\n"
        "(.edgectl/rollouts/TARGET/ID.jsonl), or any that were written down, as JSON: a\n"
        "look for each poll, with counts since the poll before, one after the other or\n"
        "in an array.\n"
        "\n"
        "```\n"
        "{\"stable\": {\"requests\": 950, \"errors\": 5},\n"
        " \"canary\": {\"requests\": 50, \"errors\": 0}, \"weight\": 0.05}\n"
        "```\n"
        "\n"
        "Or a document with more:\n"
        "\n"
        "```\n"
        "{\"gates\": [{\"name\": \"errors\", \"max_ratio\": 2, \"max_rate\": 0.02}, \"traps\"],\n"
        " \"history\": [{\"stable\": {\"requests\": 1000, \"errors\": 4, \"traps\": 0}}],\n"
        " \"looks\": [], \"alpha\": 0.01, \"beta\": 0.05}\n"
        "```\n"
        "\n"
        "`gates` names the counts to judge; without it all of the first look are. A\n"
        "name may have max_ratio (2; 1.5 for names that begin with `slower-than-`),\n"
        "max_rate, broken_rate and tolerate. `history` is what the stable version did\n"
        "before, poll by poll. `weight` is the share that the canary should have; with\n"
        "it the split is checked, too. A count that is left away is unknown, not zero.\n"
        "\n"
        "The exit status is that of a rollout: 3 when the gate fails at any look, else\n"
        "0 when it advances, else 4.\n",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .defaults = &defaults,
    .exits = EXITS(IO, GATE, INCONCLUSIVE),
    .examples = examples,
    .run = run,
};
