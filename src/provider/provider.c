/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/journal.h"

static const struct provider *const all[] = {
#define PROVIDER(name) &provider_##name,
#include "provider/provider.def"
#undef PROVIDER
    NULL,
};

const struct provider *provider_at(size_t i)
{
    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

const struct provider *provider_find(const char *name)
{
    for (size_t i = 0; all[i]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

/* --- for drivers --- */

void target_init(struct target *t, const struct provider *p, const struct target_options *o)
{
    t->provider = p;
    t->caps = p->caps;
    t->o = *o;
    t->o.name = xstrdup(o->name);
    t->o.state_dir = xstrdup(o->state_dir);
    t->o.manifest = manifest_ref(o->manifest);
}

void target_fini(struct target *t)
{
    manifest_unref(t->o.manifest);
    free((char *)t->o.name);
    free((char *)t->o.state_dir);
}

bool target_interrupted(const struct target *t)
{
    return t->o.interrupted && atomic_load(t->o.interrupted);
}

int target_note_secret(struct target *t, const char *store, const char *key, const char *digest,
                       struct err *err)
{
    cleanup(free_p) char *fact = xasprintf("secret/%s/%s", store, key);
    return journal_set_fact(t->o.journal, fact, digest, err);
}

const char *target_noted_secret(const struct journal *j, const char *store, const char *key)
{
    cleanup(free_p) char *fact = xasprintf("secret/%s/%s", store, key);
    return journal_fact(j, fact);
}

struct step *steps_add(struct steps *s, enum step_verb verb, char *id, char *text,
                       int (*run)(struct target *t, struct step *s, struct err *err))
{
    s->list = xreallocarray(s->list, s->count + 1, sizeof *s->list);
    s->list[s->count] = (struct step){.verb = verb, .id = id, .text = text, .run = run};
    return &s->list[s->count++];
}

struct step *steps_add_named(struct steps *s, enum step_verb verb, char *id, char *text,
                             int (*run)(struct target *t, struct step *s, struct err *err),
                             const char *name)
{
    struct step *step = steps_add(s, verb, id, text, run);
    step->data = xstrdup(name);
    step->free_data = free;
    return step;
}

void steps_clear(struct steps *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct step *step = &s->list[i];
        if (step->free_data)
            step->free_data(step->data);
        free(step->id);
        free(step->text);
    }
    free(s->list);
    *s = (struct steps){0};
}

/* --- results --- */

void identity_clear(struct identity *i)
{
    free(i->account);
    free(i->account_name);
    free(i->user);
    free(i->from);
    for (size_t k = 0; k < i->scope_count; k++)
        free(i->scopes[k]);
    free(i->scopes);
    *i = (struct identity){0};
}

struct version *version_list_add(struct version_list *l)
{
    l->list = xreallocarray(l->list, l->count + 1, sizeof *l->list);
    l->list[l->count] = (struct version){0};
    return &l->list[l->count++];
}

void version_list_clear(struct version_list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->list[i].message);
        free(l->list[i].revision);
        free(l->list[i].preview_url);
        free(l->list[i].by);
    }
    free(l->list);
    *l = (struct version_list){0};
}

void split_clear(struct split *s)
{
    free(s->by);
    *s = (struct split){0};
}

void entry_clear(struct entry *e)
{
    free(e->key);
    free(e->value);
    free(e->metadata);
    free(e->digest);
    secret_unref(e->secret);
    *e = (struct entry){0};
}

/* --- splits --- */

int split_share(const struct split *s, const char *version)
{
    int bp = 0;
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->arms[i].version, version) == 0)
            bp += s->arms[i].bp;
    return bp;
}

/* Order does not matter, nor does an arm without traffic. */
bool split_equal(const struct split *a, const struct split *b)
{
    for (int i = 0; i < a->count; i++)
        if (split_share(a, a->arms[i].version) != split_share(b, a->arms[i].version))
            return false;
    for (int i = 0; i < b->count; i++)
        if (split_share(a, b->arms[i].version) != split_share(b, b->arms[i].version))
            return false;
    return true;
}

int split_nearest(const struct provider_caps *caps, int bp)
{
    if (bp >= SPLIT_WHOLE)
        return SPLIT_WHOLE;
    if (caps->split == SPLIT_NONE || bp < caps->min_bp)
        return 0;
    int most = bp > caps->max_bp ? caps->max_bp : bp;
    return caps->step_bp > 1 ? most - most % caps->step_bp : most;
}
