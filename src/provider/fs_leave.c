/* SPDX-License-Identifier: Apache-2.0 */
/* What is left over, and everything. A store is known to be ours by the journal, or, on another
 * machine than the one that made it, by the version that links it: one of ours, under the name that
 * the store's own is made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

enum { AT_ONCE = 8, DIGITS = 12 };

/* What is gone already is as good as deleted. */
static int gone_or_done(struct fs *f, const char *method, char *path, struct err *err)
{
    struct fs_call call = fs_start(f, method, path, NULL, false);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(f, &call, &root, err);
    return r < 0 ? r : 0;
}

static int run_delete(struct target *t, struct step *step, struct err *err)
{
    return gone_or_done(fs_of(t), "DELETE", xstrdup(step->data), err);
}

/* Once the versions have gone, nobody can tell any more whose the stores are. */
static int keep_owned(struct fs *f, struct err *err)
{
    int r = 0;
    const char *name;
    json_t *id;
    json_object_foreach(f->owned, name, id)
        r = r < 0 ? r : fact_set(&f->t, "filled", name, json_string_value(id), err);
    return r;
}

/* An active version keeps its service from being deleted. */
static int run_delete_service(struct target *t, struct step *step, struct err *err)
{
    struct fs *f = fs_of(t);
    struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    int r = keep_owned(f, err);
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
        struct fs_service *s = all[i];
        if (!s->id || strcmp(s->id, step->data) != 0)
            continue;
        char number[16];
        snprintf(number, sizeof number, "%d", s->active);
        r = fs_unstage(f, s, err);
        if (r == 0 && s->active)
            r = gone_or_done(f, "PUT", api_path("/service/%s/version/%s/deactivate", s->id, number),
                             err);
        r = r < 0 ? r : gone_or_done(f, "DELETE", api_path("/service/%s", s->id), err);
    }
    return r;
}

/* --- what versions link --- */

/* Link names by store ids: of all versions, and of those that somebody may go back to. */
struct links {
    json_t *all, *kept;
    bool read;
};

static void links_clear(struct links *l)
{
    json_decref(l->all);
    json_decref(l->kept);
}

static void note_links(const json_t *list, bool ours, bool kept, struct links *to)
{
    size_t i;
    json_t *link;
    json_array_foreach((json_t *)list, i, link) {
        const char *id = json_text(link, "resource_id"), *name = json_text(link, "name");
        if (id && name && ours)
            json_object_set_new(to->all, id, json_string(name));
        if (id && kept)
            json_object_set_new(to->kept, id, json_true());
    }
}

static bool is_release(const json_t *version)
{
    char release[PROVIDER_ID_MAX];
    fs_comment_release(json_text(version, "comment"), release);
    return release[0] != '\0';
}

/* The newest `keep` of a service, and what is in use. */
static bool is_kept(const struct fs_service *s, size_t i, int keep)
{
    int number = (int)json_integer_value(json_object_get(json_array_get(s->versions, i), "number"));
    return json_array_size(s->versions) - i <= (size_t)keep || number == s->active;
}

/* A few calls at once. `all`: not only of those that are kept. */
static int read_links(struct fs *f, const struct fs_service *s, int keep, bool all,
                      struct links *to, struct err *err)
{
    struct fs_call calls[AT_ONCE] = {{0}};
    size_t index[AT_ONCE], count = json_array_size(s->versions);
    int r = 0;
    for (size_t i = 0; i < count && r >= 0;) {
        size_t n = 0;
        for (; i < count && n < AT_ONCE; i++) {
            const json_t *v = json_array_get(s->versions, i);
            if (!is_kept(s, i, keep) && (!all || !is_release(v)))
                continue;
            char number[16];
            snprintf(number, sizeof number, "%lld",
                     (long long)json_integer_value(json_object_get(v, "number")));
            index[n] = i;
            calls[n++] = fs_start(f, "GET", api_path("/service/%s/version/%s/resource", s->id,
                                                     number), NULL, false);
        }
        for (size_t k = 0; k < n; k++) {
            cleanup(json_decref_p) json_t *list = NULL;
            r = r < 0 ? r : fs_wait(f, &calls[k], &list, err);
            note_links(list, is_release(json_array_get(s->versions, index[k])),
                       is_kept(s, index[k], keep), to);
            fs_drop(&calls[k]);
        }
    }
    return r < 0 ? r : 0;
}

static int read_all_links(struct fs *f, int keep, bool all, struct links *to, struct err *err)
{
    const struct fs_service *services[] = {&f->front, &f->slots[0], &f->slots[1]};
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(services) && r == 0; i++)
        r = read_links(f, services[i], keep, all, to, err);
    to->read = all;
    return r;
}

/* --- stores --- */

/* "NAME-LINK", and for config and secrets the digest of a content. */
static bool is_named_so(const struct fs *f, enum store_kind kind, const char *name,
                        const char *link)
{
    cleanup(free_p) char *stem = xasprintf("%s-%s", f->t.o.manifest->name, link);
    size_t len = strlen(stem);
    if (strncmp(name, stem, len) != 0)
        return false;
    if (kind == STORE_KV)
        return name[len] == '\0';
    return name[len] == '-' && strlen(name + len + 1) == DIGITS &&
           strspn(name + len + 1, "0123456789abcdef") == DIGITS;
}

static bool is_reserved(const struct fs *f, enum store_kind kind, const char *name)
{
    cleanup(free_p) char *router = fs_rollout_store(f);
    cleanup(free_p) char *notes = fs_notes_store(f);
    return kind == STORE_CONFIG && (strcmp(name, router) == 0 || strcmp(name, notes) == 0);
}

static bool is_noted(const struct fs *f, const char *name, const char *id)
{
    const char *fact = fact_get(&f->t, "filled", name);
    return fact && strcmp(fact, id) == 0;
}

static void tell_of_kv(const struct fs *f, const char *name)
{
    cleanup(free_p) char *text = xasprintf(
        "the KV store %s stays: the service was there before edgectl, so may be the store; delete "
        "it at Fastly if it is not needed", name);
    if (f->t.o.note)
        f->t.o.note(f->t.o.env, text);
}

/* Whether a store whose name begins with the app's is this app's: another app's may begin so. */
static int is_owned(struct fs *f, enum store_kind kind, const char *name, const char *id,
                    struct links *links, struct err *err)
{
    if (is_noted(f, name, id) || is_reserved(f, kind, name))
        return 1;
    int r = links->read ? 0 : read_all_links(f, 0, true, links, err);
    const char *link = r < 0 ? NULL : json_text(links->all, id);
    if (!link || !is_named_so(f, kind, name, link))
        return r;
    if (kind != STORE_KV || f->front.made)
        return 1;
    tell_of_kv(f, name);
    return 0;
}

/* `everything`: else the stores that nobody goes back to. */
static int plan_stores(struct fs *f, enum store_kind kind, bool everything, struct links *links,
                       struct steps *steps, struct err *err)
{
    cleanup(json_decref_p) json_t *list = NULL;
    cleanup(free_p) char *prefix = xasprintf("%s-", f->t.o.manifest->name);
    int r = fs_store_list(f, kind, &list, err);
    size_t i;
    json_t *store;
    json_array_foreach(list, i, store) {
        const char *name = json_text(store, "name"), *id = json_text(store, "id");
        if (r < 0 || !name || !id || strncmp(name, prefix, strlen(prefix)) != 0 ||
            (!everything && (json_object_get(links->kept, id) || is_reserved(f, kind, name))))
            continue;
        int ours = is_owned(f, kind, name, id, links, err);
        r = ours < 0 ? ours : r;
        if (ours <= 0)
            continue;
        json_object_set_new(f->owned, name, json_string(id));
        struct step *s = steps_add(steps, STEP_DELETE, xasprintf("store %s", name),
                                   xasprintf("delete the store %s", name), run_delete);
        cleanup(free_p) char *rest = api_path("/%s", id);
        s->data = xasprintf("%s%s", fs_store_path(kind), rest);
        s->free_data = free;
    }
    return r;
}

static void begin(struct fs *f, struct links *links)
{
    json_decref(f->owned);
    f->owned = json_object();
    *links = (struct links){.all = json_object(), .kept = json_object()};
}

/* --- gc --- */

static int run_unstage(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    return fs_unstage(fs_of(t), &fs_of(t)->front, err);
}

/* A preview, or a test that failed, which nobody looks at any more. */
static void plan_unstage(struct fs *f, int keep, struct steps *steps)
{
    for (size_t i = 0; i < json_array_size(f->front.versions); i++) {
        int number = (int)json_integer_value(
            json_object_get(json_array_get(f->front.versions, i), "number"));
        if (fs_is_staged(&f->front, number) && !is_kept(&f->front, i, keep))
            steps_add(steps, STEP_DELETE, xasprintf("staged %d", number),
                      xasprintf("take version %d off the staging network", number), run_unstage);
    }
}

/* Versions cannot be deleted; the stores of those that nobody goes back to can. */
int fs_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(links_clear) struct links links;
    begin(f, &links);
    int r = fs_read_all(f, err);
    r = r < 0 ? r : read_all_links(f, o->keep, false, &links, err);
    if (r == 0)
        plan_unstage(f, o->keep, ret);
    r = r < 0 ? r : plan_stores(f, STORE_CONFIG, false, &links, ret, err);
    return r < 0 ? r : plan_stores(f, STORE_SECRET, false, &links, ret, err);
}

/* --- destroy --- */

int fs_destroy(struct target *t, struct steps *ret, struct err *err)
{
    static const enum store_kind kinds[] = {STORE_KV, STORE_CONFIG, STORE_SECRET};
    struct fs *f = fs_of(t);
    cleanup(links_clear) struct links links;
    begin(f, &links);
    int r = fs_read_every(f, err);
    /* The front, which the target may name by its id, goes last: what is left is found by it. */
    struct fs_service *all[] = {&f->slots[0], &f->slots[1], &f->front};
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
        if (!all[i]->id)
            continue;
        steps_add_named(ret, STEP_DELETE, xasprintf("service %s", all[i]->id),
                        xasprintf("delete the service %s (%s) and its versions",
                                  all[i]->name, all[i]->id), run_delete_service, all[i]->id);
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds) && r == 0; i++)
        r = plan_stores(f, kinds[i], true, &links, ret, err);
    return r;
}
