/* SPDX-License-Identifier: Apache-2.0 */
/* A fastly.toml written as edge.yaml and read again must mean the same. */
#include "project.h"

#include "base/mem.h"

static const char toml[] =
    "name = \"My App!\"\n[scripts]\nbuild = \"cargo build \\\"x\\\" # not a comment\"\n"
    "[local_server]\nfake_valid_fastly_keys = [\"k1\", \"true\"]\n"
    "[local_server.backends.\"a.b c\"]\nurl = \"https://h.example:8443/p/\"\noverride_host = \"o\"\n"
    "cert_host = \"c\"\nuse_sni = false\ngrpc = true\nfirst_byte_timeout_ms = 1500\n"
    "between_bytes_timeout_ms = 2000\nhealth = \"unhealthy\"\nca_certificate.file = \"ca.pem\"\n"
    "client_certificate = { certificate_file = \"ca.pem\", key_file = \"key.pem\" }\n"
    "[local_server.backends.plain]\nurl = \"http://[::1]:81\"\n"
    "[local_server.config_stores.c]\nformat = \"inline-toml\"\n[local_server.config_stores.c.contents]\n"
    "a = \"text: with # all ${of} it\\n\\ttwo\\u0000 \\u007f\\u0085\\uFEFF ü 🦀\"\nempty = \"\"\n"
    "\"true\" = \"true\"\n\"${k}\" = \"v\"\n\"10\" = \"0x10\"\n\" lead\" = \" lead \"\n\"*a\" = \"&b\"\n\"- x\" = \"- y\"\n"
    "[local_server.config_stores.reserved]\nformat = \"inline-toml\"\ncontents = { file = \"f\" }\n"
    "[local_server.config_stores.json]\nformat = \"json\"\nfile = \"data/strings.json\"\n"
    "[local_server.kv_stores]\nnone = []\nfromfile = { file = \"data/kv.json\", format = \"json\" }\n"
    "one = [{key = \"a/b c\", data = \"x\"}, {key = \"twice\", data = \"1\"}, {key = \"f\", file = "
    "\"data/v\", metadata = \"m: ${x}\"}, {key = \"twice\", data = \"2\"}, {key = \"meta\", data = \"\", "
    "metadata = \"\"}]\n"
    "[local_server.secret_stores]\nsecrets = [{key = \"a\", data = \"x\"}]\n"
    "s = [{key = \"b\", file = \"data/v\"}, {key = \"c\", env = \"EDGE_TEST_UNSET\"}, {key = \"file\", "
    "data = \"z\"}]\nempty = []\nj = { file = \"data/strings.json\", format = \"json\" }\n"
    "[local_server.geolocation]\nuse_default_loopback = false\nformat = \"inline-toml\"\n"
    "[local_server.geolocation.addresses.\"0:0::1\"]\n\"${k}\" = \"$${v}\"\ncity = \"a: ${b} \\u007f\"\nlatitude = 12.345\n"
    "n = 3\nb = true\n[local_server.geolocation.addresses.\"1.2.3.4\"]\n"
    "[local_server.device_detection]\nformat = \"inline-toml\"\n"
    "[local_server.device_detection.user_agents.\"UA (x; y) 'q' \\\"r\\\"\".device]\nname = \"X\"\n"
    "[local_server.acls]\na = \"data/acl.json\"\n[local_server.shielding_sites]\nhere = \"Local\"\n"
    "there = { encrypted = \"https://a\", unencrypted = \"http://a\" }\n";

static int setup(void **state)
{
    struct project *p = xnew(struct project);
    project_open(p);
    project_write(p, "data/v", "from file");
    project_write(p, "data/kv.json", "{\"first\": {\"data\": \"1\", \"metadata\": \"m\"}}");
    project_write(p, "data/strings.json", "{\"dog\": \"woof\"}");
    project_write(p, "data/acl.json", "{\"entries\": [{\"prefix\": \"1.2.3.0/24\", \"action\": \"B\"}]}");
    project_write(p, "ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
    project_write(p, "key.pem", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n");
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    project_close(*state);
    free(*state);
    return 0;
}

static void same_text(const char *a, const char *b)
{
    if (!a || !b)
        assert_ptr_equal(a, b);
    else
        assert_string_equal(a, b);
}

static void same_source(const struct manifest_source *a, const struct manifest_source *b)
{
    same_text(a->file, b->file);
    same_text(a->env, b->env);
    assert_int_equal(a->text_len, b->text_len);
    assert_int_equal(!a->text, !b->text);
    if (a->text)
        assert_memory_equal(a->text, b->text, a->text_len);
}

static void same_stores(const struct manifest_store *a, const struct manifest_store *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(a[i].name, b[i].name);
        assert_int_equal(a[i].count, b[i].count);
        same_text(a[i].json_file, b[i].json_file);
        for (size_t k = 0; k < a[i].count; k++) {
            assert_string_equal(a[i].pairs[k].key, b[i].pairs[k].key);
            same_source(&a[i].pairs[k].value, &b[i].pairs[k].value);
        }
    }
}

static void same_backends(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->backend_count, b->backend_count);
    for (size_t i = 0; i < a->backend_count; i++) {
        const struct manifest_backend *x = &a->backends[i], *y = &b->backends[i];
        assert_string_equal(x->name, y->name);
        assert_string_equal(x->url, y->url);
        same_text(x->override_host, y->override_host);
        same_text(x->cert_host, y->cert_host);
        same_text(x->ca_pem, y->ca_pem);
        same_text(x->client_cert_pem, y->client_cert_pem);
        same_text(x->client_key_pem, y->client_key_pem);
        assert_int_equal(x->no_sni, y->no_sni);
        assert_int_equal(x->grpc, y->grpc);
        assert_int_equal(x->first_byte_timeout_ms, y->first_byte_timeout_ms);
        assert_int_equal(x->between_bytes_timeout_ms, y->between_bytes_timeout_ms);
        assert_int_equal(x->health, y->health);
    }
}

static void same_kv(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->kv_count, 3);
    assert_int_equal(b->kv_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(a->kv[i].name, b->kv[i].name);
        same_text(a->kv[i].seed_file, b->kv[i].seed_file);
    }
    const struct manifest_kv *y = &b->kv[2];
    assert_int_equal(y->count, 4);
    assert_string_equal(y->entries[2].key, "twice");
    assert_string_equal(y->entries[2].value.text, "2");
    same_source(&a->kv[2].entries[2].value, &y->entries[1].value);
    assert_string_equal(y->entries[1].metadata, "m: ${x}");
    assert_string_equal(y->entries[3].metadata, "");
}

static void same_world(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->geo_default_loopback, b->geo_default_loopback);
    assert_int_equal(a->geo_count, b->geo_count);
    for (size_t i = 0; i < a->geo_count; i++) {
        assert_memory_equal(&a->geo[i].prefix, &b->geo[i].prefix, sizeof a->geo[i].prefix);
        assert_string_equal(a->geo[i].json, b->geo[i].json);
    }
    assert_int_equal(a->device_count, b->device_count);
    assert_string_equal(a->devices[0].user_agent, b->devices[0].user_agent);
    assert_string_equal(a->devices[0].json, b->devices[0].json);
    assert_int_equal(b->acl_count, 1);
    assert_string_equal(a->acls[0].file, b->acls[0].file);
    assert_int_equal(b->shield_count, 2);
    assert_true(b->shields[0].local);
    assert_string_equal(a->shields[1].unencrypted, b->shields[1].unencrypted);
    assert_int_equal(b->fastly_key_count, 2);
    assert_string_equal(a->fastly_keys[1], b->fastly_keys[1]);
}

static void a_fastly_toml_survives(void **state)
{
    struct project *p = *state;
    struct buf out = BUF_INIT(1 << 20);
    struct manifest *a = manifest_ref(project_good(p, "fastly.toml", toml));
    assert_int_equal(manifest_write_yaml(a, &out, NULL), 0);
    /* What is read depends on nothing but the text: no path of this machine is in it. */
    assert_null(strstr(buf_str(&out), p->dir));
    struct manifest *b = project_good(p, "edge.yaml", buf_str(&out));
    assert_int_equal(b->kind, MANIFEST_EDGE);
    assert_string_equal(b->name, "My-App-");
    assert_string_equal(a->build.command, b->build.command);
    assert_string_equal(a->build.artifact, b->build.artifact);
    assert_true(b->dynamic_backends);
    same_backends(a, b);
    assert_int_equal(a->config_count, b->config_count);
    same_stores(a->configs, b->configs, a->config_count);
    assert_int_equal(a->secret_count, b->secret_count);
    same_stores(a->secrets, b->secrets, a->secret_count);
    same_kv(a, b);
    same_world(a, b);
    manifest_unref(a);
    buf_clear(&out);
}

static void writing_twice_gives_the_same_bytes(void **state)
{
    struct project *p = *state;
    struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
    assert_int_equal(manifest_write_yaml(project_good(p, "fastly.toml", toml), &one, NULL), 0);
    assert_int_equal(manifest_write_yaml(project_good(p, "edge.yaml", buf_str(&one)), &two, NULL), 0);
    assert_string_equal(buf_str(&one), buf_str(&two));
    struct buf small = BUF_INIT(100);
    struct err err = {0};
    assert_int_equal(manifest_write_yaml(p->m, &small, &err), -ERR_LIMIT);
    buf_clear(&one);
    buf_clear(&two);
    buf_clear(&small);
}

static void inline_acls_limits_and_statics(void **state)
{
    struct project *p = *state;
    struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);
    const char *prefix, *action;
    struct manifest *m = project_good(
        p, "edge.yaml",
        "name: a\nacls: {x: {entries: [{prefix: 1.0.0.0/8, action: \"a: b\"}]}, none: {entries: []}}\n"
        "limits: {cpu: 20ms, wall: 3s, memory: 64MiB}\nstatic: {/x: data}\nregions: [fra]\n"
        "log: ['a b']\nsecrets: {later: }\nbuild: {dir: data, watch: [data, ca.pem]}\n");
    assert_int_equal(manifest_write_yaml(m, &one, NULL), 0);
    m = project_good(p, "edge.yaml", buf_str(&one));
    assert_true(acl_entry(m->acls[0].acl, 0, &prefix, &action));
    assert_string_equal(action, "a: b");
    assert_int_equal(m->limits.memory_bytes, 64 << 20);
    assert_int_equal(m->build.watch_count, 2);
    assert_null(m->secrets[0].pairs[0].value.text);
    assert_int_equal(manifest_write_yaml(m, &two, NULL), 0);
    assert_string_equal(buf_str(&one), buf_str(&two));
    buf_clear(&one);
    buf_clear(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_fastly_toml_survives),
        T(writing_twice_gives_the_same_bytes),
        T(inline_acls_limits_and_statics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
