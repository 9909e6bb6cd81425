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
/* Requests are answered; `app` NULL: whatever is deployed. */
void dev_log_ready(struct dev_log *log, const char *url, const char *app);
/* With --verbose: how a module was loaded. */
void dev_log_loaded(struct dev_log *log, const struct module_report *report);
/* A newer one is, this long after its artifact was there. */
void dev_log_swapped(struct dev_log *log, int64_t took_ns);

/* Builds; `command` may be NULL. Lines of their output come without the newline. */
void dev_log_build_started(struct dev_log *log, const char *command, const char *reason);
void dev_log_build_line(struct dev_log *log, const char *line, size_t len);
void dev_log_built(struct dev_log *log, int64_t took_ns);
void dev_log_warning(struct dev_log *log, const struct err *warning);
void dev_log_error(struct dev_log *log, const struct err *err);
/* For shelf_broken; `env` is the log. */
void dev_log_broken(void *env, const char *app, const char *version, int bp, const char *why);
void dev_log_note(struct dev_log *log, const char *text);
/* A line of an app that runs in another process: "ENDPOINT :: TEXT", or whatever that wrote. */
void dev_log_app_line(struct dev_log *log, const char *line, size_t len);
/* Build output may have colours. */
bool dev_log_color(const struct dev_log *log);

#endif
