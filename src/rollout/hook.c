/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/hook.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "net/api.h"
#include "rollout/command.h"

enum { FACTS_MAX = 16, TURN_MS = 200 };

static const char *const when_name[] = {"before", "after", "end"};

static json_t *facts(const struct rollout *r, enum hook_when when)
{
    const struct plan *p = &r->plan;
    int at = r->state.step < p->steps ? r->state.step : p->steps - 1;
    const struct plan_step *s = &p->step[at];
    const struct plan_target *t = &p->target[s->target];
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:s}", "id", history_id(r->history),
                     "when", when_name[when], "target", t->name, "stable", t->stable, "canary",
                     t->canary, "step", at + 1, "percent", s->bp / 100.0, "phase",
                     rollout_phase_name(r->state.phase));
}

static char *variable(const char *key, const json_t *value)
{
    char number[32];
    const char *text = json_string_value(value);
    snprintf(number, sizeof number, "%g", json_number_value(value));
    char *v = xasprintf("EDGECTL_ROLLOUT_%s=%s", key, text ? text : number);
    for (char *c = v; *c != '='; c++)
        *c = (char)toupper((unsigned char)*c);
    return v;
}

static int run_command(const struct manifest_hook *h, const struct manifest *m, json_t *told,
                       const atomic_bool *interrupted, struct err *err)
{
    char *env[FACTS_MAX + 1] = {NULL};
    size_t count = 0;
    const char *key;
    json_t *v;
    json_object_foreach(told, key, v) {
        if (count < FACTS_MAX)
            env[count++] = variable(key, v);
    }
    struct command c = {.text = h->command, .dir = m->dir, .env = env,
                        .timeout_ms = h->timeout_ms, .interrupted = interrupted};
    int r = command_run(&c, NULL, err);
    for (size_t i = 0; i < count; i++)
        free(env[i]);
    return r;
}

static int call_out(struct api *api, const struct api_request *request,
                    const atomic_bool *interrupted, struct api_response *ret, struct err *err)
{
    struct api_call *call = api_start(api, request);
    while (!api_is_done(call) && !(interrupted && atomic_load(interrupted)))
        api_step(api, TURN_MS);
    if (api_is_done(call))
        return api_wait(call, ret, err);
    api_cancel(call);
    return err_set(err, ERR_INTERRUPTED, "interrupted");
}

/* Who knows such a URL may call it: its path is kept out of messages. */
static int call_webhook(const struct manifest_hook *h, json_t *told,
                        const atomic_bool *interrupted, struct err *err)
{
    cleanup(api_free_p) struct api *api = NULL;
    const char *host = strstr(h->webhook, "://");
    const char *rest = host ? strpbrk(host + 3, "/?") : NULL;
    cleanup(free_p) char *base = rest ? xstrndup(h->webhook, (size_t)(rest - h->webhook))
                                      : xstrdup(h->webhook);
    cleanup(free_p) char *path = xasprintf("%s%s", rest && *rest == '/' ? "" : "/",
                                           rest ? rest : "");
    struct api_options o = {.name = "the webhook", .base = base,
                            .answer_ms = h->timeout_ms, .stall_ms = h->timeout_ms};
    int r = api_new(&o, &api, err);
    if (r < 0)
        return r;
    api_hide(api, path, strlen(path));
    struct api_response response = {0};
    struct api_request request = {.method = "POST", .path = path, .repeatable = true,
                                  .body = api_body_json(json_incref(told))};
    r = call_out(api, &request, interrupted, &response, err);
    if (r == 0 && (response.status < 200 || response.status > 299))
        r = err_set(err, ERR_NETWORK, "the webhook answered %d", response.status);
    api_response_clear(&response);
    return r;
}

int hooks_run(const struct rollout *r, const struct manifest *m,
              const struct manifest_hooks *hooks, enum hook_when when,
              const atomic_bool *interrupted, struct err *err)
{
    int result = 0;
    json_t *told = hooks->count ? facts(r, when) : NULL;
    for (size_t i = 0; i < hooks->count && result == 0; i++) {
        const struct manifest_hook *h = &hooks->list[i];
        result = h->command ? run_command(h, m, told, interrupted, err)
                            : call_webhook(h, told, interrupted, err);
    }
    json_decref(told);
    return result < 0 ? err_wrap(err, result, "hook '%s'", when_name[when]) : 0;
}
