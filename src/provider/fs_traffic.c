/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, splits, probes. Without a router a split is which version is active; with one, which
 * versions are active in the two slots, and the rollout that the router reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/fs.h"

/* --- versions --- */

static void read_version(const struct fs *f, const struct fs_service *s, const json_t *item,
                         struct version *v)
{
    const char *comment = json_text(item, "comment");
    const char *message = comment ? strstr(comment, ": ") : NULL;
    int number = (int)json_integer_value(json_object_get(item, "number"));
    cleanup(free_p) char *id = fs_version_id(s, number);
    snprintf(v->id, sizeof v->id, "%s", id);
    v->number = number;
    fs_comment_release(comment, v->release);
    const char *git = comment ? strstr(comment, " (git ") : NULL;
    if (git && comment[strlen(comment) - 1] == ')')
        v->revision = xstrndup(git + 6, strlen(git) - 7);
    if (v->release[0] && message)
        v->message = xstrndup(message + 2, git > message ? (size_t)(git - message) - 2
                                                         : strlen(message + 2));
    else if (!v->release[0] && comment && *comment)
        v->message = xstrdup(comment);
    v->created_ms = time_ms_from_iso(json_text(item, "created_at"));
    /* An open draft of somebody else's may be anything. */
    v->deployable = v->release[0] || json_is_true(json_object_get(item, "locked"));
    if (s != &f->front && s->active == number) {
        cleanup(free_p) char *host = fs_own_domain(s);
        v->preview_url = xasprintf("https://%s", host);
    }
}

/* Services whose versions are still to be listed, newest first; `left`: how many of each. */
struct merge {
    struct fs *f;
    const struct fs_service *services[1 + FS_SLOTS];
    size_t left[1 + FS_SLOTS];
    struct fs_rollout rollout;
    bool rollout_read;
};

static const json_t *next_of(const struct merge *m, int i)
{
    return m->left[i] ? json_array_get(m->services[i]->versions, m->left[i] - 1) : NULL;
}

/* Times have seconds only. Of two slots the one that the stable version is in comes second: what
 * was made for the other came after it. */
static int settle_tie(struct merge *m, int one, int other, int *ret, struct err *err)
{
    int r = m->rollout_read ? 0 : fs_rollout_read(m->f, &m->rollout, err);
    if (r < 0)
        return r;
    m->rollout_read = true;
    const struct fs_service *stable = &m->f->slots[m->rollout.stable == 'b'];
    *ret = m->rollout.valid && m->services[one] == stable ? other : one;
    return 0;
}

/* Where the newest of all is, -1 when none is left. Of one service they are in order, whatever the
 * clock said. */
static int newest(struct merge *m, int *ret, struct err *err)
{
    int64_t best_ms = 0;
    int r = 0;
    *ret = -1;
    for (int i = 0; i < (int)ARRAY_LEN(m->left) && r == 0; i++) {
        const json_t *v = next_of(m, i);
        int64_t ms = time_ms_from_iso(json_text(v, "created_at"));
        if (v && *ret >= 0 && ms == best_ms && m->services[i] != &m->f->front)
            r = settle_tie(m, *ret, i, ret, err);
        else if (v && (*ret < 0 || ms > best_ms))
            *ret = i;
        if (*ret == i)
            best_ms = ms;
    }
    return r;
}

int fs_versions(struct target *t, struct version_list *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    int r = fs_read_all(f, err);
    /* The front last: with a router it holds what was there before. */
    struct merge m = {.f = f, .services = {&f->slots[0], &f->slots[1], &f->front}};
    for (size_t i = 0; i < ARRAY_LEN(m.left); i++)
        m.left[i] = json_array_size(m.services[i]->versions);
    while (r == 0) {
        int i;
        r = newest(&m, &i, err);
        if (r < 0 || i < 0)
            break;
        read_version(f, m.services[i], next_of(&m, i), version_list_add(ret));
        m.left[i]--;
    }
    return r;
}

/* --- reading the split --- */

static void add_arm(struct split *s, const struct fs_service *service, int bp)
{
    if (!service->id || !service->active)
        return;
    struct split_arm *arm = &s->arms[s->count++];
    cleanup(free_p) char *id = fs_version_id(service, service->active);
    snprintf(arm->version, sizeof arm->version, "%s", id);
    arm->bp = bp;
}

static void split_of_router(const struct fs *f, const struct fs_rollout *w, struct split *ret)
{
    const struct fs_service *stable = &f->slots[w->stable == 'b'];
    const struct fs_service *canary = &f->slots[w->canary == 'b'];
    add_arm(ret, stable, SPLIT_WHOLE - w->weight_bp);
    if (w->weight_bp > 0 || !ret->count)
        add_arm(ret, canary, w->weight_bp);
    snprintf(ret->revision, sizeof ret->revision, "%d/%d.%d/%d", f->front.active,
             f->slots[0].active, f->slots[1].active, w->gen);
}

int fs_get_split(struct target *t, struct split *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    struct fs_rollout w = {0};
    int r = fs_read_fresh(f, err);
    if (r == 0 && f->router && fs_router_is_active(f))
        r = fs_rollout_read(f, &w, err);
    if (r < 0)
        return r;
    ret->settled = true;
    if (w.valid) {
        split_of_router(f, &w, ret);
        return 0;
    }
    add_arm(ret, &f->front, SPLIT_WHOLE);
    const json_t *active = fs_version(&f->front, f->front.active);
    ret->changed_ms = time_ms_from_iso(json_text(active, "updated_at"));
    snprintf(ret->revision, sizeof ret->revision, "%d", f->front.active);
    return 0;
}

/* --- changing it --- */

static int unknown(const struct fs *f, const char *version, struct err *err)
{
    int r = err_set(err, ERR_USAGE, "%s is no version of %s", version, f->front.name);
    err_hint(err, "see `edgectl versions --target %s`", f->t.o.name);
    return r;
}

/* A version of the front itself has everything, router or not: so an app from before the router
 * comes back too. */
static int activate_front(struct fs *f, int number, struct err *err)
{
    return f->front.active == number ? 0 : fs_activate(f, &f->front, number, err);
}

static void new_salt(char to[24])
{
    snprintf(to, 24, "%016llx", (unsigned long long)random_u64());
}

/* First the slots, then the rollout, then (once) the router in front: at each point in between
 * everybody gets a version that is meant to have traffic. */
static int share(struct fs *f, struct fs_service *stable, int stable_number,
                 struct fs_service *canary, int canary_number, int weight_bp, struct err *err)
{
    struct fs_rollout w;
    int r = fs_rollout_read(f, &w, err);
    if (r == 0 && stable->active != stable_number)
        r = fs_activate(f, stable, stable_number, err);
    if (r == 0 && canary_number && canary->active != canary_number)
        r = fs_activate(f, canary, canary_number, err);
    int router = r == 0 ? fs_router_version(f) : 0;
    if (r == 0 && !router && !fs_router_is_active(f))
        r = err_set(err, ERR_DRIFT, "the router of %s has gone: deploy again", f->front.name);
    if (r < 0)
        return r;
    char letter = stable == &f->slots[0] ? 'a' : 'b';
    bool fresh = !w.valid || (w.weight_bp == 0 && weight_bp > 0);
    if (fresh)
        new_salt(w.salt);
    w.gen++;
    w.stable = letter;
    w.canary = letter == 'a' ? 'b' : 'a';
    w.weight_bp = weight_bp;
    r = fs_rollout_write(f, &w, err);
    return r == 0 && router && f->front.active != router
               ? fs_activate(f, &f->front, router, err) : r;
}

static int not_shared(const struct fs *f, struct fs_service *const *services, int count,
                      struct err *err)
{
    int r = err_set(err, ERR_USAGE, "Fastly cannot share traffic between these two versions");
    bool before = false;
    for (int i = 0; i < count; i++)
        before |= services[i] == &f->front;
    if (!f->router)
        err_hint(err, "set `router: true` in targets.%s", f->t.o.name);
    else if (before)
        err_hint(err, "one is from before the router, which takes its place: the new one gets all "
                      "traffic this once, later ones can share");
    else
        err_hint(err, "one must be of %s, the other of %s: deploy the new one again",
                 f->slots[0].name, f->slots[1].name);
    return r;
}

static int set_split(struct fs *f, const struct split *want, struct err *err)
{
    int numbers[SPLIT_ARMS] = {0};
    struct fs_service *services[SPLIT_ARMS] = {NULL};
    int n = 0, weight = 0;
    for (int i = 0; i < want->count; i++) {
        if (want->count > 1 && want->arms[i].bp == 0)
            continue;
        services[n] = fs_service_of(f, want->arms[i].version, &numbers[n]);
        if (!services[n] || !fs_version(services[n], numbers[n]))
            return unknown(f, want->arms[i].version, err);
        weight = want->arms[i].bp;
        n++;
    }
    if (n == 1 && services[0] == &f->front)
        return activate_front(f, numbers[0], err);
    if (n == 1)
        return share(f, services[0], numbers[0],
                     services[0] == &f->slots[0] ? &f->slots[1] : &f->slots[0], 0, 0, err);
    if (n == 2 && f->router && services[0] != services[1] && services[0] != &f->front &&
        services[1] != &f->front)
        return share(f, services[0], numbers[0], services[1], numbers[1], weight, err);
    return not_shared(f, services, n, err);
}

int fs_set_split(struct target *t, const struct split *want, const char *expect, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(split_clear) struct split now = {0};
    int r = fs_get_split(t, &now, err);
    if (r == 0 && expect && strcmp(expect, now.revision) != 0)
        r = err_set(err, ERR_DRIFT, "somebody changed %s meanwhile", f->front.name);
    return r < 0 ? r : set_split(f, want, err);
}

/* --- probes --- */

char *fs_host(const struct fs *f)
{
    const struct manifest_target *mt = f->t.o.manifest->target;
    if (mt->domain_count)
        return xstrdup(mt->domains[0]);
    return f->front.id ? fs_own_domain(&f->front) : NULL;
}

static int probe_front(struct fs *f, const struct probe *p, int number, struct probe_result *ret,
                       struct err *err)
{
    cleanup(free_p) char *host = p->host ? xstrdup(p->host) : fs_host(f);
    cleanup(free_p) char *address = NULL;
    cleanup(free_p) char *url = xasprintf("https://%s%s", host, p->path ? p->path : "/");
    if (f->front.active != number) {
        if (!f->front.active) {
            snprintf(ret->why, sizeof ret->why, "Fastly stages no version of a service that has "
                                                "none active yet");
            return 0;
        }
        struct err why = {0};
        int r = fs_stage(f, number, host, &address, &why);
        /* It may not stage what was in production before: then nobody can ask it. */
        if (r == -ERR_FAILURE) {
            snprintf(ret->why, sizeof ret->why, "%.255s", why.msg);
            return 0;
        }
        if (r < 0) {
            if (err)
                *err = why;
            return r;
        }
        if (!address) {
            snprintf(ret->why, sizeof ret->why, "Fastly names no staging address for %.150s", host);
            return 0;
        }
    }
    probe_url(&f->t, url, NULL, address, p->timeout_ms, ret);
    return 0;
}

int fs_probe(struct target *t, const struct probe *p, struct probe_result *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    int number = 0;
    *ret = (struct probe_result){0};
    int r = f->front.versions ? 0 : fs_read_all(f, err);
    struct fs_service *s = r == 0 ? fs_service_of(f, p->version, &number) : NULL;
    /* What is staged may be another version by now. */
    if (s == &f->front && s->active != number)
        r = fs_read_fresh(f, err);
    if (!s || r < 0)
        return r < 0 ? r : unknown(f, p->version, err);
    if (s == &f->front) {
        r = probe_front(f, p, number, ret, err);
    } else if (s->active != number) {
        snprintf(ret->why, sizeof ret->why, "version %d of %.60s is not active there", number,
                 s->name);
    } else {
        cleanup(free_p) char *host = fs_own_domain(s);
        cleanup(free_p) char *url = xasprintf("https://%s%s", host, p->path ? p->path : "/");
        probe_url(t, url, NULL, NULL, p->timeout_ms, ret);
    }
    /* Each of these addresses is that of one version only. */
    if (ret->status)
        snprintf(ret->version, sizeof ret->version, "%s", p->version);
    ret->verified = ret->status != 0;
    return r;
}
