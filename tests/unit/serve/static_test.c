/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include "serve/loopback.h"
#include "serve/static.h"
#include "unit/serve/front.h"

static char dir[] = "/tmp/edgectl-static-XXXXXX";
static struct loop *loop;
static struct manifest_static sites[3];

static void begin(void *env, struct exchange *ex)
{
    (void)env;
    if (static_try(sites, ARRAY_LEN(sites), ex))
        return;
    exchange_respond_text(ex, 200, "text/plain", "the app");
    exchange_unref(ex);
}

static const struct exchange_handler handler = {.begin = begin};

static void stop_loop(void *env)
{
    (void)env;
    loop_stop(loop);
}

static struct loopback *get(const char *method, const char *path, const char *name,
                            const char *value)
{
    struct headers h = {0};
    if (name)
        headers_add_str(&h, name, value);
    cleanup(free_p) char *uri = xasprintf("http://h%s", path);
    struct loopback_request r = {.method = method, .uri = uri, .headers = &h};
    struct loopback *l = loopback_start(loop, &handler, &r, stop_loop, NULL);
    loop_run(loop);
    headers_clear(&h);
    return l;
}

static void put(const char *name, const char *data, size_t len)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static void expect(const char *path, int status, const char *body)
{
    struct loopback *l = get("GET", path, NULL, NULL);
    const struct loopback_answer *a = loopback_answer(l);
    if (a->status != status || (body && strcmp(buf_str(&a->body), body) != 0))
        fail_msg("%s: %d '%.100s'", path, a->status, buf_str(&a->body));
    loopback_free(l);
}

static void test_which_file(void **state)
{
    (void)state;
    expect("/", 200, "root index");
    expect("/?q=/../x", 200, "root index");
    expect("/a.txt", 200, "A");
    expect("/a%2Etxt", 200, "A");
    expect("/a.txt?x=y", 200, "A");
    expect("/sub/", 200, "sub index");
    expect("/sub/%C3%A4.css", 200, "css");
    expect("/with%20space.txt", 200, "S");
    expect("/link.txt", 200, "A");
    expect("/assets/a.txt", 200, "asset A");
    expect("/assets/deep/x.js", 200, "deeper");
    expect("/empty", 200, "");
    expect("/.well-known/security.txt", 200, "contact");
}

static void test_what_is_the_apps(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/none", "/a.txt/", "/a.txt/x", "/sub2/", "/../a.txt", "/sub/../a.txt", "/%2e%2e/a.txt",
        "/sub/%2E%2E/a.txt", "/sub%2f..%2fa.txt", "/.hidden", "/.git/config", "/sub//index.html",
        "//a.txt", "/.well-known-not/a.txt", "/.well-known/.hidden",
        "/escape.txt", "/escape/passwd", "/absolute", "/fifo", "/a.txt%00", "/a%zz", "/%",
        "/assets/none", "/assetsa.txt", "/..%5ca.txt", "/proc", "/self/a.txt",
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        expect(paths[i], 200, "the app");
    struct loopback *l = get("POST", "/a.txt", NULL, NULL);
    assert_string_equal(buf_str(&loopback_answer(l)->body), "the app");
    loopback_free(l);
    char longest[6000];
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    expect(longest, 200, "the app");
}

static void test_a_directory_without_its_slash(void **state)
{
    (void)state;
    struct loopback *l = get("GET", "/sub?a=b", NULL, NULL);
    assert_int_equal(loopback_answer(l)->status, 308);
    assert_string_equal(headers_get(&loopback_answer(l)->headers, "location"), "/sub/?a=b");
    loopback_free(l);
}

static const char *header(struct loopback *l, const char *name)
{
    const char *v = headers_get(&loopback_answer(l)->headers, name);
    return v ? v : "none";
}

static void test_headers_and_conditions(void **state)
{
    (void)state;
    struct loopback *l = get("GET", "/sub/%C3%A4.css", NULL, NULL);
    assert_string_equal(header(l, "content-type"), "text/css; charset=utf-8");
    assert_string_equal(header(l, "accept-ranges"), "bytes");
    assert_string_equal(header(l, "cache-control"), "public, max-age=0, must-revalidate");
    cleanup(free_p) char *etag = xstrdup(header(l, "etag"));
    cleanup(free_p) char *modified = xstrdup(header(l, "last-modified"));
    loopback_free(l);
    cleanup(free_p) char *weak = xasprintf("\"x\", W/%s", etag);
    const struct {
        const char *name, *value;
        int status;
    } cases[] = {
        {"if-none-match", etag, 304}, {"if-none-match", weak, 304}, {"if-none-match", "*", 304},
        {"if-none-match", "\"other\"", 200}, {"if-none-match", "", 200},
        {"if-modified-since", modified, 304},
        {"if-modified-since", "Thu, 01 Jan 1970 00:00:01 GMT", 200},
        {"if-modified-since", "yesterday", 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        l = get("GET", "/sub/%C3%A4.css", cases[i].name, cases[i].value);
        if (loopback_answer(l)->status != cases[i].status)
            fail_msg("%s: %s: %d", cases[i].name, cases[i].value, loopback_answer(l)->status);
        if (cases[i].status == 304) {
            assert_string_equal(header(l, "etag"), etag);
            assert_int_equal(loopback_answer(l)->body.len, 0);
        }
        loopback_free(l);
    }
    put("sub/\xc3\xa4.css", "changed", 7);
    l = get("GET", "/sub/%C3%A4.css", "if-none-match", etag);
    assert_string_equal(buf_str(&loopback_answer(l)->body), "changed");
    loopback_free(l);
    put("sub/\xc3\xa4.css", "css", 3);
}

static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        int status;
        const char *body, *content_range;
    } cases[] = {
        {"bytes=0-0", 206, "0", "bytes 0-0/10"}, {"bytes=2-4", 206, "234", "bytes 2-4/10"},
        {"bytes=7-", 206, "789", "bytes 7-9/10"}, {"bytes=-3", 206, "789", "bytes 7-9/10"},
        {"bytes=0-99", 206, "0123456789", "bytes 0-9/10"}, {"bytes=-99", 206, "0123456789",
                                                            "bytes 0-9/10"},
        {"BYTES=9-9", 206, "9", "bytes 9-9/10"}, {"bytes=10-", 416, "", "bytes */10"},
        {"bytes=-0", 416, "", "bytes */10"}, {"bytes=99-100", 416, "", "bytes */10"},
        {"bytes=4-2", 200, "0123456789", "none"}, {"bytes=0-1,3-4", 200, "0123456789", "none"},
        {"bytes=a-b", 200, "0123456789", "none"}, {"bytes=", 200, "0123456789", "none"},
        {"bytes=--1", 200, "0123456789", "none"}, {"lines=1-2", 200, "0123456789", "none"},
        {"bytes=99999999999999999999-", 200, "0123456789", "none"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct loopback *l = get("GET", "/digits.txt", "range", cases[i].range);
        const struct loopback_answer *a = loopback_answer(l);
        if (a->status != cases[i].status || strcmp(buf_str(&a->body), cases[i].body) != 0 ||
            strcmp(header(l, "content-range"), cases[i].content_range) != 0)
            fail_msg("%s: %d '%s' %s", cases[i].range, a->status, buf_str(&a->body),
                     header(l, "content-range"));
        loopback_free(l);
    }
}

static void test_big_files_and_head(void **state)
{
    (void)state;
    size_t size = 3 << 20;
    cleanup(free_p) char *data = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    put("big.bin", data, size);
    struct loopback *l = get("GET", "/big.bin", NULL, NULL);
    assert_int_equal(loopback_answer(l)->body.len, size);
    assert_memory_equal(loopback_answer(l)->body.data, data, size);
    assert_string_equal(header(l, "content-type"), "application/octet-stream");
    loopback_free(l);
    l = get("HEAD", "/big.bin", NULL, NULL);
    assert_int_equal(loopback_answer(l)->status, 200);
    assert_int_equal(loopback_answer(l)->body.len, 0);
    loopback_free(l);
}

static void test_through_the_wire(void **state)
{
    (void)state;
    struct front f = {.loop = loop_new()};
    struct err err;
    assert_int_equal(listener_open(f.loop, &(struct listener_options){.host = "127.0.0.1"},
                                   &handler,
                                   &f.listener, &err), 0);
    f.port = listener_port(f.listener);
    uv_thread_create(&f.thread, front_run, &f);
    cleanup(free_p) char *got = ask(&f,
                                    "GET /a.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_has(got, "\r\ncontent-length: 1\r\n");
    assert_has(got, "\r\n\r\nA");
    cleanup(free_p) char *head =
        ask(&f, "HEAD /big.bin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_has(head, "\r\ncontent-length: 3145728\r\n");
    int fd = dial(&f); /* a client that goes in the middle */
    say(fd, "GET /big.bin HTTP/1.1\r\nHost: h\r\n\r\n");
    free(hear(fd, "\r\n\r\n", NULL));
    close(fd);
    cleanup(free_p) char *again =
        ask(&f, "GET /digits.txt HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_has(again, "0123456789");
    front_stop(&f);
}

static int start(void **state)
{
    (void)state;
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return -1;
    loop = loop_new();
    static const char *const dirs[] = {"sub", "sub2", ".git", ".well-known", ".well-known-not", "other", "other/deep"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        mkdir(dirs[i], 0755);
    put("index.html", "root index", 10);
    put("sub/index.html", "sub index", 9);
    put("sub/\xc3\xa4.css", "css", 3);
    put("a.txt", "A", 1);
    put("with space.txt", "S", 1);
    put("digits.txt", "0123456789", 10);
    put("empty", "", 0);
    put(".hidden", "H", 1);
    put(".git/config", "H", 1);
    put(".well-known/security.txt", "contact", 7);
    put(".well-known/.hidden", "H", 1);
    put(".well-known-not/a.txt", "H", 1);
    put("other/a.txt", "asset A", 7);
    put("other/deep/x.js", "deeper", 6);
    mkfifo("fifo", 0644);
    if (symlink("a.txt", "link.txt") || symlink("../../etc/passwd", "escape.txt") ||
        symlink("/etc", "escape") || symlink("/etc/passwd", "absolute") || symlink("/proc/self/cwd",
                                                                                   "self"))
        return -1;
    sites[0] = (struct manifest_static){.path = (char *)(uintptr_t) "/", .dir = dir};
    sites[1] = (struct manifest_static){.path = (char *)(uintptr_t) "/assets",
                                        .dir = xasprintf("%s/other", dir)};
    sites[2] = (struct manifest_static){.path = (char *)(uintptr_t) "/gone/",
                                        .dir = xasprintf("%s/nodir", dir)};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    loop_free(loop);
    free(sites[1].dir);
    free(sites[2].dir);
    cleanup(free_p) char *command = xasprintf("rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_file),
        cmocka_unit_test(test_what_is_the_apps),
        cmocka_unit_test(test_a_directory_without_its_slash),
        cmocka_unit_test(test_headers_and_conditions),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_big_files_and_head),
        cmocka_unit_test(test_through_the_wire),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
