/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <uv.h>
#include "base/clock.h"
#include "base/mem.h"
#include "world/core_cache.h"

static const uint64_t SECOND = 1000000000;

/* --- a clock that stands still until it is moved --- */

static int64_t now_ns;

static int64_t fake_now(void *env)
{
    (void)env;
    return now_ns;
}

static void fake_random(void *env, void *to, size_t len)
{
    (void)env;
    memset(to, 7, len);
}

static const struct clock_source fake_clock = {fake_now, fake_now, fake_random, NULL, NULL};

/* --- a cache and two loops, both run by this thread when told so --- */

struct setting {
    struct core_cache *cache;
    struct loop *one, *two;
    int notices;
};

static int setup(void **state)
{
    clock_install(&fake_clock);
    now_ns = 1000;
    struct setting *s = xnew(struct setting);
    s->cache = core_cache_new(1 << 20);
    s->one = loop_new();
    s->two = loop_new();
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct setting *s = *state;
    loop_free(s->one);
    loop_free(s->two);
    core_cache_free(s->cache);
    free(s);
    clock_install(NULL);
    return 0;
}

static void stop(void *env)
{
    loop_stop(env);
}

/* Run what was posted to the loop so far. */
static void settle(struct loop *l)
{
    loop_post(l, stop, l);
    loop_run(l);
}

static void count_notice(void *env)
{
    struct setting *s = env;
    s->notices++;
}

static struct cache_key key_of(const char *text)
{
    return (struct cache_key){text, strlen(text)};
}

static struct body *complete(const char *text)
{
    struct body *b = body_new();
    body_write(b, text, strlen(text));
    body_end(b);
    return b;
}

static void insert(struct setting *s, const char *key, const struct cache_write *w,
                   const char *text)
{
    core_cache_insert(s->cache, &(struct cache_key){key, strlen(key)}, NULL, w, complete(text));
}

static struct cache_answer transact(struct setting *s, const char *key, const struct headers *h,
                                    struct loop *l)
{
    struct cache_notify notify = {l, count_notice, s};
    return core_cache_transact(s->cache, &(struct cache_key){key, strlen(key)}, h, &notify);
}

/* Read a body to its end; "!" behind it when that was an error, "..." when more is to come. */
static char *drain(struct body *b)
{
    static char text[4096];
    size_t len = 0;
    for (;;) {
        size_t n = 0;
        enum body_read r = body_read(b, text + len, sizeof text - len - 4, &n);
        if (r == BODY_DATA) {
            len += n;
            continue;
        }
        strcpy(text + len, r == BODY_END ? "" : r == BODY_ERROR ? "!" : "...");
        return text;
    }
}

static char *read_range(struct setting *s, struct cache_object *o, const struct cache_range *range)
{
    struct cache_notify notify = {s->one, count_notice, s};
    struct body *body = NULL;
    struct cache_watch *watch = NULL;
    switch (cache_object_read(o, range, &notify, &body, &watch)) {
    case CACHE_READ_WAIT:
        cache_watch_close(watch);
        return "wait";
    case CACHE_READ_ERROR:
        return "error";
    case CACHE_READ_OK:
        break;
    }
    char *text = drain(body);
    body_stop(body);
    body_unref(body);
    return text;
}

static char *read_all(struct setting *s, struct cache_object *o)
{
    return read_range(s, o, &(struct cache_range){0});
}

/* What a plain lookup finds, as text; "-" for nothing. */
static char *lookup(struct setting *s, const char *key, const struct headers *h)
{
    struct cache_object *o = core_cache_lookup(s->cache, &(struct cache_key){key, strlen(key)}, h);
    char *text = o ? read_all(s, o) : "-";
    cache_object_unref(o);
    return text;
}

/* --- storing and finding --- */

static void found_as_it_was_stored(void **state)
{
    struct setting *s = *state;
    struct cache_info info;
    struct cache_write w = {.max_age_ns = 10 * SECOND, .initial_age_ns = 2 * SECOND,
                            .stale_while_revalidate_ns = SECOND, .metadata = "meta",
                            .metadata_len = 4};
    assert_string_equal(lookup(s, "k", NULL), "-");
    insert(s, "k", &w, "hello");
    assert_string_equal(lookup(s, "k", NULL), "hello");
    now_ns += (int64_t)SECOND;
    struct cache_key key = key_of("k");
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    cache_object_info(o, &info);
    assert_true(info.fresh && info.usable && info.has_length);
    assert_int_equal(info.length, 5);
    assert_int_equal(info.age_ns, 3 * SECOND);
    assert_int_equal(info.max_age_ns, 10 * SECOND);
    assert_int_equal(info.stale_while_revalidate_ns, SECOND);
    assert_int_equal(info.hits, 2);
    assert_int_equal(info.metadata_len, 4);
    assert_memory_equal(info.metadata, "meta", 4);
    insert(s, "k", &w, "other");
    assert_string_equal(read_all(s, o), "hello");   /* what was found stays */
    assert_string_equal(lookup(s, "k", NULL), "other");
    cache_object_unref(o);
}

static void stale_objects_are_told_apart(void **state)
{
    struct setting *s = *state;
    struct cache_info info;
    struct cache_key key = key_of("k");
    struct cache_write w = {.max_age_ns = SECOND, .stale_while_revalidate_ns = SECOND};
    insert(s, "k", &w, "x");
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    cache_object_info(o, &info);
    assert_true(info.fresh && info.usable);
    now_ns += (int64_t)SECOND;
    cache_object_info(o, &info);
    assert_true(!info.fresh && info.usable);
    now_ns += (int64_t)SECOND;
    cache_object_info(o, &info);
    assert_true(!info.fresh && !info.usable);
    cache_object_unref(o);
}

/* --- transactions --- */

static void others_wait_until_the_object_is_there(void **state)
{
    struct setting *s = *state;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_non_null(first.obligation);
    assert_null(first.found);
    struct cache_answer second = transact(s, "k", NULL, s->two);
    assert_non_null(second.watch);
    assert_true(!second.found && !second.obligation);
    struct cache_object *back = cache_obligation_insert(
        first.obligation, &(struct cache_write){.max_age_ns = SECOND}, complete("made"));
    assert_string_equal(read_all(s, back), "made");
    cache_object_unref(back);
    settle(s->one);
    assert_int_equal(s->notices, 0);
    settle(s->two);
    assert_int_equal(s->notices, 1);
    cache_watch_close(second.watch);
    second = transact(s, "k", NULL, s->two);
    assert_true(!second.obligation && !second.watch);
    assert_string_equal(read_all(s, second.found), "made");
    cache_object_unref(second.found);
}

static void a_dropped_obligation_goes_to_one_who_waits(void **state)
{
    struct setting *s = *state;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    struct cache_answer second = transact(s, "k", NULL, s->two);
    struct cache_answer third = transact(s, "k", NULL, s->two);
    cache_watch_close(third.watch);
    cache_obligation_drop(first.obligation);
    settle(s->two);
    assert_int_equal(s->notices, 1);    /* the third had given up */
    cache_watch_close(second.watch);
    second = transact(s, "k", NULL, s->two);
    assert_non_null(second.obligation);
    cache_obligation_drop(second.obligation);
}

static void closing_a_watch_takes_its_notice_back(void **state)
{
    struct setting *s = *state;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    struct cache_answer second = transact(s, "k", NULL, s->two);
    cache_obligation_drop(first.obligation);    /* the notice is on its way now */
    cache_watch_close(second.watch);
    settle(s->two);
    assert_int_equal(s->notices, 0);
}

static void one_revalidates_while_others_use_what_is_stale(void **state)
{
    struct setting *s = *state;
    struct cache_info info;
    struct cache_write w = {.max_age_ns = SECOND, .stale_while_revalidate_ns = 100 * SECOND};
    insert(s, "k", &w, "old");
    now_ns += (int64_t)(2 * SECOND);
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_true(first.found && first.obligation);
    struct cache_answer second = transact(s, "k", NULL, s->one);
    assert_true(second.found && !second.obligation && !second.watch);
    assert_true(cache_obligation_update(first.obligation, &(struct cache_write){
        .max_age_ns = SECOND, .metadata = "new", .metadata_len = 3}));
    struct cache_answer third = transact(s, "k", NULL, s->one);
    assert_true(third.found && !third.obligation);
    cache_object_info(third.found, &info);
    assert_true(info.fresh);
    assert_int_equal(info.metadata_len, 3);
    assert_string_equal(read_all(s, third.found), "old");
    cache_object_unref(first.found);
    cache_object_unref(second.found);
    cache_object_unref(third.found);
}

static void nothing_there_cannot_be_updated(void **state)
{
    struct setting *s = *state;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_false(cache_obligation_update(first.obligation, &(struct cache_write){.max_age_ns = 1}));
    struct cache_answer second = transact(s, "k", NULL, s->one);
    assert_non_null(second.watch);  /* the obligation is still there */
    cache_watch_close(second.watch);
    cache_obligation_drop(first.obligation);
}

static void expired_objects_are_fetched_anew(void **state)
{
    struct setting *s = *state;
    insert(s, "k", &(struct cache_write){.max_age_ns = SECOND}, "old");
    now_ns += (int64_t)SECOND;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_true(first.obligation && !first.found);
    cache_object_unref(cache_obligation_insert(
        first.obligation, &(struct cache_write){.max_age_ns = SECOND}, complete("new")));
    assert_string_equal(lookup(s, "k", NULL), "new");
}

/* --- variants --- */

static struct headers accepting(const char *value)
{
    struct headers h = {0};
    headers_add_str(&h, "Accept", value);
    return h;
}

static void requests_find_their_own_variant(void **state)
{
    struct setting *s = *state;
    struct headers html = accepting("html"), json = accepting("json");
    struct cache_key key = key_of("k");
    struct cache_write w = {.max_age_ns = SECOND, .vary_rule = "accept"};
    core_cache_insert(s->cache, &key, &html, &w, complete("<p>"));
    assert_string_equal(lookup(s, "k", &html), "<p>");
    assert_string_equal(lookup(s, "k", &json), "-");
    assert_string_equal(lookup(s, "k", NULL), "-");
    w.vary_rule = "Accept  ACCEPT";     /* the same rule */
    core_cache_insert(s->cache, &key, &json, &w, complete("{}"));
    assert_string_equal(lookup(s, "k", &html), "<p>");
    assert_string_equal(lookup(s, "k", &json), "{}");
    headers_clear(&html);
    headers_clear(&json);
}

static void only_the_same_variant_is_waited_for(void **state)
{
    struct setting *s = *state;
    struct headers html = accepting("html"), json = accepting("json");
    struct cache_key key = key_of("k");
    struct cache_write w = {.max_age_ns = 1, .vary_rule = "accept"};
    core_cache_insert(s->cache, &key, &html, &w, complete("<p>"));
    now_ns += (int64_t)SECOND;
    struct cache_answer first = transact(s, "k", &html, s->one);
    struct cache_answer same = transact(s, "k", &html, s->one);
    struct cache_answer other = transact(s, "k", &json, s->one);
    assert_true(first.obligation && same.watch && other.obligation);
    cache_watch_close(same.watch);
    cache_obligation_drop(first.obligation);
    cache_obligation_drop(other.obligation);
    headers_clear(&html);
    headers_clear(&json);
}

static void header_lines_are_not_mixed_up(void **state)
{
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct cache_write w = {.max_age_ns = SECOND, .vary_rule = "a b"};
    struct headers ab = {0}, ba = {0};
    headers_add_str(&ab, "a", "1");
    headers_add_str(&ba, "b", "1");
    core_cache_insert(s->cache, &key, &ab, &w, complete("ab"));
    assert_string_equal(lookup(s, "k", &ba), "-");
    headers_clear(&ab);
    headers_clear(&ba);
}

/* --- bodies and ranges --- */

static void ranges_of_a_complete_object(void **state)
{
    static const struct {
        struct cache_range range;
        const char *text;
    } cases[] = {
        {{.has_from = true, .from = 2}, "23456789"},
        {{.has_from = true, .from = 2, .has_to = true, .to = 2}, "2"},
        {{.has_from = true, .from = 0, .has_to = true, .to = 9}, "0123456789"},
        {{.has_to = true, .to = 3}, "789"},
        {{.has_to = true, .to = 10}, "0123456789"},
        /* What does not fit gives everything. */
        {{.has_from = true, .from = 10}, "0123456789"},
        {{.has_from = true, .from = 3, .has_to = true, .to = 2}, "0123456789"},
        {{.has_from = true, .from = 3, .has_to = true, .to = 10}, "0123456789"},
        {{.has_to = true, .to = 0}, "0123456789"},
        {{.has_to = true, .to = 11}, "0123456789"},
    };
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct body *source = body_new();
    core_cache_insert(s->cache, &key, NULL, &(struct cache_write){.max_age_ns = SECOND},
                      body_ref(source));
    body_write(source, "012", 3);
    body_write(source, "3456", 4);
    body_write(source, "789", 3);
    body_end(source);
    body_unref(source);
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(read_range(s, o, &cases[i].range), cases[i].text);
    cache_object_unref(o);
}

static void ranges_of_an_object_on_its_way(void **state)
{
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct cache_range middle = {.has_from = true, .from = 2, .has_to = true, .to = 3};
    struct cache_range tail = {.has_to = true, .to = 1, .always = true};
    struct body *source = body_new();
    core_cache_insert(s->cache, &key, NULL, &(struct cache_write){.max_age_ns = SECOND},
                      body_ref(source));
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    body_write(source, "01", 2);
    assert_string_equal(read_range(s, o, &middle), "01...");    /* length unknown: everything */
    middle.always = true;
    assert_string_equal(read_range(s, o, &middle), "wait");
    body_write(source, "2", 1);
    assert_string_equal(read_range(s, o, &middle), "2...");
    body_write(source, "345", 3);
    assert_string_equal(read_range(s, o, &middle), "23");
    assert_string_equal(read_range(s, o, &tail), "wait");
    body_end(source);
    body_unref(source);
    assert_string_equal(read_range(s, o, &tail), "5");
    cache_object_unref(o);
}

static void a_reader_on_another_loop_follows_the_writer(void **state)
{
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct body *source = body_new();
    core_cache_insert(s->cache, &key, NULL, &(struct cache_write){.max_age_ns = SECOND},
                      body_ref(source));
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    struct body *out = NULL;
    struct cache_watch *watch = NULL;
    struct cache_notify notify = {s->two, count_notice, s};
    assert_int_equal(cache_object_read(o, &(struct cache_range){0}, &notify, &out, &watch),
                     CACHE_READ_OK);
    cache_object_unref(o);
    assert_string_equal(drain(out), "...");
    /* More than a body queues: the feeder must stop when it is full, and go on when drained. */
    char block[1000];
    memset(block, 'x', sizeof block);
    for (int i = 0; i < 50; i++)
        body_write(source, block, sizeof block);
    settle(s->two);
    assert_true(body_full(out));
    body_end(source);
    body_unref(source);
    size_t total = 0, len;
    char buf[700];
    while (body_read(out, buf, sizeof buf, &len) == BODY_DATA)
        total += len;
    assert_int_equal(total, 50 * sizeof block);
    assert_string_equal(drain(out), "");
    body_unref(out);
}

static void a_reader_may_leave_early(void **state)
{
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct body *source = body_new();
    core_cache_insert(s->cache, &key, NULL, &(struct cache_write){.max_age_ns = SECOND},
                      body_ref(source));
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    assert_string_equal(read_all(s, o), "...");     /* stopped while it waits */
    body_write(source, "x", 1);
    settle(s->one);
    body_end(source);
    body_unref(source);
    assert_string_equal(read_all(s, o), "x");
    cache_object_unref(o);
}

static void a_broken_body_is_no_object(void **state)
{
    struct setting *s = *state;
    struct cache_key key = key_of("k");
    struct body *source = body_new();
    core_cache_insert(s->cache, &key, NULL, &(struct cache_write){.max_age_ns = SECOND},
                      body_ref(source));
    struct cache_object *o = core_cache_lookup(s->cache, &key, NULL);
    body_write(source, "half", 4);
    body_fail(source, "test");
    body_unref(source);
    assert_string_equal(read_all(s, o), "half!");
    cache_object_unref(o);
    assert_string_equal(lookup(s, "k", NULL), "-");
    assert_int_equal(core_cache_bytes(s->cache), 0);
}

static void a_promised_length_is_kept(void **state)
{
    struct setting *s = *state;
    struct cache_write w = {.max_age_ns = SECOND, .has_length = true, .length = 3};
    insert(s, "short", &w, "ab");
    insert(s, "right", &w, "abc");
    insert(s, "long", &w, "abcd");
    assert_string_equal(lookup(s, "short", NULL), "-");
    assert_string_equal(lookup(s, "right", NULL), "abc");
    assert_string_equal(lookup(s, "long", NULL), "-");
}

/* --- purging and room --- */

static void purged_by_surrogate_key(void **state)
{
    struct setting *s = *state;
    struct cache_write w = {.max_age_ns = SECOND};
    w.surrogates = "a  ab";
    insert(s, "one", &w, "1");
    w.surrogates = "ab b";
    insert(s, "two", &w, "2");
    w.surrogates = NULL;
    insert(s, "three", &w, "3");
    assert_int_equal(core_cache_purge(s->cache, "a", 1, false), 1);
    assert_string_equal(lookup(s, "one", NULL), "-");
    assert_string_equal(lookup(s, "two", NULL), "2");
    assert_int_equal(core_cache_purge(s->cache, "ab", 2, false), 1);
    assert_int_equal(core_cache_purge(s->cache, "ab", 2, false), 0);
    assert_string_equal(lookup(s, "two", NULL), "-");
    assert_string_equal(lookup(s, "three", NULL), "3");
}

static void soft_purge_makes_stale(void **state)
{
    struct setting *s = *state;
    struct cache_write w = {.max_age_ns = SECOND, .surrogates = "a"};
    insert(s, "k", &w, "1");
    assert_int_equal(core_cache_purge(s->cache, "a", 1, true), 1);
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_true(first.found && first.obligation);
    struct cache_info info;
    cache_object_info(first.found, &info);
    assert_true(!info.fresh && info.usable);
    cache_object_unref(first.found);
    cache_obligation_drop(first.obligation);
}

static void a_purge_leaves_obligations_alone(void **state)
{
    struct setting *s = *state;
    struct cache_write w = {.max_age_ns = SECOND, .stale_while_revalidate_ns = SECOND,
                            .surrogates = "a"};
    insert(s, "k", &w, "1");
    now_ns += (int64_t)SECOND;
    struct cache_answer first = transact(s, "k", NULL, s->one);
    assert_int_equal(core_cache_purge(s->cache, "a", 1, false), 1);
    struct cache_answer second = transact(s, "k", NULL, s->one);
    assert_non_null(second.watch);
    cache_watch_close(second.watch);
    cache_object_unref(first.found);
    cache_object_unref(cache_obligation_insert(first.obligation, &w, complete("2")));
    assert_string_equal(lookup(s, "k", NULL), "2");
}

static void the_least_recently_used_goes_first(void **state)
{
    struct setting *s = *state;
    struct cache_write w = {.max_age_ns = SECOND};
    char *big = xcalloc(1, 100001);
    memset(big, 'x', 100000);
    char key[2] = "a";
    for (; key[0] < 'a' + 20; key[0]++) {
        insert(s, key, &w, big);
        struct cache_key a = key_of("a");
        cache_object_unref(core_cache_lookup(s->cache, &a, NULL));  /* in use all the time */
        assert_true(core_cache_bytes(s->cache) <= 1 << 20);
    }
    struct cache_key a = key_of("a"), b = key_of("b"), t = key_of("t");
    struct cache_object *kept = core_cache_lookup(s->cache, &a, NULL);
    assert_non_null(kept);
    cache_object_unref(kept);
    assert_null(core_cache_lookup(s->cache, &b, NULL));
    kept = core_cache_lookup(s->cache, &t, NULL);
    assert_non_null(kept);
    cache_object_unref(kept);
    free(big);
}

static void an_object_too_big_breaks(void **state)
{
    struct setting *s = *state;
    size_t len = (1 << 19) + 1;
    char *big = xmalloc(len + 1);
    memset(big, 'x', len);
    big[len] = '\0';
    insert(s, "k", &(struct cache_write){.max_age_ns = SECOND}, big);
    assert_string_equal(lookup(s, "k", NULL), "-");
    free(big);
}

/* --- threads --- */

enum { ROUNDS = 300, KEYS = 3 };

/* A thread that runs transactions on its own loop, one after the other, against another thread. */
struct runner {
    struct core_cache *cache;
    struct loop *loop;
    struct cache_answer answer;
    struct task next;
    struct body *body;
    uint64_t seen;
    int rounds, made;
};

static void next_round(void *env);

static void on_readable(void *env)
{
    struct runner *r = env;
    char buf[16];
    size_t len;
    for (;;) {
        enum body_read got = body_read(r->body, buf, sizeof buf, &len);
        if (got == BODY_WAIT)
            return;
        if (got == BODY_DATA) {
            r->seen += len;
            continue;
        }
        assert_int_equal(got, BODY_END);
        assert_int_equal(r->seen, 8);
        break;
    }
    body_on_readable(r->body, NULL, NULL);
    body_stop(r->body);
    body_unref(r->body);
    loop_defer(r->loop, &r->next);
}

static void read_back(struct runner *r, struct cache_object *o)
{
    struct cache_notify notify = {r->loop, NULL, NULL};
    r->seen = 0;
    assert_int_equal(cache_object_read(o, &(struct cache_range){0}, &notify, &r->body, NULL),
                     CACHE_READ_OK);
    cache_object_unref(o);
    body_on_readable(r->body, on_readable, r);
    on_readable(r);
}

static void next_round(void *env)
{
    struct runner *r = env;
    cache_watch_close(r->answer.watch);
    r->answer = (struct cache_answer){0};
    if (r->rounds == ROUNDS) {
        loop_stop(r->loop);
        return;
    }
    char key = (char)('a' + r->rounds % KEYS);
    struct cache_notify notify = {r->loop, next_round, r};
    r->answer = core_cache_transact(r->cache, &(struct cache_key){&key, 1}, NULL, &notify);
    if (r->answer.watch)
        return;
    r->rounds++;
    struct cache_object *o = r->answer.found;
    if (r->answer.obligation) {
        struct body *source = body_new();
        o = cache_obligation_insert(r->answer.obligation, &(struct cache_write){.max_age_ns = 1},
                                    body_ref(source));
        body_write(source, "1234", 4);
        body_write(source, "5678", 4);
        body_end(source);
        body_unref(source);
        r->made++;
    }
    read_back(r, o);
}

static void run_thread(void *arg)
{
    struct runner *r = arg;
    loop_defer(r->loop, &r->next);
    loop_run(r->loop);
}

static void two_threads_agree(void **state)
{
    struct setting *s = *state;
    clock_install(NULL);    /* objects are stale at once */
    struct runner r[2] = {{.cache = s->cache, .loop = s->one}, {.cache = s->cache, .loop = s->two}};
    uv_thread_t threads[2];
    for (int i = 0; i < 2; i++) {
        r[i].next = (struct task){.fn = next_round, .env = &r[i]};
        assert_int_equal(uv_thread_create(&threads[i], run_thread, &r[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        uv_thread_join(&threads[i]);
        assert_int_equal(r[i].rounds, ROUNDS);
    }
    assert_true(r[0].made + r[1].made >= KEYS);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(found_as_it_was_stored),
        T(stale_objects_are_told_apart),
        T(others_wait_until_the_object_is_there),
        T(a_dropped_obligation_goes_to_one_who_waits),
        T(closing_a_watch_takes_its_notice_back),
        T(one_revalidates_while_others_use_what_is_stale),
        T(nothing_there_cannot_be_updated),
        T(expired_objects_are_fetched_anew),
        T(requests_find_their_own_variant),
        T(only_the_same_variant_is_waited_for),
        T(header_lines_are_not_mixed_up),
        T(ranges_of_a_complete_object),
        T(ranges_of_an_object_on_its_way),
        T(a_reader_on_another_loop_follows_the_writer),
        T(a_reader_may_leave_early),
        T(a_broken_body_is_no_object),
        T(a_promised_length_is_kept),
        T(purged_by_surrogate_key),
        T(soft_purge_makes_stale),
        T(a_purge_leaves_obligations_alone),
        T(the_least_recently_used_goes_first),
        T(an_object_too_big_breaks),
        T(two_threads_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
