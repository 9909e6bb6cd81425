/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence that somebody else writes as JSON (manifest: rollout.evidence.file). */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/units.h"
#include "rollout/evidence_impl.h"

/* More is no count, and its square no number. */
static const double most = 1e15;

/* "Z", "+02:00" or "-0530" to ms east of UTC; UTC when nothing follows. */
static bool zone_of(const char *s, int64_t *ret_ms)
{
    int hours, minutes;
    *ret_ms = 0;
    if (!*s || strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
        return true;
    if ((*s != '+' && *s != '-') || strspn(s + 1, "0123456789:") != strlen(s + 1) ||
        (sscanf(s + 1, "%2d:%2d", &hours, &minutes) != 2 &&
         sscanf(s + 1, "%2d%2d", &hours, &minutes) != 2))
        return false;
    *ret_ms = (hours * 60 + minutes) * (*s == '-' ? -60000 : 60000);
    return true;
}

/* Seconds since 1970, or ISO 8601, in UTC unless it says otherwise. 0: not a time. */
static int64_t time_of(const json_t *v)
{
    struct tm tm = {0};
    double seconds = json_number_value(v);
    if (json_is_number(v))
        return seconds > 0 && seconds < 1e12 ? (int64_t)(seconds * 1000) : 0;
    const char *end = json_is_string(v) ? strptime(json_string_value(v), "%Y-%m-%dT%H:%M:%S", &tm)
                                        : NULL;
    int64_t east = 0;
    if (end && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    return end && zone_of(end, &east) ? (int64_t)timegm(&tm) * 1000 - east : 0;
}

static bool count_at(const json_t *o, const char *key, double *ret)
{
    const json_t *v = json_object_get(o, key);
    double n = json_number_value(v);
    if (!json_is_number(v) || !(n >= 0 && n <= most))
        return false;
    *ret = n;
    return true;
}

/* slow: {"300ms": N}: requests slower than that. */
static bool slow_at(const json_t *slow, double edge_ms, double *ret)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)slow, key, v) {
        int64_t ms;
        if (parse_duration(key, &ms) && (double)ms == edge_ms && json_is_number(v)) {
            *ret = json_number_value(v);
            return *ret >= 0 && *ret <= most;
        }
    }
    return false;
}

static void take_version(const struct gate_config *c, const json_t *v, struct evidence_arm *to)
{
    to->known = count_at(v, "requests", &to->requests);
    for (int i = 0; to->known && i < c->count; i++) {
        const struct gate_rule *rule = &c->rule[i];
        struct gate_cell *cell = &to->cell[i];
        cell->requests = to->requests;
        switch (rule->kind) {
        case GATE_ERRORS:
            cell->known = count_at(v, "errors", &cell->bad[0]);
            break;
        case GATE_TRAPS:
            cell->known = count_at(v, "traps", &cell->bad[0]);
            break;
        case GATE_EVENTS:
            cell->known = count_at(json_object_get(v, "events"), rule->name, &cell->bad[0]);
            break;
        case GATE_LATENCY:
            cell->known = true;
            for (int e = 0; e < rule->edges; e++)
                cell->known &= slow_at(json_object_get(v, "slow"), rule->edge_ms[e],
                                       &cell->bad[e]);
            break;
        }
    }
}

int evidence_from_json(const struct plan *plan, int i, const json_t *doc, int64_t now_ms,
                       struct evidence_totals *ret, struct err *err)
{
    const struct plan_target *t = &plan->target[i];
    const json_t *versions = json_object_get(doc, "versions"), *time = json_object_get(doc, "time");
    if (!json_is_object(versions))
        return err_set(err, ERR_FAILURE, "the evidence has no object 'versions'");
    ret->until_ms = time_of(time);
    if (time && ret->until_ms == 0)
        return err_set(err, ERR_FAILURE, "the evidence's 'time' is no time");
    if (!time)
        ret->until_ms = now_ms;
    take_version(&plan->gate, json_object_get(versions, t->stable), &ret->arm[0]);
    take_version(&plan->gate, json_object_get(versions, t->canary), &ret->arm[1]);
    return 0;
}
