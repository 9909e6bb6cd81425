/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_creds.h"
#include "provider/aws_time.h"
#include "unit/test.h"
#include "unit/world/scratch.h"

/* The environment of a test: NAME=value. */
static const char *variables[16];
static char home[PATH_MAX + 16];

static const char *get(void *env, const char *name)
{
    (void)env;
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_LEN(variables) && variables[i]; i++) {
        if (strncmp(variables[i], name, len) == 0 && variables[i][len] == '=')
            return variables[i] + len + 1;
    }
    return NULL;
}

static const struct aws_env env = {.get = get};

static int setup(void **state)
{
    if (scratch_make(state) < 0)
        return -1;
    snprintf(home, sizeof home, "HOME=%s", scratch);
    memset(variables, 0, sizeof variables);
    variables[0] = home;
    return mkdir(scratch_path(".aws"), 0700);
}

static void set(const char *variable)
{
    size_t i = 0;
    while (variables[i])
        i++;
    variables[i] = variable;
}

struct opened {
    struct aws_config *config;
    struct aws_creds *creds;
    struct aws_keys *keys;
    struct err err;
    int r;
};

static void opened_clear(struct opened *o)
{
    aws_creds_close(o->creds);
    aws_config_free(o->config);
}

static struct opened open_keys(const char *profile)
{
    struct opened o = {0};
    o.r = aws_config_load(&env, &o.config, &o.err);
    if (o.r == 0)
        o.r = aws_creds_open(&(struct aws_creds_options){.config = o.config, .profile = profile},
                             &o.creds, &o.err);
    if (o.r == 0)
        o.r = aws_creds_keys(o.creds, &o.keys, &o.err);
    return o;
}

static void check_keys(const struct opened *o, const char *id, const char *secret,
                       const char *token)
{
    if (o->r < 0)
        fail_msg("%s", o->err.msg);
    assert_string_equal(o->keys->access_key_id, id);
    assert_int_equal(secret_len(o->keys->secret_key), strlen(secret));
    assert_memory_equal(secret_expose(o->keys->secret_key), secret, strlen(secret));
    assert_int_equal(o->keys->session_token != NULL, token != NULL);
    if (token)
        assert_memory_equal(secret_expose(o->keys->session_token), token, strlen(token));
}

static void check_refused(const struct opened *o, const char *word, const char *other)
{
    assert_int_equal(o->r, -ERR_CREDENTIALS);
    if (!strstr(o->err.msg, word) || (!strstr(o->err.msg, other) && !strstr(o->err.hint, other)))
        fail_msg("neither %s nor %s: %s / %s", word, other, o->err.msg, o->err.hint);
}

static void variables_come_first(void **state)
{
    (void)state;
    scratch_write(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=f\n");
    set("AWS_ACCESS_KEY_ID=E");
    set("AWS_SECRET_ACCESS_KEY=e/+=");
    set("AWS_SESSION_TOKEN=t");
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    check_keys(&o, "E", "e/+=", "t");
    assert_string_equal(aws_creds_from(o.creds), "AWS_ACCESS_KEY_ID");
    cleanup(opened_clear) struct opened named = open_keys("default");
    check_keys(&named, "F", "f", NULL);
}

static void one_variable_of_two_is_an_error(void **state)
{
    (void)state;
    set("AWS_ACCESS_KEY_ID=E");
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    check_refused(&o, "AWS_ACCESS_KEY_ID is set", "AWS_SECRET_ACCESS_KEY is not");
}

static void both_files_are_read_as_the_tools_read_them(void **state)
{
    (void)state;
    scratch_write(".aws/credentials", "# mine\n[default]\naws_access_key_id = A ; old\n"
                                      "aws_secret_access_key=s#1\n\n[ci]\nAWS_ACCESS_KEY_ID=C\n"
                                      "aws_secret_access_key = c\naws_session_token=ct\r\n");
    scratch_write(".aws/config", "[default]\nregion = eu-west-1\n[profile ci]\naws_access_key_id=X\n"
                                 "aws_secret_access_key=x\ns3 =\n  addressing_style = path\n"
                                 "services = mine\n[profile \"a b\"]\naws_access_key_id=Q\n"
                                 "aws_secret_access_key=q\n[services mine]\nlambda =\n"
                                 "  endpoint_url = http://127.0.0.1:1\n  # c\n"
                                 "cloudfront =\n  endpoint_url = http://127.0.0.1:2\n");
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    check_keys(&o, "A", "s#1", NULL);
    assert_non_null(strstr(aws_creds_from(o.creds), "/.aws/credentials"));
    set("AWS_PROFILE=ci");
    cleanup(opened_clear) struct opened ci = open_keys(NULL);
    check_keys(&ci, "C", "c", "ct");
    assert_string_equal(aws_config_get(ci.config, "ci", "s3.addressing_style", NULL), "path");
    assert_string_equal(aws_config_section(ci.config, "services", "mine", "lambda.endpoint_url"),
                        "http://127.0.0.1:1");
    assert_string_equal(aws_config_section(ci.config, "services", "mine",
                                           "cloudfront.endpoint_url"), "http://127.0.0.1:2");
    cleanup(opened_clear) struct opened quoted = open_keys("a b");
    check_keys(&quoted, "Q", "q", NULL);
}

static void what_was_looked_at_is_said(void **state)
{
    (void)state;
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    check_refused(&o, "AWS_ACCESS_KEY_ID", scratch_path(".aws/config"));
    check_refused(&o, scratch_path(".aws/credentials"), "aws configure");
    cleanup(opened_clear) struct opened named = open_keys("prod");
    check_refused(&named, "profile 'prod'", scratch_path(".aws/credentials"));
}

static void broken_files_are_named_with_the_line(void **state)
{
    (void)state;
    scratch_write(".aws/config", "[default]\nregion=x\nnonsense\n");
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    assert_int_equal(o.r, -ERR_CREDENTIALS);
    assert_string_equal(o.err.file, scratch_path(".aws/config"));
    assert_int_equal(o.err.line, 3);
}

static void sources_that_are_not_asked_name_the_way_round(void **state)
{
    (void)state;
    scratch_write(".aws/config",
                  "[profile sso]\nsso_session = x\n"
                  "[profile mfa]\nrole_arn = arn:r\nmfa_serial = m\nsource_profile = sso\n"
                  "[profile a]\nrole_arn = arn:r\nsource_profile = b\n"
                  "[profile b]\nrole_arn = arn:r\nsource_profile = a\n"
                  "[profile lone]\nrole_arn = arn:r\n");
    cleanup(opened_clear) struct opened sso = open_keys("sso");
    check_refused(&sso, "single sign-on", "aws configure export-credentials --profile sso");
    cleanup(opened_clear) struct opened mfa = open_keys("mfa");
    check_refused(&mfa, "one-time password", "export-credentials --profile mfa");
    cleanup(opened_clear) struct opened circle = open_keys("a");
    check_refused(&circle, "circle", "source_profile");
    cleanup(opened_clear) struct opened lone = open_keys("lone");
    check_refused(&lone, "no keys to take it with", "source_profile");
}

static int64_t fake_now_ns;

static int64_t fake_wall(void *unused)
{
    (void)unused;
    return fake_now_ns;
}

static int64_t fake_mono(void *unused)
{
    (void)unused;
    return 0;
}

static void a_process_is_asked_again_when_its_keys_expire(void **state)
{
    (void)state;
    cleanup(free_p) char *config = xasprintf(
        "[default]\ncredential_process = echo x >>%s/runs; n=$(wc -l <%s/runs); echo \"{\\\"Version\\\": 1,"
        " \\\"AccessKeyId\\\": \\\"P$n\\\", \\\"SecretAccessKey\\\": \\\"s\\\","
        " \\\"Expiration\\\": \\\"2026-01-01T0$n:00:00Z\\\"}\"\n", scratch, scratch);
    scratch_write(".aws/config", config);
    assert_true(aws_time_parse("2026-01-01T00:30:00Z", &fake_now_ns));
    int64_t half_past = fake_now_ns;
    fake_now_ns = half_past * 1000000000;
    clock_install(&(struct clock_source){.wall_ns = fake_wall, .mono_ns = fake_mono});
    cleanup(opened_clear) struct opened o = open_keys(NULL);
    check_keys(&o, "P1", "s", NULL);
    fake_now_ns = (half_past + 1499) * 1000000000;
    assert_int_equal(aws_creds_keys(o.creds, &o.keys, &o.err), 0);
    check_keys(&o, "P1", "s", NULL);
    fake_now_ns = (half_past + 1500) * 1000000000; /* five minutes before one */
    assert_int_equal(aws_creds_keys(o.creds, &o.keys, &o.err), 0);
    check_keys(&o, "P2", "s", NULL);
    clock_install(NULL);
}

static void a_process_that_fails_says_how(void **state)
{
    (void)state;
    static const struct {
        const char *command, *word;
    } cases[] = {
        {"exit 3", "exit status 3"},
        {"kill -9 $$", "signal 9"},
        {"echo '{\"Version\": 2}'", "something else than Version 1"},
        {"echo '{\"Version\":1,\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"x\"}'",
         "no valid time"},
        {"head -c 100000 /dev/zero; sleep 100", "did not answer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct aws_keys keys;
        struct err err;
        assert_int_equal(aws_process_keys(cases[i].command, &keys, &err), -ERR_CREDENTIALS);
        if (!strstr(err.msg, cases[i].word))
            fail_msg("%s: %s", cases[i].command, err.msg);
    }
}

static void times_are_read_in_each_form(void **state)
{
    (void)state;
    int64_t t;
    static const char *const good[] = {"2015-08-30T12:36:00Z", "2015-08-30T12:36:00.123Z",
                                       "2015-08-30T13:36:00+01:00", "2015-08-30T05:06:00.5-0730"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(aws_time_parse(good[i], &t));
        assert_int_equal(t, 1440938160);
    }
    static const char *const bad[] = {"", "2015-08-30", "2015-08-30T12:36:00", "2015-08-30T12:36:00Zx",
                                      "2015-08-30T12:36:00+1", "2015-08-30T12:36:00+01:00x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(aws_time_parse(bad[i], &t));
}

#define IN_SCRATCH(name) cmocka_unit_test_setup_teardown(name, setup, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(variables_come_first),
        IN_SCRATCH(one_variable_of_two_is_an_error),
        IN_SCRATCH(both_files_are_read_as_the_tools_read_them),
        IN_SCRATCH(what_was_looked_at_is_said),
        IN_SCRATCH(broken_files_are_named_with_the_line),
        IN_SCRATCH(sources_that_are_not_asked_name_the_way_round),
        IN_SCRATCH(a_process_is_asked_again_when_its_keys_expire),
        cmocka_unit_test(a_process_that_fails_says_how),
        cmocka_unit_test(times_are_read_in_each_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
