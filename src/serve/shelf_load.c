/* SPDX-License-Identifier: Apache-2.0 */
/* What is on the shelf's disk: loaded when a server starts; KV data, when an app goes. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "serve/shelf_internal.h"
#include "world/kv.h"

/* --- KV --- */

static void kv_page_clear_p(struct kv_page *page)
{
    kv_page_clear(page);
}

static int forget_store(struct shelf *s, struct kv_reader *reader, const char *store,
                        struct err *err)
{
    for (;;) {
        cleanup(kv_page_clear_p) struct kv_page page = {0};
        enum kv_result result = kv_list(reader, store, NULL, NULL, KV_LIST_MAX, &page);
        for (size_t i = 0; result == KV_OK && i < page.count; i++)
            result = kv_delete_now(s->o.kv, store, page.keys[i]);
        if (result != KV_OK && result != KV_NOT_FOUND)
            return err_set(err, ERR_IO, "KV store '%s': %s", store, kv_result_text(result));
        if (!page.more)
            return 0;
    }
}

int shelf_forget_kv(struct shelf *s, const char *app, struct err *err)
{
    cleanup(kv_reader_close_p) struct kv_reader *reader = NULL;
    cleanup(kv_page_clear_p) struct kv_page stores = {0};
    size_t len = strlen(app);
    int r = kv_reader_open(s->o.kv, NULL, &reader, err);
    if (r < 0)
        return r;
    enum kv_result result = kv_stores(reader, &stores);
    if (result != KV_OK)
        return err_set(err, ERR_IO, "the KV stores: %s", kv_result_text(result));
    for (size_t i = 0; r == 0 && i < stores.count; i++)
        if (strncmp(stores.keys[i], app, len) == 0 && stores.keys[i][len] == '/')
            r = forget_store(s, reader, stores.keys[i], err);
    return r;
}

/* --- loading what is on disk --- */

/* Outside of the lock: it may compile. */
static void load_one(struct shelf *s, const char *app, const char *id)
{
    cleanup(free_p) char *dir = xasprintf("%s/apps/%s/versions/%s", s->o.state_dir, app, id);
    struct deployment *d = NULL;
    struct err err = {0};
    int r = shelf_load_version(s, app, id, dir, false, &d, &err);
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    struct shelf_version *v = a ? shelf_find_version(a, id) : NULL;
    if (v && !v->deployment && r == 0)
        v->deployment = TAKE(d);
    else if (v && r < 0 && !v->problem)
        v->problem = xstrdup(err.msg);
    uv_mutex_unlock(&s->lock);
    deployment_unref(d);
}

/* The next that is not loaded: the newest first. False when there is none. */
static bool next_to_load(struct shelf *s, bool with_traffic, char **ret_app, char **ret_id)
{
    bool found = false;
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; !found && i < s->count; i++) {
        struct shelf_app *a = s->apps[i];
        for (size_t k = a->count; !found && k-- > 0;) {
            struct shelf_version *v = &a->versions[k];
            if (v->deployment || v->problem || (with_traffic && !shelf_in_split(a, v->id)))
                continue;
            *ret_app = xstrdup(a->name);
            *ret_id = xstrdup(v->id);
            found = true;
        }
    }
    uv_mutex_unlock(&s->lock);
    return found;
}

static bool load_next(struct shelf *s, bool with_traffic)
{
    cleanup(free_p) char *app = NULL;
    cleanup(free_p) char *id = NULL;
    if (!next_to_load(s, with_traffic, &app, &id))
        return false;
    load_one(s, app, id);
    return true;
}

static void load_rest(void *arg)
{
    struct shelf *s = arg;
    while (!atomic_load(&s->stopping) && load_next(s, false))
        continue;
    uv_mutex_lock(&s->lock);
    shelf_publish(s);
    uv_mutex_unlock(&s->lock);
}

void shelf_load_start(struct shelf *s)
{
    while (load_next(s, true))
        continue;
    uv_mutex_lock(&s->lock);
    shelf_publish(s);
    uv_mutex_unlock(&s->lock);
    s->loading = uv_thread_create(&s->loader, load_rest, s) == 0;
}

void shelf_load_stop(struct shelf *s)
{
    atomic_store(&s->stopping, true);
    if (s->loading)
        uv_thread_join(&s->loader);
    s->loading = false;
}
