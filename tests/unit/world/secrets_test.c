/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "unit/world/project.h"
#include "world/secrets.h"

static char state_dir[PATH_MAX + 64];

static int set_up(void **state)
{
    int r = scratch_make(state);
    snprintf(state_dir, sizeof state_dir, "%s/state", scratch);
    return r;
}

static const char manifest[] =
    "name: app\n"
    "secrets:\n"
    "  literal: { value: from-manifest }\n"
    "  variable: { env: EDGE_TEST_SECRET }\n"
    "  dotenv: { env: EDGE_TEST_DOTENV }\n"
    "  unset: { env: EDGE_TEST_UNSET }\n"
    "  file: { file: secret.txt }\n"
    "  put-only:\n";

static struct secrets *open_all(struct manifest *m)
{
    struct secrets *s = NULL;
    struct err err;
    if (secrets_open(m, state_dir, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static struct manifest *load(void)
{
    setenv("EDGE_TEST_SECRET", "from-env", 1);
    unsetenv("EDGE_TEST_UNSET");
    scratch_write(".env", "EDGE_TEST_DOTENV=from-dotenv\nEDGE_TEST_SECRET=not this\n");
    scratch_write("secret.txt", "from-file");
    return project_load("edge.yaml", manifest);
}

static void assert_secret(struct secrets *s, const char *key, const char *want)
{
    cleanup(secret_unref_p) struct secret *got =
        secrets_lookup(s, "secrets", strlen("secrets"), key, strlen(key));
    if (!want) {
        assert_null(got);
        return;
    }
    assert_non_null(got);
    assert_int_equal(secret_len(got), strlen(want));
    assert_memory_equal(secret_expose(got), want, secret_len(got));
}

static void put(const char *store, const char *key, const char *value)
{
    struct err err;
    cleanup(secret_unref_p) struct secret *v = secret_new(value, strlen(value));
    if (secrets_put(state_dir, store, key, v, &err) < 0)
        fail_msg("%s", err.msg);
}

static void values_come_from_where_the_manifest_says(void **state)
{
    (void)state;
    struct manifest *m = load();
    struct secrets *s = open_all(m);
    assert_secret(s, "literal", "from-manifest");
    assert_secret(s, "variable", "from-env");
    assert_secret(s, "dotenv", "from-dotenv");
    assert_secret(s, "file", "from-file");
    assert_secret(s, "unset", NULL);
    assert_secret(s, "put-only", NULL);
    assert_secret(s, "none", NULL);
    assert_non_null(secrets_warning(s, 0));
    assert_non_null(strstr(secrets_warning(s, 0)->msg, "unset"));
    assert_null(secrets_warning(s, 1));
    secrets_close(s);
    manifest_unref(m);
}

static void stored_ones_override_and_extend_live(void **state)
{
    (void)state;
    struct manifest *m = load();
    put("secrets", "literal", "stored");
    struct secrets *s = open_all(m);
    assert_secret(s, "literal", "stored");
    struct secret *held = secrets_lookup(s, "secrets", 7, "literal", 7);
    put("secrets", "literal", "stored again");
    put("secrets", "put-only", "x");
    put("secrets", "new", "");
    assert_secret(s, "literal", "stored again");
    assert_secret(s, "put-only", "x");
    assert_secret(s, "new", "");
    assert_secret(s, "variable", "from-env");
    assert_memory_equal(secret_expose(held), "stored", 6); /* what was looked up stays */
    secret_unref(held);
    struct err err;
    assert_int_equal(secrets_delete(state_dir, "secrets", "literal", &err), 1);
    assert_int_equal(secrets_delete(state_dir, "secrets", "literal", &err), 0);
    assert_secret(s, "literal", "from-manifest");
    secrets_close(s);
    manifest_unref(m);
}

static void nothing_readable_lies_in_the_folder(void **state)
{
    (void)state;
    put("secrets", "k", "correct horse battery staple");
    cleanup(free_p) char *command =
        xasprintf("grep -rqa -e 'correct horse' -e 'battery staple' '%s'", state_dir);
    assert_int_not_equal(system(command), 0);
}

static void a_lost_key_is_one_clear_error(void **state)
{
    (void)state;
    struct manifest *m = load();
    struct secrets *s = NULL;
    struct err err;
    put("secrets", "literal", "stored");
    assert_int_equal(remove(scratch_path("state/secret.key")), 0);
    assert_int_equal(secrets_open(m, state_dir, &s, &err), -ERR_CREDENTIALS);
    assert_non_null(strstr(err.hint, "put the secrets again"));
    put("secrets", "literal", "put again");
    s = open_all(m);
    assert_secret(s, "literal", "put again");
    secrets_close(s);
    manifest_unref(m);
}

static void names_are_checked(void **state)
{
    (void)state;
    struct err err;
    struct secret *v = secret_new("v", 1);
    char longest[SECRET_NAME_MAX + 2] = {0};
    memset(longest, 'n', SECRET_NAME_MAX);
    assert_int_equal(secrets_put(state_dir, longest, "A-z_0.9", v, &err), 0);
    longest[SECRET_NAME_MAX] = 'n';
    const char *const bad[] = {"", "a b", "a/b", "\xc3\xa9", longest};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(secrets_put(state_dir, "s", bad[i], v, &err), -ERR_USAGE);
        assert_int_equal(secrets_put(state_dir, bad[i], "k", v, &err), -ERR_USAGE);
    }
    secret_unref(v);
    uint8_t *data;
    v = secret_alloc(SECRET_MAX + 1, &data);
    memset(data, 'x', SECRET_MAX + 1);
    assert_int_equal(secrets_put(state_dir, "s", "k", v, &err), -ERR_LIMIT);
    secret_unref(v);
}

static void count_set(void *env, const struct secret_info *info)
{
    int *counts = env;
    counts[0]++;
    counts[1] += info->set;
    counts[2] += info->local;
    assert_int_equal(info->print[0] != '\0', info->set);
}

static void listings_show_no_value(void **state)
{
    (void)state;
    struct manifest *m = load();
    put("secrets", "put-only", "x");
    struct secrets *s = open_all(m);
    struct err err;
    int counts[3] = {0};
    assert_int_equal(secrets_each(s, count_set, counts, &err), 0);
    assert_int_equal(counts[0], 6);
    assert_int_equal(counts[1], 5);
    assert_int_equal(counts[2], 1);
    secrets_close(s);
    manifest_unref(m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, scratch_remove)
    const struct CMUnitTest tests[] = {
        T(values_come_from_where_the_manifest_says),
        T(stored_ones_override_and_extend_live),
        T(nothing_readable_lies_in_the_folder),
        T(a_lost_key_is_one_clear_error),
        T(names_are_checked),
        T(listings_show_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
