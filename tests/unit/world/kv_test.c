/* SPDX-License-Identifier: Apache-2.0 */
/* The KV store's rules, by the database on disk. */
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "unit/test.h"
#include "unit/world/scratch.h"
#include "world/kv.h"

struct world {
    struct kv_db *db;
    struct kv_reader *reader;
};

static int64_t fake_wall_ns;

static int64_t fake_wall(void *env)
{
    (void)env;
    return fake_wall_ns;
}

static int64_t real_mono(void *env)
{
    (void)env;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void zero_random(void *env, void *to, size_t len)
{
    (void)env;
    memset(to, 0, len);
}

static const struct clock_source fake_clock = {
    .mono_ns = real_mono, .wall_ns = fake_wall, .random = zero_random,
};

static int open_world(void **state)
{
    struct world *w = xnew(struct world);
    struct err err;
    if (scratch_make(state) < 0 || kv_db_open(scratch, &w->db, &err) < 0)
        return -1;
    *state = w;
    return kv_reader_open(w->db, NULL, &w->reader, &err);
}

static int close_world(void **state)
{
    struct world *w = *state;
    kv_reader_close(w->reader);
    kv_db_close(w->db);
    free(w);
    clock_install(NULL);
    return scratch_remove(state);
}

static void reopen(struct world *w)
{
    struct err err;
    kv_reader_close(w->reader);
    kv_db_close(w->db);
    assert_int_equal(kv_db_open(scratch, &w->db, &err), 0);
    assert_int_equal(kv_reader_open(w->db, NULL, &w->reader, &err), 0);
}

static struct kv_put text_put(const char *key, const char *value)
{
    return (struct kv_put){
        .store = "s", .key = key, .value = value, .value_len = strlen(value),
    };
}

static uint64_t put_text(struct world *w, const char *key, const char *value)
{
    struct kv_put put = text_put(key, value);
    uint64_t generation = 0;
    assert_int_equal(kv_put_now(w->db, &put, &generation), KV_OK);
    return generation;
}

static void body_bytes(struct body *b, char *to, size_t cap, size_t *ret_len)
{
    size_t n;
    *ret_len = 0;
    while (*ret_len < cap && body_read(b, to + *ret_len, cap - *ret_len, &n) == BODY_DATA)
        *ret_len += n;
    assert_int_equal(body_read(b, to, 1, &n), BODY_END);
}

static void assert_value(struct world *w, const char *key, const char *want)
{
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    char got[256];
    size_t len;
    assert_int_equal(kv_get(w->reader, "s", key, &e), KV_OK);
    body_bytes(e->value, got, sizeof got, &len);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(got, want, len);
}

static enum kv_result get_result(struct world *w, const char *key)
{
    struct kv_entry *e = NULL;
    enum kv_result r = kv_get(w->reader, "s", key, &e);
    kv_entry_free(e);
    return r;
}

static void keys_follow_the_rules(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a", "a/b", "\xc3\xa9", "a.b", "...", ".a", "a..b", "key with space", "a/.b", "\x01\x01",
    };
    static const char *const bad[] = {
        "", ".", "..", "a\rb", "a\n", "#", "a;b", "a?b", "^", "a|b", "./a", "a/../b", "../a", "a/..",
        "a/.", "a./b", ".well-known/acme-challenge/x", ".well-known/acme-challenge", "\xff",
        "\x01", " ", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!kv_key_valid(good[i], strlen(good[i])))
            fail_msg("'%s' was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (kv_key_valid(bad[i], strlen(bad[i])))
            fail_msg("'%s' was accepted", bad[i]);
    assert_false(kv_key_valid("a\0b", 3));
    char longest[KV_KEY_MAX + 1];
    memset(longest, 'k', sizeof longest);
    assert_true(kv_key_valid(longest, KV_KEY_MAX));
    assert_false(kv_key_valid(longest, KV_KEY_MAX + 1));
}

static void modes_do_what_they_say(void **state)
{
    struct world *w = *state;
    struct kv_put put = text_put("k", "b");
    put.mode = KV_ADD;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_PRECONDITION_FAILED);
    put = text_put("k", "c");
    put.mode = KV_APPEND;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    put = text_put("k", "a");
    put.mode = KV_PREPEND;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    assert_value(w, "k", "abc");
    put = text_put("new", "x");
    put.mode = KV_APPEND;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    assert_value(w, "new", "x");
    put_text(w, "k", "z");
    assert_value(w, "k", "z");
    put_text(w, "k", "");
    assert_value(w, "k", "");
}

static void deleting_what_is_not_there_is_told(void **state)
{
    struct world *w = *state;
    put_text(w, "k", "v");
    assert_int_equal(kv_delete_now(w->db, "s", "k"), KV_OK);
    assert_int_equal(get_result(w, "k"), KV_NOT_FOUND);
    assert_int_equal(kv_delete_now(w->db, "s", "k"), KV_NOT_FOUND);
    assert_int_equal(kv_delete_now(w->db, "other", "k"), KV_NOT_FOUND);
}

static void generation_guards_only_existing_keys(void **state)
{
    struct world *w = *state;
    struct kv_put put = text_put("k", "1");
    put.has_generation = true;
    put.if_generation = 42;
    uint64_t first = 0, second = 0;
    assert_int_equal(kv_put_now(w->db, &put, &first), KV_OK);
    assert_int_equal(kv_put_now(w->db, &put, &second), KV_PRECONDITION_FAILED);
    put.if_generation = first;
    assert_int_equal(kv_put_now(w->db, &put, &second), KV_OK);
    assert_true(second > first);
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    assert_int_equal(kv_get(w->reader, "s", "k", &e), KV_OK);
    assert_int_equal(e->generation, second);
}

static void generations_stay_unique_when_the_clock_goes_back(void **state)
{
    struct world *w = *state;
    clock_install(&fake_clock);
    fake_wall_ns = 2000000000000000000;
    uint64_t a = put_text(w, "a", "1");
    uint64_t b = put_text(w, "b", "1");
    fake_wall_ns -= 1000000000;
    uint64_t c = put_text(w, "c", "1");
    reopen(w);
    uint64_t d = put_text(w, "d", "1");
    assert_int_equal(a, 2000000000000000000);
    assert_true(a < b && b < c && c < d);
}

static void entries_expire(void **state)
{
    struct world *w = *state;
    clock_install(&fake_clock);
    fake_wall_ns = 2000000000000000000;
    struct kv_put put = text_put("k", "v");
    put.ttl_s = 10;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    fake_wall_ns += 9999 * 1000000LL;
    assert_value(w, "k", "v");
    fake_wall_ns += 1000000LL;
    assert_int_equal(get_result(w, "k"), KV_NOT_FOUND);
    struct kv_page page;
    assert_int_equal(kv_list(w->reader, "s", NULL, NULL, 10, &page), KV_OK);
    assert_int_equal(page.count, 0);
    kv_page_clear(&page);
    /* what has expired is not there for a writer either */
    put = text_put("k", "w");
    put.mode = KV_ADD;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    assert_value(w, "k", "w");
    put.mode = KV_OVERWRITE;
    put.ttl_s = 1;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    fake_wall_ns += 1000000000LL;
    assert_int_equal(kv_delete_now(w->db, "s", "k"), KV_NOT_FOUND);
}

static void metadata_is_kept_and_bounded(void **state)
{
    struct world *w = *state;
    char metadata[KV_METADATA_MAX + 1];
    memset(metadata, 'm', sizeof metadata);
    struct kv_put put = text_put("k", "v");
    put.metadata = metadata;
    put.metadata_len = KV_METADATA_MAX;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    struct kv_entry *e = NULL;
    assert_int_equal(kv_get(w->reader, "s", "k", &e), KV_OK);
    assert_int_equal(e->metadata_len, KV_METADATA_MAX);
    assert_memory_equal(e->metadata, metadata, KV_METADATA_MAX);
    kv_entry_free(e);
    put.metadata_len = KV_METADATA_MAX + 1;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_BAD_REQUEST);
    put_text(w, "k", "v2"); /* a write without metadata drops it */
    assert_int_equal(kv_get(w->reader, "s", "k", &e), KV_OK);
    assert_null(e->metadata);
    kv_entry_free(e);
}

static char *page_text(const struct kv_page *page)
{
    struct buf b = BUF_INIT(4096);
    for (size_t i = 0; i < page->count; i++)
        buf_printf(&b, "%s%s", i ? "," : "", page->keys[i]);
    buf_add_str(&b, page->more ? "+" : ".");
    return buf_take(&b);
}

static void assert_list(struct world *w, const char *prefix, const char *cursor, size_t limit,
                        const char *want)
{
    struct kv_page page;
    assert_int_equal(kv_list(w->reader, "s", prefix, cursor, limit, &page), KV_OK);
    cleanup(free_p) char *got = page_text(&page);
    assert_string_equal(got, want);
    kv_page_clear(&page);
}

static void listing_pages_in_byte_order(void **state)
{
    struct world *w = *state;
    static const char *const keys[] = {"b/2", "a", "b/10", "\xc3\xa9", "Z", "b", "c", "b0"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put_text(w, keys[i], "v");
    struct kv_put other = {.store = "t", .key = "elsewhere", .value = "v", .value_len = 1};
    assert_int_equal(kv_put_now(w->db, &other, NULL), KV_OK);
    assert_list(w, NULL, NULL, 100, "Z,a,b,b/10,b/2,b0,c,\xc3\xa9.");
    assert_list(w, NULL, NULL, 3, "Z,a,b+");
    assert_list(w, NULL, "b", 3, "b/10,b/2,b0+");
    assert_list(w, NULL, "b0", 3, "c,\xc3\xa9.");
    assert_list(w, "b/", NULL, 1, "b/10+");
    assert_list(w, "b/", "b/10", 10, "b/2.");
    assert_list(w, "b/", "a", 10, "b/10,b/2.");
    assert_list(w, "b/", "zzz", 10, ".");
    assert_list(w, "nothing", NULL, 10, ".");
    assert_list(w, "\xc3", NULL, 10, "\xc3\xa9.");
    assert_list(w, NULL, NULL, 8, "Z,a,b,b/10,b/2,b0,c,\xc3\xa9.");
    struct kv_page page;
    assert_int_equal(kv_stores(w->reader, &page), KV_OK);
    cleanup(free_p) char *stores = page_text(&page);
    assert_string_equal(stores, "s,t.");
    kv_page_clear(&page);
}

static void big_values_round_trip(void **state)
{
    struct world *w = *state;
    size_t len = KV_VALUE_MAX;
    cleanup(free_p) char *value = xmalloc(len + 1);
    cleanup(free_p) char *got = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        value[i] = (char)(i * 2654435761u >> 13);
    struct kv_put put = {.store = "s", .key = "big", .value = value, .value_len = len - 1};
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    put.mode = KV_APPEND;
    put.value = value + len - 1;
    put.value_len = 1;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_PAYLOAD_TOO_LARGE);
    struct kv_entry *e = NULL;
    assert_int_equal(kv_get(w->reader, "s", "big", &e), KV_OK);
    size_t n;
    body_bytes(e->value, got, len, &n);
    assert_int_equal(n, len);
    assert_memory_equal(got, value, len);
    kv_entry_free(e);
    put.mode = KV_OVERWRITE;
    put.value = value;
    put.value_len = len + 1;
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_PAYLOAD_TOO_LARGE);
    put_text(w, "big", "small now");
    assert_value(w, "big", "small now");
}

/* --- on a loop --- */

struct waiter {
    struct loop *loop;
    enum kv_result result;
    uint64_t generation;
    int left;
};

static void written(void *env, enum kv_result result, uint64_t generation)
{
    struct waiter *x = env;
    x->result = result;
    x->generation = generation;
    if (--x->left == 0)
        loop_stop(x->loop);
}

static void writes_complete_on_the_loop(void **state)
{
    struct world *w = *state;
    struct waiter x = {.loop = loop_new(), .left = 300};
    char key[32];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        struct kv_put put = {.store = "s", .key = key, .value = key, .value_len = 4};
        kv_write_put(w->db, &put, x.loop, written, &x);
    }
    assert_int_equal(x.left, 300);
    loop_run(x.loop);
    assert_int_equal(x.result, KV_OK);
    assert_value(w, "k000", "k000");
    assert_value(w, "k299", "k299");
    x.left = 1;
    struct kv_put bad = text_put("a#b", "v");
    kv_write_put(w->db, &bad, x.loop, written, &x);
    loop_run(x.loop);
    assert_int_equal(x.result, KV_BAD_REQUEST);
    x.left = 1;
    kv_write_delete(w->db, "s", "k000", x.loop, written, &x);
    loop_run(x.loop);
    assert_int_equal(x.result, KV_OK);
    assert_int_equal(get_result(w, "k000"), KV_NOT_FOUND);
    x.left = 1;
    struct kv_put taken = text_put("t", "");
    taken.value = xstrdup("taken");
    taken.value_len = 5;
    taken.value_take = true;
    kv_write_put(w->db, &taken, x.loop, written, &x);
    loop_run(x.loop);
    assert_value(w, "t", "taken");
    loop_free(x.loop);
}

struct drain {
    struct loop *loop;
    struct body *body;
    size_t total;
    uint64_t sum;
    enum body_read end;
};

static void drain_body(void *env)
{
    struct drain *d = env;
    const uint8_t *data;
    size_t len;
    while ((d->end = body_peek(d->body, &data, &len)) == BODY_DATA) {
        for (size_t i = 0; i < len; i++)
            d->sum = d->sum * 31 + data[i];
        d->total += len;
        body_consume(d->body, len);
    }
    if (d->end == BODY_END || d->end == BODY_ERROR)
        loop_stop(d->loop);
}

static void big_values_stream_and_do_not_tear(void **state)
{
    struct world *w = *state;
    struct drain d = {.loop = loop_new()};
    struct kv_reader *reader;
    struct err err;
    assert_int_equal(kv_reader_open(w->db, d.loop, &reader, &err), 0);
    size_t len = 5 << 20;
    cleanup(free_p) uint8_t *value = xmalloc(len);
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        value[i] = (uint8_t)(i * 2654435761u >> 11);
        sum = sum * 31 + value[i];
    }
    struct kv_put put = {.store = "s", .key = "big", .value = value, .value_len = len};
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK);
    struct kv_entry *e = NULL;
    assert_int_equal(kv_get(reader, "s", "big", &e), KV_OK);
    assert_int_equal(body_known_length(e->value), len);
    const uint8_t *data;
    size_t n;
    assert_int_equal(body_peek(e->value, &data, &n), BODY_WAIT);
    memset(value, 'x', len);
    assert_int_equal(kv_put_now(w->db, &put, NULL), KV_OK); /* replaced while it is read */
    d.body = e->value;
    body_on_readable(e->value, drain_body, &d);
    loop_run(d.loop);
    assert_int_equal(d.end, BODY_END);
    assert_int_equal(d.total, len);
    assert_int_equal(d.sum, sum);
    kv_entry_free(e);
    /* one that is dropped at once ends its reading, also when everything is closed meanwhile */
    assert_int_equal(kv_get(reader, "s", "big", &e), KV_OK);
    body_stop(e->value);
    kv_entry_free(e);
    kv_reader_close(reader);
    loop_free(d.loop);
}

static void batches_are_all_or_nothing(void **state)
{
    struct world *w = *state;
    put_text(w, "there", "1");
    struct kv_put puts[3] = {text_put("a", "1"), text_put("there", "2"), text_put("b", "1")};
    puts[1].mode = KV_ADD;
    struct kv_batch batch = {.puts = puts, .count = 3};
    size_t failed = 99;
    assert_int_equal(kv_batch_now(w->db, &batch, &failed), KV_PRECONDITION_FAILED);
    assert_int_equal(failed, 1);
    assert_int_equal(get_result(w, "a"), KV_NOT_FOUND);
    puts[1].mode = KV_OVERWRITE;
    assert_int_equal(kv_batch_now(w->db, &batch, &failed), KV_OK);
    assert_value(w, "a", "1");
    assert_value(w, "there", "2");
    puts[2].key = "not|valid";
    assert_int_equal(kv_batch_now(w->db, &batch, &failed), KV_BAD_REQUEST);
    assert_int_equal(failed, 2);
}

/* --- several databases on one folder, as several processes have --- */

struct racer {
    int number;
    uint64_t generations[200];
};

static void *race(void *env)
{
    struct racer *r = env;
    struct kv_db *db;
    struct err err;
    if (kv_db_open(scratch, &db, &err) < 0)
        return NULL;
    for (int i = 0; i < 200; i++) {
        char key[32], piece[8];
        snprintf(key, sizeof key, "%d-%d", r->number, i);
        snprintf(piece, sizeof piece, "%d", r->number);
        struct kv_put put = text_put(key, "v"), log = text_put("log", piece);
        log.mode = KV_APPEND;
        if (kv_put_now(db, &put, &r->generations[i]) != KV_OK
            || kv_put_now(db, &log, NULL) != KV_OK)
            return NULL;
    }
    kv_db_close(db);
    return r;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void two_writers_share_a_folder(void **state)
{
    struct world *w = *state;
    struct racer racers[2] = {{.number = 1}, {.number = 2}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    uint64_t all[400];
    for (int i = 0; i < 2; i++) {
        void *ok;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
        memcpy(all + 200 * i, racers[i].generations, sizeof racers[i].generations);
    }
    qsort(all, 400, sizeof *all, by_value);
    for (int i = 1; i < 400; i++)
        assert_true(all[i - 1] < all[i]);
    struct kv_entry *e = NULL;
    char log[512];
    size_t len;
    assert_int_equal(kv_get(w->reader, "s", "log", &e), KV_OK);
    body_bytes(e->value, log, sizeof log, &len);
    kv_entry_free(e);
    assert_int_equal(len, 400); /* no append was lost */
    struct kv_page page;
    assert_int_equal(kv_list(w->reader, "s", NULL, NULL, 1000, &page), KV_OK);
    assert_int_equal(page.count, 401);
    kv_page_clear(&page);
}

static void the_folder_is_private(void **state)
{
    (void)state;
    struct stat st;
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/new/state", scratch);
    struct kv_db *db;
    struct err err;
    mode_t before = umask(0);
    assert_int_equal(kv_db_open(path, &db, &err), 0);
    umask(before);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    strcat(path, "/state.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    kv_db_close(db);
}

static void a_damaged_file_is_one_clear_error(void **state)
{
    struct world *w = *state;
    put_text(w, "k", "v");
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/other", scratch);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/state.db");
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 5000; i++)
        fputs("not a database", f);
    fclose(f);
    *strrchr(path, '/') = '\0';
    struct kv_db *db;
    struct err err;
    assert_int_equal(kv_db_open(path, &db, &err), -ERR_FAILURE);
    assert_non_null(strstr(err.msg, "is damaged"));
    assert_true(err.hint[0] != '\0');
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_follow_the_rules),
        T(modes_do_what_they_say),
        T(deleting_what_is_not_there_is_told),
        T(generation_guards_only_existing_keys),
        T(generations_stay_unique_when_the_clock_goes_back),
        T(entries_expire),
        T(metadata_is_kept_and_bounded),
        T(listing_pages_in_byte_order),
        T(big_values_round_trip),
        T(writes_complete_on_the_loop),
        T(big_values_stream_and_do_not_tear),
        T(batches_are_all_or_nothing),
        T(two_writers_share_a_folder),
        T(the_folder_is_private),
        T(a_damaged_file_is_one_clear_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
