/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "cli/parse.h"

struct put_args {
    const char *store, *key;
    struct cli_list rest, tags;
    int times;
    int64_t ttl, size;
    bool force;
    const char *mode;
};

static const struct cli_opt put_opts[] = {
    OPT_FLAG(struct put_args, 'f', "force", force, "replace"),
    OPT_INT(struct put_args, 'n', "times", times, "count", 1, 10, "how often"),
    OPT_DURATION(struct put_args, 0, "ttl", ttl, "time", "life"),
    OPT_SIZE(struct put_args, 0, "size", size, "bytes", "size"),
    OPT_LIST(struct put_args, 't', "tag", tags, "word", COMP_NONE, "tags"),
    OPT_CHOICE(struct put_args, 0, "mode", mode, "mode", "add|replace", "mode"),
    OPT_END,
};

static const struct cli_arg put_operands[] = {
    ARG_STR(struct put_args, "STORE", store, COMP_KV, "store"),
    ARG_OPTIONAL(struct put_args, "KEY", key, COMP_NONE, "key"),
    ARG_LIST(struct put_args, "VALUE", rest, COMP_NONE, "values"),
    ARG_END,
};

static const struct put_args put_defaults = {.times = 3, .mode = "add"};

static const struct cli_cmd kv_put = {
    .path = "kv put", .operands = put_operands, .opts = put_opts,
    .args_size = sizeof(struct put_args), .defaults = &put_defaults, .needs = NEED_STATE,
};
static const struct cli_cmd kv_get = {.path = "kv get"};
static const struct cli_cmd dev = {.path = "dev"};
static const struct cli_cmd secret = {.path = "_secret", .hidden = true};
static const struct cli_cmd *const cmds[] = {&kv_put, &kv_get, &dev, &secret};
static const struct cli_table table = {.cmds = cmds, .count = 4};

struct parsed {
    struct cli cli;
    struct put_args *args;
    struct err err;
    int r;
};

/* Words are separated by one blank. */
static struct parsed parse(const char *line)
{
    static char copy[512];
    static char *argv[40];
    snprintf(copy, sizeof copy, "edgectl %s", line);
    int argc = 0;
    for (char *p = copy; *p;) {
        argv[argc++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = '\0';
    }
    struct parsed p = {.cli = {.table = &table, .dir = ".", .target = "local"}};
    void *args = NULL;
    p.r = cli_parse(&p.cli, argc, argv, &args, &p.err);
    p.args = args;
    return p;
}

static void done(struct parsed *p)
{
    cli_args_free(p->cli.cmd, p->args);
}

static void options_and_operands_in_any_order(void **state)
{
    (void)state;
    struct parsed p = parse("-v kv --json put s --ttl=1.5s -n4 k a -t x --tag y b --size 2KiB "
                            "-fC /tmp");
    assert_int_equal(p.r, 0);
    assert_ptr_equal(p.cli.cmd, &kv_put);
    assert_true(p.cli.json && p.cli.verbose && p.args->force);
    assert_string_equal(p.cli.dir, "/tmp");
    assert_string_equal(p.args->store, "s");
    assert_string_equal(p.args->key, "k");
    assert_int_equal(p.args->rest.count, 2);
    assert_string_equal(p.args->rest.items[1], "b");
    assert_int_equal(p.args->tags.count, 2);
    assert_string_equal(p.args->tags.items[0], "x");
    assert_int_equal(p.args->times, 4);
    assert_int_equal(p.args->ttl, 1500);
    assert_int_equal(p.args->size, 2048);
    done(&p);
}

static void defaults_stand_until_something_is_given(void **state)
{
    (void)state;
    struct parsed p = parse("kv put s");
    assert_int_equal(p.r, 0);
    assert_int_equal(p.args->times, 3);
    assert_string_equal(p.args->mode, "add");
    assert_null(p.args->key);
    assert_string_equal(p.cli.target, "local");
    done(&p);
    p = parse("kv put s --mode replace --target prod --state /x");
    assert_string_equal(p.args->mode, "replace");
    assert_string_equal(p.cli.target, "prod");
    assert_string_equal(p.cli.state_dir, "/x");
    done(&p);
}

static void after_two_dashes_all_are_operands(void **state)
{
    (void)state;
    struct parsed p = parse("kv put -- s -k --json");
    assert_int_equal(p.r, 0);
    assert_string_equal(p.args->key, "-k");
    assert_string_equal(p.args->rest.items[0], "--json");
    assert_false(p.cli.json);
    done(&p);
    p = parse("kv put s -");
    assert_string_equal(p.args->key, "-");
    done(&p);
}

static void help_needs_nothing_else(void **state)
{
    (void)state;
    struct parsed p = parse("kv put --help");
    assert_int_equal(p.r, 0);
    assert_ptr_equal(p.cli.cmd, &kv_put);
    done(&p);
    p = parse("kv -h");
    assert_int_equal(p.r, 0);
    assert_null(p.cli.cmd);
    assert_string_equal(p.cli.noun, "kv");
    p = parse("--version");
    assert_int_equal(p.r, 0);
    assert_true(p.cli.version);
}

static void wrong_lines_say_what_and_what_next(void **state)
{
    (void)state;
    static const struct {
        const char *line, *msg, *hint;
    } cases[] = {
        {"", "a command is needed", "see 'edgectl --help'"},
        {"kv", "'edgectl kv' needs a command", "see 'edgectl kv --help'"},
        {"dve", "unknown command 'dve'", "did you mean 'edgectl dev'?"},
        {"kv ptu s", "unknown command 'kv ptu'", "did you mean 'edgectl kv put'?"},
        {"kv frobnicate", "unknown command 'kv frobnicate'", "see 'edgectl kv --help'"},
        {"_secert", "unknown command '_secert'", "see 'edgectl --help'"},
        {"kvv get", "unknown command 'kvv'", "did you mean 'edgectl kv'?"},
        {"kv put", "STORE is missing", "see 'edgectl kv put --help'"},
        {"kv get x", "unexpected argument 'x'", "see 'edgectl kv get --help'"},
        {"dev --jsn", "unknown option '--jsn' for dev", "did you mean '--json'?"},
        {"kv put s --tll=5s", "unknown option '--tll' for kv put", "did you mean '--ttl'?"},
        {"kv put s --stat x", "unknown option '--stat' for kv put", "did you mean '--state'?"},
        {"dev --state x", "unknown option '--state' for dev", "see 'edgectl dev --help'"},
        {"dev -z", "unknown option '-z' for dev", "see 'edgectl dev --help'"},
        {"dev --json=yes", "option '--json' takes no value", "see 'edgectl dev --help'"},
        {"kv put s --ttl", "option '--ttl' needs a value", "see 'edgectl kv put --help'"},
        {"kv put s -n", "option '-n' needs a value", "see 'edgectl kv put --help'"},
        {"kv put s -n 11", "--times must be a whole number from 1 to 10, not '11'", ""},
        {"kv put s -n x", "--times must be a whole number from 1 to 10, not 'x'", ""},
        {"kv put s --times=", "--times must be a whole number from 1 to 10, not ''", ""},
        {"kv put s -n 99999999999999999999", "--times must be a whole number from 1 to 10, not "
                                             "'99999999999999999999'", ""},
        {"kv put s --ttl 5", "--ttl must be a duration such as 250ms, 5s or 2m, not '5'", ""},
        {"kv put s --size big", "--size must be a size such as 4096, 64KiB or 10MB, not 'big'", ""},
        {"kv put s --mode ad", "--mode must be one of add|replace, not 'ad'", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed p = parse(cases[i].line);
        assert_int_equal(p.r, -ERR_USAGE);
        assert_string_equal(p.err.msg, cases[i].msg);
        assert_string_equal(p.err.hint, cases[i].hint);
        assert_null(p.args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_in_any_order),
        cmocka_unit_test(defaults_stand_until_something_is_given),
        cmocka_unit_test(after_two_dashes_all_are_operands),
        cmocka_unit_test(help_needs_nothing_else),
        cmocka_unit_test(wrong_lines_say_what_and_what_next),
    };
    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
