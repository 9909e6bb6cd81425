/* SPDX-License-Identifier: Apache-2.0 */
/* Against nginx: gzip as it makes it, TLS with ALPN, and hundreds of calls at once. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "certs.h"
#include "harness.h"

enum { FILE_SIZE = 400000, AT_ONCE = 400 };

static char dir[] = "/tmp/edgectl-nginx-XXXXXX";
static pid_t pid;
static uint16_t plain_port, tls_port;
static struct identity site;
static char *text;

static bool have_nginx(void)
{
    return system("command -v nginx >/dev/null 2>&1") == 0;
}

static void write_file(const char *name, const char *data)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(data, f);
    fclose(f);
}

static void write_config(void)
{
    close(listen_somewhere(&plain_port));
    close(listen_somewhere(&tls_port));
    cleanup(free_p) char *config = xasprintf(
        "daemon off; master_process off; pid %1$s/pid; error_log %1$s/error.log;\n"
        "events { worker_connections 2048; }\n"
        "http { access_log off; client_body_temp_path %1$s; proxy_temp_path %1$s;\n"
        " fastcgi_temp_path %1$s; uwsgi_temp_path %1$s; scgi_temp_path %1$s;\n"
        " gzip on; gzip_types text/plain; default_type text/plain; root %1$s/www;\n"
        " server { listen 127.0.0.1:%2$u; }\n"
        " server { listen 127.0.0.1:%3$u ssl http2; ssl_certificate %1$s/cert.pem;\n"
        "  ssl_certificate_key %1$s/key.pem; location = /v { return 200 $server_protocol; } } }\n",
        dir, plain_port, tls_port);
    write_file("nginx.conf", config);
}

static bool answers(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool ok = connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return ok;
}

static int start_nginx(void **state)
{
    (void)state;
    if (!have_nginx())
        return 0;
    assert_non_null(mkdtemp(dir));
    chmod(dir, 0755);
    cleanup(free_p) char *www = xasprintf("%s/www", dir);
    mkdir(www, 0755);
    text = xmalloc(FILE_SIZE + 1);
    for (size_t i = 0; i < FILE_SIZE; i++)
        text[i] = (char)('a' + (i * i / 7) % 23);
    text[FILE_SIZE] = '\0';
    write_file("www/text", text);
    site = make_identity("site", "DNS:site.test", NULL, 10);
    write_file("cert.pem", site.cert_pem);
    write_file("key.pem", site.key_pem);
    write_config();
    pid = fork();
    if (pid == 0) {
        cleanup(free_p) char *conf = xasprintf("%s/nginx.conf", dir);
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, 2);
        execlp("nginx", "nginx", "-p", dir, "-c", conf, NULL);
        _exit(127);
    }
    for (int i = 0; i < 500 && !(answers(plain_port) && answers(tls_port)); i++)
        usleep(10000);
    assert_true(answers(plain_port));
    return 0;
}

static int stop_nginx(void **state)
{
    (void)state;
    if (!pid)
        return 0;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    cleanup(free_p) char *command = xasprintf("rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    clear_identity(&site);
    free(text);
    return 0;
}

static void get(void **state, const struct net_target *t, const char *path, bool gunzip,
                struct outcome *o)
{
    struct headers h = {0};
    headers_add_str(&h, "accept-encoding", "gzip");
    fetch(*state, &(struct net_request){.target = t, .method = "GET", .path = path,
                                        .authority = "site.test", .headers = &h, .gunzip = gunzip},
          o);
    headers_clear(&h);
    assert_int_equal(o->failure.error, 0);
    assert_false(o->body_broken);
}

static void test_gzip(void **state)
{
    if (!have_nginx())
        skip();
    struct net_target t = plain_target(plain_port);
    struct outcome o;
    get(state, &t, "/text", true, &o);
    assert_int_equal(o.body_len, FILE_SIZE);
    assert_string_equal(o.body.data, text);
    assert_null(headers_get(&o.response->headers, "content-encoding"));
    outcome_clear(&o);
    get(state, &t, "/text", false, &o);
    assert_true(o.body_len < FILE_SIZE);
    assert_string_equal(headers_get(&o.response->headers, "content-encoding"), "gzip");
    outcome_clear(&o);
}

static void test_tls_and_alpn(void **state)
{
    if (!have_nginx())
        skip();
    struct net_target t = plain_target(tls_port);
    t.tls = true;
    t.sni = t.cert_host = "site.test";
    t.ca_pem = site.cert_pem;
    for (int i = 0; i < 4; i++) {
        t.http2 = i % 2;
        struct outcome o;
        get(state, &t, "/v", false, &o);
        assert_string_equal(o.body.data, t.http2 ? "HTTP/2.0" : "HTTP/1.1");
        assert_int_equal(o.response->version, t.http2 ? 20 : 11);
        outcome_clear(&o);
    }
}

static void test_many_at_once(void **state)
{
    if (!have_nginx())
        skip();
    struct net_target t = plain_target(plain_port);
    for (int round = 0; round < 2; round++) {
        struct outcome *o = xcalloc(AT_ONCE, sizeof *o);
        for (size_t i = 0; i < AT_ONCE; i++) {
            outcome_init(&o[i], *state);
            net_call_start(((struct world *)*state)->client, CALL(&t, "GET", "/text"), on_done,
                           &o[i]);
        }
        for (size_t i = 0; i < AT_ONCE; i++) {
            while (!o[i].ended)
                run(*state);
            assert_int_equal(o[i].failure.error, 0);
            assert_false(o[i].body_broken);
            assert_int_equal(o[i].body_len, FILE_SIZE);
            outcome_clear(&o[i]);
        }
        free(o);
    }
}

static void test_fd_limit(void **state)
{
    (void)state;
    struct rlimit before, after;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = {.rlim_cur = 256, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    assert_int_equal(net_raise_fd_limit(), before.rlim_max);
    getrlimit(RLIMIT_NOFILE, &after);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    setrlimit(RLIMIT_NOFILE, &before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_gzip),
        TEST(test_tls_and_alpn),
        TEST(test_many_at_once),
        TEST(test_fd_limit),
    };
    return cmocka_run_group_tests(tests, start_nginx, stop_nginx);
}
