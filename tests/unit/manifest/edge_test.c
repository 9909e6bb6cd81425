/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

#include "base/mem.h"

static int setup(void **state)
{
    struct project *p = xnew(struct project);
    project_open(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    project_close(*state);
    free(*state);
    return 0;
}

static const char whole[] =
    "name: shop-edge\n"
    "x-anchor: &t {timeout: 5s}\n"
    "build: {command: make app, artifact: out/app.wasm, watch: [src, Makefile], dir: sub}\n"
    "backends:\n"
    "  origin: {url: 'https://origin.example.com:8443/base/', timeout: 5s, override-host: h.example,\n"
    "           cert-host: c.example, sni: false, between-bytes-timeout: 250ms, http2: true,\n"
    "           connect-timeout: 2s, health: healthy, local: 'http://127.0.0.1:9000'}\n"
    "  short: http://[::1]:81\n"
    "  grpc: {url: http://a, grpc: true, ca: ca.pem, client-cert: c.pem, client-key: c.pem}\n"
    "dynamic-backends: allow\n"
    "kv:\n"
    "  sessions: {seed: seed.json, entries: {a b: text, n: 10, f: {file: v.bin, metadata: m}}}\n"
    "  empty:\n"
    "config: {flags: {beta: 'off', max: 1.10, on: true}, j: {file: c.json}, e: {entries: {file: x}}}\n"
    "secrets: {one: {value: v}, two: {env: EDGE_TEST_SECRET}, three: {file: v.bin}, four: }\n"
    "secret-stores: {other: {k: {value: w}}, js: {file: c.json}, odd: {file: {value: z}}}\n"
    "limits: {cpu: 20ms, wall: 3m, memory: 64MiB}\n"
    "regions: [fra, iad]\n"
    "static: {/assets: sub}\n"
    "geo: {default-loopback: false, file: geo.json, addresses: {10.0.0.0/8: {city: T, latitude: 12.345,\n"
    "      n: -7, b: true}}}\n"
    "devices: {user-agents: {'UA 1': {device: {name: X, list: [1, two]}}}}\n"
    "acls: {a: acl.json, b: {entries: [{prefix: 1.2.3.0/24, action: block}]}}\n"
    "shields: {here: local, there: {encrypted: https://e, unencrypted: http://u}}\n"
    "log: [access, errors]\n"
    "fastly-api-keys: [k1]\n"
    "rollout: {steps: [1%, 100%], soak: 10m, gates: [{errors: {max-ratio: 2}}]}\n"
    "targets: {local: {provider: local}, prod: {provider: fastly, service: abc, domains: [a.com]}}\n";

static void write_files(struct project *p)
{
    project_write(p, "sub/x", "");
    project_write(p, "seed.json", "{\"s\": \"1\", \"t\": {\"file\": \"v.bin\", \"metadata\": \"q\"}}");
    project_write_bytes(p, "v.bin", "a\0b", 3);
    project_write(p, "c.json", "{\"x\": \"y\"}");
    project_write(p, "geo.json", "{\"::1\": {\"city\": \"six\"}}");
    project_write(p, "acl.json", "{\"entries\": [{\"prefix\": \"9.0.0.0/8\", \"action\": \"ALLOW\"}]}");
    project_write(p, "ca.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n");
    project_write(p, "c.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
                              "-----BEGIN EC PRIVATE KEY-----\nMA==\n-----END EC PRIVATE KEY-----\n");
}

static void expect_path(const struct project *p, const char *path, const char *name)
{
    char want[256];
    snprintf(want, sizeof want, "%s/%s", p->dir, name);
    assert_string_equal(path, want);
}

static void backends(void **state)
{
    struct project *p = *state;
    write_files(p);
    struct manifest *m = project_good(p, "edge.yaml", whole);
    assert_int_equal(m->kind, MANIFEST_EDGE);
    assert_string_equal(m->name, "shop-edge");
    assert_int_equal(m->backend_count, 3);
    const struct manifest_backend *b = manifest_backend(m, "origin", 6);
    assert_string_equal(b->url, "http://127.0.0.1:9000");
    assert_false(b->tls);
    assert_int_equal(b->port, 9000);
    assert_string_equal(b->override_host, "h.example");
    assert_string_equal(b->cert_host, "c.example");
    assert_true(b->no_sni && b->http2 && !b->grpc);
    assert_int_equal(b->connect_timeout_ms, 2000);
    assert_int_equal(b->first_byte_timeout_ms, 5000);
    assert_int_equal(b->between_bytes_timeout_ms, 250);
    assert_int_equal(b->health, HEALTH_HEALTHY);
    b = manifest_backend(m, "short", 5);
    assert_string_equal(b->host, "::1");
    assert_int_equal(b->port, 81);
    b = manifest_backend(m, "grpc", 4);
    assert_true(b->grpc);
    assert_non_null(strstr(b->ca_pem, "BEGIN CERT"));
    assert_non_null(strstr(b->client_key_pem, "PRIVATE KEY"));
    assert_null(manifest_backend(m, "none", 4));
    assert_true(m->dynamic_backends);
}

static void stores(void **state)
{
    struct project *p = *state;
    struct manifest_kv_list list;
    struct buf value = BUF_INIT(64);
    write_files(p);
    struct manifest *m = project_good(p, "edge.yaml", whole);
    assert_int_equal(m->kv_count, 2);
    assert_int_equal(manifest_kv_read(m, &m->kv[0], &list, NULL), 0);
    assert_int_equal(list.count, 5);
    assert_string_equal(list.entries[1].metadata, "q");
    expect_path(p, list.entries[1].value.file, "v.bin");
    assert_string_equal(list.entries[2].key, "a b");
    assert_string_equal(list.entries[3].value.text, "10");
    assert_int_equal(manifest_source_read(m, &list.entries[4].value, &value, NULL), 0);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 3);
    buf_clear(&value);
    manifest_kv_list_clear(&list);
    assert_int_equal(m->config_count, 3);
    assert_string_equal(m->configs[0].pairs[0].value.text, "off");
    assert_string_equal(m->configs[0].pairs[1].value.text, "1.10");
    assert_string_equal(m->configs[0].pairs[2].value.text, "true");
    expect_path(p, m->configs[1].json_file, "c.json");
    assert_string_equal(m->configs[2].pairs[0].key, "file");
    struct manifest_pair *pairs;
    size_t count;
    assert_int_equal(manifest_store_read(&m->configs[1], MANIFEST_CONFIG, &pairs, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_string_equal(pairs[0].value.text, "y");
    manifest_pairs_free(pairs, count);
}

static void secrets(void **state)
{
    struct project *p = *state;
    struct buf value = BUF_INIT(64);
    struct err err = {0};
    write_files(p);
    struct manifest *m = project_good(p, "edge.yaml", whole);
    project_expect(p, "15:39: environment variable EDGE_TEST_SECRET is not set");
    assert_true(p->problems.only_warnings);
    assert_int_equal(p->problems.list[0].code, ERR_NONE);
    assert_int_equal(m->secret_count, 4);
    const struct manifest_store *s = &m->secrets[0];
    assert_string_equal(s->name, "secrets");
    assert_int_equal(s->count, 4);
    assert_string_equal(s->pairs[0].value.text, "v");
    assert_int_equal(manifest_source_read(m, &s->pairs[1].value, &value, &err), -ERR_MANIFEST);
    setenv("EDGE_TEST_SECRET", "from env", 1);
    assert_int_equal(manifest_source_read(m, &s->pairs[1].value, &value, &err), 0);
    assert_string_equal(buf_str(&value), "from env");
    unsetenv("EDGE_TEST_SECRET");
    assert_int_equal(manifest_source_read(m, &s->pairs[3].value, &value, &err), -ERR_MANIFEST);
    assert_string_equal(m->secrets[2].name, "js");
    expect_path(p, m->secrets[2].json_file, "c.json");
    assert_string_equal(m->secrets[3].pairs[0].key, "file");
    buf_clear(&value);
    struct buf small = BUF_INIT(2);
    assert_int_equal(manifest_source_read(m, &s->pairs[2].value, &small, &err), -ERR_LIMIT);
    buf_clear(&small);
}

static void the_rest(void **state)
{
    struct project *p = *state;
    const char *prefix, *action;
    write_files(p);
    struct manifest *m = project_good(p, "edge.yaml", whole);
    assert_string_equal(m->build.command, "make app");
    expect_path(p, m->build.artifact, "out/app.wasm");
    expect_path(p, m->build.dir, "sub");
    assert_int_equal(m->build.watch_count, 2);
    expect_path(p, m->build.watch[0], "src");
    assert_int_equal(m->limits.cpu_ms, 20);
    assert_int_equal(m->limits.wall_ms, 180000);
    assert_int_equal(m->limits.memory_bytes, 67108864);
    assert_int_equal(m->region_count, 2);
    assert_string_equal(m->statics[0].path, "/assets");
    expect_path(p, m->statics[0].dir, "sub");
    static const uint8_t six[16] = {[15] = 1};
    assert_string_equal(manifest_geo_lookup(m, (const uint8_t *)"\x0a\x01\x02\x03", 4),
                        "{\"city\":\"T\",\"latitude\":12.345,\"n\":-7,\"b\":true}");
    assert_null(manifest_geo_lookup(m, (const uint8_t *)"\x7f\0\0\1", 4));
    assert_string_equal(manifest_geo_lookup(m, six, sizeof six), "{\"city\":\"six\"}");
    assert_string_equal(manifest_device_lookup(m, "UA 1 and more", 4),
                        "{\"device\":{\"name\":\"X\",\"list\":[1,\"two\"]}}");
    assert_null(manifest_device_lookup(m, "UA", 2));
    assert_true(acl_lookup(m->acls[0].acl, (const uint8_t *)"\x09\1\1\1", 4, &prefix, &action));
    assert_string_equal(action, "ALLOW");
    assert_true(acl_lookup(m->acls[1].acl, (const uint8_t *)"\1\2\3\4", 4, &prefix, &action));
    assert_string_equal(action, "BLOCK");
    assert_true(m->shields[0].local);
    assert_string_equal(m->shields[1].unencrypted, "http://u");
    assert_string_equal(m->log_endpoints[1], "errors");
    assert_string_equal(m->fastly_keys[0], "k1");
    bool watched = false;
    for (size_t i = 0; i < m->file_count; i++)
        watched = watched || strstr(m->files[i], "/seed.json");
    assert_true(watched);
}

static void one_problem_each(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{}", "1:1: the key 'name' is missing"},
        {"", "1:1: the key 'name' is missing"},
        {"- a", "1:1: a manifest is a map of keys, not a list"},
        {"name: a b", "1:7: 'name' must be a name, not 'a b': only letters"},
        {"name:", "1:6: 'name' must be a name: it has no value"},
        {"name: a\nbackend: {}", "2:1: unknown key 'backend'"},
        {"name: a\nbuild.command: x", "2:1: unknown key 'build.command'"},
        {"name: a\n'*': x", "2:1: unknown key '*'"},
        {"name: a\nbackends: {o: {}}", "2:12: in 'backends.o': 'url' is missing"},
        {"name: a\nbackends: {o: }", "2:15: 'backends.o' must be an http or https URL or a map: it has"},
        {"name: a\nkv: {s: {entries: {a: ~}}}", "2:23: 'kv.s.entries.a' must be text or a map: it has"},
        {"name: a\ntargets: {p: }", "2:11: in 'targets.p': 'provider' is missing"},
        {"name: a\nbackends: []", "2:1: 'backends' must be a map, not a list"},
        {"name: a\nbackends: {o: {url: 'http://a', sni: maybe}}",
         "2:38: 'backends.o.sni' must be true or false, not 'maybe'"},
        {"name: a\nbackends: {o: {url: 'http://a', timeout: 0ms}}",
         "2:42: 'backends.o.timeout' must be at least 1ms"},
        {"name: a\nbackends: {o: {url: 'http://a', override-host: ' '}}",
         "2:48: 'backends.o.override-host' must be text, not ' ': it is empty"},
        {"name: a\ntargets: {p: {provider: cloudflare, routes: ['https://b.c/']}}",
         "2:46: 'targets.p.routes[0]' must be text, not 'https://b.c/': a route is HOST/PATH"},
        {"name: a\ntargets: {p: {provider: cloudflare, routes: ['b.c']}}",
         "2:46: 'targets.p.routes[0]' must be text, not 'b.c': a route has a path"},
        {"name: a\ntargets: {p: {provider: cloudflare, routes: ['a*.c/x']}}",
         "2:46: 'targets.p.routes[0]' must be text, not 'a*.c/x': its host is a name"},
        {"name: a\ntargets: {p: {provider: cloudflare, routes: ['b.c/*/x']}}",
         "2:46: 'targets.p.routes[0]' must be text, not 'b.c/*/x': a '*' may stand"},
        {"name: a\ntargets: {p: {provider: aws, routes: ['b.c/']}}",
         "2:30: 'targets.p.routes' is for provider cloudflare, not aws"},
        {"name: a\ntargets: {p: {provider: aws, domains: ['http://b']}}",
         "2:40: 'targets.p.domains[0]' must be a host name, not 'http://b': a host name is"},
        {"name: a\nbackends: {o: {url: 'http://a', client-cert: '-----BEGIN CERTIFICATE-----'}}",
         "2:12: client-cert and client-key belong together"},
        {"name: a\nbackends: {o: {url: 'http://a', ca: none.pem}}",
         "2:37: 'none.pem': No such file or directory"},
        {"name: a\nbackends: {o: {url: 'http://a', ca: edge.yaml}}",
         "2:37: no PEM block 'CERTIFICATE' in file 'edge.yaml'"},
        {"name: a\ndynamic-backends: yes", "2:19: 'dynamic-backends' must be allow or deny"},
        {"name: a\nkv: {s: {entries: {'a#': x}}}", "2:20: 'kv.s.entries.a#' is not a usable name"},
        {"name: a\nkv: {s: {entries: {a: {metadata: m}}}}", "2:20: entry 'a' needs one of"},
        {"name: a\nkv: {s: {seed: edge.yaml}}", "1:4: not valid JSON"},
        {"name: a\nkv: {s: abc}", "2:9: 'kv.s' must be a map, not 'abc'"},
        {"name: a\nconfig: {s: {file: x, b: c}}", "2:20: 'file' must be the only key"},
        {"name: a\nconfig: {s: {a: [1]}}", "2:14: 'config.s.a' must be text, not a list"},
        {"name: a\nsecrets: {s: {env: A, value: B}}", "2:11: secret 's' needs one of"},
        {"name: a\nsecrets: {s: {}}", "2:11: secret 's' needs one of"},
        {"name: a\nsecrets: {'s/t': }", "2:11: 'secrets.s/t' is not a usable name"},
        {"name: a\nsecrets: {s: {env: 'A B'}}", "2:20: 'secrets.s.env' must be a name"},
        {"name: a\nlimits: {memory: 128}", "2:18: 'limits.memory' must be at least 64KiB"},
        {"name: a\nlimits: {memory: 128Mb}", "2:18: 'limits.memory' must be a size such as"},
        {"name: a\nlimits: {memory: 8GiB}", "2:18: 'limits.memory' must be at most 4GiB"},
        {"name: a\nregions: [a, 'b c']", "2:14: 'regions[1]' must be a name"},
        {"name: a\nstatic: {x: .}", "2:10: 'static.x' is not a usable name: it must begin"},
        {"name: a\nstatic: {/x: edge.yaml}", "2:14: 'edge.yaml' is not a directory"},
        {"name: a\ngeo: {addresses: {1.2.3: {}}}", "2:19: 'geo.addresses.1.2.3' is not"},
        {"name: a\ngeo: {addresses: {1.2.3.4: {a: {b: 1}}}}", "2:29: a record holds plain values"},
        {"name: a\nacls: {x: {}}", "2:8: ACL 'x' needs one of 'file' and 'entries'"},
        {"name: a\nacls: {x: {entries: [{prefix: 1.2.3.4, action: A}]}}",
         "2:31: prefix '1.2.3.4': the mask is missing"},
        {"name: a\nacls: {x: {entries: [{prefix: 1.2.3.4/8}]}}",
         "2:22: in 'acls.x.entries[0]': 'action' is missing"},
        {"name: a\nshields: {x: {encrypted: https://a}}", "2:11: in 'shields.x': 'unencrypted'"},
        {"name: a\nshields: {x: remote}", "2:14: 'shields.x' must be local or a map"},
        {"name: a\nrollout: {steps: [50%, 10%]}", "2:24: step '10%' must be more than 50%"},
        {"name: a\nrollout: {gates: [{latency: {max-ratio: 2}}]}",
         "2:20: in 'rollout.gates[0].latency': 'slower-than' is missing"},
        {"name: a\ntargets: {p: {}}", "2:11: in 'targets.p': 'provider' is missing"},
        {"name: a\ntargets: {p: {provider: aws, worker: w}}",
         "2:30: 'targets.p.worker' is for provider cloudflare, not aws"},
        {"name: a\ntargets: {p: {provider: aws, targets: {}}}", "2:30: unknown key 'targets'"},
        {"name: a\ntargets: {p: {provider: aws, limits: {cpu: 1}}}",
         "2:44: 'targets.p.limits.cpu' must be a duration"},
        {"name: ${EDGE_TEST_UNSET}", "1:7: environment variable EDGE_TEST_UNSET is not set"},
        {"name: ${a b}", "1:7: '${a b}' is not ${NAME}"},
        {"name: '${open'", "1:7: '${' is not closed by '}'"},
        {"name: a\nbuild: {command: \"a\\0b\"}", "2:18: 'build.command' must be text"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        project_bad(*state, "edge.yaml", cases[i].text, cases[i].want);
}

static void all_problems_in_file_order(void **state)
{
    struct project *p = *state;
    project_write(p, "edge.yaml", "name: a\nbckends: {}\nkv: {s: {entries: {a: {}}}}\n"
                                  "limits: {cpu: x, wall: y}\nregion: []\n");
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    assert_int_equal(p->problems.count, 5);
    static const int lines[] = {2, 3, 4, 4, 5};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        assert_int_equal(p->problems.list[i].line, lines[i]);
    assert_string_equal(p->problems.list[0].hint, "did you mean 'backends'?");
    assert_string_equal(p->problems.list[4].hint, "did you mean 'regions'?");
    assert_non_null(strstr(p->problems.list[0].file, "/edge.yaml"));
    assert_false(p->problems.only_warnings);
}

static void problems_are_bounded(void **state)
{
    struct project *p = *state;
    struct buf b = BUF_INIT(1 << 16);
    for (int i = 0; i < 500; i++)
        buf_printf(&b, "bad%d: x\n", i);
    project_write(p, "edge.yaml", buf_str(&b));
    buf_clear(&b);
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    assert_int_equal(p->problems.count, 100);
}

static void expansion(void **state)
{
    struct project *p = *state;
    project_write(p, ".env", "EDGE_T_PORT=81\nEDGE_T_CPU=7ms\nEDGE_T_REAL=file\nEDGE_T_SNI=true\n");
    setenv("EDGE_T_REAL", "real: [x", 1);
    struct manifest *m = project_good(
        p, "edge.yaml",
        "name: app-${EDGE_T_PORT}\n"
        "backends: {o: {url: 'http://${EDGE_T_HOST:-h.example}:${EDGE_T_PORT}/x', sni: '${EDGE_T_SNI}'}}\n"
        "limits: {cpu: '${EDGE_T_CPU}'}\n"
        "config: {c: {a: '$${x} $ $5', b: '${EDGE_T_REAL}', c: \"${EDGE_T_NONE:-}\", d: '$$${x}'}}\n");
    assert_string_equal(m->name, "app-81");
    assert_string_equal(m->backends[0].url, "http://h.example:81/x");
    assert_int_equal(m->limits.cpu_ms, 7);
    assert_string_equal(m->configs[0].pairs[0].value.text, "${x} $ $5");
    assert_string_equal(m->configs[0].pairs[1].value.text, "real: [x");
    assert_string_equal(m->configs[0].pairs[2].value.text, "");
    assert_string_equal(m->configs[0].pairs[3].value.text, "$${x}");
    assert_string_equal(manifest_getenv(m, "EDGE_T_PORT"), "81");
    unsetenv("EDGE_T_REAL");
    project_write(p, ".env", "EDGE_T_PORT=81\nbroken\n");
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    project_expect(p, "2:1: '=' must follow the name");
}

static void secrets_are_not_quoted(void **state)
{
    struct project *p = *state;
    setenv("EDGE_T_LEAK", "hunter2 x", 1);
    project_write(p, "edge.yaml", "name: '${EDGE_T_LEAK}'\nsecrets: {a: hunter2}\n"
                                  "backends: {o: {url: http://a, client-cert: edge.yaml, client-key: "
                                  "[hunter2]}}\n");
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    for (size_t i = 0; i < p->problems.count; i++) {
        assert_null(strstr(p->problems.list[i].msg, "hunter2"));
        assert_null(strstr(p->problems.list[i].hint, "hunter2"));
    }
    unsetenv("EDGE_T_LEAK");
}

static const char targets[] =
    "name: base\n"
    "backends: {o: {url: 'http://a', timeout: 5s, local: 'http://l'}}\n"
    "limits: {cpu: 10ms, wall: 5s}\n"
    "kv: {s: {entries: {a: b}}}\n"
    "regions: [fra]\n"
    "secrets: {one: }\n"
    "targets:\n"
    "  local: {provider: local, limits: {cpu: 1s}}\n"
    "  prod:\n"
    "    provider: cloudflare\n"
    "    worker: w\n"
    "    name: prod-app\n"
    "    backends: {o: {url: 'https://p'}, n: http://n}\n"
    "    limits: {wall: '${EDGE_T_WALL}'}\n"
    "    kv: {s: 0f2a}\n"
    "    config: {c: {k: v}, d: cfg-id}\n"
    "    secrets: {one: /ssm/one}\n"
    "    domains: [a.example, b.example]\n"
    "    routes: ['*.c.example/api/*', 'd.example/']\n"
    "    regions: [iad, sin]\n";

static void overlays(void **state)
{
    struct project *p = *state;
    project_write(p, "edge.yaml", targets);
    assert_int_equal(project_load(p, NULL), 0);
    assert_int_equal(p->m->limits.cpu_ms, 10);
    assert_int_equal(project_load(p, "local"), 0);
    assert_int_equal(p->m->limits.cpu_ms, 1000);
    assert_int_equal(p->m->limits.wall_ms, 5000);
    assert_string_equal(p->m->backends[0].url, "http://l");
    assert_int_equal(project_load(p, "prod"), -ERR_MANIFEST);
    project_expect(p, "14:20: environment variable EDGE_T_WALL is not set");
    setenv("EDGE_T_WALL", "9s", 1);
    assert_int_equal(project_load(p, "prod"), 0);
    unsetenv("EDGE_T_WALL");
    assert_string_equal(p->m->name, "prod-app");
    assert_int_equal(p->m->backend_count, 2);
    assert_string_equal(p->m->backends[0].url, "https://p");
    assert_int_equal(p->m->backends[0].first_byte_timeout_ms, 5000);
    assert_int_equal(p->m->limits.wall_ms, 9000);
    assert_int_equal(p->m->limits.cpu_ms, 10);
    assert_int_equal(p->m->kv_count, 1);
    assert_int_equal(p->m->kv[0].count, 1);
    assert_string_equal(p->m->configs[0].pairs[0].value.text, "v");
    assert_int_equal(p->m->region_count, 2);
    assert_int_equal(project_load(p, "prd"), -ERR_MANIFEST);
    project_expect(p, "7:1: no target 'prd' in the manifest");
    assert_string_equal(p->problems.list[0].hint, "did you mean 'prod'?");
}

static void what_a_target_says(void **state)
{
    struct project *p = *state;
    project_write(p, "edge.yaml", targets);
    assert_int_equal(project_load(p, NULL), 0);
    assert_null(p->m->target);
    assert_null(manifest_remote_id(NULL, "kv", "s", NULL));
    setenv("EDGE_T_WALL", "9s", 1);
    assert_int_equal(project_load(p, "prod"), 0);
    unsetenv("EDGE_T_WALL");
    const struct manifest_target *t = p->m->target;
    assert_string_equal(t->name, "prod");
    assert_int_equal(t->provider, PROVIDER_CLOUDFLARE);
    assert_string_equal(t->worker, "w");
    assert_null(t->account);
    assert_int_equal(t->domain_count, 2);
    assert_string_equal(t->domains[1], "b.example");
    assert_int_equal(t->route_count, 2);
    assert_string_equal(t->routes[0], "*.c.example/api/*");
    assert_string_equal(manifest_remote_id(t, "kv", "s", NULL), "0f2a");
    assert_string_equal(manifest_remote_id(t, "config", "d", NULL), "cfg-id");
    assert_string_equal(manifest_remote_id(t, "secrets", "one", NULL), "/ssm/one");
    assert_null(manifest_remote_id(t, "config", "c", NULL));
    assert_null(manifest_remote_id(t, "config", "c", "k"));
}

static void a_provider_is_a_target(void **state)
{
    struct project *p = *state;
    project_write(p, "edge.yaml", "name: a\n");
    assert_int_equal(project_load(p, "vercel"), 0);
    assert_string_equal(p->m->target->name, "vercel");
    assert_int_equal(p->m->target->provider, PROVIDER_VERCEL);
    assert_int_equal(project_load(p, "verce"), -ERR_MANIFEST);
    assert_non_null(strstr(p->problems.list[0].hint, "vercel"));
    project_write(p, "edge.yaml", "name: a\ntargets: {aws: {provider: fastly, service: s}}\n");
    assert_int_equal(project_load(p, "aws"), 0);
    assert_int_equal(p->m->target->provider, PROVIDER_FASTLY);
}

static void backend_from_the_environment(void **state)
{
    struct project *p = *state;
    project_write(p, "edge.yaml", "name: a\nbackends: {my.origin-1: {url: https://a, override-host: h}}\n"
                                  "targets: {prod: {provider: aws}}\n");
    setenv("EDGECTL_BACKEND_MY_ORIGIN_1", "http://127.0.0.1:1234/x", 1);
    assert_int_equal(project_load(p, NULL), 0);
    assert_int_equal(p->m->backends[0].port, 1234);
    assert_string_equal(p->m->backends[0].prefix, "/x");
    assert_string_equal(p->m->backends[0].override_host, "h");
    assert_int_equal(project_load(p, "prod"), 0);
    assert_int_equal(p->m->backends[0].port, 443);
    setenv("EDGECTL_BACKEND_MY_ORIGIN_1", "nonsense", 1);
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    assert_non_null(strstr(p->problems.list[0].msg, "EDGECTL_BACKEND_MY_ORIGIN_1 is not a usable URL"));
    unsetenv("EDGECTL_BACKEND_MY_ORIGIN_1");
}

static void finding_the_manifest(void **state)
{
    struct project *p = *state;
    assert_int_equal(project_load(p, NULL), -ERR_MANIFEST);
    assert_non_null(strstr(p->problems.list[0].msg, "no edge.yaml or fastly.toml"));
    assert_non_null(strstr(p->problems.list[0].hint, "edgectl init"));
    project_write(p, "fastly.toml", "name = \"toml\"\n");
    assert_int_equal(project_load(p, NULL), 0);
    assert_int_equal(p->m->kind, MANIFEST_FASTLY);
    project_write(p, "edge.yaml", "name: yaml\n");
    assert_int_equal(project_load(p, NULL), 0);
    assert_string_equal(p->m->name, "yaml");
    expect_path(p, p->m->build.artifact, "bin/main.wasm");
    project_write(p, "one.wasm", "");
    assert_int_equal(project_load(p, NULL), 0);
    expect_path(p, p->m->build.artifact, "one.wasm");
    project_write(p, "two.wasm", "");
    assert_int_equal(project_load(p, NULL), 0);
    expect_path(p, p->m->build.artifact, "bin/main.wasm");
    manifest_unref(p->m);
    manifest_problems_clear(&p->problems);
    p->m = NULL;
    assert_int_equal(manifest_load(p->dir, "fastly.toml", NULL, &p->m, &p->problems), 0);
    assert_string_equal(p->m->name, "toml");
    manifest_unref(p->m);
    p->m = NULL;
    assert_int_equal(manifest_load(p->dir, "none.yaml", NULL, &p->m, &p->problems), -ERR_IO);
    assert_int_equal(p->problems.count, 1);
}

static void for_a_module(void **state)
{
    struct project *p = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/app.wasm", p->dir);
    project_write(p, "app.wasm", "");
    struct manifest *m = manifest_for_module(path);
    assert_int_equal(m->kind, MANIFEST_NONE);
    assert_string_equal(m->name, "app");
    assert_string_equal(m->dir, p->dir);
    assert_string_equal(m->build.artifact, path);
    assert_true(m->dynamic_backends && m->geo_default_loopback);
    assert_null(m->file);
    assert_non_null(strstr(manifest_geo_lookup(m, (const uint8_t *)"\x7f\0\0\1", 4), "San Francisco"));
    assert_null(manifest_geo_lookup(m, (const uint8_t *)"\x08\x08\x08\x08", 4));
    manifest_ref(m);
    manifest_unref(m);
    manifest_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(backends), T(stores), T(secrets), T(the_rest), T(one_problem_each),
        T(all_problems_in_file_order), T(problems_are_bounded), T(expansion),
        T(secrets_are_not_quoted), T(overlays), T(what_a_target_says),
        T(a_provider_is_a_target), T(backend_from_the_environment),
        T(finding_the_manifest), T(for_a_module),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
