/* SPDX-License-Identifier: Apache-2.0 */
/* The process: sane descriptors and signals, argv to a command, its error told once, an exit
 * status. Nothing that a command does not need is initialised, so that the small ones are quick. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock_file.h"
#include "cli/parse.h"
#include "cmd/ci.h"
#include "cmd/cmd.h"

static const struct cli_cmd *const commands[] = {
#define CMD(name) &cmd_##name,
#include "cmd/commands.def"
#undef CMD
};

static const struct cli_noun nouns[] = {
    {"rollout",
     "A rollout moves traffic to a new version step by step, judges it against the\n"
     "stable one, and finishes or puts everything back. Its steps stand in the\n"
     "manifest under `rollout` (edge.yaml(5)).\n"
     "\n"
     "```\n"
     "edgectl deploy --no-traffic   put a new version in place\n"
     "edgectl rollout plan          see what would happen\n"
     "edgectl rollout run           roll it out, and watch\n"
     "edgectl rollout status        how it stands, also from another terminal\n"
     "edgectl rollout abort         put everything back, now\n"
     "```\n"},
    {NULL, NULL},
};

static const struct cli_table table = {commands, ARRAY_LEN(commands), nouns};

static void set_up_process(void)
{
    /* A descriptor 0-2 that the caller closed must not become the number of a socket or of a
     * database, where a stray message would be written into it. It is opened the wrong way round,
     * so that its use is still an error. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            exit(EXIT_FAILURE);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write past the file size limit is an error, not the end */
    /* Numbers are written with a point in JSON and YAML, wherever this runs. */
    setlocale(LC_NUMERIC, "C");
    /* Secrets are held in memory: no core files, and where cores are piped to a program, which the
     * limit does not stop, cores without memory. (PR_SET_DUMPABLE would do both, but takes
     * /proc/self away from us: the instance pool needs the page map, a busy port its holder's
     * name.) */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (filter >= 0) {
        (void)!write(filter, "0", 1);
        close(filter);
    }
}

static int run_command(struct cli *cli, void *args, struct err *err)
{
    if (chdir(cli->dir) < 0)
        return err_sys(err, ERR_IO, errno, "cannot work in '%s'", cli->dir);
    return cli->cmd->run(cli, args, err);
}

static int dispatch(struct cli *cli, int argc, char **argv, struct err *err)
{
    void *args = NULL;
    int r = cli_parse(cli, argc, argv, &args, err);
    cli->target_given = cli->target != NULL;
    if (!cli->target)
        cli->target = "local";
    output_mode_set(cli->out, (struct output_mode){
        .json = cli->json, .quiet = cli->quiet, .verbose = cli->verbose});
    if (r < 0)
        return r;
    if (cli->help)
        cmd_show_help(cli, cli->cmd, cli->noun);
    else if (cli->version)
        r = cmd_version.run(cli, NULL, err);
    else
        r = run_command(cli, args, err);
    cli_args_free(cli->cmd, args);
    return r;
}

void cmd_exit_now(struct cli *cli, int r)
{
    struct err err;
    if (output_finish(cli->out, &err) < 0)
        out_error(cli->out, &err);
    _exit(err_exit_status(r));
}

int main(int argc, char **argv)
{
    set_up_process();
    struct cli cli = {.table = &table, .dir = "."};
    struct err err = {0}, late = {0};
    cli.out = output_new(stdout, stderr, (struct output_mode){0});
    int r = clock_file_install(&err);
    if (r == 0)
        r = dispatch(&cli, argc, argv, &err);
    int finish = output_finish(cli.out, &late);
    if (r < 0 && err.msg[0]) {
        out_error(cli.out, &err);
        ci_error(cli.out, &err);
    }
    if (finish < 0)
        out_error(cli.out, &late);
    output_free(cli.out);
    return err_exit_status(r < 0 ? r : finish);
}
