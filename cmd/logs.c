/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/session.h"

struct logs_args {
    const char *version;
    int64_t duration_ms;
    int count;
    bool follow;
};

struct tail {
    struct cli *cli;
    const struct logs_args *args;
    int shown;
};

/* Bytes of a guest must not reach the terminal's commands. */
static void print_visible(struct output *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c != 0x7f)
            out_write(out, &text[i], 1);
        else
            out_printf(out, c == '\t' ? "\t" : "\\x%02x", c);
    }
}

static bool on_line(void *env, const struct log_line *line)
{
    struct tail *t = env;
    struct output *out = t->cli->out;
    char when[32];
    if (out_is_json(out)) {
        json_t *text = json_stringn(line->text, line->len);
        out_json(out, json_pack("{sI ss ss ss so}", "time_ms", (json_int_t)line->time_ms, "version",
                                line->version, "request", line->request, "stream", line->stream,
                                "text", text ? text : json_null()));
    } else {
        out_printf(out, "%s %.8s %s ", session_time(line->time_ms, when), line->version,
                   line->stream);
        print_visible(out, line->text, line->len);
        out_printf(out, "\n");
    }
    out_flush(out);
    t->shown++;
    return t->args->count == 0 || t->shown < t->args->count;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct logs_args *args = args_ptr;
    cleanup(session_close) struct session s = {0};
    struct tail t = {.cli = cli, .args = args};
    if (!args->follow && !args->duration_ms && !args->count) {
        int told = err_set(err, ERR_USAGE, "providers keep no lines: they are shown as they come");
        err_hint(err, "edgectl logs --follow, or --count N for the next N lines");
        return told;
    }
    int r = session_open(cli, NULL, JOURNAL_READ, &s, err);
    if (r < 0)
        return r;
    if (args->duration_ms)
        session_interrupt_after(args->duration_ms);
    out_note(cli->out, "logs of '%s' (Ctrl-C ends it)", s.target->o.name);
    r = target_tail(s.target, args->version, on_line, &t, err);
    return target_interrupted(s.target) ? 0 : r;
}

static const struct cli_opt opts[] = {
    OPT_FLAG(struct logs_args, 'f', "follow", follow, "lines as they come, until Ctrl-C"),
    OPT_STR(struct logs_args, 0, "version", version, "id", COMP_NONE, "only of that version"),
    OPT_INT(struct logs_args, 0, "count", count, "n", 1, 1000000, "end after so many lines"),
    OPT_DURATION(struct logs_args, 0, "for", duration_ms, "time",
                 "end after that time, whether there was a line or not"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl logs --follow --target production", "what the app writes, as it comes"},
    {"edgectl logs --count 100 --json >lines.ndjson", "the next hundred lines"},
    {NULL, NULL},
};

const struct cli_cmd cmd_logs = {
    .path = "logs",
    .group = GRP_OBSERVE,
    .summary = "show what the app logs on a target",
    .opts = opts,
    .args_size = sizeof(struct logs_args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
