/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of hostcalls with any arguments, made by a guest in a session driven without a socket.
 * The guest asks its host, by an import of its own, which call comes next and with what; the input
 * decides. Each call must come back with a status, and the session must end. */
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "guest/guest.h"
#include "guest/table.h"
#include "serve/loopback.h"
#include "world/core_cache.h"
#include "world/kv.h"
#include "world/world.h"

enum {
    CALLS_MAX = 200,                    /* of one session */
    RESULT_AT = 128,                    /* in the guest's memory: arguments, then the result */
    TEXT_AT = 4096, TEXT_SIZE = 64,
    OUT_AT = 8192, OUT_SIZE = 256, OUTS = 40,
    STATUS_MAX = 14, ERRNO_MAX = 76,
};

static const char *const texts[] = {
    "store", "seeded", "settings", "plain", "token", "list", "origin", "refused", "GET", "POST",
    "http://h/path?q=1", "content-type", "text/plain", "203.0.113.7", "x-new", "value\0", "a,b",
    "Probe/1.0", "here", "surrogate-key", "max-age=5", "key", "{}", "1", "http://[::1]:9/", "gzip",
};

static const char manifest_text[] =
    "name: fuzz\n"
    "backends: { origin: \"http://127.0.0.1:9\", refused: \"http://127.0.0.1:9\" }\n"
    "dynamic-backends: deny\n"
    "limits: { cpu: 1s, wall: 40ms, memory: 1MiB }\n"
    "kv: { store: { entries: { seeded: text } } }\n"
    "config: { settings: { plain: value } }\n"
    "secrets: { token: { value: s3cret } }\n"
    "acls: { list: { entries: [ { prefix: 203.0.113.0/24, action: BLOCK } ] } }\n"
    "devices: { user-agents: { Probe/1.0: { device: { name: Probe } } } }\n"
    "shields: { here: local }\n";

static struct host_func *funcs;
static size_t func_count;               /* without our own */
static struct guest_env env;
static struct guest_app *app;
static char dir[] = "/tmp/edgectl-fuzz-XXXXXX";

static const uint8_t *input, *input_end;
static int calls_left;
static bool filled;
static size_t last_call;
static bool guest_over, answer_over;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s (after %s.%s)\n", what, funcs[last_call].module,
            funcs[last_call].name);
    abort();
}

/* --- the input --- */

static uint8_t next_byte(void)
{
    return input < input_end ? *input++ : 0;
}

static uint64_t next_word(int bytes)
{
    uint64_t w = 0;
    while (bytes--)
        w = w << 8 | next_byte();
    return w;
}

static uint64_t next_arg(const uint8_t *memory, size_t size)
{
    uint8_t b = next_byte();
    uint32_t handle;
    if (b < 40)
        return b;                       /* a handle, a length, a flag */
    if (b < 100)
        return TEXT_AT + (b - 40u) % ARRAY_LEN(texts) * TEXT_SIZE;
    if (b < 140)
        return OUT_AT + (b - 100u) * OUT_SIZE;
    if (b < 200) {                      /* what an earlier call has put out */
        memcpy(&handle, memory + OUT_AT + (b - 140u) % OUTS * OUT_SIZE, sizeof handle);
        return handle;
    }
    switch (b % 8) {
    case 0: return UINT64_MAX;
    case 1: return 0x80000000;
    case 2: return size - next_byte() % 16;
    case 3: return size;
    case 4: return UINT64_C(1) << next_byte() % 64;
    case 5: return OUT_SIZE;
    case 6: return OUT_AT + next_word(2) % 1024;
    default: return next_word(8);
    }
}

static void fill(uint8_t *memory)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        memcpy(memory + TEXT_AT + i * TEXT_SIZE, texts[i], strlen(texts[i]));
    filled = true;
}

static void check_result(const uint8_t *memory)
{
    int32_t status;
    memcpy(&status, memory + RESULT_AT, sizeof status);
    bool wasi = strncmp(funcs[last_call].module, "wasi", 4) == 0;
    need(status >= 0 && status <= (wasi ? ERRNO_MAX : STATUS_MAX), "a result that is no status");
}

/* fuzz.next() -> which call, or -1; its arguments are at 0, 64 bits each. */
static int32_t fuzz_next(struct instance *in, const uint64_t *a)
{
    (void)a;
    size_t size;
    uint8_t *memory = instance_memory(in, &size);
    if (!filled)
        fill(memory);
    else
        check_result(memory);
    if (input == input_end || calls_left-- == 0)
        return -1;
    last_call = next_word(2) % func_count;
    for (size_t i = 0; funcs[last_call].params[i]; i++) {
        uint64_t arg = next_arg(memory, size);
        memcpy(memory + i * sizeof arg, &arg, sizeof arg);
    }
    /* A call without a result leaves the last one. */
    memset(memory + RESULT_AT, 0, 4);
    return (int32_t)last_call;
}

/* --- the guest --- */

static void add_import(struct buf *b, size_t i)
{
    const struct host_func *f = &funcs[i];
    buf_printf(b, "(import \"%s\" \"%s\" (func $f%zu", f->module, f->name, i);
    for (const char *p = f->params; *p; p++)
        buf_add_str(b, *p == 'I' ? " (param i64)" : " (param i32)");
    buf_add_str(b, f->has_result ? " (result i32)))\n" : "))\n");
}

static void add_call(struct buf *b, size_t i)
{
    const struct host_func *f = &funcs[i];
    buf_printf(b, "(if (i32.eq (local.get $op) (i32.const %zu)) (then ", i);
    if (f->has_result)
        buf_printf(b, "(i32.store (i32.const %d) ", RESULT_AT);
    buf_printf(b, "(call $f%zu", i);
    for (size_t p = 0; f->params[p]; p++)
        buf_printf(b, " (%s.load (i32.const %zu))", f->params[p] == 'I' ? "i64" : "i32", p * 8);
    buf_add_str(b, f->has_result ? ")) (br $again)))\n" : ") (br $again)))\n");
}

static char *guest_text(size_t *ret_len)
{
    struct buf b = BUF_INIT(4 << 20);
    buf_add_str(&b, "(module\n");
    for (size_t i = 0; i <= func_count; i++)
        add_import(&b, i);
    buf_add_str(&b, "(memory (export \"memory\") 4)\n(func (export \"_start\") (local $op i32)\n"
                    "(loop $again\n");
    buf_printf(&b, "(local.set $op (call $f%zu))\n", func_count);
    for (size_t i = 0; i < func_count; i++)
        add_call(&b, i);
    buf_add_str(&b, ")))\n");
    *ret_len = b.len;
    return b.data;
}

/* --- a session --- */

static void stop_when_over(void)
{
    if (guest_over && answer_over)
        loop_stop(env.loop);
}

static void on_ended(void *unused, struct guest *g, const struct instance_outcome *outcome)
{
    (void)unused;
    (void)g;
    need(outcome->end != INSTANCE_RUNNING, "an end without an outcome");
    guest_over = true;
    stop_when_over();
}

static void on_done(void *unused)
{
    (void)unused;
    answer_over = true;
    stop_when_over();
}

static void begin(void *unused, struct exchange *ex)
{
    (void)unused;
    guest_start(&env, app, ex);
}

/* --- set-up --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void clean_up(void)
{
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void must(int r, const struct err *err)
{
    if (r == 0)
        return;
    fprintf(stderr, "set-up: %s\n", err->msg);
    exit(1);
}

static struct manifest *write_manifest(void)
{
    struct manifest *m;
    struct manifest_problems problems = {0};
    struct err err = {0};
    cleanup(free_p) char *path = xasprintf("%s/edge.yaml", dir);
    must(file_write(path, manifest_text, sizeof manifest_text - 1, 0600, &err), &err);
    int r = manifest_load(dir, NULL, NULL, &m, &problems);
    must(r, problems.list);
    manifest_problems_clear(&problems);
    return m;
}

static void set_up(void)
{
    struct err err = {0};
    struct engine *engine;
    struct module *module;
    struct world *world;
    struct kv_db *kv;
    const struct host_func *table = guest_host_funcs(&func_count);
    funcs = xcalloc(func_count + 1, sizeof *funcs);
    memcpy(funcs, table, func_count * sizeof *funcs);
    funcs[func_count] = (struct host_func){
        .module = "fuzz", .name = "next", .params = "", .has_result = true, .fn = fuzz_next};
    if (!mkdtemp(dir))
        exit(1);
    atexit(clean_up);
    struct engine_options options = {
        .instances = 16, .funcs = funcs, .func_count = func_count + 1};
    must(engine_new(&options, &engine, &err), &err);
    size_t len;
    char *text = guest_text(&len);
    must(module_load(engine, "fuzz.wat", text, len, &module, NULL, &err), &err);
    struct manifest *m = write_manifest();
    must(kv_db_open(dir, &kv, &err), &err);
    must(world_open(m, &(struct world_dirs){dir, dir}, kv, core_cache_new(1 << 20), &world, &err), &err);
    app = guest_app_new(module, m, world);
    env.loop = loop_new();
    env.net = net_client_new(env.loop);
    env.watch.ended = on_ended;
    must(kv_reader_open(kv, env.loop, &env.view.kv, &err), &err);
}

/* --- one input --- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct exchange_handler handler = {begin, NULL};
    if (!app)
        set_up();
    input = data;
    input_end = data + size;
    calls_left = CALLS_MAX;
    filled = guest_over = answer_over = false;
    struct body *body = body_new();
    body_write(body, "the request body", 16);
    body_end(body);
    struct loopback_request request = {.method = "POST", .uri = "http://h/path?q=1", .body = body};
    struct loopback *l = loopback_start(env.loop, &handler, &request, on_done, NULL);
    if (!guest_over || !answer_over)
        loop_run(env.loop);
    need(guest_over && answer_over, "a session that does not end");
    loopback_free(l);
    return 0;
}
