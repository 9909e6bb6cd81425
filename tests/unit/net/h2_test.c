/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 against node: prior knowledge and ALPN, streams both ways, trailers, resets. */
#include <libgen.h>
#include "certs.h"
#include "harness.h"

struct node {
    FILE *out;
    int in;
    pid_t pid;
    uint16_t port;
};

static bool have_node(void)
{
    return system("command -v node >/dev/null 2>&1") == 0;
}

static void node_start(struct node *n, const char *cert, const char *key)
{
    cleanup(free_p) char *here = xstrdup(__FILE__);
    cleanup(free_p) char *script = xasprintf("%s/h2_server.js", dirname(here));
    int in[2], out[2];
    assert_int_equal(pipe(in) | pipe(out), 0);
    n->pid = fork();
    if (n->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        execlp("node", "node", script, cert, key, NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    n->in = in[1];
    n->out = fdopen(out[0], "r");
    int port = 0;
    assert_int_equal(fscanf(n->out, "%d", &port), 1);
    n->port = (uint16_t)port;
}

static void node_stop(struct node *n)
{
    close(n->in);
    fclose(n->out);
    kill(n->pid, SIGTERM);
    waitpid(n->pid, NULL, 0);
}

static struct node plain, secure;
static struct identity site;
static char dir[] = "/tmp/edgectl-h2-XXXXXX";

static void write_file(const char *name, const char *text, char *path, size_t cap)
{
    snprintf(path, cap, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static int start_servers(void **state)
{
    (void)state;
    if (!have_node())
        return 0;
    char cert[64], key[64];
    assert_non_null(mkdtemp(dir));
    site = make_identity("site", "DNS:site.test", NULL, 10);
    write_file("cert.pem", site.cert_pem, cert, sizeof cert);
    write_file("key.pem", site.key_pem, key, sizeof key);
    node_start(&plain, NULL, NULL);
    node_start(&secure, cert, key);
    unlink(cert);
    unlink(key);
    rmdir(dir);
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    if (!have_node())
        return 0;
    node_stop(&plain);
    node_stop(&secure);
    clear_identity(&site);
    return 0;
}

static struct net_target target(bool tls)
{
    struct net_target t = plain_target(tls ? secure.port : plain.port);
    t.tls = tls;
    t.http2 = true;
    if (tls) {
        t.sni = t.cert_host = "site.test";
        t.ca_pem = site.cert_pem;
    }
    return t;
}

static void check_trailers(const struct outcome *o)
{
    assert_string_equal(headers_get(body_trailers(o->response->body), "grpc-status"), "0");
    assert_string_equal(headers_get(body_trailers(o->response->body), "x-t"), "end");
}

static void test_unary(void **state)
{
    if (!have_node())
        skip();
    struct headers h = {0};
    headers_add_str(&h, "te", "trailers");
    headers_add_str(&h, "content-type", "application/grpc");
    headers_add_str(&h, "connection", "keep-alive");
    for (int i = 0; i < 4; i++) {
        struct net_target t = target(i % 2);
        struct outcome o;
        fetch(*state, &(struct net_request){.target = &t, .method = "POST", .path = "/hello?x",
                                            .authority = "svc.test", .headers = &h,
                                            .body = text_body("0123456789")}, &o);
        if (o.failure.error)
            print_error("%s\n", o.failure.text);
        assert_int_equal(o.failure.error, 0);
        assert_int_equal(o.response->version, 20);
        assert_non_null(strstr(o.body.data, "\":path\":\"/hello?x\""));
        assert_non_null(strstr(o.body.data, "\":authority\":\"svc.test\""));
        assert_non_null(strstr(o.body.data, "\"te\":\"trailers\""));
        assert_non_null(strstr(o.body.data, "\"received\":10"));
        assert_null(strstr(o.body.data, "keep-alive"));
        if (t.tls)
            assert_string_equal(headers_get(&o.response->headers, "x-sessions"), "1");
        check_trailers(&o);
        outcome_clear(&o);
    }
    headers_clear(&h);
}

/* Bytes go back and forth while both sides are open. */
static void test_bidirectional(void **state)
{
    if (!have_node())
        skip();
    struct net_target t = target(true);
    struct body *up = body_new();
    struct outcome o;
    outcome_init(&o, *state);
    net_call_start(((struct world *)*state)->client,
                   CALL(&t, "POST", "/echo", .body = body_ref(up)), on_done, &o);
    for (int i = 0; i < 5; i++) {
        body_write(up, "message.", 8);
        for (int j = 0; j < 1000 && o.body_len < 8 * (size_t)(i + 1); j++)
            run_for(*state, 5);
        assert_int_equal(o.body_len, 8 * (i + 1));
    }
    body_end(up);
    body_unref(up);
    while (!o.ended)
        run(*state);
    assert_false(o.body_broken);
    check_trailers(&o);
    outcome_clear(&o);
}

static void test_big_echo(void **state)
{
    if (!have_node())
        skip();
    enum { SIZE = 3 << 20 };
    for (int i = 0; i < 2; i++) {
        struct net_target t = target(i);
        struct body *up = body_new();
        char *data = xcalloc(1, SIZE);
        body_write_take(up, data, SIZE);
        body_end(up);
        struct outcome o;
        outcome_init(&o, *state);
        o.hold = true;
        net_call_start(((struct world *)*state)->client,
                       CALL(&t, "POST", "/echo", .body = up),
                       on_done, &o);
        while (!o.called)
            run(*state);
        assert_int_equal(o.failure.error, 0);
        /* Held long enough for all windows to fill. */
        run_for(*state, 100);
        assert_true(body_queued(o.response->body) < SIZE);
        o.hold = false;
        read_held(&o);
        while (!o.ended)
            run(*state);
        assert_false(o.body_broken);
        assert_int_equal(o.body_len, SIZE);
        check_trailers(&o);
        outcome_clear(&o);
    }
}

/* The answer is whole, the upload is not; whoever waits for the end of the answer gets it. */
static void test_answer_ends_before_upload(void **state)
{
    if (!have_node())
        skip();
    struct net_target t = target(true);
    struct body *up = body_new();
    struct outcome o;
    outcome_init(&o, *state);
    net_call_start(((struct world *)*state)->client,
                   CALL(&t, "POST", "/early", .body = body_ref(up)), on_done, &o);
    body_write(up, "message.", 8);
    while (!o.ended)
        run(*state);
    assert_string_equal(o.body.data, "early");
    check_trailers(&o);
    outcome_clear(&o);
    body_end(up);
    body_unref(up);
}

static void test_many_share_a_connection(void **state)
{
    if (!have_node())
        skip();
    struct net_target t = target(true);
    t.keepalive_time_ms = 60000;
    struct outcome o[40];
    char sessions[16] = "";
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        outcome_init(&o[i], *state);
        net_call_start(((struct world *)*state)->client,
                       CALL(&t, "POST", "/hello", .body = text_body("abc")),
                       on_done, &o[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        while (!o[i].ended)
            run(*state);
        assert_int_equal(o[i].failure.error, 0);
        const char *now = headers_get(&o[i].response->headers, "x-sessions");
        if (i == 0)
            snprintf(sessions, sizeof sessions, "%s", now);
        assert_string_equal(now, sessions);
        outcome_clear(&o[i]);
    }
}

static void test_resets(void **state)
{
    if (!have_node())
        skip();
    struct net_target t = target(false);
    struct outcome o;
    fetch_get(*state, &t, "/reset", &o);
    assert_int_equal(o.failure.error, NET_H2_ERROR);
    assert_int_equal(o.failure.h2_code, 11);
    outcome_clear(&o);
    fetch_get(*state, &t, "/cut", &o);
    assert_int_equal(o.failure.error, 0);
    assert_string_equal(o.body.data, "half");
    assert_true(o.body_broken);
    outcome_clear(&o);
}

/* Stops reading half way; other streams of the connection go on. */
static void test_stop_one_stream(void **state)
{
    if (!have_node())
        skip();
    struct net_target t = target(false);
    struct body *up = body_new();
    struct outcome held, o;
    outcome_init(&held, *state);
    held.hold = true;
    net_call_start(((struct world *)*state)->client,
                   CALL(&t, "POST", "/echo", .body = body_ref(up)), on_done, &held);
    while (!held.called)
        run(*state);
    outcome_clear(&held);
    fetch_get(*state, &t, "/hello", &o);
    assert_int_equal(o.failure.error, 0);
    assert_true(body_reader_gone(up));
    body_unref(up);
    outcome_clear(&o);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_unary),
        TEST(test_bidirectional),
        TEST(test_big_echo),
        TEST(test_answer_ends_before_upload),
        TEST(test_many_share_a_connection),
        TEST(test_resets),
        TEST(test_stop_one_stream),
    };
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
