/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "provider/journal.h"

static const int64_t NS_PER_MS = 1000000;
enum { PROBE_MS = 10 * 1000, PROBE_BODY = 64 * 1024, SEED_VALUE_MAX = 25 << 20, MAKE_TRIES = 3,
       LOGIN_MAX = 256 * 1024 };

const char *json_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

char *json_text_copy(const json_t *object, const char *key)
{
    const char *text = json_text(object, key);
    return text && *text ? xstrdup(text) : NULL;
}

char *user_at_host(void)
{
    char host[128] = "";
    const char *user = getenv("USER");
    gethostname(host, sizeof host - 1);
    cleanup(free_p) char *who = xasprintf("%s@%s", user ? user : "edgectl", host);
    return utf8_clean(who);
}

/* --- time --- */

int64_t time_ms_from_iso(const char *text)
{
    struct tm tm = {0};
    int year, month, day, hour, minute, used = 0;
    double second;
    if (!text || sscanf(text, "%4d-%2d-%2d%*1[T ]%2d:%2d:%lf%n", &year, &month, &day, &hour,
                        &minute, &second, &used) != 6 || used == 0)
        return 0;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    tm.tm_hour = hour;
    tm.tm_min = minute;
    int64_t ms = (int64_t)timegm(&tm) * 1000 + (int64_t)(second * 1000 + 0.5);
    int off_hour, off_minute;
    char sign;
    if (sscanf(text + used, "%c%2d:%2d", &sign, &off_hour, &off_minute) == 3 &&
        (sign == '+' || sign == '-'))
        ms -= (sign == '+' ? 1 : -1) * (off_hour * 60 + off_minute) * INT64_C(60000);
    return ms > 0 ? ms : 0;
}

void time_iso(int64_t ms, char ret_text[ISO_TIME_SIZE])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&s, &tm);
    strftime(ret_text, ISO_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int64_t clock_skew_ms(const struct api_response *r)
{
    int64_t theirs = api_date_ms(headers_get(&r->headers, "date"));
    return theirs ? theirs - clock_wall_ns() / NS_PER_MS : 0;
}

/* --- settings --- */

const char *target_variable(const struct target_options *o, const char *name)
{
    const char *value = manifest_getenv(o->manifest, name);
    return value && *value ? value : NULL;
}

int token_form(const char *value, const char *from, struct err *err)
{
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (*p > ' ' && *p < 0x7f)
            continue;
        int r = err_set(err, ERR_CREDENTIALS, "%s holds a character that no token has (byte %zu)",
                        from, (size_t)(p - (const unsigned char *)value) + 1);
        err_hint(err, "copy it anew, without quotes, spaces and line ends");
        return r;
    }
    return 0;
}

int login_from_toml(const char *path, struct node **ret, struct err *err)
{
    cleanup(free_p) char *text = NULL;
    size_t len;
    int r = file_read(path, LOGIN_MAX, &text, &len, err);
    if (r < 0)
        return r;
    r = node_from_toml(text, len, path, ret, err);
    secret_wipe(text, len);
    int line = err ? err->line : 0;
    return r < 0 ? err_set(err, ERR_CREDENTIALS, "%s, line %d: this is no TOML", path, line) : 0;
}

const char *node_text(const struct node *map, const char *key)
{
    const struct node *n = node_child(map, key);
    return n && n->text && n->len ? n->text : NULL;
}

char *user_config_path(const char *rest)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config)
        return xasprintf("%s/%s", config, rest);
    return xasprintf("%s/.config/%s", home ? home : "", rest);
}

const char *base_from_variables(const struct target_options *o, const char *const *names,
                                const char *otherwise, const char **ret_from)
{
    *ret_from = NULL;
    for (; *names; names++) {
        const char *value = target_variable(o, *names);
        if (!value)
            continue;
        *ret_from = *names;
        return value;
    }
    return otherwise;
}

void api_options_for(const struct target_options *o, struct api_options *options)
{
    options->trace = o->trace;
    options->trace_env = o->env;
}

/* --- probes --- */

static void note_answer(const struct api_response *r, struct probe_result *ret)
{
    const char *version = headers_get(&r->headers, "x-edgectl-version");
    if (!version)
        version = headers_get(&r->headers, "x-edgectl-release");
    ret->status = r->status;
    snprintf(ret->version, sizeof ret->version, "%s", version ? version : "");
}

/* "https://host/path?query" in two. */
static char *origin_of(const char *url, const char **ret_path)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strpbrk(host + 3, "/?") : NULL;
    *ret_path = path ? path : "/";
    return path ? xstrndup(url, (size_t)(path - url)) : xstrdup(url);
}

void probe_url(struct target *t, const char *url, const struct headers *headers,
               const char *resolve, int64_t timeout_ms, struct probe_result *ret)
{
    *ret = (struct probe_result){0};
    const char *path;
    cleanup(free_p) char *base = origin_of(url, &path);
    int64_t ms = timeout_ms > 0 ? timeout_ms : PROBE_MS;
    struct api_options o = {.name = "probe", .base = base, .answer_ms = ms, .stall_ms = ms,
                            .connect_ms = ms};
    api_options_for(&t->o, &o);
    cleanup(api_free_p) struct api *api = NULL;
    cleanup(headers_clear) struct headers all = {0};
    if (headers)
        headers_copy(&all, headers);
    headers_set_str(&all, "accept", "*/*");
    headers_set_str(&all, "cache-control", "no-cache");
    struct err err;
    struct api_response answer = {0};
    int64_t began = clock_mono_ns();
    int r = api_new(&o, &api, &err);
    if (r == 0)
        r = api_do(api, &(struct api_request){.method = "GET", .path = path, .headers = &all,
                                              .once = true, .resolve = resolve,
                                              .max_answer = PROBE_BODY},
                   &answer, &err);
    ret->took_us = (clock_mono_ns() - began) / 1000;
    if (r == 0)
        note_answer(&answer, ret);
    else
        snprintf(ret->why, sizeof ret->why, "%.255s", err.msg);
    api_response_clear(&answer);
}

/* --- making --- */

int make_once(struct api *api, int (*make)(void *env, struct err *err),
              int (*find)(void *env, struct err *err), void *env, struct err *err)
{
    struct err why = {0};
    int r = -ERR_NETWORK;
    for (int tries = 1; r == -ERR_NETWORK && tries <= MAKE_TRIES; tries++) {
        r = make(env, &why);
        if (r == 0)
            return 0;
        int found = r == -ERR_INTERRUPTED ? 0 : find(env, err);
        if (found != 0)
            return found < 0 ? found : 0;
        if (r == -ERR_NETWORK && tries < MAKE_TRIES)
            api_pause(api, tries);
    }
    if (err)
        *err = why;
    return r;
}

/* --- first content of KV stores --- */

const struct manifest_kv *kv_of(const struct target *t, const char *store)
{
    const struct manifest *m = t->o.manifest;
    for (size_t i = 0; i < m->kv_count; i++)
        if (strcmp(m->kv[i].name, store) == 0 && (m->kv[i].count || m->kv[i].seed_file))
            return &m->kv[i];
    return NULL;
}

void entries_free(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        entry_clear(&entries[i]);
    free(entries);
}

int target_kv_seed_entries(const struct target *t, const struct manifest_kv *kv,
                           struct entry **ret_entries, size_t *ret_count, struct err *err)
{
    struct manifest_kv_list list = {0};
    int r = manifest_kv_read(t->o.manifest, kv, &list, err);
    if (r < 0)
        return r;
    struct entry *entries = xcalloc(list.count + 1, sizeof *entries);
    size_t n = 0;
    for (; n < list.count && r == 0; n++) {
        struct buf value = BUF_INIT(SEED_VALUE_MAX);
        r = manifest_source_read(t->o.manifest, &list.entries[n].value, &value, err);
        const char *metadata = list.entries[n].metadata;
        entries[n] = (struct entry){.key = xstrdup(list.entries[n].key), .len = value.len,
                                    .metadata = metadata ? xstrdup(metadata) : NULL};
        entries[n].value = buf_take(&value);
    }
    manifest_kv_list_clear(&list);
    if (r < 0) {
        entries_free(entries, n);
        return err_wrap(err, r, "KV store '%s'", kv->name);
    }
    *ret_entries = entries;
    *ret_count = n;
    return 0;
}

int target_kv_seed(struct target *t, const char *store, const char *id,
                   int (*put)(void *env, const struct entry *entries, size_t count,
                              struct err *err),
                   void *env, struct err *err)
{
    struct entry *entries = NULL;
    size_t count = 0;
    int r = fact_set(t, "kv-seeding", store, id, err);
    if (r == 0)
        r = target_kv_seed_entries(t, kv_of(t, store), &entries, &count, err);
    if (r == 0)
        r = put(env, entries, count, err);
    entries_free(entries, count);
    if (r == 0)
        r = fact_set(t, "kv-seeded", store, id, err);
    return r < 0 ? r : fact_set(t, "kv-seeding", store, NULL, err);
}

static bool is_fact(const struct target *t, const char *kind, const char *store, const char *id)
{
    const char *fact = fact_get(t, kind, store);
    return fact && strcmp(fact, id) == 0;
}

int target_kv_seed_known(const struct target *t, const char *store, const char *id)
{
    if (is_fact(t, "kv-seeding", store, id))
        return 1;
    return is_fact(t, "kv-seeded", store, id) ? 0 : -1;
}

/* --- facts --- */

const char *fact_get(const struct target *t, const char *kind, const char *name)
{
    cleanup(free_p) char *key = xasprintf("%s %s", kind, name);
    return t->o.journal ? journal_fact(t->o.journal, key) : NULL;
}

int fact_set(struct target *t, const char *kind, const char *name, const char *value,
             struct err *err)
{
    cleanup(free_p) char *key = xasprintf("%s %s", kind, name);
    return t->o.journal ? journal_set_fact(t->o.journal, key, value, err) : 0;
}

/* --- transfers --- */

void upload_progress(void *env, uint64_t sent, uint64_t total)
{
    enum { SHOWN_FROM = 1 << 20 };
    const struct target *t = env;
    if (t->o.progress && total >= SHOWN_FROM)
        t->o.progress(t->o.env, "uploading", sent, total);
}

void transfer_progress(void *env, uint64_t sent, uint64_t total)
{
    struct transfer *one = env;
    struct transfers *all = one->all;
    (void)total;
    all->sent = all->sent - one->sent + sent; /* a call that is tried again begins anew */
    one->sent = sent;
    upload_progress(all->target, all->sent, all->total);
}

int fact_note(struct target *t, const char *kind, const char *name, const char *value,
              struct err *err)
{
    cleanup(free_p) char *key = xasprintf("%s %s", kind, name);
    return t->o.journal ? journal_note_fact(t->o.journal, key, value, err) : 0;
}
