/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS at the front, with curl and the openssl command as clients. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "unit/serve/front.h"

static char dir[] = "/tmp/edgectl-tls-XXXXXX";
static char *ca_dir, *ca_pem;
static struct ca *ca;

/* The output of a shell command, with stderr; *status is its exit status. */
static char *sh(int *status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    cleanup(free_p) char *command = xvasprintf(fmt, ap);
    va_end(ap);
    cleanup(free_p) char *whole = xasprintf("( %s ) 2>&1", command);
    FILE *p = popen(whole, "r");
    assert_non_null(p);
    struct buf b = BUF_INIT(16 << 20);
    char room[4096];
    size_t n;
    while ((n = fread(room, 1, sizeof room, p)) > 0)
        buf_add(&b, room, n);
    int s = pclose(p);
    if (status)
        *status = WIFEXITED(s) ? WEXITSTATUS(s) : -1;
    return buf_take(&b);
}

#define CURL "curl --noproxy '*' -sS --max-time 5 --cacert %s "

static void start_https(struct front *f, struct tls_server **server, bool ask,
                        const char *client_ca)
{
    struct err err;
    struct tls_server_config c = {.ca = ca, .ask_client_cert = ask, .client_ca_pem = client_ca};
    if (tls_server_new(&c, server, &err) < 0)
        fail_msg("%s", err.msg);
    front_start(f, &(struct listener_options){.tls = *server});
}

static void test_the_authority_is_made_once(void **state)
{
    (void)state;
    struct stat st;
    struct err err;
    struct ca *again;
    cleanup(free_p) char *key = xasprintf("%s/ca.key", ca_dir);
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(ca_dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    cleanup(free_p) char *before = sh(NULL, "sha256sum %s/*", ca_dir);
    assert_int_equal(ca_open(ca_dir, &again, &err), 0);
    ca_close(again);
    cleanup(free_p) char *after = sh(NULL, "sha256sum %s/*", ca_dir);
    assert_string_equal(before, after);
    cleanup(free_p) char *text = sh(NULL, "openssl x509 -in %s -noout -text", ca_pem);
    assert_has(text, "CA:TRUE, pathlen:0");
    assert_has(text, "DNS:localhost");
    assert_has(text, "IP:127.0.0.0/255.0.0.0");
    assert_has(text, "prime256v1");
}

static void test_many_make_one_authority(void **state)
{
    (void)state;
    cleanup(free_p) char *shared = xasprintf("%s/shared/ca", dir);
    pid_t pids[8];
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct ca *mine;
            _exit(ca_open(shared, &mine, NULL) == 0 ? 0 : 1);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        int status;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    cleanup(free_p) char *list = sh(NULL, "ls %s/shared", dir);
    assert_string_equal(list, "ca\n"); /* no leftovers */
}

static void test_bad_authorities(void **state)
{
    (void)state;
    struct ca *none;
    struct err err;
    cleanup(free_p) char *bad = xasprintf("%s/bad", dir);
    free(sh(NULL, "cp -r %s %s && chmod 644 %s/ca.key", ca_dir, bad, bad));
    assert_int_equal(ca_open(bad, &none, &err), -ERR_IO);
    assert_has(err.msg, "can be read by others");
    free(sh(NULL, "chmod 600 %s/ca.key && echo x > %s/ca.pem", bad, bad));
    assert_int_equal(ca_open(bad, &none, &err), -ERR_IO);
    assert_has(err.msg, "damaged");
    free(sh(NULL, "rm %s/ca.pem", bad));
    assert_int_equal(ca_open(bad, &none, &err), -ERR_IO);
    assert_has(err.msg, "ca.pem");
}

static void test_names(void **state)
{
    (void)state;
    assert_true(ca_covers("localhost") && ca_covers("a.localhost") && ca_covers("A.b.LocalHost"));
    assert_false(ca_covers("example.com") || ca_covers("notlocalhost") || ca_covers(".localhost") ||
                 ca_covers("") || ca_covers("a,DNS:b.localhost") || ca_covers("a b.localhost"));
}

static void test_curl_trusts_it(void **state)
{
    (void)state;
    struct front f;
    struct tls_server *server;
    start_https(&f, &server, false, NULL);
    static const char *const hosts[] = {"localhost", "127.0.0.1", "shop.localhost",
                                        "a.b.localhost"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        cleanup(free_p) char *got = sh(NULL, CURL "https://%s:%u/x", ca_pem, hosts[i], f.port);
        cleanup(free_p) char *uri = xasprintf("GET https://%s:%u/x 11\n", hosts[i], f.port);
        cleanup(free_p) char *tls = xasprintf("tls TLSv1.3 TLS_AES_256_GCM_SHA384 %s verify -1 cert 0",
                                              i == 1 ? "none" : hosts[i]);
        assert_has(got, uri);
        assert_has(got, tls);
        assert_has(got, i == 1 ? "ja4 t13i" : "ja4 t13d");
    }
    cleanup(free_p) char *old =
        sh(NULL, CURL "--tls-max 1.2 --http1.1 https://localhost:%u/x", ca_pem, f.port);
    assert_has(old, "tls TLSv1.2 ECDHE-ECDSA-");
    assert_has(old, "h1_");
    int status;
    cleanup(free_p) char *untrusted =
        sh(&status, "curl --noproxy '*' -sS --max-time 5 https://localhost:%u/x", f.port);
    assert_int_equal(status, 60);
    cleanup(free_p) char *wrong_name =
        sh(&status, CURL "--resolve evil.test:%u:127.0.0.1 https://evil.test:%u/", ca_pem, f.port,
           f.port);
    assert_int_equal(status, 60);
    front_stop(&f);
    tls_server_free(server);
}

static void test_bodies_through_tls(void **state)
{
    (void)state;
    struct front f;
    struct tls_server *server;
    start_https(&f, &server, false, NULL);
    cleanup(free_p) char *big = sh(NULL, CURL "https://localhost:%u/big | wc -c", ca_pem, f.port);
    assert_string_equal(big, "8388608\n");
    cleanup(free_p) char *slow =
        sh(NULL, CURL "--limit-rate 20M https://localhost:%u/big | wc -c", ca_pem, f.port);
    assert_string_equal(slow, "8388608\n");
    free(sh(NULL, "head -c 3000000 /dev/urandom > %s/up", dir));
    cleanup(free_p) char *echo =
        sh(NULL, CURL "-T %s/up https://localhost:%u/echo | cmp - %s/up && echo same", ca_pem, dir,
           f.port, dir);
    assert_string_equal(echo, "same\n");
    cleanup(free_p) char *two =
        sh(NULL, CURL "https://localhost:%u/drip https://localhost:%u/drip", ca_pem, f.port,
           f.port);
    assert_string_equal(two, "drip\ndrip\ndrip\ndrip\ndrip\ndrip\n");
    int status;
    cleanup(free_p) char *cut = sh(&status, CURL "https://localhost:%u/drip/fail", ca_pem, f.port);
    assert_int_not_equal(status, 0);
    front_stop(&f);
    tls_server_free(server);
}

static void test_not_tls(void **state)
{
    (void)state;
    struct front f;
    struct tls_server *server;
    start_https(&f, &server, false, NULL);
    cleanup(free_p) char *plain = ask(&f, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_has(plain, "HTTP/1.1 400 ");
    assert_has(plain, "https://");
    static const char *const junk[] = {"\x16\x03\x01\x00\x05hello",
                                       "\xff\xff\xff\xff\xff\xff\xff\xff",
                                       "\x16\x03\x01\xff\xff", "\x16"};
    for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
        int ended, fd = dial(&f);
        say(fd, junk[i]);
        shutdown(fd, SHUT_WR);
        cleanup(free_p) char *got = hear(fd, NULL, &ended);
        assert_int_not_equal(ended, 0);
        assert_lacks(got, "HTTP");
        close(fd);
    }
    assert_int_equal(f.begun, 0);
    cleanup(free_p) char *still = sh(NULL, CURL "https://localhost:%u/x", ca_pem, f.port);
    assert_has(still, "/x 11\n");
    front_stop(&f);
    tls_server_free(server);
}

static void test_client_certificates(void **state)
{
    (void)state;
    static const char make[] =
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=clients -keyout cca.key -out cca.pem 2>/dev/null && "
        "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=me -keyout me.key "
        "-out me.csr 2>/dev/null && openssl x509 -req -in me.csr -CA cca.pem -CAkey cca.key "
        "-CAcreateserial -days %s -out me.pem 2>/dev/null && cat cca.pem";
    cleanup(free_p) char *client_ca = sh(NULL, make, dir, "2");
    struct front f;
    struct tls_server *server;
    start_https(&f, &server, true, client_ca);
    cleanup(free_p) char *good =
        sh(NULL, CURL "--cert %s/me.pem --key %s/me.key https://localhost:%u/", ca_pem, dir, dir,
           f.port);
    assert_has(good, "verify 0 cert ");
    assert_lacks(good, "cert 0 ");
    cleanup(free_p) char *none = sh(NULL, CURL "https://localhost:%u/", ca_pem, f.port);
    assert_has(none, "verify 5 cert 0 ");
    front_stop(&f);
    tls_server_free(server);
    start_https(&f, &server, true, NULL);
    cleanup(free_p) char *unknown =
        sh(NULL, CURL "--cert %s/me.pem --key %s/me.key https://localhost:%u/", ca_pem, dir, dir,
           f.port);
    assert_has(unknown, "verify 4 cert ");
    front_stop(&f);
    tls_server_free(server);
    struct err err;
    struct tls_server_config bad = {.ca = ca, .client_ca_pem = "no PEM"};
    assert_int_equal(tls_server_new(&bad, &server, &err), -ERR_FAILURE);
}

static int start(void **state)
{
    (void)state;
    struct err err;
    if (!mkdtemp(dir))
        return -1;
    ca_dir = xasprintf("%s/data/edgectl/ca", dir);
    if (ca_open(ca_dir, &ca, &err) < 0) {
        print_error("%s\n", err.msg);
        return -1;
    }
    ca_pem = xstrdup(ca_cert_path(ca));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    free(sh(NULL, "rm -rf %s", dir));
    ca_close(ca);
    free(ca_dir);
    free(ca_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_authority_is_made_once),
        cmocka_unit_test(test_many_make_one_authority),
        cmocka_unit_test(test_bad_authorities),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_curl_trusts_it),
        cmocka_unit_test(test_bodies_through_tls),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_client_certificates),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
