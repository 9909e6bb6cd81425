/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/delete_steps.h"

static void report(struct session *s, const struct steps *steps, bool dry_run)
{
    struct output *out = s->cli->out;
    json_t *list = json_array();
    for (size_t i = 0; i < steps->count; i++) {
        json_array_append_new(list, json_pack("{ss ss}", "id", steps->list[i].id, "text",
                                              steps->list[i].text));
        if (!out_is_json(out))
            out_printf(out, "%s%s\n", dry_run ? "would " : "", steps->list[i].text);
    }
    if (out_is_json(out))
        out_json(out, json_pack("{ss sb sO}", "target", s->target->o.name, "dry_run", dry_run,
                                "steps", list));
    else if (steps->count == 0)
        out_printf(out, "nothing to delete on '%s'\n", s->target->o.name);
    json_decref(list);
}

int delete_steps_run(struct session *s, struct steps *steps, bool dry_run, struct err *err)
{
    int r = dry_run ? 0 : target_run_steps(s->target, steps, "", NULL, NULL, err);
    if (r == 0)
        report(s, steps, dry_run);
    return r;
}
