/* SPDX-License-Identifier: Apache-2.0 */
/* What `edgectl dev` shows while it runs: a line per request, what guests log, builds; or, with
 * --json, one event a line on stdout. Workers collect their lines and write them when they idle,
 * so that a log costs no system call per request under load. */
#ifndef EDGECTL_CMD_DEV_LOG_H
#define EDGECTL_CMD_DEV_LOG_H

#include "cli/output.h"
#include "manifest/manifest.h"
#include "serve/server.h"

struct dev_log;

struct dev_log *dev_log_new(struct output *out, bool quiet, unsigned workers);
void dev_log_free(struct dev_log *log);
struct server_watch dev_log_watch(struct dev_log *log);
/* Said once at the start. */
void dev_log_ready(struct dev_log *log, const char *url, const struct manifest *m);

#endif
