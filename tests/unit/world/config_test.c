/* SPDX-License-Identifier: Apache-2.0 */
#include <utime.h>
#include "base/mem.h"
#include "unit/world/project.h"
#include "world/config.h"
#include "world/overrides.h"

static struct configs *open_all(struct manifest *m)
{
    struct configs *c = NULL;
    struct err err;
    char state[PATH_MAX + 64];
    snprintf(state, sizeof state, "%s/state", scratch);
    if (configs_open(m, state, &c, &err) < 0)
        fail_msg("%s", err.msg);
    return c;
}

static void assert_config(struct configs *c, const char *store, const char *key, const char *want)
{
    cleanup(config_close_p) struct config *s = config_open(c, store, strlen(store));
    const char *value = NULL;
    size_t len = 0;
    assert_non_null(s);
    assert_int_equal(config_get(s, key, strlen(key), &value, &len), want != NULL);
    if (!want)
        return;
    assert_int_equal(len, strlen(want));
    assert_memory_equal(value, want, len);
}

static void put(const char *store, const char *key, const char *value)
{
    struct overrides *o;
    struct err err;
    char state[PATH_MAX + 64];
    snprintf(state, sizeof state, "%s/state", scratch);
    struct pair pair = {store, key, value, strlen(value)};
    assert_int_equal(overrides_open(state, &o, &err), 0);
    assert_int_equal(overrides_put(o, PAIR_CONFIG, &pair, 1, &err), 0);
    overrides_close(o);
}

static const char fastly[] =
    "[local_server.config_stores.inline]\nformat = \"inline-toml\"\n"
    "[local_server.config_stores.inline.contents]\nb = \"2\"\na = \"1\"\nempty = \"\"\n"
    "[local_server.config_stores.file]\nformat = \"json\"\nfile = \"c.json\"\n";

static void the_manifest_gives_the_values(void **state)
{
    (void)state;
    scratch_write("c.json", "{\"k\": \"v\"}");
    struct manifest *m = project_load("fastly.toml", fastly);
    struct configs *c = open_all(m);
    manifest_unref(m); /* it is kept by the stores */
    assert_config(c, "inline", "a", "1");
    assert_config(c, "inline", "b", "2");
    assert_config(c, "inline", "empty", "");
    assert_config(c, "inline", "c", NULL);
    assert_config(c, "inline", "", NULL);
    assert_config(c, "file", "k", "v");
    assert_null(config_open(c, "none", 4));
    assert_null(config_open(c, "inlin", 5));
    configs_close(c);
}

static void a_changed_file_shows_at_the_next_open(void **state)
{
    (void)state;
    scratch_write("c.json", "{\"k\": \"v\"}");
    struct manifest *m = project_load("fastly.toml", fastly);
    struct configs *c = open_all(m);
    struct err err;
    struct config *before = config_open(c, "file", 4);
    scratch_write("c.json", "{\"k\": \"changed\", \"n\": \"\"}");
    assert_config(c, "file", "k", "changed");
    assert_config(c, "file", "n", "");
    const char *value;
    size_t len;
    assert_true(config_get(before, "k", 1, &value, &len)); /* an opened store does not change */
    assert_string_equal(value, "v");
    config_close(before);
    assert_false(configs_take_error(c, &err));
    scratch_write("c.json", "{\"k\": ");
    assert_config(c, "file", "k", "changed");
    assert_true(configs_take_error(c, &err));
    assert_non_null(strstr(err.file, "c.json"));
    assert_config(c, "file", "k", "changed");
    assert_false(configs_take_error(c, &err)); /* told once per change */
    scratch_write("c.json", "{}");
    assert_config(c, "file", "k", NULL);
    configs_close(c);
    manifest_unref(m);
}

static void overrides_show_at_the_next_open(void **state)
{
    (void)state;
    scratch_write("c.json", "{\"k\": \"v\"}");
    struct manifest *m = project_load("fastly.toml", fastly);
    put("inline", "a", "mine");
    struct configs *c = open_all(m);
    assert_config(c, "inline", "a", "mine");
    assert_config(c, "inline", "b", "2");
    put("file", "new", "added");
    put("undeclared", "x", "y");
    assert_config(c, "file", "new", "added");
    assert_config(c, "file", "k", "v");
    assert_null(config_open(c, "undeclared", 10));
    scratch_write("c.json", "{\"k\": \"v2\", \"new\": \"of the file\"}");
    assert_config(c, "file", "new", "added");
    assert_config(c, "file", "k", "v2");
    struct overrides *o;
    struct err err;
    assert_int_equal(overrides_open(scratch_path("state"), &o, &err), 0);
    assert_int_equal(overrides_delete(o, PAIR_CONFIG, "file", "new", &err), 1);
    assert_int_equal(overrides_delete(o, PAIR_CONFIG, "file", "new", &err), 0);
    overrides_close(o);
    assert_config(c, "file", "new", "of the file");
    configs_close(c);
    manifest_unref(m);
}

static void keys_and_values_are_bounded(void **state)
{
    (void)state;
    struct err err;
    char big[4 * 8001];
    for (size_t i = 0; i < sizeof big; i += 2)
        memcpy(big + i, "\xc3\xa9", 2); /* two bytes, one character */
    assert_int_equal(config_check("k", big, 2 * 8000, &err), 0);
    assert_int_equal(config_check("k", big, 2 * 8001, &err), -ERR_USAGE);
    assert_int_equal(config_check("k", big, 3, &err), -ERR_USAGE);
    big[2 * 256] = '\0';
    assert_int_equal(config_check(big, "", 0, &err), 0);
    big[2 * 256] = 'x';
    big[2 * 256 + 1] = '\0';
    assert_int_equal(config_check(big, "", 0, &err), -ERR_USAGE);
    assert_int_equal(config_check("", "", 0, &err), -ERR_USAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        T(the_manifest_gives_the_values),
        T(a_changed_file_shows_at_the_next_open),
        T(overrides_show_at_the_next_open),
        T(keys_and_values_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
