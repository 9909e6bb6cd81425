/* SPDX-License-Identifier: Apache-2.0 */
/* Services and their versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "provider/fs.h"

static const char mark[] = "edgectl release ";
enum { RELEASE_LEN = HASH_HEX_SIZE - 1, COMMENT_MAX = 400 };

void fs_service_clear(struct fs_service *s)
{
    free(s->name);
    free(s->id);
    json_decref(s->versions);
    *s = (struct fs_service){0};
}

/* --- comments --- */

void fs_comment_release(const char *comment, char ret[PROVIDER_ID_MAX])
{
    ret[0] = '\0';
    const char *at = comment ? strstr(comment, mark) : NULL;
    if (!at)
        return;
    at += sizeof mark - 1;
    if (strspn(at, "0123456789abcdef") == RELEASE_LEN)
        snprintf(ret, PROVIDER_ID_MAX, "%.*s", RELEASE_LEN, at);
}

char *fs_comment(const char *release, const char *message, const char *revision)
{
    const char *words = message ? message : "";
    return xasprintf("%s%s%s%.*s%s%s%s", mark, release, message ? ": " : "",
                     (int)utf8_cut(words, strlen(words), COMMENT_MAX), words,
                     revision ? " (git " : "", revision ? revision : "", revision ? ")" : "");
}

/* --- reading --- */

/* What a service that edgectl made says of itself. */
static char *service_comment(const struct fs *f, const struct fs_service *s)
{
    return s == &f->front ? xstrdup("made by edgectl")
                          : xasprintf("made by edgectl: behind the router of %s",
                                      f->t.o.manifest->name);
}

struct fs_call fs_service_ask(struct fs *f, const struct fs_service *s)
{
    return fs_start(f, "GET",
                    s->id ? api_path("/service/%s/details", s->id)
                          : api_path("/service/search?name=%s", s->name),
                    NULL, false);
}

static int by_number(const json_t *a, const json_t *b)
{
    json_int_t x = json_integer_value(json_object_get(a, "number"));
    json_int_t y = json_integer_value(json_object_get(b, "number"));
    return (x > y) - (x < y);
}

/* Oldest first, whatever the answer's order. */
static json_t *sorted(const json_t *versions)
{
    json_t *list = json_array();
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)versions, i, v) {
        size_t at = json_array_size(list);
        while (at && by_number(json_array_get(list, at - 1), v) > 0)
            at--;
        json_array_insert(list, at, v);
    }
    return list;
}

static int check_type(const struct fs_service *s, const json_t *root, struct err *err)
{
    const char *type = json_text(root, "type");
    if (!type || strcmp(type, "wasm") == 0)
        return 0;
    int r = err_set(err, ERR_MANIFEST, "the Fastly service %s (%s) is of type %s, not a Compute "
                                       "one", s->name, s->id, type);
    err_hint(err, "name another one: `service` of the target");
    return r;
}

/* An answer that leaves them out does not say that there are none. */
static int take_versions(struct fs *f, struct fs_service *s, const json_t *versions,
                         struct err *err)
{
    cleanup(json_decref_p) json_t *list = NULL;
    int r = json_is_array(versions) ? 0 : fs_do(f, "GET", api_path("/service/%s/version", s->id),
                                                NULL, &list, err);
    if (r == 0)
        s->versions = sorted(list ? list : versions);
    return r;
}

int fs_service_read(struct fs *f, struct fs_service *s, struct fs_call *call, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    bool by_id = s->id != NULL;
    int r = fs_wait(f, call, &root, err);
    if (r < 0)
        return r;
    json_decref(s->versions);
    s->versions = NULL;
    s->active = 0;
    if (r == 0 && by_id) {
        r = err_set(err, ERR_MANIFEST, "there is no Fastly service %s, or the token does not reach "
                                       "it", s->id);
        err_hint(err, "check `service` of the target and FASTLY_SERVICE_ID; the token comes from "
                      "%s", f->token_from);
        return r;
    }
    if (r == 0)
        return 0;
    if (!by_id)
        s->id = json_text_copy(root, "id");
    if (json_text(root, "name")) {
        free(s->name);
        s->name = xstrdup(json_text(root, "name"));
    }
    const char *comment = json_text(root, "comment");
    cleanup(free_p) char *ours = service_comment(f, s);
    s->made = comment && strcmp(comment, ours) == 0;
    r = take_versions(f, s, json_object_get(root, "versions"), err);
    if (r < 0)
        return r;
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v)
        if (json_is_true(json_object_get(v, "active")))
            s->active = (int)json_integer_value(json_object_get(v, "number"));
    r = check_type(s, root, err);
    return r < 0 ? r : 1;
}

static int foreign_slot(const struct fs *f, const struct fs_service *s, struct err *err)
{
    int r = err_set(err, ERR_MANIFEST, "there is a service %s (%s) already, which is not behind "
                                       "the router of %s", s->name, s->id, f->t.o.manifest->name);
    err_hint(err, "rename one of the two: the router of an app has the services NAME-a and NAME-b "
                  "behind it");
    return r;
}

static void forget(struct fs_service *s)
{
    free(s->id);
    json_decref(s->versions);
    s->id = NULL;
    s->versions = NULL;
    s->active = 0;
}

static void ask_services(struct fs *f, size_t n, struct fs_call *calls)
{
    for (size_t i = 0; i < n; i++)
        if (!calls[i].call)
            calls[i] = fs_service_ask(f, i == 0 ? &f->front : &f->slots[i - 1]);
}

/* The calls go out while others see to what is to be sent: connecting and asking takes two turns at
 * the sockets, where the other side is near. */
void fs_prepare(struct target *t)
{
    struct fs *f = fs_of(t);
    ask_services(f, f->router ? 1 + FS_SLOTS : 1, f->early);
    for (int i = 0; i < 3; i++)
        api_step(f->api, 0);
}

/* What was there before a router is on the service whose place that takes: it cannot share. */
static void set_caps(struct fs *f)
{
    bool shares = f->router && (fs_router_is_active(f) || !f->front.active);
    f->t.caps.split = shares ? SPLIT_ROUTER : SPLIT_NONE;
    f->t.caps.bridge = f->router ? "only at an address of its own: the first release behind a "
                                   "router takes over at once, later ones share"
                                 : provider_fastly.caps.bridge;
}

static int read_services(struct fs *f, bool slots, struct err *err)
{
    struct fs_call calls[1 + FS_SLOTS];
    size_t n = slots ? 1 + FS_SLOTS : 1;
    memcpy(calls, f->early, sizeof calls);
    memset(f->early, 0, sizeof f->early);
    ask_services(f, n, calls);
    int r = fs_service_read(f, &f->front, &calls[0], err);
    for (size_t i = 1; i < n && r >= 0; i++)
        r = fs_service_read(f, &f->slots[i - 1], &calls[i], err);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        fs_drop(&calls[i]);
    for (size_t i = 0; i + 1 < n && r >= 0; i++) {
        struct fs_service *s = &f->slots[i];
        if (s->id && !s->made && f->router)
            r = foreign_slot(f, s, err);
        else if (s->id && !s->made)
            forget(s);
    }
    f->read_ns = r < 0 ? 0 : clock_mono_ns();
    set_caps(f);
    return r < 0 ? r : 0;
}

int fs_read_all(struct fs *f, struct err *err)
{
    return read_services(f, f->router, err);
}

int fs_read_every(struct fs *f, struct err *err)
{
    return read_services(f, true, err);
}

int fs_read_fresh(struct fs *f, struct err *err)
{
    bool fresh = f->read_ns && clock_mono_ns() - f->read_ns < FRESH_NS;
    return fresh ? 0 : fs_read_all(f, err);
}

/* --- making --- */

struct making {
    struct fs *f;
    struct fs_service *s;
};

static int make_service(void *env, struct err *err)
{
    const struct making *m = env;
    cleanup(json_decref_p) json_t *root = NULL;
    cleanup(free_p) char *comment = service_comment(m->f, m->s);
    int r = fs_do(m->f, "POST", xstrdup("/service"),
                  api_body_form("name", m->s->name, "type", "wasm", "comment", comment,
                                (char *)NULL),
                  &root, err);
    if (r == 0 && !json_text(root, "id"))
        r = err_set(err, ERR_NETWORK, "Fastly made the service %s without an id", m->s->name);
    if (r < 0)
        return r;
    m->s->id = json_text_copy(root, "id");
    m->s->made = true;
    json_decref(m->s->versions);
    m->s->versions = sorted(json_object_get(root, "versions"));
    return 0;
}

static int find_service(void *env, struct err *err)
{
    const struct making *m = env;
    struct fs_call call = fs_service_ask(m->f, m->s);
    return fs_service_read(m->f, m->s, &call, err);
}

int fs_service_make(struct fs *f, struct fs_service *s, struct err *err)
{
    struct making m = {f, s};
    return s->id ? 0 : make_once(f->api, make_service, find_service, &m, err);
}

int fs_activate(struct fs *f, struct fs_service *s, int number, struct err *err)
{
    char n[16];
    snprintf(n, sizeof n, "%d", number);
    cleanup(json_decref_p) json_t *version = NULL;
    int r = fs_do(f, "PUT", api_path("/service/%s/version/%s/activate", s->id, n), NULL, &version,
                  err);
    if (r < 0)
        return err_wrap(err, r, "activating version %d of %s", number, s->name);
    s->active = number;
    f->read_ns = 0;
    r = fs_check_end(f, version, err);
    return r < 0 ? r : fs_keep_held(f, s, number, err);
}

/* --- versions --- */

static int number_of(const json_t *v)
{
    return (int)json_integer_value(json_object_get(v, "number"));
}

const json_t *fs_version(const struct fs_service *s, int number)
{
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v)
        if (number_of(v) == number)
            return v;
    return NULL;
}

int fs_find_release(const struct fs_service *s, const char *release)
{
    int found = 0;
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v) {
        char its[PROVIDER_ID_MAX];
        fs_comment_release(json_text(v, "comment"), its);
        if (strcmp(its, release) == 0)
            found = number_of(v);
    }
    return found;
}

int fs_newest(const struct fs_service *s)
{
    return number_of(json_array_get(s->versions, json_array_size(s->versions) - 1));
}

bool fs_is_locked(const struct fs_service *s, int number)
{
    return json_is_true(json_object_get(fs_version(s, number), "locked"));
}

bool fs_is_ours(const struct fs_service *s)
{
    size_t i;
    json_t *v;
    json_array_foreach(s->versions, i, v)
        if (json_text(v, "comment") && strncmp(json_text(v, "comment"), "edgectl ", 8) == 0)
            return true;
    return false;
}

char *fs_version_id(const struct fs_service *s, int number)
{
    return xasprintf("%s.%d", s->id, number);
}

struct fs_service *fs_service_of(struct fs *f, const char *version, int *ret_number)
{
    const char *dot = strrchr(version, '.');
    struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    for (size_t i = 0; dot && i < ARRAY_LEN(all); i++) {
        size_t len = all[i]->id ? strlen(all[i]->id) : 0;
        if (len != (size_t)(dot - version) || memcmp(version, all[i]->id, len) != 0)
            continue;
        *ret_number = (int)strtol(dot + 1, NULL, 10);
        return all[i];
    }
    return NULL;
}
