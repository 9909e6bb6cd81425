/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/base64.h"
#include "base/mem.h"
#include "bundle/scan.h"

/* Not for use: made up, with every kind of character that encodings differ in. */
static const char value[] = "p?a>s~w/o r+d&1\xfb";

struct world {
    struct secret *value;
    struct bundle_secret list[2];
    struct scan *scan;
};

static int setup(void **state)
{
    struct world *w = xnew(struct world);
    w->value = secret_new(value, sizeof value - 1);
    w->list[0] = (struct bundle_secret){.store = "secrets", .key = "unset"};
    w->list[1] = (struct bundle_secret){.store = "vault", .key = "api-key", .value = w->value};
    w->scan = scan_new(w->list, 2);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    scan_free(w->scan);
    secret_unref(w->value);
    free(w);
    return 0;
}

static void finds(const struct world *w, const void *data, size_t len, const char *form, size_t at)
{
    struct err err = {0};
    char want[200];
    snprintf(want, sizeof want, "the secret 'api-key' of store 'vault' stands in f.js at byte %zu, %s",
             at, form);
    if (scan_bytes(w->scan, NULL, data, len, "f.js", &err) != -ERR_FAILURE)
        fail_msg("not found: %s at %zu", form, at);
    assert_string_equal(err.msg, want);
    assert_null(strstr(err.msg, value));
    assert_null(strstr(err.hint, value));
}

static void the_value_as_it_is(void **state)
{
    struct world *w = *state;
    uint8_t data[100] = {0};
    for (size_t at = 0; at <= sizeof data - (sizeof value - 1); at++) {
        memset(data, 'x', sizeof data);
        memcpy(data + at, value, sizeof value - 1);
        finds(w, data, sizeof data, "as it is", at);
    }
}

/* Wherever it begins in the text that was encoded, also in the alphabet for URLs. */
static void base64_at_every_place(void **state)
{
    struct world *w = *state;
    for (size_t before = 0; before < 6; before++) {
        for (int url = 0; url < 2; url++) {
            char plain[100];
            int len = snprintf(plain, sizeof plain, "%.*s%s:tail", (int)before, "user: ", value);
            cleanup(free_p) char *text = base64_encode(plain, (size_t)len);
            for (char *p = text; url && *p; p++)
                *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
            struct err err = {0};
            assert_int_equal(scan_bytes(w->scan, NULL, (uint8_t *)text, strlen(text), "f", &err),
                             -ERR_FAILURE);
            assert_non_null(strstr(err.msg, "as base64"));
        }
    }
}

static void other_forms(void **state)
{
    struct world *w = *state;
    static const char url[] = "?k=p%3Fa%3Es~w%2Fo%20r%2Bd%261%FB", low[] = "p%3fa%3es~w%2fo%20r%2bd%261%fb",
                      form[] = "k=p%3Fa%3Es%7Ew%2Fo+r%2Bd%261%FB";
    finds(w, url, sizeof url - 1, "URL-encoded", 3);
    finds(w, low, sizeof low - 1, "URL-encoded", 0);
    finds(w, form, sizeof form - 1, "URL-encoded", 2);
    char hex[64], wide[64] = "ab";
    for (size_t i = 0; i < sizeof value - 1; i++) {
        snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value[i]);
        wide[2 + 2 * i] = value[i];
    }
    finds(w, hex, strlen(hex), "as hexadecimal", 0);
    for (char *p = hex; *p; p++)
        *p = *p >= 'a' ? (char)(*p - 32) : *p;
    finds(w, hex, strlen(hex), "as hexadecimal", 0);
    finds(w, wide, sizeof wide, "as UTF-16", 2);
}

static void nothing_is_found_in_other_text(void **state)
{
    struct world *w = *state;
    static const char text[] = "p?a>s~w/o r+d&2 and a password, AKIA, ghp_short, sk_live_, "
                               "-----BEGIN PRIVATE KEY----- is how a key begins";
    struct err err;
    assert_int_equal(scan_bytes(w->scan, NULL, (const uint8_t *)text, sizeof text - 1, "f", &err), 0);
    assert_int_equal(scan_bytes(w->scan, NULL, NULL, 0, "f", &err), 0);
    assert_int_equal(scan_bytes(w->scan, NULL, (const uint8_t *)"abc", 3, "f", &err), 0);
}

/* The parts are joined here, so that nobody's scanner stumbles over this file. */
static void tokens_by_their_looks(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *start, *rest, *what;    /* NULL: none */
    } cases[] = {
        {"AKIA", "QZ7YB3CD9EF5GH1J", "an AWS access key id"},
        {"AKIA", "QZ7YB3CD9EF5GH1JK", NULL},        /* longer than one is */
        {"xAKIA", "QZ7YB3CD9EF5GH1J", NULL},        /* the middle of a word */
        {"AKIA", "IOSFODNN7EXAMPLE", NULL},         /* the documentation's */
        {"ghp_", "0123456789abcdefghijABCDEFGHIJ012345", "a GitHub token"},
        {"github_pat_", "11AAAAAAA0123456789abcdef_0123456789abcdefghijABCDEFGHIJ0123456789", "a GitHub token"},
        {"sk_live_", "0123456789abcdefghijABCD", "a Stripe key"},
        {"\"AIza", "SyA0123456789abcdefghijABCDEFGHIJ01", "a Google API key"},
        {"npm_", "0123456789abcdefghijABCDEFGHIJ012345", "an npm token"},
        {"npm_", "config_registry_is_no_token_at_all_here", NULL},
        {"-----BEGIN EC PRIV", "ATE KEY-----\nMHcCAQEEIBzZ0123456789abcdefghijABCDEFGHIJ0123456789", "a private key"},
        {"-----BEGIN PRIV", "ATE KEY-----\\nMHcCAQEEIBzZ0123456789abcdefghijABCDEFGHIJ0123456789", "a private key"},
        {"-----BEGIN PUB", "LIC KEY-----\nMHcCAQEEIBzZ0123456789abcdefghijABCDEFGHIJ0123456789", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[300];
        struct err err = {0};
        int len = snprintf(text, sizeof text, "a %s%s;", cases[i].start, cases[i].rest);
        int r = scan_bytes(w->scan, NULL, (uint8_t *)text, (size_t)len, "f", &err);
        if (r != (cases[i].what ? -ERR_FAILURE : 0))
            fail_msg("%s: %d %s", text, r, err.msg);
        if (cases[i].what)
            assert_non_null(strstr(err.msg, cases[i].what));
    }
}

static void a_short_value_is_not_looked_for(void **state)
{
    (void)state;
    struct secret *s = secret_new("abcdefg", 7);
    struct bundle_secret list = {.store = "secrets", .key = "k", .value = s};
    struct err err;
    cleanup(scan_free_p) struct scan *scan = scan_new(&list, 1);
    assert_int_equal(scan_bytes(scan, NULL, (const uint8_t *)"xabcdefgx", 9, "f", &err), 0);
    secret_unref(s);
}

static void a_newline_at_the_end_of_a_file_is_not_the_value(void **state)
{
    (void)state;
    struct secret *s = secret_new("abcdefghij\r\n", 12);
    struct bundle_secret list = {.store = "secrets", .key = "k", .value = s};
    struct err err;
    cleanup(scan_free_p) struct scan *scan = scan_new(&list, 1);
    assert_int_equal(scan_bytes(scan, NULL, (const uint8_t *)"xabcdefghijx", 12, "f", &err),
                     -ERR_FAILURE);
    secret_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(the_value_as_it_is), T(base64_at_every_place), T(other_forms),
        T(nothing_is_found_in_other_text), T(tokens_by_their_looks),
        T(a_short_value_is_not_looked_for), T(a_newline_at_the_end_of_a_file_is_not_the_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
