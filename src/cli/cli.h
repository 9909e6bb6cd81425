/* SPDX-License-Identifier: Apache-2.0 */
/* The command table. Each cmd/<verb>.c ends with one `const struct cli_cmd cmd_<verb>`, static
 * data from which parsing, --help, the man pages and the shell completions are all derived; the
 * line CMD(<verb>) in cmd/commands.def makes it known. cmd/README.md shows the three steps.
 *
 * Everything printed goes through cli->out (cli/output.h). */
#ifndef EDGECTL_CLI_CLI_H
#define EDGECTL_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "cli/output.h"

struct cli;

/* Groups of `edgectl --help`, in that order. */
#define CLI_GROUPS(X)                         \
    X(GRP_START, "Make an app")               \
    X(GRP_RUN, "Run it here")                 \
    X(GRP_SHIP, "Ship it")                    \
    X(GRP_STATE, "Data and secrets")          \
    X(GRP_OBSERVE, "See what it does")        \
    X(GRP_TOOL, "This tool")

enum cli_group {
#define X(name, title) name,
    CLI_GROUPS(X)
#undef X
    GRP_COUNT
};

/* What a shell offers for a value (cmd/_complete.c answers for the kinds from COMP_TARGET on). */
enum cli_comp {
    COMP_NONE,
    COMP_FILE,
    COMP_DIR,
    COMP_CHOICES,       /* the words of cli_opt.choices / cli_arg.choices */
    COMP_TARGET,        /* targets of the manifest */
    COMP_KV,            /* KV stores of the manifest */
    COMP_SECRET,        /* secret stores */
    COMP_CONFIG,        /* config stores */
    COMP_TEMPLATE,      /* built-in templates */
    COMP_COMMAND,       /* words of this table */
    COMP_COUNT
};

/* A repeatable option, or the remaining operands. The strings are borrowed from argv. */
struct cli_list {
    const char **items;
    size_t count;
};

enum cli_type {
    CLI_END,
    CLI_FLAG,           /* bool */
    CLI_STR,            /* const char *, NULL when not given */
    CLI_LIST,           /* struct cli_list */
    CLI_INT,            /* int, min..max */
    CLI_DURATION,       /* int64_t, milliseconds; written 250ms, 5s, 2m, 1h */
    CLI_SIZE,           /* int64_t, bytes; written 4096, 64KiB, 128MiB, 10MB */
};

struct cli_opt {
    enum cli_type type;
    char letter;            /* 0 = none */
    const char *name;       /* long name without dashes; NULL = letter only */
    const char *value;      /* what stands for the value in help, lower case; NULL for flags */
    const char *choices;    /* "a|b|c", or NULL */
    const char *help;       /* one phrase, no full stop */
    enum cli_comp comp;
    size_t offset;          /* of the target in the args struct */
    int64_t min, max;
};

struct cli_arg {
    enum cli_type type;     /* CLI_STR or CLI_LIST; a list must come last */
    const char *name;       /* upper case */
    const char *choices;
    const char *help;
    bool optional;
    enum cli_comp comp;
    size_t offset;
};

struct cli_example {
    const char *command;    /* "edgectl ..." */
    const char *text;       /* what it does; one phrase */
};

/* The offset of a member; another type of member than T is a compile error. */
#define CLI_MEMBER(S, m, T) \
    (offsetof(S, m) + 0 * sizeof(char[_Generic(((S *)0)->m, T: 1, default: -1)]))

#define OPT_FLAG(S, l, n, m, h) \
    {.type = CLI_FLAG, .letter = l, .name = n, .help = h, .offset = CLI_MEMBER(S, m, bool)}
#define OPT_STR(S, l, n, m, v, c, h) \
    {.type = CLI_STR, .letter = l, .name = n, .value = v, .comp = c, .help = h, \
     .offset = CLI_MEMBER(S, m, const char *)}
#define OPT_CHOICE(S, l, n, m, v, words, h) \
    {.type = CLI_STR, .letter = l, .name = n, .value = v, .choices = words, .comp = COMP_CHOICES, \
     .help = h, .offset = CLI_MEMBER(S, m, const char *)}
#define OPT_LIST(S, l, n, m, v, c, h) \
    {.type = CLI_LIST, .letter = l, .name = n, .value = v, .comp = c, .help = h, \
     .offset = CLI_MEMBER(S, m, struct cli_list)}
#define OPT_INT(S, l, n, m, v, lo, hi, h) \
    {.type = CLI_INT, .letter = l, .name = n, .value = v, .min = lo, .max = hi, .help = h, \
     .offset = CLI_MEMBER(S, m, int)}
#define OPT_DURATION(S, l, n, m, v, h) \
    {.type = CLI_DURATION, .letter = l, .name = n, .value = v, .help = h, \
     .offset = CLI_MEMBER(S, m, int64_t)}
#define OPT_SIZE(S, l, n, m, v, h) \
    {.type = CLI_SIZE, .letter = l, .name = n, .value = v, .help = h, \
     .offset = CLI_MEMBER(S, m, int64_t)}
#define OPT_END {.type = CLI_END}

/* Operands, in order: required ones, then optional ones, then at most one list. */
#define ARG_STR(S, n, m, c, h) \
    {.type = CLI_STR, .name = n, .comp = c, .help = h, .offset = CLI_MEMBER(S, m, const char *)}
#define ARG_OPTIONAL(S, n, m, c, h) \
    {.type = CLI_STR, .name = n, .comp = c, .help = h, .optional = true, \
     .offset = CLI_MEMBER(S, m, const char *)}
#define ARG_CHOICE(S, n, m, words, h) \
    {.type = CLI_STR, .name = n, .choices = words, .comp = COMP_CHOICES, .help = h, \
     .offset = CLI_MEMBER(S, m, const char *)}
/* Any number, none included. */
#define ARG_LIST(S, n, m, c, h) \
    {.type = CLI_LIST, .name = n, .comp = c, .help = h, .optional = true, \
     .offset = CLI_MEMBER(S, m, struct cli_list)}
#define ARG_END {.type = CLI_END}

enum cli_need {
    NEED_STATE = 1,         /* works on a project's state: option --state, cli->state_dir */
};

/* EXITS(MANIFEST, IO): error codes of err.def that this command is known to end with, beside
 * FAILURE and USAGE, which every one may. */
#define EXITS(...) (EXITS_N(__VA_ARGS__, EX8, EX7, EX6, EX5, EX4, EX3, EX2, EX1)(__VA_ARGS__))
#define EXITS_N(a, b, c, d, e, f, g, h, N, ...) N
#define EX1(a) (1u << ERR_##a)
#define EX2(a, ...) (EX1(a) | EX1(__VA_ARGS__))
#define EX3(a, ...) (EX1(a) | EX2(__VA_ARGS__))
#define EX4(a, ...) (EX1(a) | EX3(__VA_ARGS__))
#define EX5(a, ...) (EX1(a) | EX4(__VA_ARGS__))
#define EX6(a, ...) (EX1(a) | EX5(__VA_ARGS__))
#define EX7(a, ...) (EX1(a) | EX6(__VA_ARGS__))
#define EX8(a, ...) (EX1(a) | EX7(__VA_ARGS__))

struct cli_cmd {
    const char *path;                   /* "dev", "kv get" */
    enum cli_group group;
    const char *summary;                /* one phrase, lower case, no full stop */
    /* What --help says beneath the usage and a man page begins with: Markdown of at most 79
     * columns, ending with a newline. NULL: the summary says it all. */
    const char *about;
    const struct cli_arg *operands;     /* ends with ARG_END; NULL = none */
    const struct cli_opt *opts;         /* ends with OPT_END; NULL = none */
    size_t args_size;                   /* of the args struct; 0 = none */
    const void *defaults;               /* an args struct, or NULL for all zero */
    unsigned needs;                     /* of enum cli_need */
    unsigned exits;                     /* EXITS(...) */
    const struct cli_example *examples; /* ends with an entry of NULLs; NULL = none */
    bool hidden;                        /* not in help, man pages and completions */
    /* Returns 0 or a negative error code. A failure that leaves err->msg empty has been told to
     * the user already: main prints nothing more and exits with that code's status. `args` is the
     * command's args struct, NULL when args_size is 0. */
    int (*run)(struct cli *cli, void *args, struct err *err);
};

/* A first word that several commands share, of which its own --help says something: as in struct
 * cli_cmd. */
struct cli_noun {
    const char *name;
    const char *about;
};

/* Every command, in help order (cmd/commands.def). `nouns` ends with one without a name. */
struct cli_table {
    const struct cli_cmd *const *cmds;
    size_t count;
    const struct cli_noun *nouns;
};

/* One invocation. */
struct cli {
    const struct cli_table *table;
    const struct cli_cmd *cmd;      /* NULL only with help or version */
    const char *noun;               /* "kv", when `edgectl kv --help` was asked for */
    struct output *out;
    /* Global options, accepted before and after the command's name. */
    const char *dir;                /* -C: already the working directory when `run` is called */
    const char *manifest_file;      /* --manifest, or NULL */
    const char *target;             /* --target, "local" by default */
    bool target_given;              /* it was */
    const char *state_dir;          /* --state, or NULL: beside the manifest (world/state.h) */
    bool verbose, quiet, json, no_input, help, version;
};

/* May the user be asked something? Only with a terminal on stdin and stderr, without --no-input. */
bool cli_may_prompt(const struct cli *cli);

/* The options of every command; ends with OPT_END. Offsets are into struct cli. */
extern const struct cli_opt cli_global_opts[];
/* The option that NEED_STATE adds. */
extern const struct cli_opt cli_state_opts[];

#endif
