/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "rollout/history.h"

static char dir[] = "/tmp/edgectl-history-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    cleanup(free_p) char *command = xasprintf("rm -rf %s", dir);
    return system(command);
}

/* A journal of `count` events on a target of its own; its path. */
static char *written(const char *target, int count)
{
    struct history *h = NULL;
    struct err err;
    assert_int_equal(history_new(dir, target, &h, &err), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(history_add(h, json_pack("{s:s, s:i}", "e", "look", "i", i), &err), 0);
    char *path = xstrdup(history_path(h));
    history_close(h);
    return path;
}

static struct history *opened(const char *target, bool write, struct err *err)
{
    struct history *h = NULL;
    if (history_open(dir, target, NULL, write, &h, err) < 0)
        return NULL;
    return h;
}

static void what_was_added_is_read_back(void **state)
{
    (void)state;
    struct err err;
    cleanup(free_p) char *path = written("plain", 100);
    cleanup(history_close_p) struct history *h = opened("plain", false, &err);
    assert_int_equal(history_count(h), 100);
    assert_int_equal(json_integer_value(json_object_get(history_event(h, 99), "i")), 99);
    assert_int_equal(history_add(h, json_pack("{s:s}", "e", "look"), &err), -ERR_IO);
}

/* Cut after each byte: every event that is whole stays, and it can be written on. */
static void a_torn_end_is_dropped_wherever_it_is(void **state)
{
    (void)state;
    cleanup(free_p) char *path = written("torn", 3);
    cleanup(free_p) char *text = NULL;
    size_t len;
    struct err err;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
    for (size_t cut = 1; cut < len; cut++) {
        assert_int_equal(file_write(path, text, cut, 0600, &err), 0);
        size_t whole = 0;
        for (size_t i = 0; i < cut; i++)
            whole += text[i] == '\n';
        struct history *h = opened("torn", whole > 0, &err);
        assert_int_equal(h ? history_count(h) : 0, whole);
        if (h)
            assert_int_equal(history_add(h, json_pack("{s:s}", "e", "more"), &err), 0);
        history_close(h);
        h = opened("torn", false, &err);
        assert_int_equal(h ? history_count(h) : 0, whole ? whole + 1 : 0);
        history_close(h);
    }
}

/* Any byte of any but the last line: the file is refused, with the line. */
static void a_damaged_middle_is_an_error(void **state)
{
    (void)state;
    cleanup(free_p) char *path = written("middle", 3);
    cleanup(free_p) char *text = NULL;
    size_t len;
    struct err err;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
    size_t last = len - 1;
    while (text[last - 1] != '\n')
        last--;
    for (size_t at = 0; at < last; at++) {
        char was = text[at];
        text[at] = was == 'x' ? 'y' : 'x';
        assert_int_equal(file_write(path, text, len, 0600, &err), 0);
        text[at] = was;
        assert_null(opened("middle", true, &err));
        assert_true(err.line >= 1 && err.line <= 2);
        assert_true(err.hint[0]);
    }
}

static void a_line_that_was_taken_out_is_noticed(void **state)
{
    (void)state;
    cleanup(free_p) char *path = written("gap", 4);
    cleanup(free_p) char *text = NULL;
    size_t len;
    struct err err;
    assert_int_equal(file_read(path, 1 << 20, &text, &len, &err), 0);
    char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
    memmove(second, third, len - (size_t)(third - text) + 1);
    len -= (size_t)(third - second);
    assert_int_equal(file_write(path, text, len, 0600, &err), 0);
    assert_null(opened("gap", false, &err));
    assert_int_equal(err.line, 2);
}

static void one_that_never_began_is_not_there(void **state)
{
    (void)state;
    struct err err;
    cleanup(free_p) char *path = written("empty", 0);
    assert_null(opened("empty", false, &err));
    assert_int_equal(access(path, F_OK), 0);
    assert_null(opened("empty", true, &err));
    assert_int_not_equal(access(path, F_OK), 0);
}

static void requests_are_taken_one_by_one(void **state)
{
    (void)state;
    struct err err;
    cleanup(free_p) char *path = written("asked", 1);
    cleanup(history_close_p) struct history *h = opened("asked", false, &err);
    assert_null(history_request(h, 0));
    json_t *pause = json_pack("{s:s}", "what", "pause");
    json_t *back = json_pack("{s:s}", "what", "back");
    assert_int_equal(history_ask(h, pause, &err), 0);
    assert_int_equal(history_ask(h, back, &err), 0);
    json_t *first = history_request(h, 0), *second = history_request(h, 1);
    assert_true(json_equal(first, pause) && json_equal(second, back));
    assert_null(history_request(h, 2));
    json_decref(first);
    json_decref(second);
    json_decref(pause);
    json_decref(back);
}

/* Whoever was killed while he asked is not heard, and the next one is. */
static void a_torn_request_takes_no_other_with_it(void **state)
{
    (void)state;
    struct err err;
    cleanup(free_p) char *path = written("torn-asked", 1);
    cleanup(free_p) char *asked = xasprintf("%s.asked", path);
    cleanup(history_close_p) struct history *h = opened("torn-asked", false, &err);
    json_t *back = json_pack("{s:s}", "what", "back");
    assert_int_equal(file_write(asked, "{\"what\":\"pau", 12, 0600, &err), 0);
    assert_int_equal(history_ask(h, back, &err), 0);
    json_t *first = history_request(h, 0), *second = history_request(h, 1);
    assert_int_equal(json_object_size(first), 0);
    assert_true(json_equal(second, back));
    json_decref(first);
    json_decref(second);
    json_decref(back);
}

/* A full disk: the event has not happened, here as in the file. */
static void what_cannot_be_written_is_not_there(void **state)
{
    (void)state;
    struct err err;
    struct rlimit old, small;
    free(written("full", 3));
    cleanup(history_close_p) struct history *h = opened("full", true, &err);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int r = history_add(h, json_pack("{s:s}", "e", "intent"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -ERR_IO);
    assert_int_equal(history_count(h), 3);
    assert_int_equal(history_add(h, json_pack("{s:s}", "e", "outcome"), &err), 0);
    cleanup(history_close_p) struct history *again = opened("full", false, &err);
    assert_int_equal(history_count(again), 4);
    assert_string_equal(json_string_value(json_object_get(history_event(again, 3), "e")), "outcome");
}

/* json_pack makes nothing of a text that is no UTF-8. */
static void an_event_that_is_none_is_an_error(void **state)
{
    (void)state;
    struct err err;
    free(written("none", 1));
    cleanup(history_close_p) struct history *h = opened("none", true, &err);
    assert_int_equal(history_add(h, json_pack("{s:s}", "e", "\xff"), &err), -ERR_FAILURE);
    assert_int_equal(history_count(h), 1);
}

/* More than one may begin within a second: whoever asks for the newest gets it. */
static void the_newest_is_the_one_that_began_last(void **state)
{
    (void)state;
    struct err err;
    for (int i = 1; i <= 20; i++) {
        free(written("quick", i));
        cleanup(history_close_p) struct history *h = opened("quick", false, &err);
        assert_int_equal(history_count(h), i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_read_back),
        cmocka_unit_test(a_torn_end_is_dropped_wherever_it_is),
        cmocka_unit_test(a_damaged_middle_is_an_error),
        cmocka_unit_test(a_line_that_was_taken_out_is_noticed),
        cmocka_unit_test(one_that_never_began_is_not_there),
        cmocka_unit_test(requests_are_taken_one_by_one),
        cmocka_unit_test(a_torn_request_takes_no_other_with_it),
        cmocka_unit_test(what_cannot_be_written_is_not_there),
        cmocka_unit_test(an_event_that_is_none_is_an_error),
        cmocka_unit_test(the_newest_is_the_one_that_began_last),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
