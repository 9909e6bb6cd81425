/* SPDX-License-Identifier: Apache-2.0 */
/* In a CI job: what GitHub and GitLab show beside the log. Detected by their own variables; without
 * them nothing here does anything. Nothing fails: a pipeline must not break by its decoration.
 *
 * GitHub (GITHUB_ACTIONS): errors and warnings as annotations, at their file and line; the outcome
 * in the step's summary (GITHUB_STEP_SUMMARY) and its outputs (GITHUB_OUTPUT).
 * GitLab (GITLAB_CI): links in edgectl-annotations.json in CI_PROJECT_DIR, which the job names as
 * artifacts:reports:annotations. */
#ifndef EDGECTL_CMD_CI_H
#define EDGECTL_CMD_CI_H

#include <jansson.h>
#include <stdbool.h>
#include "base/err.h"
#include "cli/output.h"

void ci_error(struct output *out, const struct err *err);

struct ci_outcome {
    const char *command, *app, *target, *version, *release;     /* release, url: NULL when none */
    const char *url, *previous;
    bool changed, serving;
};
void ci_report(const struct ci_outcome *o);

/* Where a rollout stands after a command. `json`: of report_status. */
void ci_rollout(const json_t *status);

#endif
