/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/session.h"

static json_t *row(struct cli *cli, const struct version *v, const struct split *split)
{
    int bp = split_share(split, v->id);
    char percent[16], when[32];
    if (out_is_json(cli->out))
        return json_pack("{ss sI si sb sI ss* ss* ss* ss* ss*}", "id", v->id, "number",
                         (json_int_t)v->number, "bp", bp, "deployable", v->deployable, "created_ms",
                         (json_int_t)v->created_ms, "release", v->release[0] ? v->release : NULL,
                         "revision", v->revision, "message", v->message, "by", v->by, "preview_url",
                         v->preview_url);
    return json_pack("{ss ss ss ss ss}", "id", v->id, "traffic",
                     bp ? session_percent(bp, percent) : "", "created",
                     session_time(v->created_ms, when), "revision", v->revision ? v->revision : "",
                     "message", v->message ? v->message : !v->deployable ? "(cannot be served)"
                                                                         : "");
}

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)args;
    cleanup(session_close) struct session s = {0};
    cleanup(version_list_clear) struct version_list list = {0};
    cleanup(split_clear) struct split split = {0};
    int r = session_open(cli, NULL, JOURNAL_READ, &s, err);
    if (r == 0)
        r = target_versions(s.target, &list, err);
    if (r == 0)
        r = target_get_split(s.target, &split, err);
    if (r < 0)
        return r;
    static const struct out_column columns[] = {
        {"id", "VERSION", false}, {"traffic", "TRAFFIC", true}, {"created", "CREATED (UTC)", false},
        {"revision", "REVISION", false}, {"message", "MESSAGE", false}, {NULL, NULL, false},
    };
    json_t *rows = json_array();
    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(rows, row(cli, &list.list[i], &split));
    out_table(cli->out, rows, columns);
    return 0;
}

static const struct cli_example examples[] = {
    {"edgectl versions", "what is deployed on this machine"},
    {"edgectl versions --target production --json", "the same elsewhere, for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_versions = {
    .path = "versions",
    .group = GRP_SHIP,
    .summary = "list the versions on a target and their traffic",
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
