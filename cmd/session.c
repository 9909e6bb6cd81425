/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include "base/mem.h"
#include "cmd/cmd.h"
#include "world/state.h"

/* Set by the signal's handler: the process has one. */
static atomic_bool interrupted;

/* The second one ends the process: the journal is made for that. */
static void on_signal(int signum)
{
    atomic_store(&interrupted, true);
    signal(signum, SIG_DFL);
}

static void on_alarm(int signum)
{
    (void)signum;
    atomic_store(&interrupted, true);
}

void session_interrupt_after(int64_t ms)
{
    struct itimerval t = {.it_value = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000}};
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &t, NULL);
}

static void on_progress(void *env, const char *what, uint64_t done, uint64_t total)
{
    struct session *s = env;
    struct out_progress *p = &s->progress;
    if (p->out && strcmp(p->label, what) != 0) {
        out_progress_end(p, NULL);
        p->out = NULL;
    }
    if (!p->out)
        out_progress_start(s->cli->out, p, what, total);
    if (done > p->done)
        out_progress_add(p, done - p->done);
    if (total && done >= total) {
        out_progress_end(p, NULL);
        p->out = NULL;
    }
}

static void on_note(void *env, const char *text)
{
    struct session *s = env;
    out_note(s->cli->out, "%s", text);
}

static void on_trace(void *env, const char *line)
{
    struct session *s = env;
    out_detail(s->cli->out, "%s", line);
}

static int open_target(struct session *s, struct err *err)
{
    struct target_options options = {
        .name = s->cli->target, .manifest = s->manifest, .journal = s->journal,
        .state_dir = s->state_dir, .interrupted = &interrupted, .progress = on_progress,
        .note = on_note, .trace = s->cli->verbose ? on_trace : NULL, .env = s,
    };
    return target_open(&options, &s->target, err);
}

int session_open(struct cli *cli, const char *target, enum journal_mode mode, struct session *s,
                 struct err *err)
{
    *s = (struct session){.cli = cli};
    if (target)
        cli->target = target;
    int r = cmd_load_manifest(cli, &s->manifest, err);
    if (r < 0)
        return r;
    s->state_dir = state_dir_for(s->manifest, cli->state_dir);
    if (mode == JOURNAL_WRITE)
        r = state_dir_make(s->state_dir, err);
    if (r == 0)
        r = journal_open(s->state_dir, cli->target, mode, &s->journal, err);
    if (r == 0)
        r = open_target(s, err);
    if (r < 0) {
        session_close(s);
        return r;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    return 0;
}

void session_close(struct session *s)
{
    if (s->progress.out)
        out_progress_end(&s->progress, NULL);
    target_close(s->target);
    journal_close(s->journal);
    manifest_unref(s->manifest);
    free(s->state_dir);
    *s = (struct session){0};
}

int session_confirm(struct session *s, const char *what, const char *want, const char *given,
                    struct err *err)
{
    char line[256];
    if (!given && cli_may_prompt(s->cli)) {
        out_warn(s->cli->out, "%s; type %s to go on:", what, want);
        given = fgets(line, sizeof line, stdin) ? line : "";
        line[strcspn(line, "\n")] = '\0';
    }
    if (given && strcmp(given, want) == 0)
        return 0;
    int r = err_set(err, ERR_USAGE, "not confirmed: %s", what);
    err_hint(err, "to do it: --confirm %s", want);
    return r;
}

const char *session_percent(int bp, char to[16])
{
    snprintf(to, 16, bp % 100 == 0 ? "%d %%" : "%d.%02d %%", bp / 100, bp % 100);
    return to;
}

const char *session_time(int64_t ms, char to[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    to[0] = '\0';
    if (ms > 0 && gmtime_r(&s, &tm))
        strftime(to, 32, "%Y-%m-%d %H:%M:%S", &tm);
    return to;
}
