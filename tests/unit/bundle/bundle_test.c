/* SPDX-License-Identifier: Apache-2.0 */
#include "project.h"

static const char everything[] =
    "name: my.shop\n"
    "build: {artifact: app.wat}\n"
    "backends:\n"
    "  origin: {url: 'https://origin.example.com/base', timeout: 5s, override-host: h.example}\n"
    "dynamic-backends: allow\n"
    "kv: {sessions: {}, a b: {}}\n"
    "config: {flags: {beta: 'off', __proto__: p}}\n"
    "secrets: {api-key: {env: NOT_SET_HERE}}\n"
    "static: {/files: public}\n"
    "acls: {blocked: {entries: [{prefix: 192.0.2.0/24, action: BLOCK}]}}\n"
    "limits: {cpu: 20ms, wall: 5s, memory: 64MiB}\n"
    "targets:\n"
    "  cf: {provider: cloudflare, worker: shop-edge, kv: {sessions: 0f2a}}\n"
    "  fastly: {provider: fastly}\n"
    "  lambda: {provider: aws, function: shop, kv: {sessions: 'https://s', a b: 'https://ab'}}\n"
    "  vercel: {provider: vercel}\n"
    "  bare: {provider: local}\n";

static void make_everything(struct project *p, const char *target)
{
    project_write(p, "public/index.html", "<h1>hello</h1>");
    project_write(p, "public/img/logo.svg", "<svg/>");
    project_write(p, "public/.hidden", "not shipped");
    project_write(p, "public/.well-known/security.txt", "shipped");
    project_secret(p, "secrets", "api-key", "correct-horse-battery");
    int r = project_bundle(p, everything, target);
    if (r < 0)
        fail_msg("%d %s", r, p->err.msg);
}

static const char *part_text(const struct bundle *b, const char *name)
{
    const struct bundle_part *p = bundle_part(b, name);
    if (!p)
        fail_msg("no part %s", name);
    return (const char *)p->data;
}

/* What the host's bindings.js gives: the text in JSON.parse("..."). */
static json_t *bindings_in(const struct bundle *b, const char *part)
{
    static const char start[] = "export default JSON.parse(";
    const char *text = part_text(b, part);
    assert_int_equal(strncmp(text, start, sizeof start - 1), 0);
    json_t *literal = json_loads(text + sizeof start - 1, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK,
                                 NULL);
    json_t *root = json_loads(json_string_value(literal), 0, NULL);
    assert_non_null(root);
    json_decref(literal);
    return root;
}

static json_t *bindings(const struct bundle *b)
{
    return bindings_in(b, "bindings.js");
}

static const char *at(const json_t *o, const char *a, const char *b, const char *c)
{
    o = json_object_get(o, a);
    o = b ? json_object_get(o, b) : o;
    o = c ? json_object_get(o, c) : o;
    const char *text = json_string_value(o);
    return text ? text : "(none)";
}

static void what_the_host_is_told(void **state)
{
    struct project *p = *state;
    make_everything(p, "cf");
    json_t *o = bindings(p->b);
    assert_string_equal(at(o, "name", NULL, NULL), "my.shop");
    assert_string_equal(at(o, "release", NULL, NULL), p->b->id);
    assert_string_equal(at(o, "provider", NULL, NULL), "cloudflare");
    assert_string_equal(at(o, "backends", "origin", "url"), "https://origin.example.com/base");
    assert_string_equal(at(o, "backends", "origin", "overrideHost"), "h.example");
    assert_string_equal(at(o, "kv", "sessions", "binding"), "KV_SESSIONS");
    assert_string_equal(at(o, "kv", "a b", "binding"), "KV_A_B");
    assert_string_equal(at(o, "config", "flags", "binding"), "CONFIG_FLAGS");
    assert_string_equal(at(o, "secrets", "secrets", "api-key"), "SECRET_API_KEY");
    assert_string_equal(at(o, "assets", "/files/img/logo.svg", "part"),
                        "assets/files/img/logo.svg");
    assert_string_equal(at(o, "assets", "/files/img/logo.svg", "type"), "image/svg+xml");
    assert_int_equal(json_object_size(json_object_get(o, "assets")), 3);
    assert_true(json_is_true(json_object_get(o, "dynamicBackends")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "limits"), "wall")), 5000);
    json_decref(o);
}

static void a_worker(void **state)
{
    struct project *p = *state;
    make_everything(p, "cf");
    const struct bundle *b = p->b;
    assert_int_equal(b->form, BUNDLE_MODULES);
    assert_string_equal(b->app, "shop-edge");
    assert_string_equal(b->parts[0].name, "cloudflare/index.js");
    assert_string_equal(b->parts[0].type, "application/javascript+module");
    assert_non_null(bundle_part(b, "core/host.js"));
    assert_string_equal(bundle_part(b, "app.wasm")->type, "application/wasm");
    assert_string_equal(bundle_part(b, "assets/files/index.html")->type,
                        "application/octet-stream");
    assert_null(bundle_part(b, "assets/files/.hidden"));
    assert_non_null(bundle_part(b, "assets/files/.well-known/security.txt"));
    for (size_t i = 2; i < b->part_count; i++)
        assert_true(strcmp(b->parts[i - 1].name, b->parts[i].name) < 0);
    json_t *meta = json_loads(b->metadata, 0, NULL);
    assert_string_equal(at(meta, "main_module", NULL, NULL), "cloudflare/index.js");
    assert_string_equal(at(meta, "annotations", "workers/tag", NULL), b->id);
    json_t *list = json_object_get(meta, "bindings");
    assert_string_equal(at(json_array_get(list, 0), "namespace_id", NULL, NULL), "0f2a");
    assert_string_equal(at(json_array_get(list, 1), "text", NULL, NULL),
                        "{\"__proto__\":\"p\",\"beta\":\"off\"}");
    assert_null(strstr(b->metadata, "SECRET"));
    json_decref(meta);
}

static void a_zip_for_lambda(void **state)
{
    struct project *p = *state;
    make_everything(p, "lambda");
    assert_int_equal(p->b->form, BUNDLE_ARCHIVE);
    assert_string_equal(p->b->app, "shop");
    assert_string_equal(p->b->file, "my-shop.zip");
    assert_string_equal(part_text(p->b, "package.json"), "{\"type\":\"module\"}\n");
    /* src/provider/aws_lambda.c names its handler */
    assert_string_equal(part_text(p->b, "index.js"),
                        "export { handler } from \"./lambda/index.js\";\n");
    assert_non_null(bundle_part(p->b, "lambda/index.js"));
    assert_non_null(bundle_part(p->b, "node/send.js"));
    assert_null(bundle_part(p->b, "vercel/index.js"));
    assert_null(bundle_part(p->b, "dev/listen.js"));
    json_t *o = bindings(p->b);
    /* no variables there: config is in the bundle, secrets are parameters of their value's name */
    assert_string_equal(at(json_object_get(json_object_get(o, "config"), "flags"), "values", "beta",
                           NULL), "off");
    assert_string_equal(at(o, "kv", "sessions", "id"), "https://s");
    assert_string_equal(at(o, "kv", "sessions", "token"), "/edgectl/shop/kv/sessions/token");
    assert_int_equal(strncmp(at(o, "secrets", "secrets", "api-key"),
                             "/edgectl/shop/secrets/api-key/", 30), 0);
    assert_string_equal(at(o, "assets", "/files/index.html", "part"), "assets/files/index.html");
    json_decref(o);
}

static void a_build_output_for_vercel(void **state)
{
    struct project *p = *state;
    make_everything(p, "vercel");
    assert_int_equal(p->b->form, BUNDLE_TREE);
    json_t *config = json_loads(part_text(p->b, "config.json"), 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(config, "version")), 3);
    json_decref(config);
    config = json_loads(part_text(p->b, "functions/index.func/.vc-config.json"), 0, NULL);
    assert_string_equal(at(config, "runtime", NULL, NULL), "nodejs24.x");
    assert_string_equal(at(config, "handler", NULL, NULL), "vercel/index.js");
    assert_int_equal(json_integer_value(json_object_get(config, "maxDuration")), 5);
    assert_non_null(bundle_part(p->b, "functions/index.func/vercel/index.js"));
    assert_non_null(bundle_part(p->b, "functions/index.func/app.wasm"));
    /* the platform serves these itself */
    assert_string_equal(part_text(p->b, "static/files/index.html"), "<h1>hello</h1>");
    json_t *o = bindings_in(p->b, "functions/index.func/bindings.js");
    assert_null(json_object_get(o, "assets"));
    assert_string_equal(at(o, "secrets", "secrets", "api-key"), "SECRET_API_KEY");
    assert_string_equal(at(o, "kv", "sessions", "token"), "KV_SESSIONS_TOKEN");
    json_decref(o);
    json_decref(config);
}

static void no_value_of_a_secret_gets_out(void **state)
{
    struct project *p = *state;
    make_everything(p, "cf");
    for (size_t i = 0; i < p->b->part_count; i++)
        assert_null(memmem(p->b->parts[i].data, p->b->parts[i].len, "correct-horse", 13));
    cleanup(free_p) char *record = json_dumps(p->b->record, 0);
    assert_null(strstr(record, "correct-horse"));
    assert_non_null(strstr(record, "\"secrets/api-key@"));
}

/* In another folder, with other times, and with files that were made in another order. */
static void the_same_inputs_give_the_same_bytes(void **state)
{
    static const char *const targets[] = {"cf", "fastly", "lambda", "vercel", "bare"};
    struct project *p = *state;
    for (size_t t = 0; t < ARRAY_LEN(targets); t++) {
        void *other = NULL;
        project_setup(&other);
        struct project *q = other;
        project_write(q, "public/img/logo.svg", "<svg/>");
        make_everything(p, targets[t]);
        make_everything(q, targets[t]);
        assert_string_equal(p->b->id, q->b->id);
        assert_int_equal(p->b->part_count, q->b->part_count);
        for (size_t i = 0; i < p->b->part_count; i++) {
            assert_string_equal(p->b->parts[i].name, q->b->parts[i].name);
            assert_string_equal(p->b->parts[i].digest, q->b->parts[i].digest);
        }
        assert_string_equal(p->b->package.digest, q->b->package.digest);
        project_teardown(&other);
    }
}

/* Whatever decides how the app behaves is another release. */
static void what_makes_another_release(void **state)
{
    struct project *p = *state;
    char first[HASH_HEX_SIZE];
    make_everything(p, "cf");
    memcpy(first, p->b->id, sizeof first);
    make_everything(p, "cf");
    assert_string_equal(p->b->id, first);
    project_secret(p, "secrets", "api-key", "correct-horse-staples");
    assert_int_equal(project_bundle(p, everything, "cf"), 0);
    assert_string_not_equal(p->b->id, first);
    make_everything(p, "cf");
    project_write(p, "public/index.html", "<h1>hello!</h1>");
    assert_int_equal(project_bundle(p, everything, "cf"), 0);
    assert_string_not_equal(p->b->id, first);
}

/* --- what is refused --- */

#define SHORT "name: a\nbuild: {artifact: app.wat}\n"

static void artifacts_that_are_no_guest(void **state)
{
#define BYTES(text) text, sizeof(text) - 1
    static const struct {
        const char *bytes;
        size_t len;
        const char *why;
    } cases[] = {
        {BYTES("hello"), "app.wat"},
        {BYTES(""), "app.wat"},
        {BYTES("\0asm\x0d\0\1\0"), "component"},
        {BYTES("\0asm\1\0\0\0\1"), "app.wat"},
        {BYTES("(module (memory (export \"memory\") 1))"), "_start"},
        {BYTES("(module (import \"env\" \"nothing\" (func)) (memory (export \"memory\") 1)"
               "(func (export \"_start\")))"), "env.nothing, which no edge host has"},
    };
    struct project *p = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/app.wat", p->dir);
        assert_int_equal(file_write(path, cases[i].bytes, cases[i].len, 0644, NULL), 0);
        project_refused(p, SHORT, "fastly", -ERR_BUILD, cases[i].why);
        assert_true(p->err.hint[0]);
    }
}

static void memory_over_the_limit(void **state)
{
    struct project *p = *state;
    project_write(p, "app.wat", "(module (memory (export \"memory\") 2049)"
                                "(func (export \"_start\")))");
    project_refused(p, SHORT, "fastly", -ERR_LIMIT, "fastly allows 128 MiB (134217728 bytes)");
    assert_non_null(strstr(p->err.msg, "2025-10-09"));
    assert_int_equal(project_bundle(p, SHORT, "local"), 0);
    project_write(p, "app.wat", good_wat);
    project_refused(p, SHORT "limits: {memory: 256MiB}\n", "cloudflare", -ERR_LIMIT,
                    "limits.memory is 256 MiB");
    project_refused(p, SHORT "limits: {cpu: 10m}\n", "cloudflare", -ERR_LIMIT, "limits.cpu is 10m");
}

static void a_binding_that_the_target_lacks(void **state)
{
    struct project *p = *state;
    project_write(p, "c.pem", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
                              "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n");
    static const char cert[] = SHORT "backends: {b: {url: 'https://b', client-cert: c.pem,"
                                     " client-key: c.pem}}\n";
    project_refused(p, cert, "cloudflare", -ERR_MANIFEST, "client certificate of backend 'b'");
    assert_int_equal(project_bundle(p, cert, "fastly"), 0);
    assert_int_equal(project_bundle(p, SHORT "backends: {b: 'http://localhost:1'}\n", "cloudflare"),
                     0);
    assert_int_equal(p->b->note_count, 1);
    assert_non_null(strstr(p->b->notes[0].msg, "'b' is on this machine"));
    project_refused(p, SHORT "kv: {s: {}}\n", "aws", -ERR_MANIFEST, "cannot have KV store 's'");
    project_refused(p, SHORT "backends: {b: {url: 'https://b', ca: c.pem}}\n", "cloudflare",
                    -ERR_MANIFEST, "an authority of its own");
}

static void stores_over_the_limits(void **state)
{
    struct project *p = *state;
    struct buf text = BUF_INIT(1 << 20);
    buf_add_str(&text, SHORT "config: {big: {k: '");
    for (int i = 0; i < 6000; i++)
        buf_add_char(&text, 'x');
    buf_add_str(&text, "'}}\n");
    project_refused(p, buf_str(&text), "cloudflare", -ERR_LIMIT, "becomes one variable");
    assert_int_equal(project_bundle(p, buf_str(&text), "fastly"), 0);
    buf_reset(&text);
    buf_add_str(&text, SHORT "config:\n  many:\n");
    for (int i = 0; i < 501; i++)
        buf_printf(&text, "    k%d: v\n", i);
    project_refused(p, buf_str(&text), "fastly", -ERR_LIMIT, "config store 'many' is 501");
    buf_clear(&text);
}

static void assets_that_lead_out(void **state)
{
    static const char manifest[] = SHORT "static: {/: public}\n";
    struct project *p = *state;
    char link[128];
    project_write(p, "public/a.txt", "a");
    snprintf(link, sizeof link, "%s/public/link", p->dir);
    assert_int_equal(symlink("/etc/hostname", link), 0);
    project_refused(p, manifest, "fastly", -ERR_IO, "is outside of the project");
    unlink(link);
    assert_int_equal(symlink("link", link), 0);
    project_refused(p, manifest, "fastly", -ERR_IO, "loop of symbolic links");
    unlink(link);
    assert_int_equal(symlink("..", link), 0);
    project_refused(p, manifest, "fastly", -ERR_IO, "loop");
    unlink(link);
    assert_int_equal(symlink("a.txt", link), 0);
    assert_int_equal(project_bundle(p, manifest, "fastly"), 0);
    assert_string_equal(part_text(p->b, "a/assets/link"), "a");
    project_refused(p, SHORT "static: {/../x: public}\n", "fastly", -ERR_MANIFEST,
                    "which cannot be asked for");
    unlink(link);
    assert_int_equal(mkfifo(link, 0600), 0);
    project_refused(p, manifest, "fastly", -ERR_IO, "no regular file");
}

static void a_secret_in_what_is_shipped(void **state)
{
    static const char manifest[] = SHORT "static: {/: public}\n";
    struct project *p = *state;
    project_secret(p, "secrets", "api-key", "correct-horse-battery");
    project_write(p, "public/x.js", "const key = 'correct-horse-battery';");
    project_refused(p, manifest, "fastly", -ERR_FAILURE,
                    "the secret 'api-key' of store 'secrets' stands in ");
    assert_non_null(strstr(p->err.msg, "public/x.js at byte 13, as it is"));
    project_write(p, "public/x.js", "");
    project_refused(p, SHORT "config: {c: {k: correct-horse-battery}}\n", "fastly", -ERR_FAILURE,
                    "stands in the config stores");
    project_write(p, "app.wat", "(module (memory (export \"memory\") 1) (data (i32.const 0) "
                                "\"Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5\") (func (export \"_start\")))");
    project_refused(p, manifest, "fastly", -ERR_FAILURE, "app.wat at byte");
    assert_non_null(strstr(p->err.msg, "as base64"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, project_setup, project_teardown)
        T(what_the_host_is_told), T(a_worker), T(a_zip_for_lambda),
        T(a_build_output_for_vercel), T(no_value_of_a_secret_gets_out),
        T(the_same_inputs_give_the_same_bytes), T(what_makes_another_release),
        T(artifacts_that_are_no_guest), T(memory_over_the_limit),
        T(a_binding_that_the_target_lacks), T(stores_over_the_limits), T(assets_that_lead_out),
        T(a_secret_in_what_is_shipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
