/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "cmd/remote.h"
#include "cmd/secret_name.h"
#include "world/secrets.h"

struct args {
    const char *name;
    const char *key;
    const char *file;
    const char *env;
    bool allow_empty;
};

/* Everything up to the end goes straight into locked memory: no copy in a stdio buffer. */
static int read_fd(int fd, const char *from, bool strip, struct secret **ret_value,
                   struct err *err)
{
    uint8_t *data;
    cleanup(secret_unref_p) struct secret *room = secret_alloc(SECRET_MAX + 1, &data);
    size_t len = 0;
    ssize_t n;
    do {
        n = read(fd, data + len, SECRET_MAX + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && len <= SECRET_MAX) || (n < 0 && errno == EINTR));
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", from);
    if (len > SECRET_MAX)
        return err_set(err, ERR_LIMIT, "a secret has at most %d bytes", SECRET_MAX);
    if (strip && len > 0 && data[len - 1] == '\n')
        len -= len > 1 && data[len - 2] == '\r' ? 2 : 1;
    *ret_value = secret_new(data, len);
    return 0;
}

/* One line, without echo. */
static int ask(struct cli *cli, const char *key, struct secret **ret_value, struct err *err)
{
    struct termios shown, hidden;
    uint8_t *data;
    cleanup(secret_unref_p) struct secret *room = secret_alloc(SECRET_MAX, &data);
    if (tcgetattr(STDIN_FILENO, &shown) < 0)
        return err_sys(err, ERR_IO, errno, "cannot ask on this terminal");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    out_note(cli->out, "value of %s (not shown), then Enter:", key);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    ssize_t n = read(STDIN_FILENO, data, SECRET_MAX);
    int failed = errno;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    if (n < 0)
        return err_sys(err, ERR_IO, failed, "cannot read the value");
    size_t len = (size_t)n;
    if (len > 0 && data[len - 1] == '\n')
        len--;
    *ret_value = secret_new(data, len);
    return 0;
}

static int read_value(struct cli *cli, const struct args *args, const char *key,
                      struct secret **ret_value, struct err *err)
{
    if (args->file && args->env)
        return err_set(err, ERR_USAGE, "give either --file or --env, not both");
    if (args->env) {
        const char *value = getenv(args->env);
        if (!value)
            return err_set(err, ERR_USAGE, "environment variable %s is not set", args->env);
        *ret_value = secret_new(value, strlen(value));
        return 0;
    }
    if (args->file && strcmp(args->file, "-") != 0) {
        cleanup(close_p) int fd = open(args->file, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_sys(err, ERR_IO, errno, "cannot open %s", args->file);
        return read_fd(fd, args->file, false, ret_value, err);
    }
    if (cli_may_prompt(cli))
        return ask(cli, key, ret_value, err);
    if (isatty(STDIN_FILENO))
        return err_set(err, ERR_USAGE, "no value: give it on stdin, by --file or by --env");
    return read_fd(STDIN_FILENO, "stdin", true, ret_value, err);
}

/* An empty value is what a variable that was not filled or a command that failed leaves: an app
 * that runs with it fails far from here. */
static int refuse_empty(const struct args *args, const char *key, const struct secret *value,
                        struct err *err)
{
    if (args->allow_empty || secret_len(value) > 0)
        return 0;
    if (args->env)
        err_set(err, ERR_USAGE, "environment variable %s is empty", args->env);
    else
        err_set(err, ERR_USAGE, "%s is empty",
                args->file && strcmp(args->file, "-") != 0 ? args->file : "the value on stdin");
    err_hint(err, "%s was not changed; --allow-empty stores an empty secret", key);
    return -ERR_USAGE;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(local_state_clear) struct local_state state = {0};
    cleanup(secret_unref_p) struct secret *value = NULL;
    struct secret_name name;
    int r = cli->target_given ? secret_remote_names(cli, &state, err)
                              : local_state_open(cli, &state, err);
    if (r == 0)
        r = secret_name_find(&state, args->name, args->key, &name, err);
    if (r == 0)
        r = read_value(cli, args, name.key, &value, err);
    if (r == 0)
        r = refuse_empty(args, name.key, value, err);
    if (r == 0 && cli->target_given)
        r = remote_put(cli, (struct store_ref){STORE_SECRET, name.store},
                       &(struct entry){.key = (char *)name.key, .secret = value}, err);
    else if (r == 0)
        r = secrets_put(state.dir, name.store, name.key, value, err);
    if (r == 0 && !cli->target_given)
        local_tell_put(cli, name.store, name.key);
    if (r == 0)
        out_note(cli->out, "secret %s stored, %zu bytes", name.key, secret_len(value));
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "NAME", name, COMP_SECRET, "the secret; or its store, before KEY"),
    ARG_OPTIONAL(struct args, "KEY", key, COMP_NONE, "the secret, when NAME is its store"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 'f', "file", file, "path", COMP_FILE, "the value is in that file"),
    OPT_STR(struct args, 0, "env", env, "variable", COMP_NONE, "the value is in that variable"),
    OPT_FLAG(struct args, 0, "allow-empty", allow_empty, "the value may be empty"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl secret put api-key", "asks for the value, or reads stdin less its last newline"},
    {"edgectl secret put keys signing --file key.pem", "secret 'signing' of store 'keys'"},
    {"edgectl secret put api-key --env API_KEY", "from the environment"},
    {NULL, NULL},
};

const struct cli_cmd cmd_secret_put = {
    .path = "secret put",
    .group = GRP_STATE,
    .summary = "store a secret, sealed, for this machine",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, LIMIT, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
