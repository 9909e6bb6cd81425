/* SPDX-License-Identifier: Apache-2.0 */
/* How an artifact fits every target: `edgectl bundle --report`. */
#ifndef EDGECTL_CMD_BUNDLE_REPORT_H
#define EDGECTL_CMD_BUNDLE_REPORT_H

#include "cli/cli.h"

struct manifest;

/* -ERR_BUILD if it cannot be read or run. */
must_use int bundle_report(struct cli *cli, const struct manifest *m, struct err *err);

/* Instances are made and run until they first ask the host for something, again and again. */
struct startup {
    int runs;
    double p50_ms, p99_ms;
};
must_use int startup_measure(const char *module, struct startup *ret, struct err *err);

#endif
