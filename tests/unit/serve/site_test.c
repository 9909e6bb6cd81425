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

static void add_version(struct site *site, const char *id, int bp)
{
    struct deployment *d = deployment_new("site", id, NULL, 1);
    struct site_version *v = &site->versions[site->version_count++];
    snprintf(v->id, sizeof v->id, "%s", id);
    v->deployment = d;
    site->arms[site->arm_count++] = (struct site_arm){deployment_ref(d), bp};
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
        add_version(site, "v1", i ? 10000 : 10000 - bp);
        if (i)
            continue;
        add_version(site, "v2", bp);
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

/* The problem's status, for a host that is known. */
static int refused(struct sites *s, const char *name, const char *value)
{
    struct site_pick pick;
    struct exchange *ex = request("http://shop.test/", name, value);
    assert_true(sites_pick(s, ex, &pick));
    assert_int_equal(pick.deployment == NULL, pick.problem != NULL);
    deployment_unref(pick.deployment);
    exchange_unref(ex);
    return pick.status;
}

static void take_away(struct deployment **d)
{
    deployment_unref(*d);
    *d = NULL;
}

/* Its clients are not the canary's: nobody has judged it for them. */
static void a_stable_version_that_cannot_be_served_gives_nothing_to_the_canary(void **state)
{
    (void)state;
    struct sites *s = two_apps(1000);
    int served = 0;
    take_away(&s->list[0].arms[0].deployment);
    take_away(&s->list[0].versions[0].deployment);
    for (int i = 0; i < 1000; i++) {
        char client[20];
        snprintf(client, sizeof client, "client-%d", i);
        int status = refused(s, LABEL_CLIENT, client);
        assert_true(status == 0 || status == 503);
        served += status == 0;
    }
    assert_in_range(served, 50, 150);
    assert_int_equal(refused(s, LABEL_VERSION, "v2"), 0);
    assert_int_equal(refused(s, LABEL_VERSION, "v1"), 503);
    sites_unref(s);
}

static void a_canary_that_cannot_be_served_leaves_all_to_the_stable_version(void **state)
{
    (void)state;
    struct sites *s = two_apps(5000);
    take_away(&s->list[0].arms[1].deployment);
    for (int i = 0; i < 100; i++)
        assert_string_equal(asked(s, "http://shop.test/", NULL, NULL), "v1");
    sites_unref(s);
}

static void a_version_that_is_being_loaded_is_not_unknown(void **state)
{
    (void)state;
    struct sites *s = two_apps(0);
    take_away(&s->list[0].versions[1].deployment);
    s->list[0].versions[1].loading = true;
    assert_int_equal(refused(s, LABEL_VERSION, "v2"), 503);
    assert_int_equal(refused(s, LABEL_VERSION, "v3"), 404);
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
        cmocka_unit_test(a_stable_version_that_cannot_be_served_gives_nothing_to_the_canary),
        cmocka_unit_test(a_canary_that_cannot_be_served_leaves_all_to_the_stable_version),
        cmocka_unit_test(a_version_that_is_being_loaded_is_not_unknown),
        cmocka_unit_test(a_host_names_a_version),
        cmocka_unit_test(shares_are_kept_and_grow_without_losing_anyone),
        cmocka_unit_test(the_cookie_keeps_a_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
