/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include <arpa/inet.h>
#include "base/mem.h"
#include "manifest/acl.h"

static void canonical(const char *text, const char *want)
{
    struct ip_prefix p;
    char got[IP_PREFIX_TEXT];
    const char *why = ip_prefix_parse(text, false, &p);
    if (why)
        fail_msg("%s: %s", text, why);
    ip_prefix_text(&p, got);
    assert_string_equal(got, want);
}

static void prefixes(void **state)
{
    static const char *const bad[] = {"1.2.3.4/33", "200::/129", "200::/none", "1.2.3.four/16",
                                      "200::end/32", "1.2.3.4",   "200::",     "1.2.3.4/0",
                                      "1.2.3/8",     "/8",        "",          "1.2.3.4/",
                                      "1.2.3.4/8/9", "1.2.3.4/-1", "01.2.3.4/8", "::/0"};
    struct ip_prefix p;
    (void)state;
    canonical("255.255.255.255/32", "255.255.255.255/32");
    canonical("255.255.255.255/8", "255.0.0.0/8");
    canonical("10.255.0.0/9", "10.128.0.0/9");
    canonical("2002::1234:abcd:ffff:c0a8:101/64", "2002:0:0:1234::/64");
    canonical("2000::AB/32", "2000::/32");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (!ip_prefix_parse(bad[i], false, &p))
            fail_msg("'%s' is taken", bad[i]);
    }
    assert_null(ip_prefix_parse("1.2.3.4", true, &p));
    assert_int_equal(p.bits, 32);
    assert_null(ip_prefix_parse("::1", true, &p));
    assert_int_equal(p.bits, 128);
}

static const char *find(const struct acl *a, const char *address, const char **ret_prefix)
{
    uint8_t octets[16];
    const char *action = NULL;
    bool six = strchr(address, ':');
    assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, address, octets), 1);
    *ret_prefix = NULL;
    acl_lookup(a, octets, six ? 16 : 4, ret_prefix, &action);
    return action;
}

static void longest_prefix_wins_of_equals_the_last(void **state)
{
    const char *prefix;
    (void)state;
    struct acl *a = acl_new();
    assert_null(acl_add(a, "192.168.100.0/16", "block"));
    assert_null(acl_add(a, "192.168.100.0/24", "Allow"));
    assert_null(acl_add(a, "192.168.100.0/8", "first"));
    assert_null(acl_add(a, "192.9.9.9/8", "last"));
    assert_null(acl_add(a, "face::/16", "six"));
    assert_non_null(acl_add(a, "nope/16", "x"));
    assert_string_equal(find(a, "192.168.100.1", &prefix), "ALLOW");
    assert_string_equal(prefix, "192.168.100.0/24");
    assert_string_equal(find(a, "192.168.200.1", &prefix), "BLOCK");
    assert_string_equal(prefix, "192.168.0.0/16");
    assert_string_equal(find(a, "192.1.1.1", &prefix), "last");
    assert_string_equal(find(a, "face:1:2:3::", &prefix), "six");
    assert_null(find(a, "1.1.1.1", &prefix));
    assert_null(find(a, "::ffff:192.168.100.1", &prefix));
    assert_null(find(a, "fade::", &prefix));
    acl_free(a);
    a = acl_new();
    assert_null(find(a, "1.1.1.1", &prefix));
    acl_free(a);
}

static void from_json(void **state)
{
    static const char *const bad[] = {
        "[]", "{}", "{\"entries\": 1}", "{\"entries\": [1]}", "{\"entries\": [{\"prefix\": \"1.2.3.0/24\"}]}",
        "{\"entries\": [{\"prefix\": \"1.2.3.0\", \"action\": \"BLOCK\"}]}",
        "{\"entries\": [{\"prefix\": 1, \"action\": \"BLOCK\"}]}", "name = \"toml\"", ""};
    struct project p;
    struct acl *a = NULL;
    struct err err = {0};
    char path[128];
    const char *prefix;
    (void)state;
    project_open(&p);
    snprintf(path, sizeof path, "%s/acl.json", p.dir);
    project_write(&p, "acl.json", "{\"entries\": [{\"op\": \"create\", \"prefix\": \"1.2.3.0/24\", "
                                  "\"action\": \"BLOCK\"}, {\"prefix\": \"1.2.3.4/32\", \"action\": "
                                  "\"potato\"}]}");
    assert_int_equal(acl_load(path, &a, &err), 0);
    assert_string_equal(find(a, "1.2.3.9", &prefix), "BLOCK");
    assert_string_equal(find(a, "1.2.3.4", &prefix), "potato");
    acl_free(a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        project_write(&p, "acl.json", bad[i]);
        a = NULL;
        if (acl_load(path, &a, &err) != -ERR_MANIFEST)
            fail_msg("taken: %s", bad[i]);
        assert_string_equal(err.file, path);
        assert_null(a);
    }
    snprintf(path, sizeof path, "%s/none.json", p.dir);
    assert_int_equal(acl_load(path, &a, &err), -ERR_IO);
    project_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefixes),
        cmocka_unit_test(longest_prefix_wins_of_equals_the_last),
        cmocka_unit_test(from_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
