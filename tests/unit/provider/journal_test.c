/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "provider/journal.h"
#include "unit/world/scratch.h"

static struct journal *open_ok(enum journal_mode mode)
{
    struct journal *j = NULL;
    struct err err = {0};
    if (journal_open(scratch, "prod", mode, &j, &err) < 0)
        fail_msg("%s", err.msg);
    return j;
}

static void facts_and_operations_survive(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE);
    uint64_t a, b;
    assert_int_equal(journal_set_fact(j, "service", "S1", NULL), 0);
    assert_int_equal(journal_set_fact(j, "gone", "x", NULL), 0);
    assert_int_equal(journal_set_fact(j, "gone", NULL, NULL), 0);
    assert_int_equal(journal_note_fact(j, "noted", "1", NULL), 0);
    assert_int_equal(journal_note_fact(j, "noted", "2", NULL), 0);
    assert_int_equal(journal_begin(j, "step", "version", "r1", NULL, &a, NULL), 0);
    struct err failure = {.code = ERR_NETWORK, .msg = "503 \"busy\""};
    assert_int_equal(journal_end(j, a, -ERR_NETWORK, &failure, NULL, NULL), 0);
    assert_int_equal(journal_begin(j, "step", "version", "r1", NULL, &b, NULL), 0);
    assert_true(b > a);
    journal_close(j);

    j = open_ok(JOURNAL_READ);
    assert_string_equal(journal_fact(j, "service"), "S1");
    assert_null(journal_fact(j, "gone"));
    assert_string_equal(journal_fact(j, "noted"), "2");
    assert_int_equal(journal_note_fact(j, "x", "y", NULL), -ERR_FAILURE);
    struct journal_op op;
    assert_true(journal_op_at(j, 0, &op));
    assert_string_equal(op.error, "503 \"busy\"");
    assert_true(op.ended_ms >= op.began_ms && op.began_ms > 0);
    assert_true(journal_interrupted(j, &op));
    assert_int_equal(op.number, b);
    assert_string_equal(op.what, "version");
    assert_string_equal(op.release, "r1");
    assert_int_equal(journal_set_fact(j, "x", "y", NULL), -ERR_FAILURE);
    journal_close(j);
}

static void a_torn_line_is_dropped(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE);
    assert_int_equal(journal_set_fact(j, "a", "1", NULL), 0);
    journal_close(j);
    const char *path = scratch_path("targets/prod/journal.jsonl");
    FILE *f = fopen(path, "a");
    fputs("{\"t\":1,\"fact\":\"b\",\"val", f);
    fclose(f);
    j = open_ok(JOURNAL_WRITE);
    assert_null(journal_fact(j, "b"));
    assert_int_equal(journal_set_fact(j, "c", "3", NULL), 0);
    journal_close(j);
    j = open_ok(JOURNAL_READ);
    assert_string_equal(journal_fact(j, "a"), "1");
    assert_string_equal(journal_fact(j, "c"), "3");
    journal_close(j);
}

static void a_line_that_found_no_room_is_taken_back(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE);
    assert_int_equal(journal_set_fact(j, "a", "1", NULL), 0);
    struct stat st;
    assert_int_equal(stat(scratch_path("targets/prod/journal.jsonl"), &st), 0);
    struct rlimit old, tight = {.rlim_cur = (rlim_t)st.st_size + 10};
    getrlimit(RLIMIT_FSIZE, &old);
    tight.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int r = journal_set_fact(j, "b", "2", NULL);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(r, -ERR_IO);
    assert_int_equal(journal_set_fact(j, "c", "3", NULL), 0);
    journal_close(j);
    j = open_ok(JOURNAL_WRITE);
    assert_null(journal_fact(j, "b"));
    assert_string_equal(journal_fact(j, "c"), "3");
    journal_close(j);
}

static void damage_in_the_middle_is_told(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE);
    assert_int_equal(journal_set_fact(j, "a", "1", NULL), 0);
    journal_close(j);
    FILE *f = fopen(scratch_path("targets/prod/journal.jsonl"), "a");
    fputs("not json\n{}\n", f);
    fclose(f);
    struct err err = {0};
    assert_int_equal(journal_open(scratch, "prod", JOURNAL_WRITE, &j, &err), -ERR_FAILURE);
    assert_int_equal(err.line, 2);
    assert_true(strstr(err.file, "journal.jsonl") != NULL);
}

static void two_cannot_write(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE), *other;
    struct err err = {0};
    assert_int_equal(journal_open(scratch, "prod", JOURNAL_WRITE, &other, &err), -ERR_DRIFT);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d on ", (int)getpid());
    assert_non_null(strstr(err.msg, pid));
    assert_int_equal(journal_open(scratch, "stage", JOURNAL_WRITE, &other, NULL), 0);
    journal_close(other);
    journal_close(open_ok(JOURNAL_READ));
    journal_close(j);
    journal_close(open_ok(JOURNAL_WRITE));
}

/* The lock goes with a process that is killed, and what it had begun is known. */
static void a_killed_process_leaves_what_it_began(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        setenv("EDGECTL_TEST_KILL_AT", "2", 1); /* after the first record */
        struct journal *j = NULL;
        uint64_t number;
        if (journal_open(scratch, "prod", JOURNAL_WRITE, &j, NULL) == 0)
            (void)!journal_begin(j, "split", "v2", "r2", NULL, &number, NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == 9);
    struct journal *j = open_ok(JOURNAL_WRITE);
    struct journal_op op;
    assert_true(journal_interrupted(j, &op));
    assert_string_equal(op.kind, "split");
    journal_close(j);
}

static void it_does_not_grow_for_ever(void **state)
{
    (void)state;
    struct journal *j = open_ok(JOURNAL_WRITE);
    assert_int_equal(journal_set_fact(j, "keep", "me", NULL), 0);
    journal_close(j);
    FILE *f = fopen(scratch_path("targets/prod/journal.jsonl"), "a");
    for (int i = 1; i <= 5000; i++)
        fprintf(f, "{\"t\":1,\"begin\":%d,\"kind\":\"step\",\"what\":\"w\",\"release\":\"\"}\n"
                   "{\"t\":2,\"end\":%d}\n", i, i);
    fclose(f);
    journal_close(open_ok(JOURNAL_WRITE));
    struct stat st;
    assert_int_equal(stat(scratch_path("targets/prod/journal.jsonl"), &st), 0);
    assert_true(st.st_size < 100000);
    j = open_ok(JOURNAL_WRITE);
    struct journal_op op;
    assert_string_equal(journal_fact(j, "keep"), "me");
    assert_true(journal_op_at(j, 999, &op));
    assert_int_equal(op.number, 5000);
    assert_false(journal_op_at(j, 1000, &op));
    assert_false(journal_interrupted(j, &op));
    uint64_t number;
    assert_int_equal(journal_begin(j, "step", "w", "", NULL, &number, NULL), 0);
    assert_int_equal(number, 5001);
    journal_close(j);
}

int main(void)
{
#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(facts_and_operations_survive), IN_SCRATCH(a_torn_line_is_dropped),
        IN_SCRATCH(a_line_that_found_no_room_is_taken_back),
        IN_SCRATCH(damage_in_the_middle_is_told), IN_SCRATCH(two_cannot_write),
        IN_SCRATCH(a_killed_process_leaves_what_it_began),
        IN_SCRATCH(it_does_not_grow_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
