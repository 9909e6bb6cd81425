/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/loopback.h"
#include "unit/serve/front.h"

static struct front front; /* no listener: only the loop for the jobs of front.h */
static const struct exchange_handler handler = {.begin = front_begin, .env = &front};

static void stop_loop(void *env)
{
    (void)env;
    loop_stop(front.loop);
}

static struct loopback *ask_app(const char *method, const char *uri, struct body *body)
{
    struct loopback_request r = {.method = method, .uri = uri, .body = body};
    struct loopback *l = loopback_start(front.loop, &handler, &r, stop_loop, NULL);
    loop_run(front.loop);
    return l;
}

static void test_a_plain_answer(void **state)
{
    (void)state;
    struct loopback *l = ask_app(NULL, "http://h:1/a?b", NULL);
    const struct loopback_answer *a = loopback_answer(l);
    assert_int_equal(a->status, 200);
    assert_true(a->complete && !a->cut);
    assert_string_equal(headers_get(&a->headers, "x-test"), "yes");
    assert_string_equal(buf_str(&a->body), "GET http://h:1/a?b 11\nhost: h:1\n");
    loopback_free(l);
}

static void test_interims_trailers_and_bodies(void **state)
{
    (void)state;
    struct loopback *l = ask_app("GET", "http://h/hints", NULL);
    assert_int_equal(loopback_answer(l)->interim_count, 2);
    assert_int_equal(loopback_answer(l)->interims[1].status, 103);
    loopback_free(l);
    l = ask_app("GET", "http://h/drip", NULL);
    assert_string_equal(buf_str(&loopback_answer(l)->body), "drip\ndrip\ndrip\n");
    assert_string_equal(headers_get(&loopback_answer(l)->trailers, "x-sum"), "15");
    loopback_free(l);
    l = ask_app("POST", "http://h/count", text_body("abc"));
    assert_string_equal(buf_str(&loopback_answer(l)->body), "3 bytes, x-end none\n");
    loopback_free(l);
    l = ask_app("POST", "http://h/echo", text_body("echo this"));
    assert_string_equal(buf_str(&loopback_answer(l)->body), "echo this");
    loopback_free(l);
    l = ask_app("GET", "http://h/big", NULL);
    assert_int_equal(loopback_answer(l)->body.len, 8 << 20);
    loopback_free(l);
}

static void test_cut_answers(void **state)
{
    (void)state;
    struct loopback *l = ask_app("GET", "http://h/drip/fail", NULL);
    assert_true(loopback_answer(l)->cut && !loopback_answer(l)->complete);
    assert_int_equal(loopback_answer(l)->status, 200);
    loopback_free(l);
    l = ask_app("GET", "http://h/abort", NULL);
    assert_true(loopback_answer(l)->cut);
    assert_int_equal(loopback_answer(l)->status, 0);
    loopback_free(l);
    struct loopback_request r = {.uri = "http://h/big", .max_body = 100000};
    l = loopback_start(front.loop, &handler, &r, stop_loop, NULL);
    loop_run(front.loop);
    assert_true(loopback_answer(l)->cut);
    assert_true(loopback_answer(l)->body.len <= 100000);
    loopback_free(l);
}

static void test_hanging_up(void **state)
{
    (void)state;
    int gone = front.gone;
    struct loopback_request r = {.uri = "http://h/wait"};
    struct loopback *l = loopback_start(front.loop, &handler, &r, stop_loop, NULL);
    loopback_free(l);
    assert_int_equal(front.gone, gone + 1);
}

static int start(void **state)
{
    (void)state;
    front.loop = loop_new();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    loop_free(front.loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_plain_answer),
        cmocka_unit_test(test_interims_trailers_and_bodies),
        cmocka_unit_test(test_cut_answers),
        cmocka_unit_test(test_hanging_up),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
