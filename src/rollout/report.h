/* SPDX-License-Identifier: Apache-2.0 */
/* A rollout as JSON with a stable schema, and as OpenMetrics text. Members are only ever added. */
#ifndef EDGECTL_ROLLOUT_REPORT_H
#define EDGECTL_ROLLOUT_REPORT_H

#include "base/buf.h"
#include "rollout/rollout.h"

/* {"id", "phase", "code", "why", "paused", "step", "steps", "soaked_ms", "verdict", "reason",
 *  "needed", "targets": [{"target", "provider", "stable", "canary", "percent", "metrics":
 *  [{"name", "verdict"-relevant figures ...}]}], "plan": [{"step", "target", "percent", "soak_ms",
 *  "approval", "note", "state"}]} */
json_t *report_status(const struct rollout *r);
/* {"event", "time", "rollout", ...}: one line of `rollout run --json`. */
json_t *report_event(const struct rollout *r, const json_t *event);
/* "2026-11-26T14:00:00.123Z". */
char *report_time(int64_t ms, char to[32]);
/* The verdict of one target's gate. */
json_t *report_gate(const struct gate *g);

/* OpenMetrics text (with # EOF). */
void report_openmetrics(const struct rollout *r, struct buf *to);

#endif
