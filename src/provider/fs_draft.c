/* SPDX-License-Identifier: Apache-2.0 */
/* A version of a service is made by cloning the active one and changing the draft; each change is
 * one call, and calls that change one service go one after another: Fastly does not keep them
 * apart. But where nothing is new except the code, which is most deploys, the comment and the
 * package go out together, and are looked at again (fs_check.c). Whoever is cut off within goes on
 * with the same draft. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/fs.h"

/* --- the draft --- */

/* A clone has the comment of its origin, or none: one with words of its own is somebody's. */
static bool is_untold(const struct fs_service *s, int number)
{
    const char *comment = json_text(fs_version(s, number), "comment");
    bool found = !comment || !*comment;
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v)
        found |= json_integer_value(json_object_get(v, "number")) != number && comment &&
                 json_text(v, "comment") && strcmp(json_text(v, "comment"), comment) == 0;
    return found;
}

/* What stands in a new draft before its comment does: it is ours if the number after the newest one
 * that we saw before we cloned. */
static int claimed(const struct fs *f, const struct fs_service *s)
{
    const char *fact = fact_get(&f->t, "cloning", s->id);
    int before = fact ? (int)strtol(fact, NULL, 10) : -1, now = fs_newest(s);
    return before >= 0 && now == before + 1 && !fs_is_locked(s, now) && is_untold(s, now) ? now : 0;
}

struct cloning {
    struct fs *f;
    struct fs_service *s;
    int from, number;
};

static int make_clone(void *env, struct err *err)
{
    struct cloning *m = env;
    char number[16];
    snprintf(number, sizeof number, "%d", m->from);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_do(m->f, "PUT", api_path("/service/%s/version/%s/clone", m->s->id, number), NULL,
                  &root, err);
    if (r < 0)
        return r;
    m->number = (int)json_integer_value(json_object_get(root, "number"));
    return m->number ? 0 : err_set(err, ERR_NETWORK, "Fastly cloned version %d of %s to nothing",
                                   m->from, m->s->name);
}

static int find_clone(void *env, struct err *err)
{
    struct cloning *m = env;
    struct fs_call call = fs_service_ask(m->f, m->s);
    int r = fs_service_read(m->f, m->s, &call, err);
    m->number = r > 0 ? claimed(m->f, m->s) : 0;
    return r < 0 ? r : m->number > 0;
}

static int clone(struct fs *f, struct fs_service *s, int from, int *ret_number, struct err *err)
{
    char number[16];
    snprintf(number, sizeof number, "%d", fs_newest(s));
    int r = fact_set(&f->t, "cloning", s->id, number, err);
    struct cloning m = {f, s, from, 0};
    r = r < 0 ? r : make_once(f->api, make_clone, find_clone, &m, err);
    *ret_number = m.number;
    return r;
}

/* A draft of this content, or one to make it in; 0 = it has to be cloned. */
static int find_draft(const struct fs *f, const struct fs_service *s, const char *comment)
{
    int number = 0;
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v) {
        const char *its = json_text(v, "comment");
        if (its && strcmp(its, comment) == 0 && !json_is_true(json_object_get(v, "locked")))
            number = (int)json_integer_value(json_object_get(v, "number"));
    }
    if (!number)
        number = claimed(f, s);
    /* A new service's first version is there already, and empty. */
    const char *first = json_text(fs_version(s, 1), "comment");
    if (!number && fs_newest(s) == 1 && !fs_is_locked(s, 1) && !(first && *first))
        number = 1;
    return number;
}

/* --- one list of things in it --- */

struct change {
    struct fs *f;
    const char *service;
    int number;
    bool only_count;                /* send nothing, tell how much there is to do */
    int count;
};

static char *path_of(const struct change *c, const char *rest)
{
    cleanup(free_p) char *service = api_path("/service/%s", c->service);
    return xasprintf("%s/version/%d%s", service, c->number, rest);
}

static int change(struct change *c, const char *method, char *path, struct api_body *body,
                  struct err *err)
{
    c->count++;
    if (!c->only_count)
        return fs_do(c->f, method, path, body, NULL, err);
    free(path);
    api_body_free(body);
    return 0;
}

static json_t *item_with(const json_t *list, const char *key, const char *value)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
        if (json_text(item, key) && strcmp(json_text(item, key), value) == 0)
            return item;
    return NULL;
}

/* Domains of the newer kind belong to a service and to none of its versions: where one is on this
 * service already, no version needs it. Source: Fastly's API reference, "Domain management". */
static int is_versionless(const struct change *c, const char *domain, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_do(c->f, "GET", api_path("/domain-management/v1/domains?service_id=%s&fqdn=%s",
                                        c->service, domain), NULL, &root, err);
    const json_t *its = item_with(json_object_get(root, "data"), "fqdn", domain);
    const char *service = json_text(its, "service_id");
    return r < 0 ? r : service && strcmp(service, c->service) == 0;
}

static int add_domain(struct change *c, const char *domain, struct err *err)
{
    struct err other;
    int r = change(c, "POST", path_of(c, "/domain"), api_body_form("name", domain, (char *)NULL),
                   err);
    if (r == -ERR_FAILURE && is_versionless(c, domain, &other) > 0)
        return 0;
    if (r < 0)
        err_hint(err, "a domain can be on one service only: if another one has it, name that "
                      "service in `service` of the target");
    return r;
}

static int change_domains(struct change *c, const json_t *have,
                          const struct fs_content *content, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < content->domain_count && r == 0; i++) {
        if (!item_with(have, "name", content->domains[i]))
            r = add_domain(c, content->domains[i], err);
    }
    return r;
}

/* Numbers and truth values come as such from the API, and go there as text. */
static bool same_value(const json_t *have, const char *want)
{
    if (json_is_string(have))
        return strcmp(json_string_value(have), want) == 0;
    if (json_is_boolean(have))
        return (strcmp(want, "1") == 0) == json_is_true(have);
    if (json_is_integer(have)) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(have));
        return strcmp(text, want) == 0;
    }
    return *want == '\0'; /* null */
}

static bool same_backend(const json_t *have, const json_t *want)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)want, key, value)
        if (!same_value(json_object_get(have, key), json_string_value(value)))
            return false;
    return true;
}

static struct api_body *form_of(const json_t *object)
{
    struct api_body *body = api_body_new("application/x-www-form-urlencoded");
    const char *key;
    json_t *value;
    bool first = true;
    json_object_foreach((json_t *)object, key, value) {
        cleanup(free_p) char *pair = api_path(first ? "%s=%s" : "&%s=%s", key,
                                              json_string_value(value));
        api_body_add(body, pair, strlen(pair));
        explicit_bzero(pair, strlen(pair)); /* a client's key may be in it */
        first = false;
    }
    return body;
}

static int change_backends(struct change *c, const json_t *have,
                           const struct fs_content *content, struct err *err)
{
    int r = 0;
    size_t i;
    json_t *b;
    json_array_foreach(content->backends, i, b) {
        const char *name = json_text(b, "name");
        const json_t *its = item_with(have, "name", name);
        cleanup(free_p) char *rest = api_path("/backend/%s", name);
        if (r == 0 && !its)
            r = change(c, "POST", path_of(c, "/backend"), form_of(b), err);
        else if (r == 0 && !same_backend(its, b))
            r = change(c, "PUT", path_of(c, rest), form_of(b), err);
    }
    json_array_foreach((json_t *)have, i, b) {
        const char *name = json_text(b, "name");
        if (!content->prune || !name || item_with(content->backends, "name", name))
            continue;
        cleanup(free_p) char *rest = api_path("/backend/%s", name);
        if (r == 0)
            r = change(c, "DELETE", path_of(c, rest), NULL, err);
    }
    return r;
}

static const struct fs_link *link_with(const struct fs_links *links, const char *name)
{
    for (size_t i = 0; i < links->count; i++)
        if (strcmp(links->list[i].name, name) == 0)
            return &links->list[i];
    return NULL;
}

static int change_links(struct change *c, const json_t *have,
                        const struct fs_content *content, struct err *err)
{
    int r = 0;
    size_t i;
    json_t *its;
    json_array_foreach((json_t *)have, i, its) {
        const char *name = json_text(its, "name"), *store = json_text(its, "resource_id");
        const struct fs_link *want = name ? link_with(content->links, name) : NULL;
        if (want ? store && strcmp(store, want->id) == 0 : !content->prune)
            continue;
        const char *id = json_text(its, "id");
        cleanup(free_p) char *rest = api_path("/resource/%s", id ? id : "");
        if (r == 0)
            r = change(c, "DELETE", path_of(c, rest), NULL, err);
    }
    for (i = 0; i < content->links->count && r == 0; i++) {
        const struct fs_link *link = &content->links->list[i];
        its = item_with(have, "name", link->name);
        const char *store = json_text(its, "resource_id");
        if (store && strcmp(store, link->id) == 0)
            continue;
        r = change(c, "POST", path_of(c, "/resource"),
                   api_body_form("name", link->name, "resource_id", link->id, (char *)NULL), err);
    }
    return r;
}

/* --- the package --- */

static bool has_package(const json_t *have, const struct fs_content *content)
{
    const char *hash = json_text(json_object_get(have, "metadata"), "files_hash");
    return hash && content->files_hash && strcmp(hash, content->files_hash) == 0;
}

static struct fs_call start_upload(const struct change *c, const struct fs_content *content)
{
    struct api_body *body = api_body_parts(content->comment);
    api_body_part(body, "package", content->package_name, "application/octet-stream");
    api_body_add_borrowed(body, content->package, content->package_len);
    api_body_spool(body, content->spool);
    api_body_end_parts(body);
    struct fs_call call = {.method = "PUT", .path = path_of(c, "/package")};
    struct api_request request = {.method = "PUT", .path = call.path, .body = body,
                                  .progress = upload_progress, .progress_env = &c->f->t};
    call.call = api_start(c->f->api, &request);
    return call;
}

static int end_upload(const struct change *c, struct fs_call *call, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(c->f, call, &root, err);
    return r < 0 ? r : r > 0 ? 0 : err_set(err, ERR_DRIFT, "the draft has gone meanwhile");
}

static int upload(const struct change *c, const struct fs_content *content, struct err *err)
{
    struct fs_call call = start_upload(c, content);
    return end_upload(c, &call, err);
}

/* --- what it holds --- */

struct reads {
    struct fs_call domains, backends, links, package;
    json_t *json_domains, *json_backends, *json_links, *json_package;
};

static void reads_clear(struct reads *r)
{
    fs_drop(&r->domains);
    fs_drop(&r->backends);
    fs_drop(&r->links);
    fs_drop(&r->package);
    json_decref(r->json_domains);
    json_decref(r->json_backends);
    json_decref(r->json_links);
    json_decref(r->json_package);
}

static void start_reads(const struct change *c, struct reads *r)
{
    r->domains = fs_start(c->f, "GET", path_of(c, "/domain"), NULL, false);
    r->backends = fs_start(c->f, "GET", path_of(c, "/backend"), NULL, false);
    r->links = fs_start(c->f, "GET", path_of(c, "/resource"), NULL, false);
    r->package = fs_start(c->f, "GET", path_of(c, "/package"), NULL, false);
}

static int end_reads(struct fs *f, struct reads *r, struct err *err)
{
    int result = fs_wait(f, &r->domains, &r->json_domains, err);
    if (result >= 0)
        result = fs_wait(f, &r->backends, &r->json_backends, err);
    if (result >= 0)
        result = fs_wait(f, &r->links, &r->json_links, err);
    if (result >= 0)
        result = fs_wait(f, &r->package, &r->json_package, err);
    return result < 0 ? result : 0;
}

static bool has_comment(const struct change *c, const struct fs_service *s, const char *comment)
{
    const char *its = json_text(fs_version(s, c->number), "comment");
    return its && strcmp(its, comment) == 0;
}

static struct fs_call start_comment(const struct change *c, const char *comment)
{
    return fs_start(c->f, "PUT", path_of(c, ""), api_body_form("comment", comment, (char *)NULL),
                    false);
}

/* Once it has its comment, a draft is known by that. */
static int end_comment(const struct change *c, struct fs_call *call, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(c->f, call, &root, err);
    if (r == 0)
        r = err_set(err, ERR_DRIFT, "the draft has gone meanwhile");
    return r < 0 ? r : fact_note(&c->f->t, "cloning", c->service, NULL, err);
}

static int set_comment(const struct change *c, const struct fs_service *s,
                       const struct fs_content *content, struct err *err)
{
    if (has_comment(c, s, content->comment))
        return fact_note(&c->f->t, "cloning", c->service, NULL, err);
    struct fs_call call = start_comment(c, content->comment);
    return end_comment(c, &call, err);
}

/* Both at once. What is refused for that reason is not when it is sent again by itself. */
static int comment_and_upload(const struct change *c, const struct fs_content *content,
                              struct err *err)
{
    struct fs_call comment = start_comment(c, content->comment);
    struct fs_call package = start_upload(c, content);
    struct err why = {0};
    int commented = end_comment(c, &comment, &why);
    int uploaded = end_upload(c, &package, commented < 0 ? NULL : &why);
    if (commented == -ERR_FAILURE) {
        comment = start_comment(c, content->comment);
        commented = end_comment(c, &comment, err);
    } else if (commented < 0 && err) {
        *err = why;
    }
    if (commented < 0)
        return commented;
    if (uploaded == -ERR_FAILURE)
        return upload(c, content, err);
    if (uploaded < 0 && err)
        *err = why;
    return uploaded;
}

/* --- what an active version is known to hold --- */

static void hash_text(struct hash *h, const char *text)
{
    hash_add(h, text, strlen(text) + 1);
}

/* Of all that is to be in a version besides its package and comment. */
static void hash_content(const struct fs_content *content, char to[HASH_HEX_SIZE])
{
    struct hash *h = hash_new();
    hash_text(h, content->prune ? "only" : "and");
    for (size_t i = 0; i < content->domain_count; i++)
        hash_text(h, content->domains[i]);
    cleanup(free_p) char *backends = json_dumps(content->backends, JSON_COMPACT | JSON_SORT_KEYS);
    hash_text(h, backends);
    explicit_bzero(backends, strlen(backends)); /* a client's key may be in it */
    for (size_t i = 0; i < content->links->count; i++) {
        hash_text(h, content->links->list[i].name);
        hash_text(h, content->links->list[i].id);
    }
    uint8_t digest[HASH_SIZE];
    hash_final(h, digest);
    hash_free(h);
    hash_hex(digest, to);
}

int fs_keep_held(struct fs *f, const struct fs_service *s, int number, struct err *err)
{
    if (f->held.service != s || f->held.number != number)
        return 0;
    cleanup(free_p) char *fact = xasprintf("%d %s", number, f->held.hash);
    return fact_note(&f->t, "holds", s->id, fact, err);
}

/* Then nothing has to be read: it was filled and activated in one run of ours, and nobody can
 * change what was active. */
static bool is_held(const struct fs *f, const struct fs_service *s, int number,
                    const struct fs_content *content)
{
    const char *fact = fact_get(&f->t, "holds", s->id);
    char hash[HASH_HEX_SIZE];
    if (!fact || !fs_is_locked(s, number))
        return false;
    hash_content(content, hash);
    cleanup(free_p) char *same = xasprintf("%d %s", number, hash);
    return strcmp(fact, same) == 0;
}

/* --- all of it --- */

static int changes(struct change *c, const struct reads *reads, const struct fs_content *content,
                   struct err *err)
{
    int r = change_domains(c, reads->json_domains, content, err);
    r = r < 0 ? r : change_backends(c, reads->json_backends, content, err);
    return r < 0 ? r : change_links(c, reads->json_links, content, err);
}

/* One after another. A clone has links of its own, with other ids than those of its origin. */
static int fill(struct change *c, const struct fs_service *s, struct reads *reads, bool cloned,
                const struct fs_content *content, struct err *err)
{
    if (cloned) {
        json_decref(reads->json_links);
        reads->json_links = NULL;
        reads->links = fs_start(c->f, "GET", path_of(c, "/resource"), NULL, false);
    }
    int r = set_comment(c, s, content, err);
    if (r == 0 && cloned)
        r = fs_wait(c->f, &reads->links, &reads->json_links, err);
    r = r < 0 ? r : changes(c, reads, content, err);
    return r < 0 || has_package(reads->json_package, content) ? r : upload(c, content, err);
}

/* The service is read once more while the last changes go out: who gives it traffic next knows it
 * as it is by then, and need not ask. */
static int end_look(struct fs *f, struct fs_service *s, struct fs_call *look, int number,
                    const char *comment, struct err *err)
{
    int r = fs_service_read(f, s, look, err);
    json_t *version = (json_t *)fs_version(s, number);
    if (r > 0 && version)
        json_object_set_new(version, "comment", json_string(comment));
    if (r > 0 && !f->router)
        f->read_ns = clock_mono_ns();
    return r < 0 ? r : 0;
}

int fs_draft(struct fs *f, struct fs_service *s, const struct fs_content *content,
             int *ret_number, struct err *err)
{
    int from = s->active ? s->active : fs_newest(s), r = 0;
    struct change c = {.f = f, .service = s->id, .number = find_draft(f, s, content->comment)};
    bool cloned = c.number == 0;
    cleanup(reads_clear) struct reads reads = {0};
    bool held = cloned && is_held(f, s, from, content);
    /* A clone holds what its origin does: that can be read meanwhile. */
    if (cloned)
        c.number = from;
    if (!held)
        start_reads(&c, &reads);
    if (cloned)
        r = clone(f, s, from, &c.number, err);
    r = r < 0 || held ? r : end_reads(f, &reads, err);
    c.only_count = true;
    r = r < 0 || held ? r : changes(&c, &reads, content, err);
    if (r < 0)
        return r;
    c.only_count = false;
    bool together = held || (c.count == 0 && !has_package(reads.json_package, content) &&
                             !has_comment(&c, s, content->comment));
    f->read_ns = 0;
    struct fs_call look = fs_service_ask(f, s);
    r = together ? comment_and_upload(&c, content, err) : fill(&c, s, &reads, cloned, content, err);
    r = r < 0 ? r : end_look(f, s, &look, c.number, content->comment, err);
    fs_drop(&look);
    if (r == 0 && together)
        fs_check_begin(f, s, c.number, content->comment, content->files_hash);
    f->held = (struct fs_held){.service = r == 0 ? s : NULL, .number = c.number};
    hash_content(content, f->held.hash);
    *ret_number = c.number;
    return r;
}

/* --- backends of the manifest --- */

static void set_ms(json_t *o, const char *key, int64_t ms)
{
    char text[32];
    if (ms <= 0)
        return;
    snprintf(text, sizeof text, "%lld", (long long)ms);
    json_object_set_new(o, key, json_string(text));
}

static void set_text(json_t *o, const char *key, const char *text)
{
    if (text)
        json_object_set_new(o, key, json_string(text));
}

static json_t *backend_json(const struct manifest_backend *b)
{
    char port[8];
    snprintf(port, sizeof port, "%u", b->port);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "name", b->name, "address", b->host, "port", port,
                          "use_ssl", b->tls ? "1" : "0");
    const char *cert_host = b->cert_host ? b->cert_host : b->host;
    set_text(o, "override_host", b->override_host);
    set_ms(o, "connect_timeout", b->connect_timeout_ms);
    set_ms(o, "first_byte_timeout", b->first_byte_timeout_ms);
    set_ms(o, "between_bytes_timeout", b->between_bytes_timeout_ms);
    if (b->tls) {
        set_text(o, "ssl_cert_hostname", cert_host);
        set_text(o, "ssl_sni_hostname", b->no_sni ? "" : cert_host);
        set_text(o, "ssl_ca_cert", b->ca_pem);
        set_text(o, "ssl_client_cert", b->client_cert_pem);
        set_text(o, "ssl_client_key", b->client_key_pem);
    }
    return o;
}

int fs_backends(const struct fs *f, json_t **ret, struct err *err)
{
    const struct manifest *m = f->t.o.manifest;
    json_t *list = json_array();
    for (size_t i = 0; i < m->backend_count; i++) {
        const struct manifest_backend *b = &m->backends[i];
        if (!b->own_path && !b->prefix[0]) {
            json_array_append_new(list, backend_json(b));
            continue;
        }
        json_decref(list);
        int r = err_set(err, ERR_MANIFEST, "backend '%s' cannot be at Fastly: %s", b->name,
                        b->own_path ? "it is a path on edgectl's own server"
                                    : "a backend there has no path of its own");
        err_hint(err, "give the target a backend with a plain host: targets.%s.backends.%s",
                 f->t.o.name, b->name);
        return r;
    }
    *ret = list;
    return 0;
}
