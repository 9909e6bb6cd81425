/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include "bundle/internal.h"

static int read_one(struct inputs *in, const char *path, struct err *err)
{
    struct spool *sp = spool_new(NULL, 1 << 20);
    uint8_t *data = NULL;
    size_t len;
    in->spool = sp;
    int r = input_read(in, path, &data, &len, err);
    spool_drop(sp, data);
    spool_free(sp);
    return r;
}

/* Whatever is done to it after it was read: the bundle would hold a mixture. */
static void a_file_that_changes_meanwhile(void **state)
{
    struct project *p = *state;
    struct err err;
    char path[100], other[100];
    snprintf(path, sizeof path, "%s/a", p->dir);
    snprintf(other, sizeof other, "%s/b", p->dir);
    for (int how = 0; how < 4; how++) {
        cleanup(inputs_clear) struct inputs in = {0};
        project_write(p, "a", "one");
        assert_int_equal(read_one(&in, path, &err), 0);
        assert_int_equal(inputs_unchanged(&in, &err), 0);
        if (how == 0) {
            FILE *f = fopen(path, "a");
            fputs("more", f);
            fclose(f);
        } else if (how == 1) {
            project_write(p, "b", "two");
            assert_int_equal(rename(other, path), 0);
        } else if (how == 2) {
            assert_int_equal(unlink(path), 0);
        } else {
            assert_int_equal(truncate(path, 1), 0);
        }
        assert_int_equal(inputs_unchanged(&in, &err), -ERR_IO);
        assert_non_null(strstr(err.msg, "/a changed while it was bundled"));
        assert_true(err.hint[0]);
    }
}

static void what_is_no_file(void **state)
{
    struct project *p = *state;
    struct err err;
    char path[100];
    cleanup(inputs_clear) struct inputs in = {0};
    assert_int_equal(read_one(&in, p->dir, &err), -ERR_IO);
    snprintf(path, sizeof path, "%s/fifo", p->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_one(&in, path, &err), -ERR_IO);
    assert_non_null(strstr(err.msg, "no regular file"));
    assert_int_equal(in.count, 0);
}

/* A sparse file: nothing of it is read. */
static void more_than_any_bundle(void **state)
{
    struct project *p = *state;
    struct err err;
    char path[100];
    cleanup(inputs_clear) struct inputs in = {0};
    project_write(p, "big", "");
    snprintf(path, sizeof path, "%s/big", p->dir);
    assert_int_equal(truncate(path, (off_t)600 << 20), 0);
    assert_int_equal(read_one(&in, path, &err), -ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, project_setup, project_teardown)
        T(a_file_that_changes_meanwhile), T(what_is_no_file), T(more_than_any_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
