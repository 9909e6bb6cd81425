/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/labels.h"
#include "base/mem.h"
#include "serve/site.h"

static const struct exchange_wire wire = {0};

static struct exchange *request(const char *uri, const char *name, const char *value)
{
    struct exchange *ex = exchange_new(NULL, &wire, NULL);
    exchange_set_target(ex, "GET", 3, strlen(uri));
    strcpy(ex->uri, uri);
    if (name)
        headers_add_str(&ex->headers, name, value);
    return ex;
}

/* "shop" at shop.test with v1 and v2, v2 having `bp`; "other" at other.test with v1 only. */
static struct sites *two_apps(int bp)
{
    struct sites *s = sites_new();
    static const char *const names[] = {"shop", "other"};
    for (int i = 0; i < 2; i++) {
        struct site *site = sites_add(s);
        site->name = xstrdup(names[i]);
        site->hosts = xcalloc(1, sizeof(char *));
        site->hosts[site->host_count++] = xasprintf("%s.test", names[i]);
        site->versions = xcalloc(2, sizeof *site->versions);
        site->versions[site->version_count++] = deployment_new("site", "v1", NULL, 1);
        site->arms[site->arm_count++] = (struct site_arm){deployment_ref(site->versions[0]),
                                                          i ? 10000 : 10000 - bp};
        if (i)
            continue;
        site->versions[site->version_count++] = deployment_new("site", "v2", NULL, 1);
        site->arms[site->arm_count++] = (struct site_arm){deployment_ref(site->versions[1]), bp};
    }
    return s;
}

/* Which version answers; "" if none does, "?" if the host is no app's. */
static const char *asked(struct sites *s, const char *uri, const char *name, const char *value)
{
    static char id[SITE_ID_MAX];
    struct site_pick pick;
    struct exchange *ex = request(uri, name, value);
    snprintf(id, sizeof id, "?");
    if (sites_pick(s, ex, &pick))
        snprintf(id, sizeof id, "%s", pick.deployment ? pick.deployment->id : "");
    deployment_unref(pick.deployment);
    exchange_unref(ex);
    return id;
}

static void hosts_choose_the_app(void **state)
{
    (void)state;
    struct sites *s = two_apps(0);
    assert_string_equal(asked(s, "http://shop.test/x", NULL, NULL), "v1");
    assert_string_equal(asked(s, "http://SHOP.test:7676/x", NULL, NULL), "v1");
    assert_string_equal(asked(s, "http://nobody.test/", NULL, NULL), "?");
    s->any_host = true; /* but there are two */
    assert_string_equal(asked(s, "http://nobody.test/", NULL, NULL), "?");
    sites_unref(s);
}

static void the_header_forces_a_version(void **state)
{
    (void)state;
    struct sites *s = two_apps(0);
    struct site_pick pick;
    assert_string_equal(asked(s, "http://shop.test/", LABEL_VERSION, "v2"), "v2");
    assert_string_equal(asked(s, "http://other.test/", LABEL_VERSION, "v2"), "");
    struct exchange *ex = request("http://shop.test/", LABEL_VERSION, "v2");
    assert_true(sites_pick(s, ex, &pick));
    assert_true(pick.forced);
    assert_string_equal(headers_get(ex->added, LABEL_VERSION), "v2");
    deployment_unref(pick.deployment);
    exchange_unref(ex);
    sites_unref(s);
}

static void a_host_names_a_version(void **state)
{
    (void)state;
    struct sites *s = two_apps(0);
    free(s->list[0].hosts[0]);
    s->list[0].hosts[0] = xstrdup("shop.localhost");
    assert_string_equal(asked(s, "http://v2.shop.localhost/", NULL, NULL), "v2");
    assert_string_equal(asked(s, "http://V2.shop.localhost:80/", NULL, NULL), "");
    assert_string_equal(asked(s, "http://v2.shop.localhost.test/", NULL, NULL), "?");
    assert_string_equal(asked(s, "http://shop.localhost/", NULL, NULL), "v1");
    assert_string_equal(asked(s, "http://.shop.localhost/", NULL, NULL), "v1");
    sites_unref(s);
}

static int share(struct sites *s, int clients)
{
    char key[32];
    int n = 0;
    for (int i = 0; i < clients; i++) {
        snprintf(key, sizeof key, "client %d", i);
        n += strcmp(asked(s, "http://shop.test/", LABEL_CLIENT, key), "v2") == 0;
    }
    return n;
}

static void shares_are_kept_and_grow_without_losing_anyone(void **state)
{
    (void)state;
    enum { CLIENTS = 20000 };
    struct sites *small = two_apps(1000), *large = two_apps(3000), *none = two_apps(0),
                 *all = two_apps(10000);
    assert_in_range(share(small, CLIENTS), CLIENTS / 10 - 200, CLIENTS / 10 + 200);
    assert_in_range(share(large, CLIENTS), CLIENTS * 3 / 10 - 300, CLIENTS * 3 / 10 + 300);
    assert_int_equal(share(none, 100), 0);
    assert_int_equal(share(all, 100), 100);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "client %d", i);
        if (strcmp(asked(small, "http://shop.test/", LABEL_CLIENT, key), "v2") == 0)
            assert_string_equal(asked(large, "http://shop.test/", LABEL_CLIENT, key), "v2");
    }
    sites_unref(small);
    sites_unref(large);
    sites_unref(none);
    sites_unref(all);
}

/* Without a key the first answer brings a cookie, with which the client stays. */
static void the_cookie_keeps_a_client(void **state)
{
    (void)state;
    struct sites *s = two_apps(5000);
    for (int i = 0; i < 50; i++) {
        struct exchange *ex = request("http://shop.test/", NULL, NULL);
        struct site_pick first;
        assert_true(sites_pick(s, ex, &first));
        char cookie[128] = "";
        snprintf(cookie, sizeof cookie, "a=b; %s", headers_get(ex->added, "set-cookie"));
        cookie[strlen("a=b; " LABEL_CLIENT "=") + 16] = '\0';
        struct exchange *again = request("http://shop.test/", "cookie", cookie);
        struct site_pick second;
        assert_true(sites_pick(s, again, &second));
        assert_ptr_equal(first.deployment, second.deployment);
        assert_null(headers_get(again->added, "set-cookie"));
        deployment_unref(first.deployment);
        deployment_unref(second.deployment);
        exchange_unref(ex);
        exchange_unref(again);
    }
    sites_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_choose_the_app),
        cmocka_unit_test(the_header_forces_a_version),
        cmocka_unit_test(a_host_names_a_version),
        cmocka_unit_test(shares_are_kept_and_grow_without_losing_anyone),
        cmocka_unit_test(the_cookie_keeps_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
