/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a provider without the commands around it, for what only a driver's functions show.
 *
 * usage: ship TARGET ACTION [ARG...]     in a folder with edge.yaml; state goes to ./state
 *
 *   plan|deploy ARTIFACT RELEASE [STORE/KEY=VALUE...]   a file, or a folder of parts; a secret is at
 *                      the provider under /edgectl/FUNCTION/STORE/KEY/VALUE
 *   plan|deploy app MESSAGE [STORE/KEY=VALUE...]        what `edgectl bundle` makes of the manifest
 *   split VERSION[=BP] [VERSION=BP]
 *   get-split | versions | whoami | destroy
 *   probe VERSION PATH | metrics VERSION SINCE_MS | logs COUNT [VERSION] | gc KEEP | purge [KEY]
 *   note KEY [TEXT] | list KIND STORE | put KIND STORE KEY VALUE | get KIND STORE KEY
 *   remove KIND STORE KEY | stages BP...
 *
 * Answers in JSON; errors as "NAME: message" and "hint: ...", with edgectl's exit status. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "crypto/hash.h"
#include "guest/table.h"
#include "provider/journal.h"
#include "provider/target.h"

enum { FILE_MAX = 512 << 20 };

static struct target *target;

static int fail(int r, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", err_name((enum err_code)-r), err->msg);
    if (err->hint[0])
        fprintf(stderr, "hint: %s\n", err->hint);
    return err_exit_status(r);
}

static int show(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(json);
    return 0;
}

/* --- a bundle from files --- */

static void read_part(struct bundle_part *p, const char *path, const char *name)
{
    struct err err;
    char *data;
    uint8_t digest[HASH_SIZE];
    if (file_read(path, FILE_MAX, &data, &p->len, &err) < 0)
        exit(fail(-ERR_IO, &err));
    p->name = xstrdup(name);
    p->type = "application/octet-stream";
    p->data = (uint8_t *)data;
    hash_bytes(data, p->len, digest);
    hash_hex(digest, p->digest);
}

static void read_folder(struct bundle *b, const char *top, const char *below)
{
    char *path = xasprintf("%s%s%s", top, *below ? "/" : "", below);
    struct dirent **list;
    int n = scandir(path, &list, NULL, alphasort);
    free(path);
    if (n < 0)
        return;
    for (int i = 0; i < n; i++) {
        char *name = xasprintf("%s%s%s", below, *below ? "/" : "", list[i]->d_name);
        char *full = xasprintf("%s/%s", top, name);
        struct stat st;
        if (strcmp(list[i]->d_name, ".") == 0 || strcmp(list[i]->d_name, "..") == 0) {
            ;
        } else if (stat(full, &st) == 0 && S_ISDIR(st.st_mode)) {
            read_folder(b, top, name);
        } else {
            b->parts = xreallocarray(b->parts, b->part_count + 1, sizeof *b->parts);
            b->parts[b->part_count] = (struct bundle_part){0};
            read_part(&b->parts[b->part_count++], full, name);
        }
        free(name);
        free(full);
        free(list[i]);
    }
    free(list);
}

/* As a command would. Lives until the process ends. */
static struct shipment *bundle_shipment(struct manifest *m, int count, char **args)
{
    static struct shipment s;
    struct err err;
    struct bundle *b;
    s.secret_count = (size_t)count - 2;
    struct bundle_secret *secrets = xcalloc(s.secret_count + 1, sizeof *secrets);
    for (size_t i = 0; i < s.secret_count; i++) {
        char *store = args[i + 2], *key = strchr(store, '/'), *value = strchr(store, '=');
        *key++ = *value++ = '\0';
        secrets[i] = (struct bundle_secret){
            .store = store, .key = key, .value = *value ? secret_new(value, strlen(value)) : NULL};
    }
    int r = bundle_make(&(struct bundle_options){.manifest = m, .secrets = secrets,
                                                 .secret_count = s.secret_count,
                                                 .support = guest_hostcall_support}, &b, &err);
    if (r < 0)
        exit(fail(r, &err));
    s.bundle = b;
    s.secrets = secrets;
    s.message = args[1];
    s.revision = "abc123";
    return &s;
}

/* As a host finds it: SECRET_KEY. */
static char *secret_name(const char *key)
{
    char *name = xasprintf("SECRET_%s", key);
    for (char *p = name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return name;
}

/* Lives until the process ends. */
static struct shipment *make_shipment(struct manifest *m, int count, char **args)
{
    static struct bundle b;
    static struct shipment s;
    struct stat st;
    b.app = m->name;
    snprintf(b.id, sizeof b.id, "%s", args[1]);
    if (stat(args[0], &st) == 0 && S_ISDIR(st.st_mode)) {
        b.form = BUNDLE_TREE;
        read_folder(&b, args[0], "");
    } else {
        b.form = BUNDLE_ARCHIVE;
        read_part(&b.package, args[0], "package");
    }
    b.binding_count = s.secret_count = (size_t)count - 2;
    b.bindings = xcalloc(b.binding_count + 1, sizeof *b.bindings);
    struct bundle_secret *secrets = xcalloc(b.binding_count + 1, sizeof *secrets);
    for (size_t i = 0; i < b.binding_count; i++) {
        char *store = args[i + 2], *key = strchr(store, '/'), *value = strchr(store, '=');
        *key++ = *value++ = '\0';
        b.bindings[i] = (struct bundle_binding){
            .kind = "secret", .store = store, .key = key, .name = secret_name(key),
            .remote = xasprintf("/edgectl/%s/%s/%s/%s", manifest_function(m), store, key, value)};
        snprintf(b.bindings[i].digest, sizeof b.bindings[i].digest, "%s", value);
        secrets[i] = (struct bundle_secret){.store = store, .key = key,
                                            .value = secret_new(value, strlen(value))};
    }
    s.bundle = &b;
    s.secrets = secrets;
    s.message = "a message";
    s.revision = "abc123";
    return &s;
}

static const char *const verbs[] = {"make", "change", "adopt", "delete"};

static json_t *steps_json(const struct steps *steps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < steps->count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "verb",
                                              verbs[steps->list[i].verb], "id", steps->list[i].id,
                                              "text", steps->list[i].text));
    return list;
}

static int ship(struct manifest *m, bool run, int count, char **args, struct err *err)
{
    struct shipment *s = strcmp(args[0], "app") == 0 ? bundle_shipment(m, count, args)
                                                     : make_shipment(m, count, args);
    struct steps steps = {0};
    target->shipment = s;
    int r = target->provider->plan(target, s, &steps, err);
    json_t *done = steps_json(&steps);
    if (r == 0 && run)
        r = target_run_steps(target, &steps, s->bundle->id, NULL, NULL, err);
    steps_clear(&steps);
    if (r < 0) {
        json_decref(done);
        return r;
    }
    show(json_pack("{s:o, s:s, s:b, s:s*, s:s*}", "steps", done, "version", s->version, "first",
                   s->first, "url", s->url, "preview_url", s->preview_url));
    return 0;
}

static int run_steps(int r, struct steps *steps, struct err *err)
{
    json_t *list = steps_json(steps);
    if (r == 0)
        r = target_run_steps(target, steps, "", NULL, NULL, err);
    steps_clear(steps);
    return r < 0 ? r : show(list);
}

/* --- reading and changing --- */

static int split_set(int count, char **args, struct err *err)
{
    struct split want = {.count = count};
    int left = SPLIT_WHOLE;
    for (int i = count; i-- > 0;) {
        char *share = strchr(args[i], '=');
        if (share)
            *share++ = '\0';
        snprintf(want.arms[i].version, sizeof want.arms[i].version, "%s", args[i]);
        want.arms[i].bp = share ? (int)strtol(share, NULL, 10) : left;
        left -= want.arms[i].bp;
    }
    return target_set_split(target, &want, NULL, "", err);
}

static int split_get(struct err *err)
{
    struct split s = {0};
    int r = target_get_split(target, &s, err);
    if (r < 0)
        return r;
    json_t *arms = json_array();
    for (int i = 0; i < s.count; i++)
        json_array_append_new(arms, json_pack("{s:s, s:i}", "version", s.arms[i].version, "bp",
                                              s.arms[i].bp));
    show(json_pack("{s:o, s:s, s:b}", "arms", arms, "revision", s.revision, "settled", s.settled));
    split_clear(&s);
    return 0;
}

static int versions(struct err *err)
{
    struct version_list l = {0};
    int r = target_versions(target, &l, err);
    if (r < 0)
        return r;
    json_t *list = json_array();
    for (size_t i = 0; i < l.count; i++) {
        const struct version *v = &l.list[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b}", "id", v->id, "release", v->release,
                            "message", v->message, "revision", v->revision, "preview_url",
                            v->preview_url, "created", v->created_ms > 0));
    }
    version_list_clear(&l);
    return show(list);
}

static int whoami(struct err *err)
{
    struct identity i = {0};
    int r = target_whoami(target, &i, err);
    if (r < 0)
        return r;
    show(json_pack("{s:s*, s:s*, s:s*, s:s*, s:b}", "account", i.account, "user", i.user, "name",
                   i.account_name, "from", i.from, "expires", i.expires_ms != 0));
    identity_clear(&i);
    return 0;
}

static int probe(const char *version, const char *path, struct err *err)
{
    struct probe_result p;
    int r = target_probe(target, &(struct probe){.version = version, .path = path}, &p, err);
    return r < 0 ? r : show(json_pack("{s:i, s:s, s:b, s:s}", "status", p.status, "version",
                                      p.version, "verified", p.verified, "why", p.why));
}

static int metrics(const char *version, const char *since, struct err *err)
{
    struct metrics m;
    int r = target_metrics(target, version, strtoll(since, NULL, 10), &m, err);
    if (r < 0)
        return r;
    json_t *shown = json_pack("{s:I, s:I, s:I, s:I}", "requests", (json_int_t)m.requests, "errors",
                              (json_int_t)m.errors, "traps", (json_int_t)m.traps, "until_ms",
                              (json_int_t)m.until_ms);
    /* Edges in us and what took at most that, but more than the edge before. */
    json_t *buckets = m.has_latency ? json_object() : NULL;
    for (int i = 0; buckets && i < LATENCY_BUCKETS; i++) {
        char edge[24] = "more";
        if (i < LATENCY_EDGES)
            snprintf(edge, sizeof edge, "%" PRId64, latency_edge_us(i));
        if (m.latency[i])
            json_object_set_new(buckets, edge, json_integer((json_int_t)m.latency[i]));
    }
    if (buckets)
        json_object_set_new(shown, "latency", buckets);
    return show(shown);
}

struct tail {
    json_t *lines;
    size_t wanted;
};

static bool on_line(void *env, const struct log_line *l)
{
    struct tail *t = env;
    json_array_append_new(t->lines, json_pack("{s:I, s:s, s:s, s:s%}", "time", (json_int_t)l->time_ms,
                                              "version", l->version, "request", l->request, "text",
                                              l->text, l->len));
    return json_array_size(t->lines) < t->wanted;
}

static int logs(int count, char **args, struct err *err)
{
    struct tail t = {json_array(), (size_t)strtol(args[0], NULL, 10)};
    int r = target_tail(target, count > 1 ? args[1] : NULL, on_line, &t, err);
    if (r < 0)
        json_decref(t.lines);
    return r < 0 ? r : show(t.lines);
}

static enum store_kind kind_of(const char *word)
{
    return strcmp(word, "kv") == 0 ? STORE_KV : strcmp(word, "config") == 0 ? STORE_CONFIG
                                                                            : STORE_SECRET;
}

static bool on_entry(void *env, const struct entry *e)
{
    json_t *value = e->value ? json_stringn(e->value, e->len) : json_null();
    json_array_append_new(env, json_pack("{s:s, s:s?, s:o}", "key", e->key, "digest", e->digest,
                                         "value", value));
    return true;
}

static int data(const char *action, int count, char **args, struct err *err)
{
    struct store_ref store = {kind_of(args[0]), args[1]};
    const char *key = count > 2 ? args[2] : NULL;
    if (strcmp(action, "list") == 0) {
        json_t *list = json_array();
        int r = target_list(target, store, NULL, on_entry, list, err);
        if (r < 0)
            json_decref(list);
        return r < 0 ? r : show(list);
    }
    if (strcmp(action, "remove") == 0)
        return target_remove(target, store, &key, 1, err);
    if (strcmp(action, "get") == 0) {
        struct buf value = BUF_INIT(1 << 20);
        struct entry e = {0};
        int r = target_get(target, store, key, &value, &e, err);
        entry_clear(&e);
        r = r < 0 ? r : show(json_pack("{s:b, s:s%}", "found", r, "value", buf_str(&value),
                                       value.len));
        buf_clear(&value);
        return r;
    }
    struct entry e = {.key = args[2], .value = args[3], .len = strlen(args[3]), .digest = args[3],
                      .secret = secret_new(args[3], strlen(args[3]))};
    int r = target_put(target, store, &e, 1, err);
    secret_unref(e.secret);
    return r;
}

static int note(int count, char **args, struct err *err)
{
    if (count > 1)
        return target_put_note(target, args[0], args[1], err);
    cleanup(buf_clear) struct buf text = BUF_INIT(8192);
    int r = target_get_note(target, args[0], &text, err);
    return r < 0 ? r : show(json_pack("{s:b, s:s}", "found", r, "text", buf_str(&text)));
}

static int stages(int count, char **args, struct err *err)
{
    int bp[SPLIT_STAGES_MAX];
    for (int i = 0; i < count && i < SPLIT_STAGES_MAX; i++)
        bp[i] = (int)strtol(args[i], NULL, 10);
    return target_set_stages(target, bp, count, err);
}

static int act(struct manifest *m, const char *action, int count, char **args, struct err *err)
{
    struct steps steps = {0};
    if (strcmp(action, "plan") == 0 || strcmp(action, "deploy") == 0)
        return ship(m, *action == 'd', count, args, err);
    if (strcmp(action, "split") == 0)
        return split_set(count, args, err);
    if (strcmp(action, "get-split") == 0)
        return split_get(err);
    if (strcmp(action, "versions") == 0)
        return versions(err);
    if (strcmp(action, "whoami") == 0)
        return whoami(err);
    if (strcmp(action, "probe") == 0)
        return probe(args[0], args[1], err);
    if (strcmp(action, "metrics") == 0)
        return metrics(args[0], args[1], err);
    if (strcmp(action, "logs") == 0)
        return logs(count, args, err);
    if (strcmp(action, "purge") == 0)
        return target_purge(target, count ? args[0] : NULL, false, err);
    if (strcmp(action, "note") == 0)
        return note(count, args, err);
    if (strcmp(action, "stages") == 0)
        return stages(count, args, err);
    if (strcmp(action, "gc") == 0)
        return run_steps(target_gc(target, &(struct gc_options){(int)strtol(args[0], NULL, 10), 0},
                                   &steps, err), &steps, err);
    if (strcmp(action, "destroy") == 0)
        return run_steps(target_destroy(target, &steps, err), &steps, err);
    return data(action, count, args, err);
}

static void on_note(void *env, const char *text)
{
    (void)env;
    fprintf(stderr, "note: %s\n", text);
}

static void on_trace(void *env, const char *line)
{
    (void)env;
    if (getenv("SHIP_TRACE"))
        fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    struct manifest *m = NULL;
    struct manifest_problems problems = {0};
    struct journal *journal = NULL;
    struct err err = {0};
    if (manifest_load(".", NULL, argv[1], &m, &problems) < 0)
        return fail(-ERR_MANIFEST, &problems.list[0]);
    int r = journal_open("state", argv[1], JOURNAL_WRITE, &journal, &err);
    struct target_options o = {.name = argv[1], .manifest = m, .journal = journal,
                               .state_dir = "state", .note = on_note, .trace = on_trace};
    if (r == 0)
        r = target_open(&o, &target, &err);
    if (r == 0)
        r = act(m, argv[2], argc - 3, argv + 3, &err);
    target_close(target);
    int status = r < 0 ? fail(r, &err) : 0;
    journal_close(journal);
    manifest_unref(m);
    manifest_problems_clear(&problems);
    return status;
}
