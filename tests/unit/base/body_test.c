/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/body.h"
#include "base/buf.h"
#include "base/mem.h"

static void count_call(void *env)
{
    ++*(int *)env;
}

/* Reads what is there now into `to`; returns what stopped it. */
static enum body_read drain_into(struct body *b, struct buf *to, size_t step)
{
    for (;;) {
        char part[4096];
        size_t len;
        enum body_read r = body_read(b, part, step, &len);
        if (r != BODY_DATA)
            return r;
        assert_in_range(len, 1, step);
        assert_true(buf_add(to, part, len));
    }
}

static void expect_all(struct body *b, const char *text, enum body_read end)
{
    struct buf got = BUF_INIT(1 << 24);
    assert_int_equal(drain_into(b, &got, 3), end);
    assert_string_equal(buf_str(&got), text);
    buf_clear(&got);
}

static void write_str(struct body *b, const char *s)
{
    body_write(b, s, strlen(s));
}

static struct body *complete(const char *text)
{
    struct body *b = body_new();
    write_str(b, text);
    body_end(b);
    return b;
}

static void bytes_come_out_in_order(void **state)
{
    (void)state;
    struct body *b = body_new();
    write_str(b, "world");
    body_write_front(b, "hello ", 6);
    body_write_take(b, xstrdup("!"), 1);
    assert_int_equal(body_queued(b), 12);
    expect_all(b, "hello world!", BODY_WAIT);
    body_end(b);
    expect_all(b, "", BODY_END);
    body_unref(b);
}

static void an_empty_body_ends_at_once(void **state)
{
    (void)state;
    struct body *b = body_new();
    body_write(b, "", 0);
    body_write_take(b, xstrdup(""), 0);
    body_end(b);
    assert_false(body_is_open(b));
    expect_all(b, "", BODY_END);
    expect_all(b, "", BODY_END);
    body_unref(b);
}

static void peek_does_not_consume(void **state)
{
    (void)state;
    struct body *b = complete("abc");
    const uint8_t *data;
    size_t len;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(body_peek(b, &data, &len), BODY_DATA);
        assert_int_equal(len, 3);
        assert_memory_equal(data, "abc", 3);
    }
    body_consume(b, 2);
    assert_int_equal(body_peek(b, &data, &len), BODY_DATA);
    assert_int_equal(len, 1);
    assert_int_equal(*data, 'c');
    body_unref(b);
}

static void a_waiting_reader_is_called_once_per_wait(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_on_readable(b, count_call, &calls);
    write_str(b, "x");
    assert_int_equal(calls, 0);     /* nobody waited */
    expect_all(b, "x", BODY_WAIT);
    write_str(b, "y");
    write_str(b, "z");
    assert_int_equal(calls, 1);
    expect_all(b, "yz", BODY_WAIT);
    body_end(b);
    assert_int_equal(calls, 2);
    body_end(b);
    assert_int_equal(calls, 2);
    body_unref(b);
}

static void a_broken_body_gives_its_bytes_then_the_error(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_set_length(b, 10);
    body_on_readable(b, count_call, &calls);
    expect_all(b, "", BODY_WAIT);
    write_str(b, "part");
    body_fail(b, "reset");
    assert_int_equal(calls, 1);
    assert_int_equal(body_known_length(b), -1);
    expect_all(b, "part", BODY_ERROR);
    expect_all(b, "", BODY_ERROR);
    assert_string_equal(body_failure(b), "reset");
    body_unref(b);

    b = complete("whole");
    body_fail(b, "too late");
    expect_all(b, "whole", BODY_END);
    assert_null(body_failure(b));
    body_unref(b);
}

static void full_and_drain_by_chunks(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_on_drain(b, count_call, &calls);
    for (int i = 0; i < 8; i++) {
        assert_false(body_full(b));
        write_str(b, "ab");
    }
    assert_true(body_full(b));
    body_consume(b, 1);
    assert_true(body_full(b));
    assert_int_equal(calls, 0);
    body_consume(b, 1);
    assert_false(body_full(b));
    assert_int_equal(calls, 1);
    body_consume(b, 2);
    assert_int_equal(calls, 1);
    body_unref(b);
}

static void full_and_drain_by_bytes(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_on_drain(b, count_call, &calls);
    body_write_take(b, xcalloc(1, 1 << 20), 1 << 20);
    assert_true(body_full(b));
    body_consume(b, (1 << 20) - 1);
    body_consume(b, 1);
    assert_int_equal(calls, 1);
    body_unref(b);
}

static void what_a_stream_began_with_does_not_make_it_full(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new_held();
    body_write_take(b, xcalloc(1, 2 << 20), 2 << 20);
    for (int i = 0; i < 20; i++)
        write_str(b, "ab");
    body_release(b, true);
    body_on_drain(b, count_call, &calls);
    for (int i = 0; i < 8; i++) {
        assert_false(body_full(b));
        write_str(b, "ab");
    }
    assert_true(body_full(b));
    body_consume(b, 2 << 20);
    for (int i = 0; i < 20; i++)
        body_consume(b, 2);
    assert_true(body_full(b));
    assert_int_equal(calls, 0);
    body_consume(b, 2);
    assert_int_equal(calls, 1);
    body_unref(b);
}

static void a_reader_that_stops_tells_the_writer(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_on_drain(b, count_call, &calls);
    write_str(b, "lost");
    assert_false(body_reader_gone(b));
    body_stop(b);
    body_stop(b);
    assert_true(body_reader_gone(b));
    assert_int_equal(calls, 1);
    write_str(b, "ignored");
    body_write_take(b, xstrdup("ignored"), 7);
    body_write_front(b, "ignored", 7);
    assert_int_equal(body_queued(b), 0);
    assert_false(body_full(b));
    body_append(b, complete("ignored too"));
    body_end(b);
    expect_all(b, "", BODY_END);
    body_unref(b);
}

static void a_writer_that_has_ended_hears_nothing_more(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new();
    body_on_drain(b, count_call, &calls);
    for (int i = 0; i < 9; i++)
        write_str(b, "x");
    body_end(b);
    expect_all(b, "xxxxxxxxx", BODY_END);
    body_stop(b);
    assert_int_equal(calls, 0);
    body_unref(b);
}

static void appended_bodies_are_part_of_the_whole(void **state)
{
    (void)state;
    struct body *b = body_new(), *src = body_new();
    headers_add_str(body_trailers(src), "x-sum", "1");
    write_str(b, "a");
    write_str(src, "b");
    body_ref(src);
    body_append(b, src);
    write_str(b, "d");
    body_end(b);
    expect_all(b, "ab", BODY_WAIT);
    write_str(src, "c");
    body_end(src);
    expect_all(b, "cd", BODY_END);
    assert_string_equal(headers_get(body_trailers(b), "X-Sum"), "1");
    body_unref(src);
    body_unref(b);
}

static void the_outer_reader_is_woken_by_an_inner_writer(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new(), *middle = body_new(), *inner = body_new();
    body_ref(inner);
    body_append(middle, inner);
    body_append(b, middle);     /* open in open in open */
    body_on_readable(b, count_call, &calls);
    expect_all(b, "", BODY_WAIT);
    write_str(inner, "x");
    assert_int_equal(calls, 1);
    expect_all(b, "x", BODY_WAIT);
    body_fail(inner, "origin closed");
    assert_int_equal(calls, 2);
    expect_all(b, "", BODY_ERROR);
    assert_string_equal(body_failure(b), "origin closed");
    body_unref(inner);
    body_unref(b);
}

static void back_pressure_reaches_an_inner_writer(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new(), *inner = body_new();
    body_on_drain(inner, count_call, &calls);
    body_ref(inner);
    body_append(b, inner);
    for (int i = 0; i < 8; i++)
        write_str(inner, "x");
    assert_true(body_full(inner));
    expect_all(b, "xxxxxxxx", BODY_WAIT);
    assert_int_equal(calls, 1);
    body_stop(b);
    assert_int_equal(calls, 2);
    assert_true(body_reader_gone(inner));
    body_unref(inner);
    body_unref(b);
}

static void a_freed_body_stops_what_is_in_it(void **state)
{
    (void)state;
    int calls = 0;
    struct body *b = body_new(), *inner = body_new();
    body_on_drain(inner, count_call, &calls);
    body_ref(inner);
    body_append(b, inner);
    body_unref(b);
    assert_int_equal(calls, 1);
    write_str(inner, "into the void");
    body_end(inner);
    body_unref(inner);
}

static void appending_complete_bodies_does_not_nest(void **state)
{
    (void)state;
    /* As deep as a guest likes: a reader that recursed would run out of stack. */
    struct body *deep = complete("x"), *open = body_new();
    for (int i = 0; i < 500000; i++) {
        struct body *b = body_new();
        body_append(b, deep);
        if (i == 0) {
            body_ref(open);
            body_append(b, open);
        }
        body_end(b);
        deep = b;
    }
    int calls = 0;
    body_on_readable(deep, count_call, &calls);
    assert_int_equal(body_queued(deep), 1);
    expect_all(deep, "x", BODY_WAIT);
    write_str(open, "y");
    assert_int_equal(calls, 1);
    body_end(open);
    expect_all(deep, "y", BODY_END);
    body_unref(open);
    body_unref(deep);
}

static void trailers_of_a_complete_body_move(void **state)
{
    (void)state;
    struct body *b = body_new(), *src = body_new();
    write_str(src, "1");
    headers_add_str(body_trailers(src), "grpc-status", "0");
    body_end(src);
    body_append(b, src);
    body_end(b);
    expect_all(b, "1", BODY_END);
    assert_string_equal(headers_get(body_trailers(b), "grpc-status"), "0");
    body_unref(b);
}

static void known_length(void **state)
{
    (void)state;
    struct body *b = body_new(), *open = body_new();
    assert_int_equal(body_known_length(b), -1);
    body_set_length(b, 6);
    write_str(b, "abcd");
    assert_int_equal(body_known_length(b), 6);
    body_consume(b, 1);
    assert_int_equal(body_known_length(b), 5);
    body_write_front(b, "A", 1);
    assert_int_equal(body_known_length(b), 6);
    write_str(b, "ef");
    body_end(b);
    assert_int_equal(body_known_length(b), 6);
    expect_all(b, "Abcdef", BODY_END);
    body_unref(b);

    b = body_new();
    body_set_length(b, 3);
    body_ref(open);
    body_append(b, open);       /* the declared length no longer says it all */
    assert_int_equal(body_known_length(b), -1);
    body_end(b);
    assert_int_equal(body_known_length(b), -1);
    body_set_length(open, 2);
    assert_int_equal(body_known_length(b), 2);
    write_str(open, "zz");
    body_end(open);
    assert_int_equal(body_known_length(b), 2);
    body_unref(open);
    body_unref(b);
}

static void what_was_read_of_a_spliced_body_does_not_count(void **state)
{
    (void)state;
    struct body *b = body_new(), *src = body_new();
    write_str(b, "12");
    write_str(src, "abcdef");
    body_end(src);
    body_consume(src, 4);
    body_append(b, src);
    body_end(b);
    assert_int_equal(body_known_length(b), 4);
    assert_int_equal(body_queued(b), 4);
    expect_all(b, "12ef", BODY_END);
    assert_int_equal(body_known_length(b), 0);
    body_unref(b);
}

static void a_length_that_did_not_come_is_not_told(void **state)
{
    (void)state;
    struct body *b = body_new(), *src = body_new();
    body_set_no_length(src);
    write_str(src, "abc");
    body_end(src);
    assert_int_equal(body_known_length(src), -1);
    body_append(b, src);
    body_end(b);
    assert_int_equal(body_known_length(b), -1);
    expect_all(b, "abc", BODY_END);
    body_unref(b);
}

static void ending_short_of_the_declared_length_is_being_cut(void **state)
{
    (void)state;
    struct body *b = body_new();
    body_set_length(b, 10);
    write_str(b, "short");
    body_consume(b, 1);
    body_end(b);
    assert_int_equal(body_known_length(b), -1);
    expect_all(b, "hort", BODY_ERROR);
    body_unref(b);

    b = body_new();
    body_set_length(b, 10);
    body_stop(b);               /* nobody reads: nothing to complain about */
    body_end(b);
    assert_null(body_failure(b));
    body_unref(b);
}

static void reading_across_random_writes_gives_the_same_bytes(void **state)
{
    (void)state;
    unsigned seed = 12345;
    for (int round = 0; round < 200; round++) {
        struct body *b = body_new(), *part = b;
        struct buf want = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
        char text[64];
        for (int i = 0; i < 40; i++) {
            seed = seed * 1103515245u + 12345u;
            size_t len = (seed >> 16) % sizeof text;
            memset(text, 'a' + i % 26, sizeof text);
            if (part == b && i % 7 == 3)
                part = body_new();
            body_write(part, text, len);
            buf_add(&want, text, len);
            if (part != b && i % 7 == 6) {
                if (i % 2)
                    body_end(part);
                body_ref(part);
                body_append(b, part);
                body_end(part);
                body_unref(part);
                part = b;
            }
            if (part == b && i % 5 == 0)
                assert_int_equal(drain_into(b, &got, 1 + (seed >> 20) % 50), BODY_WAIT);
        }
        if (part != b) {
            body_end(part);
            body_append(b, part);
        }
        body_end(b);
        assert_int_equal(drain_into(b, &got, 17), BODY_END);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        buf_clear(&want);
        buf_clear(&got);
        body_unref(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_out_in_order),
        cmocka_unit_test(an_empty_body_ends_at_once),
        cmocka_unit_test(peek_does_not_consume),
        cmocka_unit_test(a_waiting_reader_is_called_once_per_wait),
        cmocka_unit_test(a_broken_body_gives_its_bytes_then_the_error),
        cmocka_unit_test(full_and_drain_by_chunks),
        cmocka_unit_test(full_and_drain_by_bytes),
        cmocka_unit_test(what_a_stream_began_with_does_not_make_it_full),
        cmocka_unit_test(a_reader_that_stops_tells_the_writer),
        cmocka_unit_test(a_writer_that_has_ended_hears_nothing_more),
        cmocka_unit_test(appended_bodies_are_part_of_the_whole),
        cmocka_unit_test(the_outer_reader_is_woken_by_an_inner_writer),
        cmocka_unit_test(back_pressure_reaches_an_inner_writer),
        cmocka_unit_test(a_freed_body_stops_what_is_in_it),
        cmocka_unit_test(appending_complete_bodies_does_not_nest),
        cmocka_unit_test(trailers_of_a_complete_body_move),
        cmocka_unit_test(known_length),
        cmocka_unit_test(what_was_read_of_a_spliced_body_does_not_count),
        cmocka_unit_test(a_length_that_did_not_come_is_not_told),
        cmocka_unit_test(ending_short_of_the_declared_length_is_being_cut),
        cmocka_unit_test(reading_across_random_writes_gives_the_same_bytes),
    };
    return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
