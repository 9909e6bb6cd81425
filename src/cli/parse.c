/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/nearest.h"
#include "base/units.h"

const struct cli_opt cli_global_opts[] = {
    OPT_STR(struct cli, 'C', NULL, dir, "dir", COMP_DIR, "work in this directory"),
    OPT_STR(struct cli, 0, "manifest", manifest_file, "file", COMP_FILE,
            "manifest to read instead of edge.yaml or fastly.toml"),
    OPT_STR(struct cli, 0, "target", target, "name", COMP_TARGET,
            "target of the manifest (default: local)"),
    OPT_FLAG(struct cli, 'v', "verbose", verbose, "say more"),
    OPT_FLAG(struct cli, 'q', "quiet", quiet, "say only what was asked for, and errors"),
    OPT_FLAG(struct cli, 0, "json", json, "write JSON"),
    OPT_FLAG(struct cli, 0, "no-input", no_input, "never ask"),
    OPT_FLAG(struct cli, 'h', "help", help, "show help"),
    OPT_FLAG(struct cli, 0, "version", version, "show the version"),
    OPT_END,
};

const struct cli_opt cli_state_opts[] = {
    OPT_STR(struct cli, 0, "state", state_dir, "dir", COMP_DIR,
            "where state lives (default: .edgectl beside the manifest)"),
    OPT_END,
};

bool cli_may_prompt(const struct cli *cli)
{
    return !cli->no_input && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

const struct cli_cmd *cli_find(const struct cli_table *table, const char *path)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->cmds[i]->path, path) == 0)
            return table->cmds[i];
    return NULL;
}

bool cli_is_noun(const struct cli_table *table, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < table->count; i++) {
        const char *path = table->cmds[i]->path;
        if (strncmp(path, word, len) == 0 && path[len] == ' ')
            return true;
    }
    return false;
}

struct parser {
    struct cli *cli;
    char **argv;
    int argc, at;               /* argv[at] is the next word */
    void *args;
    struct cli_list operands;
};

/* An option and the struct its target lies in. */
struct found {
    const struct cli_opt *opt;
    void *base;
};

static int hint_help(struct parser *p, int r, struct err *err)
{
    const struct cli *cli = p->cli;
    const char *path = cli->cmd ? cli->cmd->path : cli->noun;
    err_hint(err, "see 'edgectl %s%s--help'", path ? path : "", path ? " " : "");
    return r;
}

/* --- options --- */

static bool opt_is(const struct cli_opt *o, const char *name, size_t len, char letter)
{
    if (letter)
        return o->letter == letter;
    return o->name && strlen(o->name) == len && memcmp(o->name, name, len) == 0;
}

static const struct cli_opt *opt_in(const struct cli_opt *o, const char *name, size_t len,
                                    char letter)
{
    for (; o && o->type != CLI_END; o++)
        if (opt_is(o, name, len, letter))
            return o;
    return NULL;
}

static struct found opt_find(struct parser *p, const char *name, size_t len, char letter)
{
    const struct cli_cmd *cmd = p->cli->cmd;
    struct found f = {.base = p->args};
    if (cmd && (f.opt = opt_in(cmd->opts, name, len, letter)))
        return f;
    f.base = p->cli;
    if (cmd && (cmd->needs & NEED_STATE) && (f.opt = opt_in(cli_state_opts, name, len, letter)))
        return f;
    f.opt = opt_in(cli_global_opts, name, len, letter);
    return f;
}

static void offer_opts(struct nearest *n, const struct cli_opt *o)
{
    for (; o && o->type != CLI_END; o++)
        if (o->name)
            nearest_offer(n, o->name);
}

static int unknown_opt(struct parser *p, const char *word, const char *name, size_t len,
                       struct err *err)
{
    const struct cli_cmd *cmd = p->cli->cmd;
    cleanup(free_p) char *asked = xstrndup(name, len);
    struct nearest n = {.word = asked};
    if (cmd) {
        offer_opts(&n, cmd->opts);
        if (cmd->needs & NEED_STATE)
            offer_opts(&n, cli_state_opts);
    }
    offer_opts(&n, cli_global_opts);
    int r = err_set(err, ERR_USAGE, "unknown option '%s'%s%s", word, cmd ? " for " : "",
                    cmd ? cmd->path : "");
    if (!n.best)
        return hint_help(p, r, err);
    err_hint(err, "did you mean '--%s'?", n.best);
    return r;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (const char *c = choices; *c;) {
        size_t n = strcspn(c, "|");
        if (n == len && memcmp(c, word, n) == 0)
            return true;
        c += n + (c[n] == '|');
    }
    return false;
}

static void list_add(struct cli_list *l, const char *word)
{
    l->items = xreallocarray(l->items, l->count + 1, sizeof *l->items);
    l->items[l->count++] = word;
}

static int set_int(const struct cli_opt *o, int *to, const char *word, struct err *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(word, &end, 10);
    if (errno || end == word || *end || n < o->min || n > o->max)
        return err_set(err, ERR_USAGE, "--%s must be a whole number from %lld to %lld, not '%s'",
                       o->name, (long long)o->min, (long long)o->max, word);
    *to = (int)n;
    return 0;
}

static int set_value(struct found f, const char *word, struct err *err)
{
    const struct cli_opt *o = f.opt;
    void *to = (char *)f.base + o->offset;
    if (o->choices && !is_choice(o->choices, word))
        return err_set(err, ERR_USAGE, "--%s must be one of %s, not '%s'", o->name, o->choices,
                       word);
    switch (o->type) {
    case CLI_FLAG:
        *(bool *)to = true;
        return 0;
    case CLI_STR:
        *(const char **)to = word;
        return 0;
    case CLI_LIST:
        list_add(to, word);
        return 0;
    case CLI_INT:
        return set_int(o, to, word, err);
    case CLI_DURATION:
        if (parse_duration(word, to))
            return 0;
        return err_set(err, ERR_USAGE, "--%s must be a duration such as 250ms, 5s or 2m, not '%s'",
                       o->name, word);
    case CLI_SIZE:
        if (parse_size(word, to))
            return 0;
        return err_set(err, ERR_USAGE, "--%s must be a size such as 4096, 64KiB or 10MB, not '%s'",
                       o->name, word);
    case CLI_END:
        break;
    }
    return err_set(err, ERR_FAILURE, "option --%s has no type", o->name);
}

/* The value of an option that has not got one yet: the next word. */
static int next_value(struct parser *p, const char *shown, const char **ret_value, struct err *err)
{
    if (p->at >= p->argc)
        return hint_help(p, err_set(err, ERR_USAGE, "option '%s' needs a value", shown), err);
    *ret_value = p->argv[p->at++];
    return 0;
}

static int parse_long(struct parser *p, const char *word, struct err *err)
{
    const char *name = word + 2, *value = NULL;
    size_t len = strcspn(name, "=");
    struct found f = opt_find(p, name, len, 0);
    if (!f.opt) {
        cleanup(free_p) char *shown = xstrndup(word, len + 2);
        return unknown_opt(p, shown, name, len, err);
    }
    if (name[len] == '=')
        value = name + len + 1;
    if (f.opt->type == CLI_FLAG && value)
        return hint_help(p, err_set(err, ERR_USAGE, "option '--%s' takes no value", f.opt->name),
                         err);
    if (f.opt->type != CLI_FLAG && !value) {
        int r = next_value(p, word, &value, err);
        if (r < 0)
            return r;
    }
    return set_value(f, value, err);
}

/* -v, -qv, -C dir, -Cdir */
static int parse_letters(struct parser *p, const char *word, struct err *err)
{
    for (const char *c = word + 1; *c; c++) {
        char shown[] = {'-', *c, '\0'};
        struct found f = opt_find(p, NULL, 0, *c);
        if (!f.opt)
            return unknown_opt(p, shown, word + 1, strlen(word + 1), err);
        if (f.opt->type == CLI_FLAG) {
            set_value(f, NULL, err);
            continue;
        }
        const char *value = c + 1;
        if (!*value) {
            int r = next_value(p, shown, &value, err);
            if (r < 0)
                return r;
        }
        return set_value(f, value, err);
    }
    return 0;
}

/* --- words --- */

static int unknown_cmd(struct parser *p, const char *word, struct err *err)
{
    const char *noun = p->cli->noun;
    size_t skip = noun ? strlen(noun) + 1 : 0;
    struct nearest n = {.word = word};
    cleanup(free_p) char *known = NULL;
    for (size_t i = 0; i < p->cli->table->count; i++) {
        const struct cli_cmd *cmd = p->cli->table->cmds[i];
        if (cmd->hidden || (noun && (strncmp(cmd->path, noun, skip - 1) ||
                                     cmd->path[skip - 1] != ' ')))
            continue;
        char *name = noun ? xstrdup(cmd->path + skip) : xstrndup(cmd->path, strcspn(cmd->path,
                                                                                    " "));
        nearest_offer(&n, name);
        if (n.best == name) {
            free(known);
            known = name;
        } else {
            free(name);
        }
    }
    int r = err_set(err, ERR_USAGE, "unknown command '%s%s%s'", noun ? noun : "", noun ? " " : "",
                    word);
    if (!n.best)
        return hint_help(p, r, err);
    err_hint(err, "did you mean 'edgectl %s%s%s'?", noun ? noun : "", noun ? " " : "", n.best);
    return r;
}

static void set_cmd(struct parser *p, const struct cli_cmd *cmd)
{
    p->cli->cmd = cmd;
    if (cmd->args_size == 0)
        return;
    p->args = cmd->defaults ? xmemdup(cmd->defaults, cmd->args_size) : xcalloc(1, cmd->args_size);
}

static int parse_cmd_word(struct parser *p, const char *word, struct err *err)
{
    struct cli *cli = p->cli;
    if (!cli->noun && cli_is_noun(cli->table, word)) {
        cli->noun = word;
        return 0;
    }
    cleanup(free_p) char *path = cli->noun ? xasprintf("%s %s", cli->noun, word) : xstrdup(word);
    const struct cli_cmd *cmd = cli_find(cli->table, path);
    if (!cmd)
        return unknown_cmd(p, word, err);
    set_cmd(p, cmd);
    return 0;
}

static int parse_words(struct parser *p, struct err *err)
{
    bool options = true;
    while (p->at < p->argc) {
        const char *word = p->argv[p->at++];
        int r = 0;
        if (options && strcmp(word, "--") == 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0)
            r = parse_long(p, word, err);
        else if (options && word[0] == '-' && word[1])
            r = parse_letters(p, word, err);
        else if (!p->cli->cmd)
            r = parse_cmd_word(p, word, err);
        else
            list_add(&p->operands, word);
        if (r < 0)
            return r;
    }
    return 0;
}

static int assign_operands(struct parser *p, struct err *err)
{
    size_t i = 0;
    const struct cli_arg *a = p->cli->cmd->operands;
    for (; a && a->type != CLI_END; a++) {
        void *to = (char *)p->args + a->offset;
        for (; a->type == CLI_LIST && i < p->operands.count; i++)
            list_add(to, p->operands.items[i]);
        if (a->type == CLI_LIST)
            continue;
        if (i < p->operands.count) {
            const char *word = p->operands.items[i++];
            if (a->choices && !is_choice(a->choices, word))
                return err_set(err, ERR_USAGE, "%s must be one of %s, not '%s'", a->name,
                               a->choices, word);
            *(const char **)to = word;
        } else if (!a->optional) {
            return hint_help(p, err_set(err, ERR_USAGE, "%s is missing", a->name), err);
        }
    }
    if (i < p->operands.count)
        return hint_help(p, err_set(err, ERR_USAGE, "unexpected argument '%s'",
                                    p->operands.items[i]), err);
    return 0;
}

static int parse_all(struct parser *p, struct err *err)
{
    const struct cli *cli = p->cli;
    int r = parse_words(p, err);
    if (r < 0 || cli->help || cli->version)
        return r;
    if (cli->cmd)
        return assign_operands(p, err);
    if (cli->noun)
        return hint_help(p, err_set(err, ERR_USAGE, "'edgectl %s' needs a command", cli->noun),
                         err);
    return hint_help(p, err_set(err, ERR_USAGE, "a command is needed"), err);
}

int cli_parse(struct cli *cli, int argc, char **argv, void **ret_args, struct err *err)
{
    struct parser p = {.cli = cli, .argc = argc, .argv = argv, .at = 1};
    int r = parse_all(&p, err);
    free(p.operands.items);
    if (r < 0) {
        cli_args_free(cli->cmd, p.args);
        return r;
    }
    *ret_args = p.args;
    return 0;
}

void cli_args_free(const struct cli_cmd *cmd, void *args)
{
    if (!args)
        return;
    for (const struct cli_opt *o = cmd->opts; o && o->type != CLI_END; o++)
        if (o->type == CLI_LIST)
            free(((struct cli_list *)((char *)args + o->offset))->items);
    for (const struct cli_arg *a = cmd->operands; a && a->type != CLI_END; a++)
        if (a->type == CLI_LIST)
            free(((struct cli_list *)((char *)args + a->offset))->items);
    free(args);
}
