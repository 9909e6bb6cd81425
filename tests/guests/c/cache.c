/* SPDX-License-Identifier: Apache-2.0 */
/* The core cache. The query string keeps the keys of one run apart from those of another. */
#include "check.h"

static const char *run;

static const char *key(const char *name)
{
    char *text = NULL;
    return asprintf(&text, "%s-%s", run, name) < 0 ? "" : text;
}

static uint32_t lookup(const char *name)
{
    uint32_t h = 77;
    const char *k = key(name);
    is(fastly_cache_lookup(k, strlen(k), 0, NULL, &h), EDGE_OK);
    return h;
}

static uint32_t transaction(const char *name)
{
    uint32_t h = 77;
    const char *k = key(name);
    is(fastly_cache_transaction_lookup(k, strlen(k), 0, NULL, &h), EDGE_OK);
    return h;
}

static uint32_t state(uint32_t h)
{
    uint32_t bits = 99;
    is(fastly_cache_get_state(h, &bits), EDGE_OK);
    return bits;
}

static bool content_is(uint32_t h, uint32_t mask, uint64_t from, uint64_t to, const char *want)
{
    uint32_t body;
    struct edge_cache_get_body_options range = {.from = from, .to = to};
    return is(fastly_cache_get_body(h, mask, &range, &body), EDGE_OK) && body_is(body, want);
}

static const uint64_t second = 1000000000ull;

static void store(const char *name, const char *text, uint32_t mask,
                  struct edge_cache_write_options options)
{
    uint32_t body, n;
    const char *k = key(name);
    is(fastly_cache_insert(k, strlen(k), mask, &options, &body), EDGE_OK);
    is(fastly_http_body_write(body, text, strlen(text), EDGE_BODY_BACK, &n), EDGE_OK);
    is(fastly_http_body_close(body), EDGE_OK);
}

static void plain(void)
{
    uint32_t h = lookup("plain"), body;
    uint64_t n = 0;
    char buf[64];
    size_t size;
    is(state(h), 0);
    is(fastly_cache_get_length(h, &n), EDGE_NONE);
    is(fastly_cache_get_user_metadata(h, buf, sizeof(buf), &size), EDGE_NONE);
    is(fastly_cache_get_body(h, 0, NULL, &body), EDGE_NONE);
    is(fastly_cache_get_hits(h, &n), EDGE_NONE);
    is(fastly_cache_get_stale_while_revalidate_ns(h, &n), EDGE_NONE);
    is(fastly_cache_close(h), EDGE_OK);
    is(fastly_cache_close(h), EDGE_BADF);

    store("plain", "0123456789", EDGE_WRITE_USER_METADATA | EDGE_WRITE_INITIAL_AGE,
          (struct edge_cache_write_options){.max_age_ns = 60 * second, .initial_age_ns = 5 * second,
                                            .user_metadata = "meta", .user_metadata_len = 4});
    h = lookup("plain");
    is(state(h), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE);
    is(fastly_cache_get_length(h, &n), EDGE_OK);
    is(n, 10);
    is(fastly_cache_get_max_age_ns(h, &n), EDGE_OK);
    is(n, 60 * second);
    is(fastly_cache_get_stale_while_revalidate_ns(h, &n), EDGE_OK);
    is(n, 0);
    is(fastly_cache_get_hits(h, &n), EDGE_OK);
    ok(n <= 1);
    uint32_t later = lookup("plain");
    uint64_t more = 0;
    is(fastly_cache_get_hits(later, &more), EDGE_OK);
    is(more, n + 1);
    is(fastly_cache_close(later), EDGE_OK);
    is(fastly_cache_get_age_ns(h, &n), EDGE_OK);
    ok(n >= 5 * second && n < 30 * second);
    is(fastly_cache_get_user_metadata(h, buf, 2, &size), EDGE_BUFLEN);
    is(size, 4);
    is(fastly_cache_get_user_metadata(h, buf, sizeof(buf), &size), EDGE_OK);
    is_text(buf, size, "meta");
    ok(content_is(h, 0, 0, 0, "0123456789"));
    ok(content_is(h, EDGE_RANGE_FROM, 7, 0, "789"));
    ok(content_is(h, EDGE_RANGE_FROM | EDGE_RANGE_TO, 2, 4, "234"));
    /* One open body at a time. */
    is(fastly_cache_get_body(h, 0, NULL, &body), EDGE_OK);
    uint32_t second_body;
    is(fastly_cache_get_body(h, 0, NULL, &second_body), EDGE_BADF);
    is(fastly_http_body_close(body), EDGE_OK);
    is(fastly_cache_get_body(h, 0, NULL, &second_body), EDGE_OK);
    is(fastly_cache_close(h), EDGE_OK);

    char *big = memset(malloc(4097), 'k', 4097);
    is(fastly_cache_lookup(big, 4097, 0, NULL, &h), EDGE_INVAL);
    struct edge_cache_write_options options = {.max_age_ns = 1, .edge_max_age_ns = 2};
    is(fastly_cache_insert("k", 1, EDGE_WRITE_EDGE_MAX_AGE, &options, &body), EDGE_INVAL);
}

static void transactions(void)
{
    uint32_t first = transaction("t"), busy, second_handle, ready = 9, body, n, reader;
    is(state(first), EDGE_CACHE_MUST_INSERT_OR_UPDATE);
    const char *k = key("t");
    is(fastly_cache_transaction_lookup_async(k, strlen(k), 0, NULL, &busy), EDGE_OK);
    is(fastly_async_io_is_ready(busy, &ready), EDGE_OK);
    is(ready, 0);

    struct edge_cache_write_options options = {.max_age_ns = 60 * second};
    is(fastly_cache_transaction_insert_and_stream_back(first, 0, &options, &body, &reader), EDGE_OK);
    is(fastly_cache_transaction_insert(first, 0, &options, &body), EDGE_BADF);
    is(fastly_http_body_write(body, LIT("streamed"), EDGE_BODY_BACK, &n), EDGE_OK);
    is(fastly_http_body_close(body), EDGE_OK);
    ok(content_is(reader, 0, 0, 0, "streamed"));

    is(fastly_cache_cache_busy_handle_wait(busy, &second_handle), EDGE_OK);
    is(state(second_handle), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE);
    ok(content_is(second_handle, 0, 0, 0, "streamed"));
    is(fastly_cache_transaction_cancel(second_handle), EDGE_BADF);
}

static void giving_up(void)
{
    uint32_t first = transaction("c"), busy, next;
    const char *k = key("c");
    is(fastly_cache_transaction_lookup_async(k, strlen(k), 0, NULL, &busy), EDGE_OK);
    is(fastly_cache_transaction_cancel(first), EDGE_OK);
    is(fastly_cache_transaction_cancel(first), EDGE_BADF);
    is(fastly_cache_cache_busy_handle_wait(busy, &next), EDGE_OK);
    is(state(next), EDGE_CACHE_MUST_INSERT_OR_UPDATE); /* the obligation went on */
    is(fastly_cache_close(next), EDGE_OK);
    next = transaction("c");
    is(state(next), EDGE_CACHE_MUST_INSERT_OR_UPDATE);
    is(fastly_cache_transaction_lookup_async(k, strlen(k), 0, NULL, &busy), EDGE_OK);
    is(fastly_cache_close_busy(busy), EDGE_OK);
    is(fastly_cache_close_busy(busy), EDGE_BADF);
}

/* What only this guest could end is not waited for. */
static void owing_to_itself(void)
{
    uint32_t first = transaction("o"), busy, next;
    const char *k = key("o");
    is(state(first), EDGE_CACHE_MUST_INSERT_OR_UPDATE);
    is(fastly_cache_transaction_lookup(k, strlen(k), 0, NULL, &next), EDGE_BADF);
    is(fastly_cache_transaction_lookup_async(k, strlen(k), 0, NULL, &busy), EDGE_OK);
    is(fastly_cache_cache_busy_handle_wait(busy, &next), EDGE_BADF);
    is(fastly_cache_transaction_cancel(first), EDGE_OK);
    is(fastly_cache_cache_busy_handle_wait(busy, &next), EDGE_OK);
    is(state(next), EDGE_CACHE_MUST_INSERT_OR_UPDATE);
}

static void stale(void)
{
    store("s", "old", EDGE_WRITE_STALE_WHILE_REVALIDATE | EDGE_WRITE_INITIAL_AGE,
          (struct edge_cache_write_options){.max_age_ns = second, .initial_age_ns = 10 * second,
                                            .stale_while_revalidate_ns = 60 * second});
    uint32_t first = transaction("s"), other = transaction("s");
    is(state(first), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE | EDGE_CACHE_STALE |
                         EDGE_CACHE_MUST_INSERT_OR_UPDATE);
    is(state(other), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE | EDGE_CACHE_STALE);
    ok(content_is(first, 0, 0, 0, "old"));
    uint64_t n = 0;
    is(fastly_cache_get_stale_while_revalidate_ns(first, &n), EDGE_OK);
    is(n, 60 * second);
    struct edge_cache_write_options options = {.max_age_ns = 100 * second};
    is(fastly_cache_transaction_update(first, 0, &options), EDGE_OK);
    is(fastly_cache_transaction_update(first, 0, &options), EDGE_BADF);
    uint32_t h = lookup("s");
    is(state(h), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE);
    ok(content_is(h, 0, 0, 0, "old"));
}

static uint32_t request_with(const char *language)
{
    uint32_t req;
    fastly_http_req_new(&req);
    fastly_http_req_header_insert(req, LIT("accept-language"), language, strlen(language));
    return req;
}

static void vary(void)
{
    for (int i = 0; i < 2; i++)
        store("v", i ? "guten Tag" : "bonjour", EDGE_WRITE_REQUEST_HEADERS | EDGE_WRITE_VARY_RULE,
              (struct edge_cache_write_options){
                  .max_age_ns = 60 * second, .request_headers = request_with(i ? "de" : "fr"),
                  .vary_rule = "accept-language", .vary_rule_len = 15});
    for (int i = 0; i < 3; i++) {
        static const char *const languages[] = {"de", "fr", "en"};
        struct edge_cache_lookup_options options = {.request_headers = request_with(languages[i])};
        uint32_t h;
        const char *k = key("v");
        is(fastly_cache_lookup(k, strlen(k), EDGE_LOOKUP_REQUEST_HEADERS, &options, &h), EDGE_OK);
        if (i < 2)
            ok(content_is(h, 0, 0, 0, i ? "bonjour" : "guten Tag"));
        else
            is(state(h), 0);
    }
}

static void purging(void)
{
    const char *surrogate = key("surrogate");
    struct edge_cache_write_options options = {.max_age_ns = 60 * second,
                                               .surrogate_keys = surrogate,
                                               .surrogate_keys_len = strlen(surrogate)};
    store("p", "x", EDGE_WRITE_SURROGATE_KEYS, options);
    is(fastly_purge_purge_surrogate_key(LIT("some-other-key"), 0, NULL), EDGE_OK);
    is(state(lookup("p")), EDGE_CACHE_FOUND | EDGE_CACHE_USABLE);
    is(fastly_purge_purge_surrogate_key(surrogate, strlen(surrogate), 0, NULL), EDGE_OK);
    is(state(lookup("p")), 0);
}

int main(void)
{
    struct edge_request req = edge_request();
    run = req.query;
    plain();
    transactions();
    giving_up();
    owing_to_itself();
    stale();
    vary();
    purging();
    check_done();
}
