/* SPDX-License-Identifier: Apache-2.0 */
/* The API client: what goes out, when it tries again, what it says, and what it keeps quiet. */
#include "harness.h"
#include <fcntl.h>
#include <sys/resource.h>
#include "crypto/hash.h"
#include "net/api_internal.h"

static char heard[1 << 16];
static const char *const *answers;
static int64_t slept[8];
static int naps;
static char traced[4096];

/* One answer per request, whatever the connection: the last one over and over. */
static void script_answers(int fd, int nth)
{
    static atomic_int next;
    if (nth == 0)
        atomic_store(&next, 0);
    while (hear_head(fd, heard, sizeof heard)) {
        const char *length = strcasestr(heard, "content-length: ");
        size_t n = length ? (size_t)strtol(length + 16, NULL, 10) : 0, head = strlen(heard);
        if (n && !hear(fd, heard + head, n))
            return;
        heard[head + n] = '\0';
        int wanted = atomic_fetch_add(&next, 1), i = 0;
        while (i < wanted && answers[i + 1])
            i++;
        if (answers[i][0] == '!') {
            say(fd, answers[i] + 1);
            reset_connection(fd);
            return;
        }
        say(fd, answers[i]);
    }
}

static void nap(void *env, int64_t ms)
{
    (void)env;
    assert_true(naps < 8);
    slept[naps++] = ms;
}

static void note(void *env, const char *line)
{
    (void)env;
    snprintf(traced + strlen(traced), sizeof traced - strlen(traced), "%s\n", line);
}

static bool explain(const struct api_response *r, struct buf *words)
{
    return r->body[0] == '{' && buf_add_str(words, "they say no");
}

struct fixture {
    struct server server;
    struct api *api;
    char base[64];
};

static void begin_with(struct fixture *f, script_fn *script, api_sign_fn *sign)
{
    naps = 0;
    traced[0] = '\0';
    server_start(&f->server, script);
    snprintf(f->base, sizeof f->base, "http://127.0.0.1:%u/v4/", f->server.port);
    cleanup(headers_clear) struct headers h = {0};
    headers_add_str(&h, "authorization", "Bearer s3cr3t/value");
    struct err err;
    assert_int_equal(api_new(&(struct api_options){.name = "Test", .base = f->base, .headers = &h,
                                                   .sign = sign, .explain = explain, .sleep = nap,
                                                   .hint_credentials = "set TEST_TOKEN",
                                                   .trace = note},
                             &f->api, &err),
                     0);
}

static void begin(struct fixture *f, const char *const *replies, api_sign_fn *sign)
{
    answers = replies;
    begin_with(f, script_answers, sign);
}

static void end(struct fixture *f)
{
    api_free(f->api);
    server_stop(&f->server);
}

#define OK_JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\": 1}"
#define EMPTY(status, more) "HTTP/1.1 " status "\r\n" more "Content-Length: 0\r\n\r\n"

static void test_wire(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (const char *const[]){OK_JSON, NULL}, NULL);
    cleanup(free_p) char *path = api_path("/a/../%s?q=%s", "x/y %", "ä&");
    json_t *json = NULL;
    struct err err;
    assert_int_equal(api_do_json(f.api,
                                 &(struct api_request){.method = "PUT", .path = path,
                                                       .body = api_body_json(json_pack("[s]", "v"))},
                                 &json, &err),
                     0);
    assert_int_equal(json_integer_value(json_object_get(json, "a")), 1);
    json_decref(json);
    cleanup(free_p) char *expected =
        xasprintf("PUT /v4/a/../x%%2Fy%%20%%25?q=%%C3%%A4%%26 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
                  "authorization: Bearer s3cr3t/value\r\ncontent-type: application/json\r\n"
                  "accept: application/json\r\nuser-agent: edgectl/0.1.0\r\nContent-Length: 5\r\n\r\n"
                  "[\"v\"]",
                  f.server.port);
    assert_string_equal(heard, expected);
    struct api_response r;
    assert_int_equal(api_do(f.api, &(struct api_request){.method = "POST", .path = "/x"}, &r, &err),
                     0);
    assert_non_null(strstr(heard, "Content-Length: 0\r\n"));
    assert_null(strcasestr(heard, "content-type"));
    api_response_clear(&r);
    end(&f);
}

/* What is named by a whole URL elsewhere gets none of the client's own headers. */
static void test_credentials_stay_home(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, (const char *const[]){OK_JSON, EMPTY("302 Found", "Location: http://e.test/s3cr3t/value\r\n"), NULL}, NULL);
    cleanup(free_p) char *url = xasprintf("http://localhost:%u/p", f.server.port);
    struct api_response r;
    struct err err;
    assert_int_equal(api_do(f.api, &(struct api_request){.method = "GET", .path = url}, &r, &err), 0);
    assert_null(strcasestr(heard, "authorization"));
    api_response_clear(&r);
    json_t *json;
    assert_int_equal(
        api_do_json(f.api, &(struct api_request){.method = "GET", .path = "/p"}, &json, &err),
        -ERR_NETWORK);
    assert_string_equal(err.msg,
                        "Test: GET /p: 302, a redirect to http://e.test/[hidden], is not followed");
    end(&f);
}

static int status_of(struct fixture *f, struct api_request *request, struct err *err)
{
    struct api_response r = {0};
    int result = api_do(f->api, request, &r, err);
    int status = result < 0 ? result : r.status;
    api_response_clear(&r);
    return status;
}

static void test_tries_again(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){EMPTY("503 No", ""), "!HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
                                    OK_JSON, NULL}, NULL);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x"}, &err), 200);
    assert_int_equal(naps, 2);
    assert_true(slept[0] <= 1000 && slept[1] <= 2000);
    assert_non_null(strstr(traced, "Test: GET /x: 503 in "));
    assert_non_null(strstr(traced, "no answer in"));
    end(&f);
    /* For ever: three tries, then the answer as it is. */
    begin(&f, (const char *const[]){EMPTY("500 No", ""), NULL}, NULL);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "DELETE", .path = "/x"}, &err), 500);
    assert_int_equal(naps, 2);
    /* A POST may have been done: not again, unless its maker says that this does no harm. */
    assert_int_equal(status_of(&f, &(struct api_request){.method = "POST", .path = "/x"}, &err), 500);
    assert_int_equal(naps, 2);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "POST", .path = "/x",
                                                         .repeatable = true}, &err), 500);
    assert_int_equal(naps, 4);
    end(&f);
    begin(&f, (const char *const[]){"!", NULL}, NULL);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "POST", .path = "/x",
                                                         .body = api_body_text("text/plain", "abc", 3)},
                               &err), -ERR_NETWORK);
    assert_non_null(strstr(err.msg, "it may have been done all the same"));
    end(&f);
}

static void test_waits_as_asked(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){EMPTY("429 Slow", "Retry-After: 7\r\n"), OK_JSON, NULL}, NULL);
    struct api_body *body = api_body_text("text/plain", "abc", 3);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "POST", .path = "/x", .body = body},
                               &err), 200);
    assert_int_equal(naps, 1);
    assert_true(slept[0] >= 7000 - 1 && slept[0] < 7300);
    assert_string_equal(heard + strlen(heard) - 3, "abc");
    end(&f);
    begin(&f, (const char *const[]){EMPTY("429 Slow", "Retry-After: 3600\r\n"), NULL}, NULL);
    json_t *json;
    assert_int_equal(api_do_json(f.api, &(struct api_request){.method = "GET", .path = "/x"}, &json,
                                 &err), -ERR_NETWORK);
    assert_int_equal(naps, 0);
    assert_non_null(strstr(err.hint, "asks to wait 3600 s"));
    end(&f);
}

static int64_t asked(const char *name, const char *value)
{
    cleanup(headers_clear) struct headers h = {0};
    headers_add_str(&h, name, value);
    return api_retry_asked(&h, INT64_C(1700000000) * 1000);
}

static void test_what_is_asked(void **state)
{
    (void)state;
    assert_int_equal(asked("retry-after", "2"), 2000);
    assert_int_equal(asked("retry-after", "0.5"), 500);
    assert_int_equal(asked("retry-after", "Tue, 14 Nov 2023 22:13:25 GMT"), 5000);
    assert_int_equal(asked("retry-after", "Tue, 14 Nov 2000 22:13:25 GMT"), 0);
    assert_int_equal(asked("fastly-ratelimit-reset", "1700000030"), 30000);
    assert_int_equal(asked("x-ratelimit-reset", "1600000000"), 0);
    assert_int_equal(asked("retry-after", "soon"), -1);
    assert_int_equal(asked("retry-after", "-5"), -1);
    assert_int_equal(asked("x-other", "5"), -1);
    assert_int_equal(api_retry_wait(3, 0, 0), -1);
    assert_int_equal(api_retry_wait(1, 60001, 0), -1);
    assert_int_equal(api_retry_wait(1, 60000, 0), 60000);
    assert_in_range(api_retry_wait(2, -1, UINT64_MAX), 0, 2000);
}

/* Answers when all five are there. */
static void script_all_at_once(int fd, int nth)
{
    (void)nth;
    static atomic_int waiting;
    char head[1024];
    if (!hear_head(fd, head, sizeof head))
        return;
    atomic_fetch_add(&waiting, 1);
    for (int i = 0; atomic_load(&waiting) < 5 && i < 10000; i++)
        usleep(1000);
    say(fd, OK_JSON);
}

static void test_in_parallel(void **state)
{
    (void)state;
    struct fixture f;
    begin_with(&f, script_all_at_once, NULL);
    struct api_call *calls[5];
    for (int i = 0; i < 5; i++)
        calls[i] = api_start(f.api, &(struct api_request){.method = "GET", .path = "/x"});
    for (int i = 4; i >= 0; i--) {
        struct api_response r;
        struct err err;
        assert_int_equal(api_wait(calls[i], &r, &err), 0);
        assert_int_equal(r.status, 200);
        api_response_clear(&r);
    }
    assert_int_equal(f.server.connections, 5);
    assert_false(api_step(f.api, 0));
    end(&f);
}

static void expect_words(const char *answer, int code, const char *words, const char *hint)
{
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){answer, NULL}, NULL);
    json_t *json = NULL;
    assert_int_equal(api_do_json(f.api, &(struct api_request){.method = "POST", .path = "/x"}, &json,
                                 &err), -code);
    assert_string_equal(err.msg, words);
    assert_non_null(strstr(err.hint, hint));
    end(&f);
}

static void test_words(void **state)
{
    (void)state;
    expect_words("HTTP/1.1 403 No\r\nCF-Ray: 8a1\r\nContent-Length: 2\r\n\r\n{}", ERR_CREDENTIALS,
                 "Test: POST /x: 403: they say no (cf-ray 8a1)", "set TEST_TOKEN");
    expect_words("HTTP/1.1 502 Bad\r\nContent-Length: 35\r\n\r\n<html>\n<b>Bearer s3cr3t/value</b>\x1b[",
                 ERR_NETWORK, "Test: POST /x: 502: \"<html> <b>[hidden]</b> [\"", "fault is on");
    expect_words("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n<html>\r\n<p>x", ERR_NETWORK,
                 "Test: POST /x: 200: HTML instead of JSON: \"<html> <p>x\"", "HTTPS_PROXY");
    expect_words("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{\"a\": ", ERR_NETWORK,
                 "Test: POST /x: 200: broken JSON (unexpected token near end of file, byte 6): \"{\"a\":\"",
                 "answered in its place");
    expect_words("HTTP/1.1 413 Big\r\nContent-Length: 0\r\n\r\n", ERR_LIMIT,
                 "Test: POST /x: 413: no explanation", "");
}

static void test_answers_have_a_limit(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){OK_JSON, NULL}, NULL);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x",
                                                         .max_answer = 7}, &err), -ERR_LIMIT);
    end(&f);
}

static bool take(void *env, const char *data, size_t len)
{
    return buf_add(env, data, len) && ((struct buf *)env)->len < 4;
}

static void test_streams(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){OK_JSON, EMPTY("404 No", ""), NULL}, NULL);
    cleanup(buf_clear) struct buf got = BUF_INIT(100);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x", .data = take,
                                                         .data_env = &got}, &err), 200);
    assert_string_equal(buf_str(&got), "{\"a\": 1}");
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x", .data = take,
                                                         .data_env = &got}, &err), 404);
    end(&f);
}

static int sign(void *env, const struct api_signable *r, struct headers *add, struct err *err)
{
    (void)env, (void)err;
    char hex[HASH_HEX_SIZE];
    hash_hex(r->body_sha256, hex);
    cleanup(free_p) char *text = xasprintf("%s %s %s %s %.8s %s", r->method, r->host, r->path, r->query,
                                           hex, headers_get(r->headers, "content-type"));
    headers_add_str(add, "x-signed", text);
    return 0;
}

static void test_signature(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){OK_JSON, NULL}, sign);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "PUT", .path = "/a%2Fb?c=d",
                                                         .body = api_body_text("text/plain", "abc", 3)},
                               &err), 200);
    cleanup(free_p) char *expected =
        xasprintf("x-signed: PUT 127.0.0.1:%u /v4/a%%2Fb c=d ba7816bf text/plain\r\n", f.server.port);
    assert_non_null(strstr(heard, expected));
    end(&f);
}

static void test_multipart(void **state)
{
    (void)state;
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){OK_JSON, NULL}, NULL);
    struct api_body *b = api_body_parts("seed");
    api_body_part(b, "metadata", NULL, NULL);
    api_body_add(b, "{}", 2);
    api_body_part(b, "a\"b.js", "a\"b.js", "application/javascript+module");
    api_body_add_borrowed(b, "export", 6);
    api_body_end_parts(b);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "POST", .path = "/x", .body = b},
                               &err), 200);
    assert_non_null(strstr(heard, "content-type: multipart/form-data; "
                                  "boundary=edgectl-19b25856e1c150ca834cffc8b59b23ad\r\n"));
    assert_string_equal(strstr(heard, "\r\n\r\n") + 4,
                        "--edgectl-19b25856e1c150ca834cffc8b59b23ad\r\n"
                        "Content-Disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n"
                        "--edgectl-19b25856e1c150ca834cffc8b59b23ad\r\n"
                        "Content-Disposition: form-data; name=\"a%22b.js\"; filename=\"a%22b.js\"\r\n"
                        "Content-Type: application/javascript+module\r\n\r\nexport\r\n"
                        "--edgectl-19b25856e1c150ca834cffc8b59b23ad--\r\n");
    end(&f);
}

static void test_forms(void **state)
{
    (void)state;
    struct api_body *b = api_body_form("name", "a b&c", "skipped", (char *)NULL, "x", "ü*", NULL);
    char text[64];
    long n = api_body_read(b, text, sizeof text);
    assert_int_equal(n, api_body_size(b));
    text[n] = '\0';
    assert_string_equal(text, "name=a+b%26c&x=%C3%BC*");
    api_body_free(b);
}

/* --- big uploads --- */

enum { BIG = 100 * 1000 * 1000 };
static atomic_size_t swallowed;

static void script_swallow(int fd, int nth)
{
    (void)nth;
    static char sink[1 << 16];
    hear_head(fd, heard, sizeof heard);
    size_t n = 0;
    ssize_t r = 1;
    while (n < BIG && (r = recv(fd, sink, sizeof sink, 0)) > 0)
        n += (size_t)r;
    atomic_store(&swallowed, n);
    say(fd, OK_JSON);
}

static void progress(void *env, uint64_t sent, uint64_t total)
{
    assert_int_equal(total, BIG);
    *(uint64_t *)env = sent;
}

static void test_big_files_cost_no_memory(void **state)
{
    (void)state;
    char name[] = "/tmp/edgectl-api-XXXXXX";
    int fd = mkstemp(name);
    assert_int_equal(ftruncate(fd, BIG), 0);
    close(fd);
    struct fixture f = {0};
    server_start(&f.server, script_swallow);
    snprintf(f.base, sizeof f.base, "http://127.0.0.1:%u", f.server.port);
    struct err err;
    assert_int_equal(api_new(&(struct api_options){.name = "Test", .base = f.base}, &f.api, &err), 0);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    struct api_body *b = api_body_new("application/octet-stream");
    assert_int_equal(api_body_add_file(b, name, &err), 0);
    uint64_t sent = 0;
    assert_int_equal(status_of(&f, &(struct api_request){.method = "PUT", .path = "/x", .body = b,
                                                         .progress = progress,
                                                         .progress_env = &sent}, &err), 200);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(atomic_load(&swallowed), BIG);
    assert_int_equal(sent, BIG);
    assert_true(after.ru_maxrss - before.ru_maxrss < 16 * 1024); /* KiB */
    end(&f);
    unlink(name);
}

static void test_a_file_that_shrinks(void **state)
{
    (void)state;
    char name[] = "/tmp/edgectl-api-XXXXXX";
    int fd = mkstemp(name);
    assert_int_equal(ftruncate(fd, 1000000), 0);
    struct fixture f;
    struct err err;
    begin(&f, (const char *const[]){OK_JSON, NULL}, NULL);
    struct api_body *b = api_body_new(NULL);
    assert_int_equal(api_body_add_file(b, name, &err), 0);
    assert_int_equal(ftruncate(fd, 10), 0);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "PUT", .path = "/x", .body = b},
                               &err), -ERR_IO);
    assert_non_null(strstr(err.msg, "has changed meanwhile"));
    assert_int_equal(naps, 0);
    close(fd);
    unlink(name);
    end(&f);
}

/* --- time --- */

static void script_trickle(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (say(fd, "x"))
        usleep(20000);
}

static void test_a_trickle_ends(void **state)
{
    (void)state;
    struct fixture f = {0};
    server_start(&f.server, script_trickle);
    snprintf(f.base, sizeof f.base, "http://127.0.0.1:%u", f.server.port);
    struct err err;
    assert_int_equal(api_new(&(struct api_options){.name = "Test", .base = f.base, .answer_ms = 300},
                             &f.api, &err), 0);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x", .once = true},
                               &err), -ERR_NETWORK);
    assert_string_equal(err.msg, "Test: GET /x: no complete answer in time");
    end(&f);
}

static void script_silence(int fd, int nth)
{
    (void)nth;
    if (hear_head(fd, heard, sizeof heard))
        await_close(fd);
}

static void test_silence_ends(void **state)
{
    (void)state;
    struct fixture f = {0};
    server_start(&f.server, script_silence);
    snprintf(f.base, sizeof f.base, "http://127.0.0.1:%u", f.server.port);
    struct err err;
    assert_int_equal(api_new(&(struct api_options){.name = "Test", .base = f.base, .stall_ms = 300},
                             &f.api, &err), 0);
    assert_int_equal(status_of(&f, &(struct api_request){.method = "GET", .path = "/x", .once = true,
                                                         .data = take}, &err), -ERR_NETWORK);
    assert_string_equal(err.msg, "Test: GET /x: nothing moved for too long");
    end(&f);
}

/* --- bases --- */

static int base_result(const char *base)
{
    struct api *api = NULL;
    struct err err;
    int r = api_new(&(struct api_options){.name = "Test", .base = base}, &api, &err);
    api_free(api);
    return r;
}

static void test_bases(void **state)
{
    (void)state;
    assert_int_equal(base_result("https://api.test/v4"), 0);
    assert_int_equal(base_result("http://127.0.0.1:80"), 0);
    assert_int_equal(base_result("http://127.9.9.9"), 0);
    assert_int_equal(base_result("http://[::1]:80/"), 0);
    assert_int_equal(base_result("http://localhost"), 0);
    assert_int_equal(base_result("http://api.test/v4"), -ERR_USAGE);
    assert_int_equal(base_result("http://127.0.0.1.evil.test"), -ERR_USAGE);
    assert_int_equal(base_result("http://127.0.0.1@evil.test"), -ERR_USAGE);
    assert_int_equal(base_result("http://localhost.evil.test"), -ERR_USAGE);
    assert_int_equal(base_result("ftp://localhost"), -ERR_USAGE);
    assert_int_equal(base_result("/v4"), -ERR_USAGE);
    assert_int_equal(base_result(""), -ERR_USAGE);
}

static void test_hidden_in_every_form(void **state)
{
    (void)state;
    struct redact r = {0};
    redact_add(&r, "a/b c", 5);
    redact_add(&r, "abc", 3);
    char text[] = "x a/b c y a%2Fb%20c z YS9iIGM= abc";
    redact_text(&r, text);
    assert_string_equal(text, "x [hidd y [hidden] z [hidden] abc");
    redact_clear(&r);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_credentials_stay_home),
        cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_waits_as_asked),
        cmocka_unit_test(test_what_is_asked),
        cmocka_unit_test(test_in_parallel),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_answers_have_a_limit),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_big_files_cost_no_memory),
        cmocka_unit_test(test_a_file_that_shrinks),
        cmocka_unit_test(test_a_trickle_ends),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_bases),
        cmocka_unit_test(test_hidden_in_every_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
