/* SPDX-License-Identifier: Apache-2.0 */
/* What the router's labels need of a behaviour's policies: a cached answer belongs to one version,
 * so the label is in the cache key, and both of the router's headers reach the function. Policies
 * may be those of other behaviours and accounts' templates: none is changed. Where one lacks a
 * header, a copy of it that has it comes in its place, under a name that says which one it is a
 * copy of, so that destroy puts that back. CloudFront API reference 2020-05-31. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "provider/aws_router.h"

static const char label[] = "x-edgectl-version", via[] = "x-edgectl-via";
static const char none[] = "none";

/* The two kinds differ in their names alone. */
static const struct kind {
    const char *member;             /* of a behaviour */
    const char *path, *config, *wrapper, *list_item, *missing, *taken, *headers;
} kinds[] = {
    {"CachePolicyId", "/2020-05-31/cache-policy", "CachePolicyConfig", "CachePolicy",
     "CachePolicySummary", "NoSuchCachePolicy", "CachePolicyAlreadyExists",
     "ParametersInCacheKeyAndForwardedToOrigin/HeadersConfig"},
    {"OriginRequestPolicyId", "/2020-05-31/origin-request-policy", "OriginRequestPolicyConfig",
     "OriginRequestPolicy", "OriginRequestPolicySummary", "NoSuchOriginRequestPolicy",
     "OriginRequestPolicyAlreadyExists", "HeadersConfig"},
};

enum { CACHE, REQUEST, KINDS };

void aws_policies_clear(struct aws_policies *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->list[i].from);
        free(p->list[i].to);
    }
    free(p->list);
    *p = (struct aws_policies){0};
}

static void replace(struct aws_policies *p, int kind, const char *from, const char *to)
{
    p->list = xreallocarray(p->list, p->count + 1, sizeof *p->list);
    p->list[p->count++] = (struct aws_policy_swap){kind, xstrdup(from), xstrdup(to)};
}

static const char *replacement(const struct aws_policies *p, int kind, const char *from)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->list[i].kind == kind && strcmp(p->list[i].from, from) == 0)
            return p->list[i].to;
    return NULL;
}

/* --- what a policy has --- */

static bool has_name(const struct xml *list, const char *name)
{
    const struct xml *items = xml_find(list, "Items");
    struct xml *one = NULL;
    while (items && (one = xml_each(items, "Name", one)))
        if (strcasecmp(xml_get(one, NULL), name) == 0)
            return true;
    return false;
}

/* Caching is off where nothing may be kept: then there is no key, and no header may be in it. */
static bool caches(const struct xml *config)
{
    const char *most = xml_get(config, "MaxTTL");
    return !most || strcmp(most, "0") != 0;
}

/* Does that policy let the header through? */
static bool passes(const struct xml *headers, const char *name)
{
    const char *how = xml_get(headers, "HeaderBehavior");
    bool listed = has_name(xml_find(headers, "Headers"), name);
    if (how && strncmp(how, "allViewer", 9) == 0)
        return true;
    return how && strcmp(how, "allExcept") == 0 ? !listed : listed;
}

static bool is_enough(int kind, const struct xml *config)
{
    const struct xml *headers = xml_find(config, kinds[kind].headers);
    if (kind == CACHE)
        return !caches(config) || passes(headers, label);
    return passes(headers, label) && passes(headers, via);
}

/* --- a copy that has it --- */

static struct xml *child(struct xml *parent, const char *name)
{
    struct xml *found = xml_find(parent, name);
    return found ? found : xml_add(parent, name, NULL);
}

static void add_header(struct xml *headers, const char *name)
{
    struct xml *how = child(headers, "HeaderBehavior");
    const char *was = xml_get(how, NULL);
    struct xml *list = child(headers, "Headers"), *items = child(list, "Items");
    if (was && strcmp(was, "allExcept") == 0) {
        struct xml *one = NULL, *next;
        for (one = xml_each(items, "Name", NULL); one; one = next) {
            next = xml_each(items, "Name", one);
            if (strcasecmp(xml_get(one, NULL), name) == 0)
                xml_free(one);
        }
    } else if (!has_name(list, name)) {
        xml_set_text(how, "whitelist");
        xml_add(items, "Name", name);
    }
    aws_quantity_fix(list);
}

/* One that forwards the router's headers alone, for a behaviour that has none. */
static struct xml *bare_request_policy(void)
{
    struct xml *config = xml_new(kinds[REQUEST].config);
    xml_add(config, "Comment", "");
    xml_add(config, "Name", "");
    xml_add(xml_add(config, "HeadersConfig", NULL), "HeaderBehavior", none);
    xml_add(xml_add(config, "CookiesConfig", NULL), "CookieBehavior", none);
    xml_add(xml_add(config, "QueryStringsConfig", NULL), "QueryStringBehavior", none);
    return config;
}

static char *name_of(const struct aws_target *t, const char *source)
{
    return xasprintf("%s-%s", t->own, source);
}

/* The account's own policies of a kind, until `fn` says 1. */
static int search(struct aws_target *t, int kind,
                  int (*fn)(void *env, const char *id, const char *name), void *env,
                  struct err *err)
{
    const struct kind *k = &kinds[kind];
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    cleanup(free_p) char *marker = NULL;
    while (r == 0) {
        cleanup(free_p) char *query = marker ? api_path("&Marker=%s", marker) : xstrdup("");
        cleanup(free_p) char *path = xasprintf("%s?Type=custom&MaxItems=100%s", k->path, query);
        cleanup(xml_free_p) struct xml *x = NULL;
        r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = path}, &x, NULL, err);
        if (r < 0)
            return r;
        const struct xml *items = xml_find(x, "Items");
        struct xml *one = NULL;
        while (r == 0 && items && (one = xml_each(items, k->list_item, one))) {
            const struct xml *policy = xml_find(one, k->wrapper);
            const char *id = xml_get(policy, "Id");
            const char *name = xml_get(xml_find(policy, k->config), "Name");
            if (id && name)
                r = fn(env, id, name);
        }
        const char *next = xml_get(x, "NextMarker");
        if (r != 0 || !next || !*next)
            return r;
        free(marker);
        marker = xstrdup(next);
    }
    return r;
}

struct wanted {
    const char *name;
    char *id;
};

static int is_wanted(void *env, const char *id, const char *name)
{
    struct wanted *w = env;
    if (strcmp(name, w->name) != 0)
        return 0;
    w->id = xstrdup(id);
    return 1;
}

/* The copy of `source`, made unless it is there. Takes `config`. */
static int make_copy(struct aws_target *t, int kind, const char *source, struct xml *config,
                     char **ret_id, struct err *err)
{
    const struct kind *k = &kinds[kind];
    cleanup(xml_free_p) struct xml *own = config;
    cleanup(free_p) char *name = name_of(t, source);
    struct wanted w = {.name = name};
    struct aws_service *s;
    xml_set_attribute(own, "xmlns", AWS_CLOUDFRONT_NS);
    xml_set_text(child(own, "Name"), name);
    struct xml *headers = xml_find(own, k->headers);
    if (!headers)
        return err_set(err, ERR_NETWORK, "Amazon CloudFront's policy %s has no headers", source);
    add_header(headers, label);
    if (kind == REQUEST)
        add_header(headers, via);
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s),
               &(struct api_request){.method = "POST", .path = k->path, .repeatable = true,
                                     .body = aws_body_xml(own)}, &answer, err);
    if (r < 0)
        return r;
    if (answer.status != 201 && !aws_error_is(&answer, k->taken))
        return aws_fail(s, "POST", k->path, &answer, err);
    r = search(t, kind, is_wanted, &w, err);
    if (r == 0)
        r = err_set(err, ERR_NETWORK, "Amazon CloudFront does not know the policy %s that it made",
                    name);
    *ret_id = w.id;
    return r < 0 ? r : 0;
}

/* --- a behaviour --- */

static int read_config(struct aws_target *t, int kind, const char *id, struct xml **ret,
                       struct err *err)
{
    const struct kind *k = &kinds[kind];
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *id_path = api_path("/%s", id);
    cleanup(free_p) char *path = xasprintf("%s%s", k->path, id_path);
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_find_xml(s, path, k->missing, &x, NULL, err);
    const struct xml *config = r > 0 ? xml_find(x, k->config) : NULL;
    if (r >= 0 && !config)
        r = err_set(err, ERR_FAILURE, "there is no policy %s", id);
    if (r < 0)
        return r;
    *ret = xml_copy(config);
    return 0;
}

static int plan_policy(struct aws_target *t, int kind, const char *id, struct aws_policies *to,
                       struct err *err)
{
    cleanup(xml_free_p) struct xml *config = NULL;
    if (replacement(to, kind, id))
        return 0;
    int r = *id ? read_config(t, kind, id, &config, err) : 0;
    if (r < 0 || (config && is_enough(kind, config)))
        return r;
    cleanup(free_p) char *copy = NULL;
    r = make_copy(t, kind, *id ? id : none, config ? TAKE(config) : bare_request_policy(), &copy,
                  err);
    if (r == 0)
        replace(to, kind, id, copy);
    return r;
}

struct planning {
    struct aws_target *t;
    struct aws_policies *to;
    struct err *err;
    int r;
};

/* A behaviour from before there were policies has the headers in itself. */
static bool plan_behaviour(struct xml *behaviour, void *env)
{
    struct planning *p = env;
    const char *cache = xml_get(behaviour, kinds[CACHE].member);
    const char *request = xml_get(behaviour, kinds[REQUEST].member);
    if (p->r == 0 && cache)
        p->r = plan_policy(p->t, CACHE, cache, p->to, p->err);
    if (p->r == 0 && cache)
        p->r = plan_policy(p->t, REQUEST, request ? request : "", p->to, p->err);
    return false;
}

int aws_policies_make(struct aws_target *t, struct xml *config, struct aws_policies *ret,
                      struct err *err)
{
    struct planning p = {t, ret, err, 0};
    aws_distribution_guests(config, plan_behaviour, &p);
    return p.r;
}

static bool set_member(struct xml *behaviour, int kind, const char *id)
{
    const char *now = xml_get(behaviour, kinds[kind].member);
    if (strcmp(now ? now : "", id) == 0)
        return false;
    if (*id)
        aws_distribution_set_member(behaviour, kinds[kind].member, id);
    else
        xml_free(xml_find(behaviour, kinds[kind].member));
    return true;
}

static bool apply(struct xml *behaviour, void *env)
{
    const struct aws_policies *p = env;
    bool changed = false;
    for (int kind = 0; kind < KINDS; kind++) {
        const char *now = xml_get(behaviour, kinds[kind].member);
        const char *to = replacement(p, kind, now ? now : "");
        if (to)
            changed |= set_member(behaviour, kind, to);
    }
    struct xml *values = xml_find(behaviour, "ForwardedValues");
    if (!values || p->back)
        return changed;
    const struct xml *headers = xml_find(values, "Headers");
    static const char *const names[] = {label, via};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (has_name(headers, names[i]) || has_name(headers, "*"))
            continue;
        struct xml *list = xml_find(values, "Headers");
        if (!list) {
            list = xml_new("Headers");
            xml_insert(values, list, xml_find(values, "Cookies"));
        }
        xml_add(child(list, "Items"), "Name", names[i]);
        aws_quantity_fix(list);
        changed = true;
    }
    return changed;
}

bool aws_policies_apply(struct xml *config, const struct aws_policies *p)
{
    return aws_distribution_guests(config, apply, (void *)p);
}

/* --- taking it away --- */

struct ours {
    struct aws_target *t;
    struct aws_policies *to;
    int kind;
};

static int note_ours(void *env, const char *id, const char *name)
{
    const struct ours *o = env;
    size_t len = strlen(o->t->own);
    if (strncmp(name, o->t->own, len) != 0 || name[len] != '-')
        return 0;
    const char *source = name + len + 1;
    replace(o->to, o->kind, id, strcmp(source, none) == 0 ? "" : source);
    return 0;
}

int aws_policies_back(struct aws_target *t, struct aws_policies *ret, struct err *err)
{
    int r = 0;
    ret->back = true;
    for (int kind = 0; kind < KINDS && r == 0; kind++) {
        struct ours o = {t, ret, kind};
        r = search(t, kind, note_ours, &o, err);
    }
    return r;
}

int aws_policies_delete(struct aws_target *t, const struct aws_policies *p, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    for (size_t i = 0; i < p->count && r == 0; i++) {
        const struct kind *k = &kinds[p->list[i].kind];
        cleanup(free_p) char *id = api_path("/%s", p->list[i].from);
        cleanup(free_p) char *path = xasprintf("%s%s", k->path, id);
        cleanup(xml_free_p) struct xml *x = NULL;
        cleanup(buf_clear) struct buf etag = BUF_INIT(256);
        r = aws_find_xml(s, path, k->missing, &x, &etag, err);
        if (r > 0)
            r = aws_delete_tagged(t, path, &etag, err);
    }
    return r;
}
