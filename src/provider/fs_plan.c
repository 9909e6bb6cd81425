/* SPDX-License-Identifier: Apache-2.0 */
/* What a release still needs at Fastly: the service (or the router with its two), stores, and a
 * version that holds the release. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/record.h"
#include "provider/fs.h"

/* --- the service --- */

static int run_service(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    return fs_service_make(fs_of(t), &fs_of(t)->front, err);
}

static int run_adopt(struct target *t, struct step *step, struct err *err)
{
    return fact_set(t, "adopted", step->data, "yes", err);
}

static void plan_service(struct fs *f, struct steps *steps)
{
    struct fs_service *s = &f->front;
    if (!s->id) {
        steps_add_named(steps, STEP_MAKE, xasprintf("service %s", s->name),
                        xasprintf("make the service %s", s->name), run_service, s->name);
        return;
    }
    if (!s->active || fs_is_ours(s) || fact_get(&f->t, "adopted", s->id))
        return;
    const char *when = json_text(fs_version(s, s->active), "updated_at");
    steps_add_named(steps, STEP_ADOPT, xasprintf("adopt %s", s->id),
                    xasprintf("take over the service %s (%s), which edgectl did not make (version "
                              "%d, of %s)", s->name, s->id, s->active,
                              when ? when : "some time ago"),
                    run_adopt, s->id);
}

/* --- the version --- */

static const char *files_hash(const struct bundle *b, char to[FILES_HASH_SIZE])
{
    bundle_files_hash(b->parts, b->part_count, b->spool, to);
    return to;
}

/* The front has the target's domains, or one of its own; a slot always one of its own, at which the
 * router reaches it. */
static void domains_of(const struct fs *f, const struct fs_service *s, char **own,
                       struct fs_content *content)
{
    const struct manifest_target *mt = f->t.o.manifest->target;
    if (s == &f->front && mt->domain_count) {
        content->domains = mt->domains;
        content->domain_count = mt->domain_count;
        return;
    }
    *own = fs_own_domain(s);
    content->domains = own;
    content->domain_count = 1;
}

static int check_links(const struct fs_links *l, struct err *err)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->list[i].id)
            return err_set(err, ERR_FAILURE, "the store %s has gone meanwhile", l->list[i].store);
    return 0;
}

static int make_version(struct fs *f, struct fs_service *s, struct err *err)
{
    struct shipment *ship = f->t.shipment;
    char hash[FILES_HASH_SIZE];
    cleanup(free_p) char *comment = fs_comment(ship->bundle->id, ship->message, ship->revision);
    cleanup(free_p) char *own = NULL;
    cleanup(json_decref_p) json_t *backends = NULL;
    struct fs_content content = {.comment = comment, .package = ship->bundle->package.data,
                                 .package_len = ship->bundle->package.len,
                                 .spool = ship->bundle->spool,
                                 .package_name = ship->bundle->file,
                                 .files_hash = files_hash(ship->bundle, hash), .links = &f->links,
                                 .prune = s->made || fs_is_ours(s)};
    int r = fs_backends(f, &backends, err);
    r = r < 0 ? r : check_links(&f->links, err);
    if (r < 0)
        return r;
    content.backends = backends;
    domains_of(f, s, &own, &content);
    int number = 0;
    r = fs_draft(f, s, &content, &number, err);
    /* A slot is not what users come to, and a first version has nobody to take traffic from: they
     * are activated at once, and so can be asked. */
    if (r == 0 && (s != &f->front || !s->active))
        r = fs_activate(f, s, number, err);
    else if (r == 0 && !ship->traffic)
        r = fs_check_end(f, NULL, err);
    if (r == 0)
        snprintf(ship->version, sizeof ship->version, "%s.%d", s->id, number);
    /* Else that is noted when it was looked at. */
    return r < 0 || f->check.service ? r : fs_note_complete(f, s, number, comment, err);
}

static void set_url(struct fs *f)
{
    struct shipment *s = f->t.shipment;
    cleanup(free_p) char *host = fs_host(f);
    if (host && !s->url)
        s->url = xasprintf("https://%s", host);
    int number = 0;
    const struct fs_service *its = fs_service_of(f, s->version, &number);
    cleanup(free_p) char *own = its && its != &f->front ? fs_own_domain(its) : NULL;
    if (own && !s->preview_url)
        s->preview_url = xasprintf("https://%s", own);
}

static int run_version(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    struct fs *f = fs_of(t);
    int slot = 0;
    int r = fs_read_fresh(f, err);
    if (r == 0 && f->router)
        r = fs_slot_free(f, &slot, err);
    struct fs_service *s = f->router ? &f->slots[slot] : &f->front;
    if (r == 0 && !s->id)
        r = err_set(err, ERR_FAILURE, "the service %s has gone meanwhile", s->name);
    r = r < 0 ? r : make_version(f, s, err);
    if (r == 0)
        set_url(f);
    return r;
}

/* 1: a version holds the release whole, and is in the shipment; 0: none does. */
static int find_version(struct fs *f, struct shipment *s, struct err *err)
{
    char hash[FILES_HASH_SIZE];
    struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    files_hash(s->bundle, hash);
    for (size_t i = f->router ? 1 : 0; i < (f->router ? ARRAY_LEN(all) : 1); i++) {
        int number = all[i]->id ? fs_find_release(all[i], s->bundle->id) : 0;
        /* In a slot only the active one can be asked, and given traffic without a change. */
        if (!number || (f->router && number != all[i]->active))
            continue;
        int r = fs_is_complete(f, all[i], number, hash, err);
        if (r == 0)
            continue;
        if (r > 0)
            snprintf(s->version, sizeof s->version, "%s.%d", all[i]->id, number);
        return r;
    }
    return 0;
}

static int plan_version(struct fs *f, struct shipment *s, struct steps *steps, struct err *err)
{
    s->first = f->front.active == 0;
    int r = find_version(f, s, err);
    if (r == 0)
        steps_add(steps, STEP_CHANGE, xasprintf("version %s", s->bundle->id),
                  xasprintf("upload a version of %s", f->front.name), run_version);
    return r < 0 ? r : 0;
}

/* --- all of it --- */

int fs_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(json_decref_p) json_t *backends = NULL;
    int r = fs_backends(f, &backends, err);
    if (r < 0)
        return r;
    struct fs_call *calls = fs_links_ask(f, s);
    r = fs_read_all(f, err);
    r = r < 0 ? r : fs_links_read(f, calls, err);
    for (size_t i = 0; i < f->links.count; i++)
        fs_drop(&calls[i]);
    free(calls);
    if (r < 0)
        return r;
    plan_service(f, ret);
    r = fs_plan_stores(f, s, ret, err);
    if (r == 0 && f->router)
        r = fs_plan_router(f, ret, err);
    r = r < 0 ? r : plan_version(f, s, ret, err);
    if (r < 0)
        return r;
    set_url(f);
    return s->preview ? fs_plan_preview(f, s, ret, err) : 0;
}
