/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles on disk: replaced whole or not at all, and checked against their records. */
#include "project.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include "bundle/record.h"

static const char manifest[] = "name: a\nbuild: {artifact: app.wat}\nstatic: {/: public}\n";

static const char *path_of(const struct project *p, const char *name)
{
    static char path[4][300];
    static int turn;
    char *to = path[turn++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", p->dir, name);
    return to;
}

static void make(struct project *p, const char *target, const char *out)
{
    project_write(p, "public/x.txt", "hello");
    if (project_bundle(p, manifest, target) < 0)
        fail_msg("%s", p->err.msg);
    assert_int_equal(bundle_write(p->b, path_of(p, out), &p->err), 0);
}

static int verify(struct project *p, const char *out)
{
    struct bundle_check check;
    p->err = (struct err){0};
    int r = bundle_verify(path_of(p, out), &check, &p->err);
    if (r == 0)
        bundle_check_clear(&check);
    return r;
}

static void wrong(struct project *p, const char *out, const char *why)
{
    int r = verify(p, out);
    if (r != -ERR_FAILURE || !strstr(p->err.msg, why))
        fail_msg("%d %s, not: %s", r, p->err.msg, why);
}

/* Files and folders in the project that begin with `name`. */
static int count(const struct project *p, const char *name)
{
    DIR *dir = opendir(p->dir);
    int n = 0;
    for (const struct dirent *e; (e = readdir(dir));)
        n += strncmp(e->d_name, name, strlen(name)) == 0;
    closedir(dir);
    return n;
}

static void what_was_written_is_good(void **state)
{
    struct project *p = *state;
    make(p, "fastly", "out/a.tar.gz");
    assert_int_equal(verify(p, "out/a.tar.gz"), 0);
    make(p, "cloudflare", "worker");
    assert_int_equal(verify(p, "worker"), 0);
    assert_int_equal(verify(p, "worker/"), 0);
    make(p, "local", "here/");
    assert_int_equal(verify(p, "here"), 0);
}

static void modes_do_not_depend_on_the_umask(void **state)
{
    struct project *p = *state;
    struct stat st;
    mode_t old = umask(077);
    make(p, "cloudflare", "worker");
    make(p, "fastly", "a.tar.gz");
    umask(old);
    assert_int_equal(stat(path_of(p, "worker/core"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(stat(path_of(p, "worker/core/host.js"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(stat(path_of(p, "a.tar.gz"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
}

static void a_bundle_is_replaced_and_nothing_is_left(void **state)
{
    struct project *p = *state;
    make(p, "cloudflare", "worker");
    project_write(p, "worker/stray.txt", "of the old one");
    make(p, "cloudflare", "worker");
    assert_int_equal(verify(p, "worker"), 0);
    assert_int_equal(access(path_of(p, "worker/stray.txt"), F_OK), -1);
    assert_int_equal(count(p, "worker"), 2);
    make(p, "fastly", "a.tar.gz");
    make(p, "fastly", "a.tar.gz");
    assert_int_equal(count(p, "a.tar.gz"), 2);
}

static void a_folder_that_is_no_bundle_is_left_alone(void **state)
{
    struct project *p = *state;
    project_write(p, "mine/file", "precious");
    assert_int_equal(project_bundle(p, "name: a\nbuild: {artifact: app.wat}\n", "cloudflare"), 0);
    assert_int_equal(bundle_write(p->b, path_of(p, "mine"), &p->err), -ERR_IO);
    assert_non_null(strstr(p->err.msg, "is no bundle"));
    assert_int_equal(access(path_of(p, "mine/file"), F_OK), 0);
    assert_int_equal(count(p, "mine"), 1);
    assert_int_equal(mkdir(path_of(p, "empty"), 0700), 0);
    assert_int_equal(bundle_write(p->b, path_of(p, "empty"), &p->err), 0);
}

/* A file size limit stands for a full disk: the write fails in the middle. */
static void no_room_changes_nothing(void **state)
{
    static const char *const targets[] = {"fastly", "cloudflare"};
    struct project *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct rlimit old, small;
        make(p, targets[i], "out");
        getrlimit(RLIMIT_FSIZE, &old);
        small = (struct rlimit){100, old.rlim_max};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        int r = bundle_write(p->b, path_of(p, "out"), &p->err);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(r, -ERR_IO);
        assert_int_equal(verify(p, "out"), 0);
        assert_int_equal(count(p, "out"), 2);
        char command[400];
        snprintf(command, sizeof command, "%s.release.json", path_of(p, "out"));
        unlink(command);
        nftw(path_of(p, "out"), project_remove, 8, FTW_DEPTH | FTW_PHYS);
    }
}

static void whatever_was_changed_is_found(void **state)
{
    struct project *p = *state;
    make(p, "cloudflare", "worker");
    project_write(p, "worker/app.wasm", "other");
    wrong(p, "worker", "'app.wasm' is not what was bundled");
    make(p, "cloudflare", "worker");
    project_write(p, "worker/more.js", "");
    wrong(p, "worker", "the record lists");
    make(p, "cloudflare", "worker");
    unlink(path_of(p, "worker/core/host.js"));
    wrong(p, "worker", "'core/host.js' is missing");
    make(p, "cloudflare", "worker");
    project_write(p, "worker/metadata.json", "{\"main_module\": \"evil.js\"}");
    wrong(p, "worker", "metadata.json is not what was bundled");
    make(p, "cloudflare", "worker");
    assert_int_equal(symlink("/etc/passwd", path_of(p, "worker/link")), 0);
    wrong(p, "worker", "'link' is no regular file");
    make(p, "fastly", "a.tar.gz");
    project_write(p, "a.tar.gz", "\x1f\x8b not really");
    wrong(p, "a.tar.gz", "it is not the file that was bundled");
    make(p, "fastly", "a.tar.gz");
    project_write(p, "a.tar.gz.release.json", "{\"format\": 1");
    wrong(p, "a.tar.gz", "the release record is damaged");
    project_write(p, "a.tar.gz.release.json", "{\"format\": 2}");
    wrong(p, "a.tar.gz", "its format is not 1");
    unlink(path_of(p, "a.tar.gz.release.json"));
    assert_int_equal(verify(p, "a.tar.gz"), 0);
    unlink(path_of(p, "worker.release.json"));
    wrong(p, "worker", "has no release record beside it");
    assert_int_equal(verify(p, "nothing"), -ERR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, project_setup, project_teardown)
        T(what_was_written_is_good), T(modes_do_not_depend_on_the_umask),
        T(a_bundle_is_replaced_and_nothing_is_left), T(a_folder_that_is_no_bundle_is_left_alone),
        T(no_room_changes_nothing), T(whatever_was_changed_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
