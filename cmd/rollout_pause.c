/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/mem.h"
#include "cmd/rollout_open.h"
#include "provider/common.h"

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)args;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    bool asked = r == -ERR_DRIFT;
    if (asked) {
        r = rollout_session_ask(cli, "pause", false, err);
        asked = r != 1;
        r = asked ? r : rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    }
    if (!asked && r == 0) {
        cleanup(free_p) char *who = user_at_host();
        r = rollout_session_need(&s, err);
        if (r == 0 && !s.rollout->state.paused)
            r = rollout_add(s.rollout, json_pack("{s:s, s:s}", "e", "pause", "by", who), err);
    }
    if (r == 0)
        out_note(cli->out, "paused: no further step is taken; a gate that fails still puts all "
                           "back while somebody watches");
    return r;
}

static const struct cli_example examples[] = {
    {"edgectl rollout pause", "take no further step until `rollout resume`"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_pause = {
    .path = "rollout pause",
    .group = GRP_SHIP,
    .summary = "keep a rollout from taking further steps",
    .about =
        "No further step is taken until `edgectl rollout resume`. The split stays, and\n"
        "as long as a process runs the rollout a gate that fails still puts all back.\n",
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
