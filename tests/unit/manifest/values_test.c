/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "manifest/keys.h"

static void numbers(void **state)
{
    int64_t v;
    double d;
    (void)state;
    assert_true(value_percent("0.5%", &d) && d == 0.5);
    assert_false(value_percent("10", &d));
    assert_false(value_percent("10 %", &d));
    assert_false(value_percent("-1%", &d));
    assert_true(value_number("2", &d) && d == 2);
    assert_false(value_number("2x", &d));
    assert_false(value_number("nan", &d));
    assert_true(value_int("-12", &v) && v == -12);
    assert_false(value_int("", &v));
    assert_false(value_int("1 ", &v));
    assert_false(value_int(" 1", &v));
    assert_false(value_int("99999999999999999999", &v));
}

static void kv_keys(void **state)
{
    static const char *const good[] = {"a", "a b", "a/b", "ü", ".x", "a..b", "..a", "a/.b", "~"};
    static const char *const bad[] = {
        "",    ".",     "..",     "a/../b", "../a",  "a/..",  "./a",   "a/.",  "a./b",
        "a\rb", "a\nb", "a#",     "a;",     "a?",    "a^",    "a|",    " ",    "\t",
        ".well-known/acme-challenge/x", ".well-known/acme-challenge"};
    char longest[1026];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (rule_kv_key(good[i], strlen(good[i])))
            fail_msg("'%s': %s", good[i], rule_kv_key(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (!rule_kv_key(bad[i], strlen(bad[i])))
            fail_msg("'%s' is taken", bad[i]);
    }
    memset(longest, 'k', sizeof longest);
    longest[1025] = '\0';
    assert_non_null(rule_kv_key(longest, 1025));
    longest[1024] = '\0';
    assert_null(rule_kv_key(longest, 1024));
    assert_non_null(rule_kv_key("a\0b", 3));
}

static void secret_names(void **state)
{
    char name[257];
    (void)state;
    memset(name, 'n', sizeof name);
    assert_null(rule_secret_name("Aa0_-.", 6));
    assert_null(rule_secret_name(name, 255));
    assert_non_null(rule_secret_name(name, 256));
    assert_non_null(rule_secret_name("", 0));
    assert_non_null(rule_secret_name("a b", 3));
    assert_non_null(rule_secret_name("a*", 2));
    assert_non_null(rule_secret_name("a\0b", 3));
}

static void expect_url(const char *url, bool tls, const char *host, int port, const char *prefix)
{
    struct url_parts u;
    const char *why = url_split(url, &u);
    if (why)
        fail_msg("%s: %s", url, why);
    assert_int_equal(u.tls, tls);
    assert_string_equal(u.host, host);
    assert_int_equal(u.port, port);
    assert_string_equal(u.prefix, prefix);
}

static void urls(void **state)
{
    static const char *const bad[] = {
        "", "a.com", "/x", "ftp://a", "http:://[:::1]", "http://", "http:///x", "http://:80",
        "http://a:x", "http://a:70000", "http://a:0", "http://[::1", "http://[zz]", "http://a b",
        "http://u:p@h", "http://[::1]x", "http://a\x7f", "http://a_b\"c"};
    struct url_parts u;
    (void)state;
    expect_url("http://a.com", false, "a.com", 80, "");
    expect_url("https://a.com/", true, "a.com", 443, "");
    expect_url("HTTPS://a.com:8443/p/q/", true, "a.com", 8443, "/p/q");
    expect_url("http://[::1]:8080/x", false, "::1", 8080, "/x");
    expect_url("http://127.0.0.1:7676/dog-mocks", false, "127.0.0.1", 7676, "/dog-mocks");
    expect_url("http://a:/x?y=1#z", false, "a", 80, "/x");
    expect_url("http://under_score", false, "under_score", 80, "");
    assert_null(url_split("http://a/?q", &u));
    assert_true(u.extra);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (!url_split(bad[i], &u))
            fail_msg("'%s' is taken", bad[i]);
    }
    assert_null(rule_any_url("unix:/x"));
    assert_non_null(rule_any_url("nope"));
    assert_non_null(rule_any_url("http://"));
}

static void hosts_and_headers(void **state)
{
    (void)state;
    assert_null(rule_host("a.com:80"));
    assert_non_null(rule_host("http://a.com"));
    assert_non_null(rule_host("a.com/x"));
    assert_non_null(rule_host("a b"));
    assert_non_null(rule_host(""));
    assert_null(rule_header("a b"));
    assert_non_null(rule_header(" "));
    assert_non_null(rule_header("a\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers), cmocka_unit_test(kv_keys), cmocka_unit_test(secret_names),
        cmocka_unit_test(urls),    cmocka_unit_test(hosts_and_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
