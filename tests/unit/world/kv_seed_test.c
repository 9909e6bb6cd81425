/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "unit/world/project.h"
#include "world/kv.h"
#include "world/state.h"

static int open_db(void **state)
{
    struct err err;
    if (scratch_make(state) < 0)
        return -1;
    char dir[PATH_MAX + 64];
    snprintf(dir, sizeof dir, "%s/state", scratch);
    return kv_db_open(dir, (struct kv_db **)state, &err);
}

static int close_db(void **state)
{
    kv_db_close(*state);
    return scratch_remove(state);
}

static void seed(struct kv_db *db, const char *toml)
{
    struct manifest *m = project_load("fastly.toml", toml);
    struct err err;
    if (kv_seed(db, m, &err) < 0)
        fail_msg("%s", err.msg);
    manifest_unref(m);
}

/* NULL = no such key. The metadata stands behind a '+'. */
static void assert_kv(struct kv_db *db, const char *key, const char *want)
{
    struct kv_reader *r;
    struct err err;
    assert_int_equal(kv_reader_open(db, NULL, &r, &err), 0);
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    enum kv_result result = kv_get(r, "s", key, &e);
    kv_reader_close(r);
    assert_int_equal(result, want ? KV_OK : KV_NOT_FOUND);
    if (!want)
        return;
    char got[256] = {0};
    size_t n = 0, len = 0;
    while (body_read(e->value, got + len, sizeof got - 1 - len, &n) == BODY_DATA)
        len += n;
    if (e->metadata)
        snprintf(got + len, sizeof got - len, "+%.*s", (int)e->metadata_len, (char *)e->metadata);
    assert_string_equal(got, want);
}

static void put(struct kv_db *db, const char *key, const char *value)
{
    struct kv_put p = {.store = "s", .key = key, .value = value, .value_len = strlen(value)};
    assert_int_equal(kv_put_now(db, &p, NULL), KV_OK);
}

static const char two[] = "[local_server]\nkv_stores.s = [{key = \"a\", data = \"1\"},"
                          "{key = \"b\", data = \"2\", metadata = \"m\"}]\n";

static void seeds_fill_what_is_not_there(void **state)
{
    struct kv_db *db = *state;
    put(db, "mine", "kept");
    seed(db, two);
    assert_kv(db, "a", "1");
    assert_kv(db, "b", "2+m");
    assert_kv(db, "mine", "kept");
}

static void what_users_wrote_stays(void **state)
{
    struct kv_db *db = *state;
    seed(db, two);
    put(db, "a", "by a guest");
    assert_int_equal(kv_delete_now(db, "s", "b"), KV_OK);
    seed(db, two);
    assert_kv(db, "a", "by a guest");
    assert_kv(db, "b", "2+m"); /* absent: written again */
}

static void a_changed_seed_is_applied_once(void **state)
{
    struct kv_db *db = *state;
    static const char changed[] = "[local_server]\nkv_stores.s = [{key = \"a\", data = \"new\"},"
                                  "{key = \"b\", data = \"2\", metadata = \"other\"}]\n";
    seed(db, two);
    put(db, "a", "by a guest");
    seed(db, changed);
    assert_kv(db, "a", "new");
    assert_kv(db, "b", "2+other");
    put(db, "a", "by a guest");
    seed(db, changed);
    assert_kv(db, "a", "by a guest");
}

static void a_value_written_before_the_first_seed_is_replaced_once(void **state)
{
    struct kv_db *db = *state;
    put(db, "a", "older than the seed");
    seed(db, two);
    assert_kv(db, "a", "1");
}

static void files_are_seeds_too(void **state)
{
    struct kv_db *db = *state;
    scratch_write("v.txt", "from a file");
    scratch_write("s.json", "{\"k\": \"text\", \"k2\": {\"data\": \"d\", \"metadata\": \"m\"},"
                            " \"k3\": {\"file\": \"v.txt\"}}");
    static const char toml[] = "[local_server]\nkv_stores.s = {file = \"s.json\", "
                               "format = \"json\"}\n";
    seed(db, toml);
    assert_kv(db, "k", "text");
    assert_kv(db, "k2", "d+m");
    assert_kv(db, "k3", "from a file");
    scratch_write("v.txt", "changed");
    seed(db, toml);
    assert_kv(db, "k3", "changed");
}

static void state_dirs_do_not_collide(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"fastly.toml", ".edgectl"}, {"other.toml", ".edgectl/other.toml"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct manifest *m = project_load(cases[i][0], "name = \"x\"\n");
        cleanup(free_p) char *got = state_dir_for(m, NULL);
        assert_string_equal(got + strlen(got) - strlen(cases[i][1]), cases[i][1]);
        assert_string_equal(strstr(got, "/.edgectl") + 1, cases[i][1]);
        cleanup(free_p) char *named = state_dir_for(m, "elsewhere");
        assert_string_equal(named, "elsewhere");
        manifest_unref(m);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_db, close_db)
    const struct CMUnitTest tests[] = {
        T(seeds_fill_what_is_not_there),
        T(what_users_wrote_stays),
        T(a_changed_seed_is_applied_once),
        T(a_value_written_before_the_first_seed_is_replaced_once),
        T(files_are_seeds_too),
        T(state_dirs_do_not_collide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
