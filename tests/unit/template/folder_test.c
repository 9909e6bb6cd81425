/* SPDX-License-Identifier: Apache-2.0 */
#include "template/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

static char *root;

static int make_root(void **state)
{
    (void)state;
    root = xstrdup("/tmp/folder-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    cleanup(free_p) char *command = xasprintf("rm -rf '%s'", root);
    int r = system(command);
    free(root);
    return r;
}

static bool has(const char *path)
{
    cleanup(free_p) char *full = xasprintf("%s/%s", root, path);
    struct stat st;
    return lstat(full, &st) == 0;
}

/* Entries in the directory that the folder is made in, hidden ones too. */
static int entries(void)
{
    cleanup(free_p) char *command = xasprintf("ls -A '%s' | wc -l", root);
    FILE *p = popen(command, "r");
    int n = -1;
    assert_int_equal(fscanf(p, "%d", &n), 1);
    pclose(p);
    return n;
}

static struct folder *open_folder(bool force)
{
    cleanup(free_p) char *path = xasprintf("%s/app", root);
    struct folder *f = NULL;
    struct err err = {0};
    int r = folder_open(path, force, &f, &err);
    if (r < 0)
        assert_int_equal(-r, err.code);
    return f;
}

static void paths_must_stay_inside(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b", "..a", "a..", ".env", ".github/x", ".gitignore"};
    static const char *const bad[] = {"", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.",
                                      ".git", ".git/config", "a/.GIT/hooks/x"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(folder_path_ok(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(folder_path_ok(bad[i]));
}

static void links_must_stay_inside(void **state)
{
    (void)state;
    assert_true(folder_link_ok("a", "b"));
    assert_true(folder_link_ok("a/b", "../c"));
    assert_true(folder_link_ok("a/b/c", "../../d/./e"));
    assert_false(folder_link_ok("a", "../b"));
    assert_false(folder_link_ok("a/b", "../../c"));
    assert_false(folder_link_ok("a", "/etc/passwd"));
    assert_false(folder_link_ok("a", ""));
    assert_false(folder_link_ok("a", ".git/config"));
    /* Through another link, ".." after a name may lead anywhere. */
    assert_false(folder_link_ok("a", "b/.."));
    assert_false(folder_link_ok("a/b", "c/../../d"));
}

static void a_folder_appears_whole(void **state)
{
    (void)state;
    struct folder *f = open_folder(false);
    assert_int_equal(folder_put(f, "src/main.c", "x", 1, 0644, NULL), 0);
    assert_int_equal(folder_put(f, "run", "y", 1, 0755, NULL), 0);
    assert_int_equal(folder_link(f, "src/link", "../run", NULL), 0);
    assert_false(has("app"));
    assert_int_equal(folder_count(f), 3);
    assert_int_equal(folder_commit(f, NULL), 0);
    folder_close(f);
    assert_true(has("app/src/main.c"));
    assert_true(has("app/src/link"));
    assert_int_equal(entries(), 1);
}

static void nothing_is_left_without_commit(void **state)
{
    (void)state;
    struct folder *f = open_folder(false);
    assert_int_equal(folder_put(f, "a/b", "x", 1, 0644, NULL), 0);
    folder_close(f);
    assert_int_equal(entries(), 0);
}

static void content_is_not_overwritten_unless_forced(void **state)
{
    (void)state;
    struct folder *f = open_folder(false);
    assert_int_equal(folder_put(f, "mine", "x", 1, 0644, NULL), 0);
    assert_int_equal(folder_put(f, "dir/mine", "x", 1, 0644, NULL), 0);
    assert_int_equal(folder_commit(f, NULL), 0);
    folder_close(f);

    assert_null(open_folder(false));
    f = open_folder(true);
    assert_int_equal(folder_put(f, "dir/new", "x", 1, 0644, NULL), 0);
    assert_int_equal(folder_commit(f, NULL), 0);
    folder_close(f);
    assert_true(has("app/mine"));
    assert_true(has("app/dir/mine"));
    assert_true(has("app/dir/new"));
    assert_int_equal(entries(), 1);
}

/* A hostile tree can hold a link and a directory of one name. */
static void nothing_is_written_through_a_link(void **state)
{
    (void)state;
    struct folder *f = open_folder(false);
    assert_int_equal(folder_put(f, "real/x", "x", 1, 0644, NULL), 0);
    assert_int_equal(folder_link(f, "link", "real", NULL), 0);
    assert_true(folder_put(f, "link/y", "x", 1, 0644, NULL) < 0);
    assert_true(folder_put(f, "link", "x", 1, 0644, NULL) < 0);
    folder_close(f);
}

static void there_is_a_limit(void **state)
{
    (void)state;
    struct folder *f = open_folder(false);
    static char big[1 << 20];
    int r = 0, n = 0;
    for (; r == 0 && n < 300; n++) {
        cleanup(free_p) char *path = xasprintf("f%d", n);
        r = folder_put(f, path, big, sizeof(big), 0644, NULL);
    }
    assert_int_equal(r, -ERR_LIMIT);
    assert_int_equal(n, 257);
    folder_close(f);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
    const struct CMUnitTest tests[] = {
        TEST(paths_must_stay_inside),
        TEST(links_must_stay_inside),
        TEST(a_folder_appears_whole),
        TEST(nothing_is_left_without_commit),
        TEST(content_is_not_overwritten_unless_forced),
        TEST(nothing_is_written_through_a_link),
        TEST(there_is_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
