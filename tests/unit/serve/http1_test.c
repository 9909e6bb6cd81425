/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/serve/front.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: h\r\n"
#define END "Connection: close\r\n\r\n"

static struct front front;

static void expect(const char *request, const char *answer_part)
{
    cleanup(free_p) char *got = ask(&front, request);
    assert_has(got, answer_part);
}

/* --- requests that are served --- */

static void test_uri_is_absolute(void **state)
{
    (void)state;
    expect(GET("/a?b=c") END, "\nGET http://h/a?b=c 11\n");
    expect("GET http://other:81/p HTTP/1.1\r\nHost: h\r\n" END, "\nGET http://other:81/p 11\n");
    expect("GET HTTPS://other?q HTTP/1.1\r\nHost: h\r\n" END, "\nGET https://other/?q 11\n");
    expect("OPTIONS * HTTP/1.1\r\nHost: h:8\r\n" END, "\nOPTIONS http://h:8/* 11\n");
    expect("GET /\xc3\xa4#frag HTTP/1.1\r\nHost: h\r\n" END, "\nGET http://h/%C3%A4 11\n");
    expect("BREW /pot HTTP/1.1\r\nHost: [::1]:80\r\n" END, "\nBREW http://[::1]:80/pot 11\n");
}

static void test_headers_reach_the_handler(void **state)
{
    (void)state;
    cleanup(free_p) char *got =
        ask(&front, GET("/") "X-Up: V \r\nx-empty:\r\nx-up: two\r\nx-utf: \xc3\xa4\r\n" END);
    assert_has(got, "host: h\nx-up: V\nx-empty: \nx-up: two\nx-utf: \xc3\xa4\n");
}

static void test_http10(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, "GET /x HTTP/1.0\r\n\r\n");
    assert_has(got, "HTTP/1.1 200 OK\r\n");
    assert_has(got, "GET http://127.0.0.1:");
    assert_has(got, "/x 10\n");
    cleanup(free_p) char *unknown_length = ask(&front, "GET /drip HTTP/1.0\r\n\r\n");
    assert_lacks(unknown_length, "chunked");
    assert_has(unknown_length, "\r\n\r\ndrip\ndrip\ndrip\n");
    int fd = dial(&front);
    say(fd, "GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    cleanup(free_p) char *first = hear(fd, "/1 10\n", NULL);
    assert_has(first, "connection: keep-alive\r\n");
    say(fd, "GET /2 HTTP/1.0\r\n\r\n");
    cleanup(free_p) char *second = hear(fd, NULL, NULL);
    assert_has(second, "/2 10\n");
    close(fd);
}

static void test_answers_have_length_and_date(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, GET("/status/201") END);
    assert_has(got, "HTTP/1.1 201 Created\r\nx-test: yes\r\ncontent-length: 5\r\n");
    assert_has(got, "connection: close\r\n");
    assert_has(got, " GMT\r\n\r\ntext\n");
    expect(GET("/status/799") END, "HTTP/1.1 799 \r\n");
}

static void test_answers_without_body(void **state)
{
    (void)state;
    cleanup(free_p) char *head = ask(&front, "HEAD /status/200 HTTP/1.1\r\nHost: h\r\n" END);
    assert_has(head, "content-length: 5\r\n");
    assert_lacks(head, "text");
    cleanup(free_p) char *none = ask(&front, GET("/status/204") END);
    assert_lacks(none, "content-length");
    assert_lacks(none, "text");
    cleanup(free_p) char *same = ask(&front, GET("/status/304") END);
    assert_lacks(same, "text");
    int fd = dial(&front);
    say(fd, "HEAD /drip HTTP/1.1\r\nHost: h\r\n\r\n" GET("/after") END);
    cleanup(free_p) char *both = hear(fd, NULL, NULL);
    assert_lacks(both, "drip");
    assert_lacks(both, "transfer-encoding");
    assert_has(both, "http://h/after 11\n");
    close(fd);
}

static void test_chunked_answer_and_trailers(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, GET("/drip") END);
    assert_has(got, "transfer-encoding: chunked\r\n");
    assert_has(got, "\r\n\r\n5\r\ndrip\n\r\n5\r\ndrip\n\r\n5\r\ndrip\n\r\n0\r\nx-sum: 15\r\n\r\n");
}

static void test_headers_cannot_inject(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, GET("/inject") END);
    assert_lacks(got, "evil");
    assert_lacks(got, "x-c");
    assert_has(got, "x-good: \xc3\xa4\tb\r\n");
    assert_has(got, "content-length: 5\r\n");
}

static void test_manual_framing(void **state)
{
    (void)state;
    cleanup(free_p) char *chunked = ask(&front, GET("/manual?transfer-encoding=chunked") END);
    assert_has(chunked, "transfer-encoding: chunked\r\n");
    assert_has(chunked, "5\r\nhello\r\n0\r\n\r\n");
    assert_lacks(chunked, "content-length");
    cleanup(free_p) char *exact = ask(&front, GET("/manual?content-length=5") END);
    assert_has(exact, "content-length: 5\r\n");
    assert_has(exact, "\r\n\r\nhello");
    cleanup(free_p) char *less = ask(&front, GET("/manual?content-length=3") "\r\n");
    assert_has(less, "content-length: 3\r\n");
    assert_true(strcmp(strstr(less, "\r\n\r\n"), "\r\n\r\nhel") == 0);
    static const char *const automatic[] = {
        "/manual?content-length=5&content-length=5", "/manual?content-length=5x",
        "/manual?content-length=", "/manual?transfer-encoding=gzip",
        "/manual?content-length=5&transfer-encoding=chunked", "/manual?x=y",
    };
    for (size_t i = 0; i < ARRAY_LEN(automatic); i++) {
        cleanup(free_p) char *request = xasprintf("GET %s HTTP/1.1\r\nHost: h\r\n" END,
                                                  automatic[i]);
        cleanup(free_p) char *got = ask(&front, request);
        assert_has(got, "\r\ncontent-length: 5\r\n");
        assert_lacks(got, "transfer-encoding");
        assert_has(got, "\r\n\r\nhello");
    }
}

static void test_a_promised_length_that_is_not_kept_cuts(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, GET("/manual?content-length=9") "\r\n");
    assert_true(strcmp(strstr(got, "\r\n\r\n"), "\r\n\r\nhello") == 0);
}

static void test_a_body_that_fails_cuts(void **state)
{
    (void)state;
    cleanup(free_p) char *got = ask(&front, GET("/drip/fail") "\r\n");
    assert_has(got, "drip\n");
    assert_lacks(got, "0\r\n\r\n");
    int ended, fd = dial(&front);
    say(fd, "GET /drip/fail HTTP/1.0\r\n\r\n");
    cleanup(free_p) char *old = hear(fd, NULL, &ended);
    assert_int_equal(ended, -1); /* a mere close would look like a whole message */
    close(fd);
    fd = dial(&front);
    say(fd, GET("/abort") "\r\n");
    cleanup(free_p) char *cut = hear(fd, NULL, &ended);
    assert_string_equal(cut, "");
    assert_int_equal(ended, -1);
    close(fd);
}

static void test_interim_answers(void **state)
{
    (void)state;
    expect(GET("/hints") END,
           "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
           "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n");
    cleanup(free_p) char *old = ask(&front, "GET /hints HTTP/1.0\r\n\r\n");
    assert_lacks(old, "103");
}

/* --- connections --- */

static void test_keep_alive_and_pipelining(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, GET("/late/1") "\r\n" GET("/2") "\r\n" GET("/drip/3") "\r\n\r\n\r\n"
            POST("/count") "Content-Length: 3\r\n\r\nabc" GET("/5") END "GET /never HTTP/1.1\r\n");
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    const char *at[] = {strstr(got, "late\n"), strstr(got, "http://h/2"), strstr(got, "x-sum"),
                        strstr(got, "3 bytes"), strstr(got, "http://h/5")};
    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        assert_non_null(at[i]);
        if (i)
            assert_true(at[i - 1] < at[i]);
    }
    assert_lacks(got, "never");
    close(fd);
}

static void test_any_split_of_the_bytes(void **state)
{
    (void)state;
    static const char text[] =
        POST("/count") "Transfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nabc\r\n00a\r\n0123456789\r\n0\r\n"
        "X-End: t\r\nhost: no\r\n\r\n" GET("/next") END;
    for (size_t i = 1; i < sizeof text - 1; i++) {
        int fd = dial(&front);
        say_bytes(fd, text, i);
        if (i % 8 == 0)
            usleep(500);
        say_bytes(fd, text + i, sizeof text - 1 - i);
        cleanup(free_p) char *got = hear(fd, NULL, NULL);
        assert_has(got, "13 bytes, x-end t\n");
        assert_has(got, "http://h/next 11\n");
        close(fd);
    }
    int fd = dial(&front);
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &(int){1}, sizeof(int));
    for (size_t i = 0; i < sizeof text - 1; i++)
        say_bytes(fd, text + i, 1);
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    assert_has(got, "13 bytes, x-end t\n");
    assert_has(got, "http://h/next 11\n");
    close(fd);
}

static void test_full_duplex(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, POST("/echo") "Transfer-Encoding: chunked\r\n\r\n");
    cleanup(free_p) char *head = hear(fd, "\r\n\r\n", NULL);
    assert_has(head, "200 OK");
    say(fd, "4\r\nping\r\n");
    cleanup(free_p) char *one = hear(fd, "4\r\nping\r\n", NULL);
    assert_string_equal(one, "4\r\nping\r\n");
    say(fd, "4\r\npong\r\n");
    cleanup(free_p) char *two = hear(fd, "4\r\npong\r\n", NULL);
    assert_string_equal(two, "4\r\npong\r\n");
    say(fd, "0\r\nx-t: 1\r\n\r\n" GET("/next") END);
    cleanup(free_p) char *rest = hear(fd, NULL, NULL);
    assert_has(rest, "0\r\nx-t: 1\r\n\r\nHTTP/1.1 200 OK");
    close(fd);
}

static void test_an_answer_may_end_before_the_request(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, POST("/early") "Content-Length: 10\r\n\r\n");
    cleanup(free_p) char *early = hear(fd, "/early 11\n", NULL);
    assert_has(early, "200 OK");
    say(fd, "0123456789" GET("/next") END);
    cleanup(free_p) char *next = hear(fd, NULL, NULL);
    assert_has(next, "http://h/next 11\n");
    close(fd);
    fd = dial(&front);
    say(fd, POST("/early") "Content-Length: 100000000\r\n\r\n");
    cleanup(free_p) char *big = hear(fd, NULL, NULL); /* not worth reading to the end */
    assert_has(big, "/early 11\n");
    close(fd);
}

static void test_big_bodies_with_backpressure(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, GET("/big") END);
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    size_t len = strlen(got), chunks = 0;
    for (const char *p = got; (p = strstr(p, "\r\n10000\r\n")); p++)
        chunks++;
    if (len < (8 << 20))
        fail_msg("only %zu bytes, ending %s", len, got + len - 20);
    assert_int_equal(chunks, 128);
    assert_string_equal(got + len - 7, "\r\n0\r\n\r\n");
    close(fd);

    fd = dial(&front);
    size_t size = 3 << 20;
    cleanup(free_p) char *data = xmalloc(size);
    memset(data, 'u', size);
    cleanup(free_p) char *post =
        xasprintf(POST("/count") "Content-Length: %zu\r\n" END, size);
    say(fd, post);
    say_bytes(fd, data, size);
    cleanup(free_p) char *counted = hear(fd, NULL, NULL);
    assert_has(counted, "3145728 bytes, x-end none\n");
    close(fd);
}

/* --- Expect --- */

static void test_expect_continue(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, POST("/count") "Content-Length: 3\r\nExpect: 100-Continue\r\n" END);
    cleanup(free_p) char *go = hear(fd, "\r\n\r\n", NULL);
    assert_string_equal(go, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abc");
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    assert_has(got, "3 bytes");
    close(fd);
    /* The answer is made of the body: 100 comes first all the same. */
    fd = dial(&front);
    say(fd, POST("/echo") "Content-Length: 3\r\nExpect: 100-continue\r\n" END);
    cleanup(free_p) char *echo = hear(fd, "200 OK", NULL);
    assert_true(strncmp(echo, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", 37) == 0);
    say(fd, "abc");
    cleanup(free_p) char *rest = hear(fd, NULL, NULL);
    assert_has(rest, "abc");
    close(fd);
    /* Nobody reads the body: a final answer, and the end, as no one knows what follows. */
    cleanup(free_p) char *no = ask(&front,
                                   POST("/x") "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_lacks(no, "100 Continue");
    assert_has(no, "connection: close\r\n");
    expect(POST("/count") "Content-Length: 3\r\nExpect: 200-ok\r\n\r\nabc", "HTTP/1.1 417 ");
}

/* --- clients that go --- */

static void test_a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    int fd = dial(&front), gone = front.gone;
    say(fd, GET("/late") "\r\n" GET("/2") "\r\n");
    shutdown(fd, SHUT_WR);
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    assert_has(got, "late\n");
    assert_has(got, "http://h/2 11\n");
    assert_int_equal(front.gone, gone);
    close(fd);
}

static void test_a_client_that_has_gone_is_noticed(void **state)
{
    (void)state;
    int fd = dial(&front), gone = front.gone;
    say(fd, GET("/wait") "\r\n");
    wait_for(&front.begun, front.begun);
    usleep(5000);
    close(fd);
    wait_for(&front.gone, gone + 1);
    /* First half, then whole: there is no second packet to tell of it. */
    fd = dial(&front);
    say(fd, GET("/wait") "\r\n");
    shutdown(fd, SHUT_WR);
    usleep(20000);
    assert_int_equal(front.gone, gone + 1);
    close(fd);
    wait_for(&front.gone, gone + 2);
    /* By a reset. */
    fd = dial(&front);
    say(fd, GET("/wait") "\r\n");
    usleep(5000);
    struct linger l = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close(fd);
    wait_for(&front.gone, gone + 3);
    /* With an upload that stands still, as nobody reads it. */
    fd = dial(&front);
    say(fd, POST("/wait") "Content-Length: 100000000\r\n\r\n");
    static const char zeros[1 << 20];
    for (int i = 0; i < 8; i++)
        send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
    usleep(20000);
    assert_int_equal(front.gone, gone + 3);
    close(fd);
    wait_for(&front.gone, gone + 4);
    /* Half a request. */
    fd = dial(&front);
    say(fd, POST("/wait") "Content-Length: 10\r\n\r\nabc");
    usleep(5000);
    close(fd);
    wait_for(&front.gone, gone + 5);
}

/* --- requests that are refused: status and the end of the connection --- */

static const struct {
    const char *request;
    const char *status;
} refused[] = {
    /* smuggling */
    {POST("/") "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400"},
    {POST("/") "Content-Length: 3, 3\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: +3\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: 3 3\r\n\r\nabc", "400"},
    {POST("/") "Content-Length:\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: 0x3\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: -1\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: 18446744073709551617\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: 9223372036854775808\r\n\r\nabc", "400"},
    {POST("/") "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: identity\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding:\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
    {POST("/") "Content-Length : 3\r\n\r\nabc", "400"},
    {POST("/") " Content-Length: 3\r\n\r\nabc", "400"},
    /* chunks */
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n;a\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3;a\x01\r\nabc\r\n0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3\rx\nabc\r\n0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\rX0\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nabc", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n0\r\nbad trailer\r\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n0\r\na: b\n\r\n", "400"},
    {POST("/count") "Transfer-Encoding: chunked\r\n\r\n0\r\n\n", "400"},
    /* line ends and characters */
    {"GET / HTTP/1.1\nHost: h\n\n", "400"},
    {"GET / HTTP/1.1\r\nHost: h\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: h\rX: b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\rHost: h\r\n\r\n", "400"},
    {"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {GET("/") "X: a\r\n folded\r\n\r\n", "400"},
    {GET("/") "X : a\r\n\r\n", "400"},
    {GET("/") "X\r\n\r\n", "400"},
    {GET("/") ": a\r\n\r\n", "400"},
    {GET("/") "X(: a\r\n\r\n", "400"},
    {GET("/") "X: a\x7f\r\n\r\n", "400"},
    {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET / \r\nHost: h\r\n\r\n", "505"},
    {"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"G ET / HTTP/1.1\r\nHost: h\r\n\r\n", "505"},
    {"G\"T / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET / HTTP/1.1x\r\nHost: h\r\n\r\n", "400"},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400"},
    {"hello, are you there?\r\n\r\n", "400"},
    /* versions */
    {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
    {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", "505"},
    {"GET / HTTP/0.9\r\nHost: h\r\n\r\n", "505"},
    /* host and target */
    {"GET / HTTP/1.1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
    {"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"},
    {"GET relative HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET http:// HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"GET http://h/ HTTP/1.1\r\n\r\n", "400"},
    {"GET * HTTP/1.1\r\nHost: h\r\n\r\n", "400"},
    {"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", "501"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        cleanup(free_p) char *want = xasprintf("HTTP/1.1 %s ", refused[i].status);
        cleanup(free_p) char *got = ask(&front, refused[i].request);
        if (strncmp(got, want, strlen(want)) != 0 || !strstr(got, "connection: close\r\n"))
            fail_msg("case %zu: %s\nwanted %s, got: %.300s", i, refused[i].request, want, got);
    }
}

static void test_nul_bytes(void **state)
{
    (void)state;
    static const char *const parts[][2] = {
        {"GET /a", "b HTTP/1.1\r\nHost: h\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost: h\r\nX: a", "b\r\n\r\n"},
        {"GET / HTTP/1.1\r\nHost: h\r\nX", ": b\r\n\r\n"},
        {"POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;",
         "\r\nabc\r\n0\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        int fd = dial(&front);
        say_bytes(fd, parts[i][0], strlen(parts[i][0]) + 1);
        say(fd, parts[i][1]);
        cleanup(free_p) char *got = hear(fd, NULL, NULL);
        assert_true(strncmp(got, "HTTP/1.1 400 ", 13) == 0);
        close(fd);
    }
}

static char *repeat(const char *head, const char *part, size_t times, const char *tail)
{
    struct buf b = BUF_INIT(8 << 20);
    buf_add_str(&b, head);
    for (size_t i = 0; i < times; i++)
        buf_add_str(&b, part);
    buf_add_str(&b, tail);
    return buf_take(&b);
}

static void expect_repeat(const char *head, const char *part, size_t times, const char *tail,
                          const char *want)
{
    cleanup(free_p) char *request = repeat(head, part, times, tail);
    cleanup(free_p) char *got = ask(&front, request);
    if (!strstr(got, want))
        fail_msg("%zu times '%s': wanted %s, got %.200s", times, part, want, got);
}

static void test_limits(void **state)
{
    (void)state;
    expect_repeat("GET /", "a", 65533, " HTTP/1.1\r\nHost: h\r\n" END, "200 OK");
    expect_repeat("GET /", "a", 65534, " HTTP/1.1\r\nHost: h\r\n" END, "HTTP/1.1 414 ");
    expect_repeat("GET /", "a", 1 << 20, "", "HTTP/1.1 414 ");
    expect_repeat(GET("/"), "x: y\r\n", 98, END, "200 OK");
    expect_repeat(GET("/"), "x: y\r\n", 99, END, "HTTP/1.1 431 ");
    expect_repeat(GET("/") "x: ", "y", (128 << 10) - 1, "\r\n" END, "200 OK");
    expect_repeat(GET("/") "x: ", "y", 128 << 10, "\r\n" END, "HTTP/1.1 431 ");
    expect_repeat(GET("/") "x: ", "y", 1 << 20, "", "HTTP/1.1 431 ");
    expect_repeat("", "M", 8193, " / HTTP/1.1\r\nHost: h\r\n" END, "HTTP/1.1 501 ");
    expect_repeat("", "\r\n", 100000, GET("/") END, "200 OK");
    expect_repeat(POST("/count") "Transfer-Encoding: chunked\r\n\r\n1;", "e", 5000,
                  "\r\na\r\n0\r\n\r\n",
                  "HTTP/1.1 400 ");
    expect_repeat(POST("/count") "Transfer-Encoding: chunked\r\n\r\n",
                  "1;0123456789abcdef\r\na\r\n", 5000,
                  "0\r\n\r\n", "HTTP/1.1 400 ");
    expect_repeat(POST("/count") END, "", 0, "", "0 bytes");
    expect_repeat(POST("/count") "Transfer-Encoding: chunked\r\n" END, "1\r\na\r\n", 100000,
                  "0\r\n\r\n",
                  "100000 bytes");
    expect_repeat(POST("/count") "Transfer-Encoding: chunked\r\n" END "0\r\n", "a: b\r\n", 101,
                  "\r\n",
                  "HTTP/1.1 400 ");
    expect_repeat(POST("/count") "Transfer-Encoding: chunked\r\n" END "0\r\na: ", "b", 70000,
                  "\r\n\r\n",
                  "HTTP/1.1 400 ");
}

static void test_a_head_cut_short_is_answered(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, GET("/") "X: a");
    shutdown(fd, SHUT_WR);
    cleanup(free_p) char *got = hear(fd, NULL, NULL);
    assert_has(got, "HTTP/1.1 400 ");
    close(fd);
    fd = dial(&front);
    shutdown(fd, SHUT_WR);
    cleanup(free_p) char *nothing = hear(fd, NULL, NULL);
    assert_string_equal(nothing, "");
    close(fd);
}

static int start(void **state)
{
    (void)state;
    front_start(&front, &(struct listener_options){0});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    front_stop(&front);
    return 0;
}

/* --- connections that stop speaking HTTP --- */

#define UPGRADE GET("/upgrade") "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"

static void test_upgrade(void **state)
{
    (void)state;
    int ended, fd = dial(&front);
    say(fd, UPGRADE "early ");
    cleanup(free_p) char *head = hear(fd, "early ", &ended);
    assert_int_equal(strncmp(head, "HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\n"
                                   "connection: Upgrade\r\nx-test: yes\r\n\r\nearly ", 90), 0);
    assert_lacks(head, "content-length");
    say(fd, "GET / HTTP/1.1\r\n\r\n");
    cleanup(free_p) char *raw = hear(fd, "\r\n\r\n", &ended);
    assert_string_equal(raw, "GET / HTTP/1.1\r\n\r\n");
    shutdown(fd, SHUT_WR); /* half an end: the other half follows */
    cleanup(free_p) char *rest = hear(fd, NULL, &ended);
    assert_int_equal(ended, 1);
    assert_string_equal(rest, "");
    close(fd);
}

static void test_upgrade_is_for_those_who_ask(void **state)
{
    (void)state;
    expect(GET("/upgrade") END, "HTTP/1.1 200 ");
    expect("GET /upgrade HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
           "HTTP/1.1 200 ");
    expect(GET("/upgrade") "Upgrade: echo\r\n" END, "HTTP/1.1 200 ");
    expect(POST("/upgrade") "Connection: upgrade, close\r\nUpgrade: echo\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 ");
}

static void test_upgraded_and_gone(void **state)
{
    (void)state;
    int ended, finished = front.finished, fd = dial(&front);
    say(fd, UPGRADE);
    cleanup(free_p) char *head = hear(fd, "\r\n\r\n", &ended);
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    wait_for(&front.finished, finished + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri_is_absolute),
        cmocka_unit_test(test_headers_reach_the_handler),
        cmocka_unit_test(test_http10),
        cmocka_unit_test(test_answers_have_length_and_date),
        cmocka_unit_test(test_answers_without_body),
        cmocka_unit_test(test_chunked_answer_and_trailers),
        cmocka_unit_test(test_headers_cannot_inject),
        cmocka_unit_test(test_manual_framing),
        cmocka_unit_test(test_a_promised_length_that_is_not_kept_cuts),
        cmocka_unit_test(test_a_body_that_fails_cuts),
        cmocka_unit_test(test_interim_answers),
        cmocka_unit_test(test_keep_alive_and_pipelining),
        cmocka_unit_test(test_any_split_of_the_bytes),
        cmocka_unit_test(test_full_duplex),
        cmocka_unit_test(test_an_answer_may_end_before_the_request),
        cmocka_unit_test(test_big_bodies_with_backpressure),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_a_half_closed_client_gets_its_answer),
        cmocka_unit_test(test_a_client_that_has_gone_is_noticed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul_bytes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_a_head_cut_short_is_answered),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_upgrade_is_for_those_who_ask),
        cmocka_unit_test(test_upgraded_and_gone),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
