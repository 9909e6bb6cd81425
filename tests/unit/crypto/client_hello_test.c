/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "crypto/client_hello.h"

static void put16(struct buf *b, unsigned v)
{
    buf_add_char(b, (char)(v >> 8));
    buf_add_char(b, (char)v);
}

/* "769,4-5" or "0304,0303": numbers in that base into a list. */
static size_t numbers(const char *text, int base, unsigned *to)
{
    size_t n = 0;
    while (*text) {
        char *end;
        to[n++] = (unsigned)strtoul(text, &end, base);
        text = *end ? end + 1 : end;
    }
    return n;
}

static void put_vector16(struct buf *b, const char *text, int base)
{
    unsigned v[300];
    size_t n = numbers(text, base, v);
    put16(b, (unsigned)(2 * n));
    for (size_t i = 0; i < n; i++)
        put16(b, v[i]);
}

struct parts {
    int base;
    unsigned version;
    const char *ciphers, *extensions, *groups, *formats, *signatures, *versions, *alpn;
};

static void put_extension(struct buf *all, unsigned type, const struct parts *p)
{
    struct buf e = BUF_INIT(4096);
    unsigned v[64];
    size_t n;
    if (type == 10) {
        put_vector16(&e, p->groups, p->base);
    } else if (type == 11) {
        n = numbers(p->formats, p->base, v);
        buf_add_char(&e, (char)n);
        for (size_t i = 0; i < n; i++)
            buf_add_char(&e, (char)v[i]);
    } else if (type == 13) {
        put_vector16(&e, p->signatures, p->base);
    } else if (type == 43) {
        n = numbers(p->versions, p->base, v);
        buf_add_char(&e, (char)(2 * n));
        for (size_t i = 0; i < n; i++)
            put16(&e, v[i]);
    } else if (type == 16) {
        size_t len = strlen(p->alpn);
        put16(&e, (unsigned)len + 1);
        buf_add_char(&e, (char)len);
        buf_add_str(&e, p->alpn);
    }
    put16(all, type);
    put16(all, (unsigned)e.len);
    buf_add(all, buf_str(&e), e.len);
    buf_clear(&e);
}

static struct buf make_hello(const struct parts *p)
{
    struct buf m = BUF_INIT(8192), all = BUF_INIT(8192), b = BUF_INIT(8192);
    unsigned v[64];
    put16(&m, p->version);
    for (int i = 0; i < 32; i++)
        buf_add_char(&m, (char)i);
    buf_add_char(&m, 0);
    put_vector16(&m, p->ciphers, p->base);
    buf_add(&m, "\1\0", 2);
    size_t n = numbers(p->extensions, p->base, v);
    for (size_t i = 0; i < n; i++)
        put_extension(&all, v[i], p);
    if (n) {
        put16(&m, (unsigned)all.len);
        buf_add(&m, all.data, all.len);
    }
    buf_add_char(&b, 1);
    buf_add_char(&b, 0);
    put16(&b, (unsigned)m.len);
    buf_add(&b, m.data, m.len);
    buf_clear(&m);
    buf_clear(&all);
    return b;
}

static void read_hello(const struct parts *p, struct client_hello_prints *prints)
{
    struct buf b = make_hello(p);
    assert_true(client_hello_read((const uint8_t *)b.data, b.len, prints));
    buf_clear(&b);
}

static void assert_ja3(const struct parts *p, const char *want)
{
    struct client_hello_prints prints;
    char got[33];
    read_hello(p, &prints);
    for (size_t i = 0; i < 16; i++)
        snprintf(got + 2 * i, 3, "%02x", prints.ja3_md5[i]);
    assert_string_equal(got, want);
}

/* The two examples of the JA3 README. */
static void test_ja3(void **state)
{
    (void)state;
    assert_ja3(&(struct parts){.base = 10, .version = 769, .extensions = "0,10,11",
                               .groups = "23,24,25",
                               .ciphers = "47,53,5,10,49161,49162,49171,49172,50,56,19,4", .formats = "0"},
               "ada70206e40642a3e4461f35503241d5");
    assert_ja3(&(struct parts){.base = 10, .version = 769, .extensions = "",
                               .ciphers = "4,5,10,9,100,98,3,6,19,18,99"},
               "de350869b8c85de67a350c8d186f11e6");
    /* GREASE in every list changes nothing. */
    assert_ja3(&(struct parts){.base = 10, .version = 769, .extensions = "2570,0,10,11,64250",
                               .groups = "14906,23,24,25", .formats = "0",
                               .ciphers = "6682,47,53,5,10,49161,49162,49171,49172,50,56,19,4"},
               "ada70206e40642a3e4461f35503241d5");
}

/* The example of JA4's description. */
static const struct parts chrome = {
    .base = 16,
    .version = 0x0303,
    .ciphers = "1a1a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035",
    .extensions = "2a2a,1b,0,33,10,4469,17,2d,d,5,23,12,2b,ff01,b,a,15",
    .signatures = "0403,0804,0401,0503,0805,0501,0806,0601",
    .versions = "baba,0304,0303",
    .groups = "1d,17",
    .formats = "0",
    .alpn = "h2",
};

static void test_ja4(void **state)
{
    (void)state;
    struct client_hello_prints prints;
    read_hello(&chrome, &prints);
    assert_string_equal(prints.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    static const struct {
        const char *alpn, *prefix;
    } names[] = {{"http/1.1", "t13d1516h1_"}, {"", "t13d151600_"}, {"x", "t13d1516xx_"},
                 {"\xab", "t13d1516ab_"}, {"\xab\xcd", "t13d1516ad_"}, {"0\xab", "t13d15163b_"},
                 {"0\xab\xcd" "1", "t13d151601_"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct parts p = chrome;
        p.alpn = names[i].alpn;
        read_hello(&p, &prints);
        assert_memory_equal(prints.ja4, names[i].prefix, 11);
    }
    struct parts p = chrome;
    p.extensions = "a,b";
    read_hello(&p, &prints);
    assert_memory_equal(prints.ja4, "t12i150200_8daaf6152771_", 24);
    p.extensions = p.ciphers = "";
    read_hello(&p, &prints);
    assert_string_equal(prints.ja4, "t12i000000_000000000000_000000000000");
    p = chrome;
    p.extensions = "1b,0,33,10,4469,17,2d,5,23,12,2b,ff01,b,a,15,7"; /* no signature algorithms */
    read_hello(&p, &prints);
    assert_memory_equal(prints.ja4, "t13d1516h2_8daaf6152771_", 24);
}

static void test_cut_and_changed_messages(void **state)
{
    (void)state;
    struct client_hello_prints prints;
    struct buf b = make_hello(&chrome);
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *exact = malloc(len ? len : 1); /* exact, for the address sanitizer */
        memcpy(exact, b.data, len);
        assert_false(client_hello_read(exact, len, &prints));
        free(exact);
    }
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (char)(1 << bit);
            client_hello_read((const uint8_t *)b.data, b.len, &prints); /* any answer, no crash */
            b.data[i] ^= (char)(1 << bit);
        }
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ja3),
        cmocka_unit_test(test_ja4),
        cmocka_unit_test(test_cut_and_changed_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
