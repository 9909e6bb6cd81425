/* SPDX-License-Identifier: Apache-2.0 */
/* Config, secrets, KV, geolocation, devices, ACLs, shields, counters: with tests/serve/probe.yaml. */
#include "check.h"

static void config(void)
{
    uint32_t h = 0;
    char buf[64];
    size_t n = 0;
    is(fastly_config_store_open(LIT("nowhere"), &h), EDGE_BADF);
    is(fastly_config_store_open(LIT("settings"), &h), EDGE_OK);
    is(fastly_config_store_get(h, LIT("plain"), buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "value");
    is(fastly_config_store_get(h, LIT("plain"), buf, 4, &n), EDGE_BUFLEN);
    is(n, 5);
    is(fastly_config_store_get(h, LIT("empty"), buf, sizeof(buf), &n), EDGE_OK);
    is(n, 0);
    is(fastly_config_store_get(h, LIT("absent"), buf, sizeof(buf), &n), EDGE_NONE);
    is(fastly_config_store_get(NO_SUCH_HANDLE, LIT("plain"), buf, sizeof(buf), &n), EDGE_BADF);
    is(fastly_dictionary_open(LIT("nowhere"), &h), EDGE_BADF);
    is(fastly_dictionary_open(LIT("settings"), &h), EDGE_OK);
    is(fastly_dictionary_get(h, LIT("plain"), buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "value");
    is(fastly_dictionary_get(h, LIT("absent"), buf, sizeof(buf), &n), EDGE_NONE);
}

static void secrets(void)
{
    uint32_t store = 0, secret = 0;
    char buf[64];
    size_t n = 0;
    is(fastly_secret_store_open(LIT("nowhere"), &store), EDGE_NONE);
    is(fastly_secret_store_open(LIT("secrets"), &store), EDGE_OK);
    is(fastly_secret_store_get(store, LIT("absent"), &secret), EDGE_NONE);
    is(fastly_secret_store_get(NO_SUCH_HANDLE, LIT("token"), &secret), EDGE_BADF);
    is(fastly_secret_store_get(store, LIT("token"), &secret), EDGE_OK);
    is(fastly_secret_store_plaintext(secret, buf, 2, &n), EDGE_BUFLEN);
    is(n, 6);
    is(fastly_secret_store_plaintext(secret, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "s3cret");
    is(fastly_secret_store_from_bytes(LIT("made\0up"), &secret), EDGE_OK);
    is(fastly_secret_store_plaintext(secret, buf, sizeof(buf), &n), EDGE_OK);
    is(n, 7);
    is(fastly_secret_store_plaintext(NO_SUCH_HANDLE, buf, sizeof(buf), &n), EDGE_BADF);
}

static uint32_t kv;

/* Insert and wait; the kv_error, or minus the status. */
static int put(const char *key, const char *value, uint32_t mask, struct edge_kv_insert_config *config)
{
    uint32_t pending, error = 99;
    uint32_t status =
        fastly_kv_store_insert(kv, key, strlen(key), body_of(value), mask, config, &pending);
    if (status == EDGE_OK)
        status = fastly_kv_store_insert_wait(pending, &error);
    return status == EDGE_OK ? (int)error : -(int)status;
}

static int put_mode(const char *key, const char *value, uint32_t mode)
{
    struct edge_kv_insert_config config = {.mode = mode};
    return put(key, value, 0, &config);
}

static bool holds(const char *key, const char *want)
{
    size_t len;
    char *text = edge_kv_get("store", key, &len);
    return text && len == strlen(want) && memcmp(text, want, len) == 0;
}

static int delete(const char *key)
{
    struct edge_kv_delete_config config = {0};
    uint32_t pending, error = 99;
    uint32_t status = fastly_kv_store_delete(kv, key, strlen(key), 0, &config, &pending);
    if (status == EDGE_OK)
        status = fastly_kv_store_delete_wait(pending, &error);
    return status == EDGE_OK ? (int)error : -(int)status;
}

static void kv_modes(void)
{
    is(put_mode("k", "one", EDGE_KV_OVERWRITE), EDGE_KV_OK);
    ok(holds("k", "one"));
    is(put_mode("k", "two", EDGE_KV_ADD), EDGE_KV_PRECONDITION_FAILED);
    is(put_mode("k", "+end", EDGE_KV_APPEND), EDGE_KV_OK);
    is(put_mode("k", "start+", EDGE_KV_PREPEND), EDGE_KV_OK);
    ok(holds("k", "start+one+end"));
    is(put_mode("k", "x", 4), -EDGE_INVAL);
    is(put_mode("new", "x", EDGE_KV_APPEND), EDGE_KV_OK);
    ok(holds("new", "x"));
    is(delete("k"), EDGE_KV_OK);
    is(delete("k"), EDGE_KV_NOT_FOUND);
    ok(edge_kv_get("store", "k", NULL) == NULL);
    is(delete("new"), EDGE_KV_OK);
}

static void kv_keys(void)
{
    static const char *const bad[] = {"", ".", "..", "a/../b", "./a", "a\rb", "a\nb", "a#b", "a;b",
                                      "a?b", "a^b", "a|b", ".well-known/acme-challenge/x", "\xff"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        is(put_mode(bad[i], "x", EDGE_KV_OVERWRITE), -EDGE_INVAL);
    char key[1026];
    memset(key, 'k', sizeof(key));
    key[1025] = '\0';
    is(put_mode(key, "x", EDGE_KV_OVERWRITE), -EDGE_INVAL);
    key[1024] = '\0';
    is(put_mode(key, "x", EDGE_KV_OVERWRITE), EDGE_KV_OK);
    is(delete(key), EDGE_KV_OK);
    is(put_mode("é/a.b c", "x", EDGE_KV_OVERWRITE), EDGE_KV_OK);
    is(delete("é/a.b c"), EDGE_KV_OK);
}

static uint32_t lookup(const char *key, uint32_t *pending)
{
    struct edge_kv_lookup_config config = {0};
    return fastly_kv_store_lookup(kv, key, strlen(key), 0, &config, pending);
}

static void kv_lookup(void)
{
    uint32_t pending = 0, body = 77, error = 99, generation32 = 7;
    uint64_t generation = 0;
    char metadata[64];
    size_t n = 0;
    is(lookup("bad#key", &pending), EDGE_INVAL);
    is(lookup("nothing", &pending), EDGE_OK);
    is(fastly_kv_store_lookup_wait_v2(pending, &body, metadata, 64, &n, &generation, &error),
       EDGE_OK);
    is(error, EDGE_KV_NOT_FOUND);
    is(body, 77);
    is(fastly_kv_store_lookup_wait_v2(pending, &body, metadata, 64, &n, &generation, &error),
       EDGE_BADF);

    is(lookup("with-meta", &pending), EDGE_OK);
    is(fastly_async_io_is_ready(pending, &error), EDGE_OK);
    is(fastly_kv_store_lookup_wait_v2(pending, &body, metadata, 64, &n, &generation, &error),
       EDGE_OK);
    is(error, EDGE_KV_OK);
    is_text(metadata, n, "about it");
    ok(generation > 1000000000ull);
    ok(body_is(body, "seeded value"));

    body = 77;
    is(lookup("with-meta", &pending), EDGE_OK);
    is(fastly_kv_store_lookup_wait_v2(pending, &body, metadata, 3, &n, &generation, &error),
       EDGE_BUFLEN);
    is(n, 8);
    ok(body != 77); /* given before the metadata were found too long */

    is(lookup("with-meta", &pending), EDGE_OK);
    is(fastly_kv_store_lookup_wait(pending, &body, metadata, 64, &n, &generation32, &error),
       EDGE_OK);
    is(generation32, 0);
    ok(body_is(body, "seeded value"));
    is(lookup("with-meta", &pending), EDGE_OK);
    is(fastly_kv_store_insert_wait(pending, &error), EDGE_BADF);
}

static uint64_t generation_of(const char *key)
{
    uint32_t pending, body, error;
    uint64_t generation = 0;
    char metadata[2000];
    size_t n;
    lookup(key, &pending);
    fastly_kv_store_lookup_wait_v2(pending, &body, metadata, sizeof(metadata), &n, &generation,
                                   &error);
    return generation;
}

static void kv_conditions(void)
{
    is(put_mode("g", "1", EDGE_KV_OVERWRITE), EDGE_KV_OK);
    uint64_t first = generation_of("g");
    struct edge_kv_insert_config config = {.if_generation_match = first};
    is(put("g", "2", EDGE_KV_IF_GENERATION_MATCH, &config), EDGE_KV_OK);
    ok(generation_of("g") > first);
    is(put("g", "3", EDGE_KV_IF_GENERATION_MATCH, &config), EDGE_KV_PRECONDITION_FAILED);
    ok(holds("g", "2"));
    is(delete("g"), EDGE_KV_OK);
    is(put("g", "4", EDGE_KV_IF_GENERATION_MATCH, &config), EDGE_KV_OK);
    is(delete("g"), EDGE_KV_OK);

    config = (struct edge_kv_insert_config){.metadata = "m", .metadata_len = 0};
    is(put("m", "x", EDGE_KV_METADATA, &config), -EDGE_INVAL);
    config.metadata = memset(malloc(2001), 'm', 2001);
    config.metadata_len = 2001;
    is(put("m", "x", EDGE_KV_METADATA, &config), -EDGE_INVAL);
    config.metadata_len = 2000;
    is(put("m", "x", EDGE_KV_METADATA, &config), EDGE_KV_OK);
    is(delete("m"), EDGE_KV_OK);
    config = (struct edge_kv_insert_config){.time_to_live_s = 1000};
    is(put("ttl", "x", EDGE_KV_TIME_TO_LIVE, &config), EDGE_KV_OK);
    ok(holds("ttl", "x"));
    is(delete("ttl"), EDGE_KV_OK);
    is(put("r", "x", 1, &config), -EDGE_INVAL); /* a reserved bit */
}

static char *list(uint32_t mask, struct edge_kv_list_config config)
{
    uint32_t pending, body, error = 99;
    if (fastly_kv_store_list(kv, mask, &config, &pending) != EDGE_OK ||
        fastly_kv_store_list_wait(pending, &body, &error) != EDGE_OK || error != EDGE_KV_OK)
        return "";
    return edge_body_text(body, NULL);
}

static void kv_lists(void)
{
    for (const char *const *key = (const char *const[]){"l/3", "l/1", "l/2", "o", NULL}; *key; key++)
        put_mode(*key, "x", EDGE_KV_OVERWRITE);
    struct edge_kv_list_config config = {.limit = 2, .prefix = "l/", .prefix_len = 2};
    char *page = list(EDGE_KV_LIST_LIMIT | EDGE_KV_LIST_PREFIX, config);
    char *cursor = strstr(page, "\"next_cursor\":\"");
    ok(strstr(page, "\"data\":[\"l/1\",\"l/2\"]"));
    ok(strstr(page, "\"limit\":2"));
    ok(strstr(page, "\"prefix\":\"l/\""));
    if (ok(cursor != NULL)) {
        config.cursor = cursor + strlen("\"next_cursor\":\"");
        config.cursor_len = strcspn(config.cursor, "\"");
        page = list(EDGE_KV_LIST_LIMIT | EDGE_KV_LIST_PREFIX | EDGE_KV_LIST_CURSOR, config);
        ok(strstr(page, "\"data\":[\"l/3\"]"));
        ok(!strstr(page, "next_cursor"));
    }
    page = list(0, (struct edge_kv_list_config){.mode = EDGE_KV_EVENTUAL});
    ok(strstr(page, "\"l/3\",\"o\""));
    ok(strstr(page, "\"limit\":1000"));
    ok(!strstr(page, "prefix"));
    for (const char *const *key = (const char *const[]){"l/1", "l/2", "l/3", "o", NULL}; *key; key++)
        delete(*key);
}

static void kv_store(void)
{
    uint32_t h;
    struct edge_kv_insert_config insert = {0};
    struct edge_kv_lookup_config lookup_config = {0};
    is(fastly_kv_store_open(LIT("nowhere"), &h), EDGE_INVAL);
    is(fastly_kv_store_open(LIT("store"), &kv), EDGE_OK);
    is(fastly_kv_store_insert(NO_SUCH_HANDLE, LIT("k"), body_of("x"), 0, &insert, &h), EDGE_BADF);
    is(fastly_kv_store_insert(kv, LIT("k"), NO_SUCH_HANDLE, 0, &insert, &h), EDGE_BADF);
    is(fastly_kv_store_lookup(NO_SUCH_HANDLE, LIT("k"), 0, &lookup_config, &h), EDGE_BADF);
    uint32_t body = body_of("x"), pending, error;
    is(fastly_kv_store_insert(kv, LIT("k"), body, 0, &insert, &pending), EDGE_OK);
    is(fastly_http_body_close(body), EDGE_BADF); /* consumed */
    is(fastly_async_io_select(&pending, 1, 0, &h), EDGE_OK);
    is(h, 0);
    is(fastly_kv_store_insert_wait(pending, &error), EDGE_OK);
    is(delete("k"), EDGE_KV_OK);
    ok(holds("seeded", "text"));
    kv_modes();
    kv_keys();
    kv_lookup();
    kv_conditions();
    kv_lists();
}

static void object_store(void)
{
    uint32_t store = 0, body = 77, pending;
    is(fastly_object_store_open(LIT("nowhere"), &store), EDGE_INVAL);
    is(fastly_object_store_open(LIT("store"), &store), EDGE_OK);
    is(fastly_object_store_lookup(store, LIT("absent"), &body), EDGE_OK);
    is(body, 77);
    is(fastly_object_store_insert(store, LIT("o"), body_of("object")), EDGE_OK);
    is(fastly_object_store_lookup(store, LIT("o"), &body), EDGE_OK);
    ok(body_is(body, "object"));
    is(fastly_object_store_lookup(store, LIT("a#b"), &body), EDGE_ERROR);
    is(fastly_object_store_insert_async(store, LIT("o"), body_of("2"), &pending), EDGE_OK);
    is(fastly_object_store_pending_insert_wait(pending), EDGE_OK);
    is(fastly_object_store_lookup_async(store, LIT("o"), &pending), EDGE_OK);
    is(fastly_object_store_pending_lookup_wait(pending, &body), EDGE_OK);
    ok(body_is(body, "2"));
    is(fastly_object_store_delete_async(store, LIT("o"), &pending), EDGE_OK);
    is(fastly_object_store_pending_delete_wait(pending), EDGE_OK);
    is(fastly_object_store_delete_async(store, LIT("o"), &pending), EDGE_OK);
    is(fastly_object_store_pending_delete_wait(pending), EDGE_NONE);
}

static void places(void)
{
    char buf[2048];
    size_t n = 0;
    is(fastly_geo_lookup("\x7f\0\0\1", 4, buf, sizeof(buf), &n), EDGE_OK);
    ok(n > 0 && memmem(buf, n, "San Francisco", 13));
    is(fastly_geo_lookup("\xcb\0\x71\x07", 4, buf, sizeof(buf), &n), EDGE_OK);
    ok(memmem(buf, n, "\"city\":\"Probe\"", 14) || memmem(buf, n, "\"city\": \"Probe\"", 15));
    is(fastly_geo_lookup("\xcb\0\x71\x07", 4, buf, 1, &n), EDGE_BUFLEN);
    ok(n > 1);
    is(fastly_geo_lookup("\xc6\x33\x64\x01", 4, buf, sizeof(buf), &n), EDGE_OK);
    is(n, 0);
    is(fastly_geo_lookup("\x7f\0\0\1", 3, buf, sizeof(buf), &n), EDGE_INVAL);
    is(fastly_device_detection_lookup(LIT("Probe/1.0"), buf, sizeof(buf), &n), EDGE_OK);
    ok(memmem(buf, n, "Probe", 5));
    is(fastly_device_detection_lookup(LIT("Other"), buf, sizeof(buf), &n), EDGE_NONE);
}

static void acls(void)
{
    uint32_t acl = 0, body = 77, error = 99;
    is(fastly_acl_open(LIT("nowhere"), &acl), EDGE_NONE);
    is(fastly_acl_open(LIT("list"), &acl), EDGE_OK);
    is(fastly_acl_lookup(acl, "\xcb\0\x71\x01", 4, &body, &error), EDGE_OK);
    is(error, EDGE_ACL_OK);
    const char *text = edge_body_text(body, NULL);
    ok(strstr(text, "203.0.113.0/24") && strstr(text, "BLOCK"));
    is(fastly_acl_lookup(acl, "\xcb\0\x71\x07", 4, &body, &error), EDGE_OK);
    text = edge_body_text(body, NULL);
    ok(strstr(text, "203.0.113.7/32") && strstr(text, "ALLOW")); /* the longest prefix */
    body = 77;
    is(fastly_acl_lookup(acl, "\xc6\x33\x64\x01", 4, &body, &error), EDGE_OK);
    is(error, EDGE_ACL_NO_CONTENT);
    is(body, 77);
    is(fastly_acl_lookup(acl, "\xcb\0\x71\x01", 5, &body, &error), EDGE_INVAL);
    is(fastly_acl_lookup(NO_SUCH_HANDLE, "\xcb\0\x71\x01", 4, &body, &error), EDGE_BADF);
}

static void shields(void)
{
    char buf[256];
    uint32_t n = 0, exists = 0;
    is(fastly_shielding_shield_info(LIT("nowhere"), buf, sizeof(buf), &n), EDGE_INVAL);
    is(fastly_shielding_shield_info(LIT("there"), buf, sizeof(buf), &n), EDGE_OK);
    static const char there[] = "\0http://u.example/\0https://e.example/";
    is(n, sizeof(there));
    is(memcmp(buf, there, sizeof(there)), 0);
    is(fastly_shielding_shield_info(LIT("here"), buf, sizeof(buf), &n), EDGE_OK);
    is(buf[0], 1);
    is(fastly_shielding_shield_info(LIT("there"), buf, 3, &n), EDGE_BUFLEN);
    struct edge_shield_backend_config config = {0};
    is(fastly_shielding_backend_for_shield(LIT("https://e.example/"), 0, &config, buf,
                                           sizeof(buf), &n), EDGE_OK);
    is(fastly_backend_exists(buf, n, &exists), EDGE_OK);
    is(exists, 1);
    is(fastly_shielding_backend_for_shield(LIT("nowhere"), 0, &config, buf, sizeof(buf), &n),
       EDGE_INVAL);
}

static void counters(void)
{
    uint32_t n = 9;
    is(fastly_erl_ratecounter_increment(LIT("rc"), LIT("e"), 3), EDGE_OK);
    is(fastly_erl_ratecounter_lookup_count(LIT("rc"), LIT("e"), 10, &n), EDGE_OK);
    is(fastly_erl_ratecounter_lookup_rate(LIT("rc"), LIT("e"), 10, &n), EDGE_OK);
    is(fastly_erl_penaltybox_has(LIT("pb"), LIT("stranger"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_erl_penaltybox_add(LIT("pb"), LIT("e"), 60), EDGE_OK);
    is(fastly_erl_penaltybox_has(LIT("pb"), LIT("e"), &n), EDGE_OK);
    is(fastly_erl_check_rate(LIT("rc"), LIT("calm"), 1, 10, 1000, LIT("pb"), 60, &n), EDGE_OK);
    is(n, 0);
}

static void runtime(void)
{
    uint64_t ms = 99999;
    uint32_t n = 9;
    is(fastly_compute_runtime_get_vcpu_ms(&ms), EDGE_OK);
    ok(ms < 5000);
    is(fastly_compute_runtime_get_heap_mib(&n), EDGE_OK);
    ok(n >= 1 && n <= 128);
    is(fastly_compute_runtime_has_domain_inspector(&n), EDGE_OK);
    is(n, 0);
    is(fastly_compute_runtime_has_image_optimizer(&n), EDGE_OK);
    is(n, 0);
    is(fastly_compute_runtime_has_origin_inspector(&n), EDGE_OK);
    is(n, 0);
    is(fastly_purge_purge_surrogate_key(LIT("key"), 0, NULL), EDGE_OK);
    is(fastly_purge_purge_surrogate_key(LIT("bad key"), 0, NULL), EDGE_INVAL);
}

int main(void)
{
    config();
    secrets();
    kv_store();
    object_store();
    places();
    acls();
    shields();
    counters();
    runtime();
    check_done();
}
