/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include "base/mem.h"

static int setup(void **state)
{
    struct project *p = xnew(struct project);
    project_open(p);
    project_write(p, "data.txt", "from file");
    project_write(p, "kv.json", "{\"first\": \"1\", \"second\": {\"file\": \"data.txt\"}, \"third\": "
                                "{\"data\": \"3\", \"metadata\": \"m\"}}");
    project_write(p, "strings.json", "{\"dog\": \"woof\"}");
    project_write(p, "geo.json", "{\"127.0.0.1\": {\"city\": \"T\"}}");
    project_write(p, "ua.json", "{\"UA\": {\"device\": {\"name\": \"X\"}}}");
    project_write(p, "acl.json", "{\"entries\": [{\"prefix\": \"1.2.3.0/24\", \"action\": \"BLOCK\"}]}");
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

#define PEM "'''\n-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n'''"

static void an_empty_file_will_do(void **state)
{
    struct manifest *m = project_good(*state, "fastly.toml", "");
    assert_string_equal(m->name, "app");
    assert_true(m->dynamic_backends && m->geo_default_loopback);
    assert_int_equal(m->backend_count, 0);
}

static void what_others_read_is_ignored(void **state)
{
    struct project *p = *state;
    struct manifest *m = project_good(
        p, "fastly.toml",
        "manifest_version = 3\nname = \"n\"\ndescription = \"d\"\nauthors = [\"a <a@b>\"]\n"
        "language = \"rust\"\nservice_id = \"x\"\n[scripts]\nbuild = \"cargo build\"\npost_build = \"y\"\n"
        "[setup.backends.x]\naddress = \"a\"\n[local_server]\nviceroy_version = \"0.22\"\n");
    assert_string_equal(m->name, "n");
    assert_string_equal(m->build.command, "cargo build");
    assert_int_equal(p->problems.count, 0);
    project_good(p, "fastly.toml", "[local_server]\nsecret_store.a = []\n");
    project_expect(p, "2:1: unknown key 'secret_store' is ignored");
    assert_true(p->problems.only_warnings);
}

static void backends(void **state)
{
    struct manifest *m = project_good(
        *state, "fastly.toml",
        "[local_server.backends.\"a.b\"]\nurl = \"https://h.example:8443/p/\"\noverride_host = \"o\"\n"
        "cert_host = \"c\"\nuse_sni = false\ngrpc = true\nfirst_byte_timeout_ms = 1000\n"
        "between_bytes_timeout_ms = 20\nhealth = \"unhealthy\"\n"
        "ca_certificate = [{ file = \"ca.pem\" }, { value = " PEM " }, " PEM "]\n"
        "client_certificate = { certificate_file = \"ca.pem\", key_file = \"key.pem\" }\n"
        "[local_server.backends.b]\nurl = \"http://b\"\nca_certificate.file = \"ca.pem\"\n");
    const struct manifest_backend *b = manifest_backend(m, "a.b", 3);
    assert_true(b->tls && b->no_sni && b->grpc);
    assert_int_equal(b->port, 8443);
    assert_string_equal(b->prefix, "/p");
    assert_string_equal(b->override_host, "o");
    assert_int_equal(b->first_byte_timeout_ms, 1000);
    assert_int_equal(b->between_bytes_timeout_ms, 20);
    assert_int_equal(b->health, HEALTH_UNHEALTHY);
    size_t certs = 0;
    for (const char *c = b->ca_pem; (c = strstr(c, "BEGIN CERTIFICATE")); c++)
        certs++;
    assert_int_equal(certs, 3);
    assert_non_null(strstr(b->client_key_pem, "PRIVATE KEY"));
    assert_non_null(manifest_backend(m, "b", 1)->ca_pem);
}

static void config_stores_under_both_names(void **state)
{
    struct manifest *m = project_good(
        *state, "fastly.toml",
        "[local_server.dictionaries.old]\nformat = \"inline-toml\"\ncontents = { a = \"1\" }\n"
        "[local_server.config_stores.new]\nformat = \"json\"\nfile = \"strings.json\"\n");
    assert_int_equal(m->config_count, 2);
    assert_string_equal(m->configs[0].name, "new");
    assert_non_null(strstr(m->configs[0].json_file, "/strings.json"));
    assert_string_equal(m->configs[1].pairs[0].value.text, "1");
}

static void kv_stores_under_three_names(void **state)
{
    static const char *const names[] = {"kv_stores", "object_stores", "object_store"};
    struct project *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        cleanup(free_p) char *text = xasprintf(
            "[local_server]\n%s.none = []\n%s.one = [{key = \"a\", data = \"x\"}, "
            "{key = \"b\", file = \"data.txt\", metadata = \"m\"}, {key = \"c\", path = \"data.txt\"}]\n"
            "%s.two = { file = \"kv.json\", format = \"json\" }\n", names[i], names[i], names[i]);
        struct manifest *m = project_good(p, "fastly.toml", text);
        struct manifest_kv_list list;
        struct buf value = BUF_INIT(64);
        assert_int_equal(m->kv_count, 3);
        assert_int_equal(m->kv[0].count, 0);
        assert_int_equal(m->kv[1].count, 3);
        assert_string_equal(m->kv[1].entries[1].metadata, "m");
        assert_int_equal(manifest_source_read(m, &m->kv[1].entries[2].value, &value, NULL), 0);
        assert_string_equal(buf_str(&value), "from file");
        buf_clear(&value);
        assert_int_equal(manifest_kv_read(m, &m->kv[2], &list, NULL), 0);
        assert_int_equal(list.count, 3);
        manifest_kv_list_clear(&list);
    }
}

static void secret_stores(void **state)
{
    struct buf value = BUF_INIT(64);
    struct manifest *m = project_good(
        *state, "fastly.toml",
        "[local_server.secret_stores]\ns = [{key = \"a\", data = \"x\"}, {key = \"b\", file = "
        "\"data.txt\"}, {key = \"c\", env = \"EDGE_TEST_NOT_SET\"}]\n"
        "t = { file = \"strings.json\", format = \"json\" }\n");
    assert_int_equal(m->secret_count, 2);
    assert_int_equal(manifest_source_read(m, &m->secrets[0].pairs[2].value, &value, NULL), 0);
    assert_int_equal(value.len, 0);
    assert_non_null(m->secrets[1].json_file);
    buf_clear(&value);
}

static void geolocation_and_devices(void **state)
{
    struct project *p = *state;
    static const uint8_t six[16] = {[15] = 1};
    const uint8_t *loopback = (const uint8_t *)"\x7f\0\0\1";
    struct manifest *m = project_good(
        p, "fastly.toml",
        "[local_server.geolocation]\nuse_default_loopback = false\nformat = \"inline-toml\"\n"
        "[local_server.geolocation.addresses.\"0000:0000:0000:0000:0000:0000:0000:0001\"]\n"
        "as_name = \"F\"\nlatitude = 12.345\nutc_offset = -700\nproxy = true\nbig = 1e300\n"
        "[local_server.device_detection]\nformat = \"inline-toml\"\n"
        "[local_server.device_detection.user_agents.\"UA\".device]\nname = \"X\"\n");
    assert_string_equal(manifest_geo_lookup(m, six, 16),
                        "{\"as_name\":\"F\",\"latitude\":12.345,\"utc_offset\":-700,\"proxy\":true,"
                        "\"big\":1e+300}");
    assert_null(manifest_geo_lookup(m, loopback, 4));
    assert_string_equal(manifest_device_lookup(m, "UA", 2), "{\"device\":{\"name\":\"X\"}}");
    m = project_good(p, "fastly.toml",
                     "[local_server]\ngeolocation = { format = \"json\", file = \"geo.json\" }\n"
                     "device_detection = { format = \"json\", file = \"ua.json\" }\n");
    assert_string_equal(manifest_geo_lookup(m, loopback, 4), "{\"city\":\"T\"}");
    assert_string_equal(manifest_device_lookup(m, "UA", 2), "{\"device\":{\"name\":\"X\"}}");
    m = project_good(p, "fastly.toml",
                     "[local_server.geolocation.addresses.\"127.0.0.1\"]\ncity = \"ignored\"\n");
    assert_non_null(strstr(manifest_geo_lookup(m, loopback, 4), "San Francisco"));
    project_expect(p, "1:27: without 'format'");
}

static void acls_shields_keys(void **state)
{
    struct manifest *m = project_good(
        *state, "fastly.toml",
        "[local_server]\nfake_valid_fastly_keys = [\"a\", \"b\"]\nacls.x = \"acl.json\"\n"
        "acls.y = { file = \"acl.json\" }\n[local_server.shielding_sites]\n\"pdx\" = \"Local\"\n"
        "\"bfi\".unencrypted = \"http://localhost\"\n\"bfi\".encrypted = \"https://localhost\"\n");
    assert_int_equal(m->fastly_key_count, 2);
    assert_int_equal(m->acl_count, 2);
    assert_non_null(m->acls[1].acl);
    assert_true(m->shields[0].local);
    assert_string_equal(m->shields[1].encrypted, "https://localhost");
    m = project_good(*state, "fastly.toml", "[local_server]\nvalid_mock_fastly_api_keys = [\"k\"]\n");
    assert_string_equal(m->fastly_keys[0], "k");
}

/* Each stands below [local_server]; all are refused by the reference emulator as well. */
static const struct {
    const char *text, *want;
} bad[] = {
    {"backends.a = \"https://a.com\"", "2:14: 'local_server.backends.a' must be a map"},
    {"backends.a = {}", "2:10: in 'local_server.backends.a': 'url' is missing"},
    {"backends.a = { url = 3 }", "2:22: 'local_server.backends.a.url' must be an http"},
    {"backends.a = { url = \"http:://[:::1]\" }", "2:22: 'local_server.backends.a.url' must be"},
    {"backends.a = { url = \"http://a\", shrimp = true }", "2:34: unknown key 'shrimp'"},
    {"backends.a = { url = \"http://a\", override_host = 3 }", "2:50: 'local_server.backends.a.ov"},
    {"backends.a = { url = \"http://a\", override_host = \"\" }", "2:50: 'local_server.backends.a"},
    {"backends.a = { url = \"http://a\", override_host = \" \" }", "2:50: 'local_server.backends.a"},
    {"backends.a = { url = \"http://a\", override_host = \"a\\n\" }", "2:50: 'local_server.backe"},
    {"backends.a = { url = \"http://a\", cert_host = \"\" }", "2:46: 'local_server.backends.a.ce"},
    {"backends.a = { url = \"http://a\", use_sni = \"yes\" }", "2:44: 'local_server.backends.a.us"},
    {"backends.a = { url = \"http://a\", grpc = 1 }", "2:41: 'local_server.backends.a.grpc' must"},
    {"backends.a = { url = \"http://a\", health = \"ok\" }", "2:43: 'local_server.backends.a.hea"},
    {"backends.a = { url = \"http://a\", first_byte_timeout_ms = -1 }", "2:58: 'local_server.back"},
    {"backends.a = { url = \"http://a\", ca_certificate = \"\" }", "2:51: 'local_server.backends"},
    {"backends.a = { url = \"http://a\", ca_certificate = 1 }", "2:51: 'local_server.backends.a."},
    {"backends.a = { url = \"http://a\", ca_certificate = {} }", "2:34: a CA certificate is {"},
    {"backends.a = { url = \"http://a\", ca_certificate = { file = \"no.pem\" } }", "2:60: 'no.pem'"},
    {"backends.a = { url = \"http://a\", ca_certificate = { file = \"ca.pem\", x = 1 } }",
     "2:70: unknown key 'x'"},
    {"backends.a = { url = \"http://a\", client_certificate = 1 }", "2:55: 'local_server.backends"},
    {"backends.a = { url = \"http://a\", client_certificate = { key_file = \"key.pem\" } }",
     "2:34: a client certificate needs 'certificate' or 'certificate_file'"},
    {"backends.a = { url = \"http://a\", client_certificate = { certificate_file = \"ca.pem\", "
     "key_file = \"ca.pem\" } }", "2:97: no PEM block 'PRIVATE KEY' in file 'ca.pem'"},
    {"config_stores.a = \"x\"", "2:19: 'local_server.config_stores.a' must be a map"},
    {"config_stores.a = { format = \"foo\", contents = {} }", "2:30: 'local_server.config_stores"},
    {"config_stores.a = { format = 3 }", "2:30: 'local_server.config_stores.a.format' must be"},
    {"config_stores.a = { format = \"\" }", "2:30: 'local_server.config_stores.a.format' must be"},
    {"config_stores.a = { file = \"strings.json\" }", "2:15: in 'local_server.config_stores.a': 'f"},
    {"config_stores.a = { format = \"json\" }", "2:15: format \"json\" needs 'file'"},
    {"config_stores.a = { format = \"json\", file = 3 }", "2:45: 'local_server.config_stores.a.f"},
    {"config_stores.a = { format = \"json\", file = \"\" }", "2:45: 'local_server.config_stores.a"},
    {"config_stores.a = { format = \"json\", file = \"none\" }", "2:45: 'none': No such file"},
    {"config_stores.a = { format = \"json\", file = \"data.txt\" }", "1:4: not valid JSON"},
    {"config_stores.a = { format = \"json\", file = \"kv.json\" }", "0:0: the value of 'second'"},
    {"config_stores.a = { format = \"json\", file = \"strings.json\", shrimp = true }",
     "2:61: unknown key 'shrimp'"},
    {"config_stores.a = { format = \"inline-toml\" }", "2:15: format \"inline-toml\" needs 'conten"},
    {"config_stores.a = { format = \"inline-toml\", contents = 1 }", "2:56: 'local_server.config"},
    {"config_stores.a = { format = \"inline-toml\", contents = { a = 1 } }", "2:62: 'local_server"},
    {"config_stores.a = { format = \"inline-toml\", contents = {}, file = \"x\" }", "2:60: 'file'"},
    {"dictionaries.a = { format = \"json\" }", "2:14: format \"json\" needs 'file'"},
    {"dictionaries.a = { format = \"inline-toml\", contents = {} }\nconfig_stores.a = { format = "
     "\"inline-toml\", contents = {} }", "2:14: 'a' is in 'config_stores' already"},
    {"kv_stores.s = \"lol\"", "2:15: 'local_server.kv_stores.s' must be a list or a map"},
    {"kv_stores.s = [\"x\"]", "2:16: 'local_server.kv_stores.s[0]' must be a map"},
    {"kv_stores.s = [{key = 3, data = \"x\"}]", "2:23: 'local_server.kv_stores.s[0].key' must"},
    {"kv_stores.s = [{key = \"k\", data = 3}]", "2:35: 'local_server.kv_stores.s[0].data' must"},
    {"kv_stores.s = [{key = \"k\", file = 3}]", "2:35: 'local_server.kv_stores.s[0].file' must"},
    {"kv_stores.s = [{key = \"k\", data = \"a\", metadata = 5}]", "2:51: 'local_server.kv_stores"},
    {"kv_stores.s = [{key = \"k\"}]", "2:16: an entry needs 'data' or 'file'"},
    {"kv_stores.s = [{data = \"a\"}]", "2:16: in 'local_server.kv_stores.s[0]': 'key' is missing"},
    {"kv_stores.s = [{key = \"k\", data = \"a\", file = \"data.txt\"}]", "2:16: an entry has 'data'"},
    {"kv_stores.s = [{key = \"k\", file = \"../none\"}]", "2:35: '../none': No such file"},
    {"kv_stores.s = [{key = \"\", data = \"a\"}]", "2:23: a key cannot be empty"},
    {"kv_stores.s = [{key = \"a#\", data = \"a\"}]", "2:23: a key cannot contain"},
    {"kv_stores.s = [{key = \"..\", data = \"a\"}]", "2:23: a key cannot have a part"},
    {"kv_stores.s = { file = \"kv.json\" }", "2:11: in 'local_server.kv_stores.s': 'format' is"},
    {"kv_stores.s = { format = \"json\" }", "2:11: in 'local_server.kv_stores.s': 'file' is"},
    {"kv_stores.s = { format = \"X\", file = \"kv.json\" }", "2:26: 'local_server.kv_stores.s.for"},
    {"kv_stores.s = { format = \"json\", file = \"data.txt\" }", "1:4: not valid JSON"},
    {"kv_stores.s = { format = \"json\", file = \"acl.json\" }", "0:0: entry 'entries' is not text"},
    {"kv_stores.s = { format = \"json\", file = \"ua.json\" }", "0:0: entry 'UA' needs one of"},
    {"secret_stores.s = 1", "2:19: 'local_server.secret_stores.s' must be a list or a map"},
    {"secret_stores.s = [1]", "2:20: 'local_server.secret_stores.s[0]' must be a map"},
    {"secret_stores.s = [{data = \"x\"}]", "2:20: in 'local_server.secret_stores.s[0]': 'key' is"},
    {"secret_stores.s = [{key = 1, data = \"x\"}]", "2:27: 'local_server.secret_stores.s[0].key'"},
    {"secret_stores.s = [{key = \"a\"}]", "2:20: a secret needs exactly one of"},
    {"secret_stores.s = [{key = \"a\", data = \"b\", env = \"C\"}]", "2:20: a secret needs exactly"},
    {"secret_stores.s = [{key = \"a\", data = 1}]", "2:39: 'local_server.secret_stores.s[0].data'"},
    {"secret_stores.s = [{key = \"a\", file = 1}]", "2:39: 'local_server.secret_stores.s[0].file'"},
    {"secret_stores.s = [{key = \"a\", env = 1}]", "2:38: 'local_server.secret_stores.s[0].env'"},
    {"secret_stores.s = [{key = \"a\", file = \"none\"}]", "2:39: 'none': No such file"},
    {"secret_stores.s = [{key = \"a*\", data = \"x\"}]", "2:27: secret name 'a*': only letters"},
    {"secret_stores.\"s*\" = []", "2:15: 'local_server.secret_stores.s*' is not a usable name"},
    {"secret_stores.s = { file = \"strings.json\" }", "2:15: in 'local_server.secret_stores.s': 'f"},
    {"secret_stores.s = { file = \"kv.json\", format = \"json\" }", "0:0: the value of 'second'"},
    {"geolocation.format = \"foo\"", "2:22: 'local_server.geolocation.format' must be"},
    {"geolocation.format = 3", "2:22: 'local_server.geolocation.format' must be"},
    {"geolocation.format = \"json\"", "2:1: format \"json\" needs 'file'"},
    {"geolocation = { format = \"json\", file = 3 }", "2:41: 'local_server.geolocation.file' must"},
    {"geolocation = { format = \"json\", file = \"kv.json\" }", "0:0: the record of 'first' is not"},
    {"geolocation = { format = \"json\", file = \"ua.json\" }", "0:0: 'UA' is not an IP address"},
    {"geolocation.format = \"inline-toml\"", "2:1: format \"inline-toml\" needs 'addresses'"},
    {"geolocation.use_default_loopback = 1", "2:36: 'local_server.geolocation.use_default_loop"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3\" = {} }", "2:51: 'local_server"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3.0/24\" = {} }", "2:51: 'local_s"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3.4\" = 1 }", "2:63: 'local_serv"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3.4\" = { a = {} , b = [1] } }",
     "2:74: a record holds plain values only"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3.4\" = { a = nan } }",
     "2:69: a number 'nan' cannot stand"},
    {"geolocation = { format = \"inline-toml\", addresses.\"1.2.3.4\" = { a = 2020-01-01 } }",
     "2:69: a date '2020-01-01' cannot stand"},
    {"device_detection.format = \"foo\"", "2:27: 'local_server.device_detection.format' must be"},
    {"device_detection.format = \"json\"", "2:1: format \"json\" needs 'file'"},
    {"device_detection.format = \"inline-toml\"", "2:1: format \"inline-toml\" needs 'user_agents'"},
    {"device_detection = { format = \"json\", file = \"strings.json\" }", "0:0: the record of 'dog'"},
    {"device_detection = { format = \"inline-toml\", user_agents.UA = 1 }", "2:63: 'local_server"},
    {"fake_valid_fastly_keys = [1]", "2:27: 'local_server.fake_valid_fastly_keys[0]' must be"},
    {"acls.x = 1", "2:10: 'local_server.acls.x' must be a path or a map"},
    {"acls.x = { other = true }", "2:6: in 'local_server.acls.x': 'file' is missing"},
    {"acls.x = \"/does/not/exist\"", "2:10: '/does/not/exist': No such file"},
    {"acls.x = \"data.txt\"", "1:4: not valid JSON"},
    {"acls.x = \"kv.json\"", "0:0: an ACL file is"},
    {"shielding_sites.x = 1", "2:21: 'local_server.shielding_sites.x' must be"},
    {"shielding_sites.x = \"Remote\"", "2:21: a shielding site is \"Local\""},
    {"shielding_sites.x = { encrypted = \"https://a\" }", "2:17: in 'local_server.shielding_sites"},
    {"shielding_sites.x = { encrypted = \"https://a\", unencrypted = \"nope\" }", "2:62: 'local_se"},
    {"shielding_sites.x = { encrypted = \"https://a\", unencrypted = 3 }", "2:62: 'local_server."},
    {"shielding_sites.x = { encrypted = \"https://a\", unencrypted = \"http://a\", c = 1 }",
     "2:74: unknown key 'c'"},
};

static void what_the_emulator_refuses(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cleanup(free_p) char *text = xasprintf("[local_server]\n%s\n", bad[i].text);
        project_bad(*state, "fastly.toml", text, bad[i].want);
    }
    project_bad(*state, "fastly.toml", "manifest_version = 4", "1:20: 'manifest_version' must be at");
    project_bad(*state, "fastly.toml", "manifest_version = \"x\"", "1:20: 'manifest_version' must");
    project_bad(*state, "fastly.toml", "name = 3", "1:8: 'name' must be text");
    project_bad(*state, "fastly.toml", "local_server = 3", "1:16: 'local_server' must be a map");
    project_bad(*state, "fastly.toml", "a = ", "1:5: not valid TOML");
}

static void lengths_of_config(void **state)
{
    char key[300], value[8100];
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    key[257] = '\0';
    value[8000] = '\0';
    cleanup(free_p) char *long_key = xasprintf(
        "[local_server.config_stores.a]\nformat = \"inline-toml\"\ncontents = { %s = \"\" }\n", key);
    project_bad(*state, "fastly.toml", long_key, "3:14: a name in 'local_server.config_stores.a.co");
    cleanup(free_p) char *json = xasprintf("{\"%s\": \"\"}", key);
    project_write(*state, "long.json", json);
    project_bad(*state, "fastly.toml",
                "[local_server.config_stores.a]\nformat = \"json\"\nfile = \"long.json\"\n",
                "0:0: key 'kkk");
    key[256] = '\0';
    cleanup(free_p) char *fits = xasprintf("[local_server.config_stores.a]\nformat = "
                                           "\"inline-toml\"\ncontents = { %s = \"%s\" }\n", key, value);
    project_good(*state, "fastly.toml", fits);
    value[8000] = 'v';
    value[8001] = '\0';
    cleanup(free_p) char *long_value = xasprintf("[local_server.config_stores.a]\nformat = "
                                                 "\"inline-toml\"\ncontents.k = \"%s\"\n", value);
    project_bad(*state, "fastly.toml", long_value, "3:14: 'local_server.config_stores.a.contents.k' m");
}

/* Beside the manifest first; then, as the emulator has it, where the process runs. */
static void paths_fall_back_to_the_working_directory(void **state)
{
    struct project *p = *state, here;
    char *was = getcwd(NULL, 0);
    project_open(&here);
    project_write(&here, "only-here.txt", "here");
    project_write(&here, "data.txt", "wrong one");
    assert_int_equal(chdir(here.dir), 0);
    struct manifest *m = project_good(p, "fastly.toml",
                                      "[local_server]\nkv_stores.s = [{key = \"a\", file = \"only-here.txt\"}, "
                                      "{key = \"b\", file = \"./data.txt\"}]\n");
    struct buf value = BUF_INIT(64);
    assert_int_equal(manifest_source_read(m, &m->kv[0].entries[0].value, &value, NULL), 0);
    assert_int_equal(manifest_source_read(m, &m->kv[0].entries[1].value, &value, NULL), 0);
    assert_string_equal(buf_str(&value), "herefrom file");
    buf_clear(&value);
    assert_int_equal(chdir(was), 0);
    free(was);
    project_close(&here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(an_empty_file_will_do), T(what_others_read_is_ignored), T(backends),
        T(config_stores_under_both_names), T(kv_stores_under_three_names), T(secret_stores),
        T(geolocation_and_devices), T(acls_shields_keys), T(what_the_emulator_refuses),
        T(lengths_of_config), T(paths_fall_back_to_the_working_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
