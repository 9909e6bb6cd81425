/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "unit/test.h"
#include "xml/xml.h"

static struct xml *parse(const char *text)
{
    struct xml *x;
    struct err err;
    if (xml_parse(text, strlen(text), &x, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return x;
}

static void check_written(const struct xml *x, const char *want)
{
    cleanup(buf_clear) struct buf b = BUF_INIT(1 << 20);
    xml_write(x, &b);
    assert_string_equal(buf_str(&b), want);
}

static void what_is_read_is_written_again(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "<a/>",
        "<a xmlns=\"http://x/y\" b=\"&quot;&amp;&lt;\"><b>1</b><c/> mixed <b>2 &lt; 3</b></a>",
        "<p:a xmlns:p=\"u\">\n  <p:New><p:Inner>\xc3\xa9</p:Inner></p:New>\n</p:a>",
        "<a>line&#13;\nnext</a>",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        cleanup(xml_free_p) struct xml *x = parse(texts[i]);
        check_written(x, texts[i]);
        cleanup(xml_free_p) struct xml *copy = xml_copy(x);
        check_written(copy, texts[i]);
    }
}

static void a_change_leaves_the_rest_as_it_was(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *x = parse(
        "<?xml version=\"1.0\"?><D xmlns=\"n\"><Id>1</Id><!-- gone --><F><![CDATA[a<b]]></F>"
        "<L><Quantity>0</Quantity></L><New2031 x=\"y\"/></D>");
    struct xml *list = xml_find(x, "L");
    xml_set_text(xml_find(list, "Quantity"), "1");
    struct xml *item = xml_add(xml_add(list, "Items", NULL), "I", NULL);
    xml_add(item, "Arn", "a&b");
    struct xml *first = xml_new("Z");
    xml_insert(x, first, NULL);
    xml_insert(x, xml_new("Y"), xml_find(x, "Id"));
    check_written(x, "<D xmlns=\"n\"><Z/><Id>1</Id><Y/><F>a&lt;b</F><L><Quantity>1</Quantity><Items>"
                     "<I><Arn>a&amp;b</Arn></I></Items></L><New2031 x=\"y\"/></D>");
    xml_free(xml_find(x, "L"));
    xml_free(first);
    check_written(x, "<D xmlns=\"n\"><Id>1</Id><Y/><F>a&lt;b</F><New2031 x=\"y\"/></D>");
}

static void elements_are_found_by_path_whatever_their_prefix(void **state)
{
    (void)state;
    cleanup(xml_free_p) struct xml *x =
        parse("<s:R xmlns:s=\"n\"><s:E><Code>A</Code></s:E><L><I>1</I>\n<I>2</I><J/></L></s:R>");
    assert_string_equal(xml_get(x, "E/Code"), "A");
    assert_string_equal(xml_get(x, "L/J"), "");
    assert_string_equal(xml_get(x, "E"), "");
    assert_null(xml_get(x, "E/Cod"));
    assert_null(xml_get(x, "E/Codes"));
    assert_null(xml_get(NULL, "E"));
    struct xml *list = xml_find(x, "L"), *item = xml_each(list, "I", NULL);
    assert_string_equal(xml_get(item, NULL), "1");
    item = xml_each(list, "I", item);
    assert_string_equal(xml_get(item, NULL), "2");
    assert_null(xml_each(list, "I", item));
}

static void text_that_is_no_document_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "no element"},
        {"{\"a\":1}", "not well-formed"},
        {"<a><b></a>", "mismatched"},
        {"<a>", "no element"},
        {"<a/><b/>", "junk"},
        {"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", "document type"},
        {"<a>&e;</a>", "undefined entity"},
        {"<a>\xff</a>", "not well-formed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct xml *x = NULL;
        struct err err;
        assert_int_equal(xml_parse(bad[i].text, strlen(bad[i].text), &x, &err), -ERR_NETWORK);
        if (!strstr(err.msg, bad[i].why))
            fail_msg("%s: %s", bad[i].text, err.msg);
        assert_null(x);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 100000; i++)
        buf_add_str(&b, "<a>");
    struct xml *x;
    struct err err;
    assert_int_equal(xml_parse(b.data, b.len, &x, &err), -ERR_NETWORK);
    assert_non_null(strstr(err.msg, "too deep"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(a_change_leaves_the_rest_as_it_was),
        cmocka_unit_test(elements_are_found_by_path_whatever_their_prefix),
        cmocka_unit_test(text_that_is_no_document_is_refused),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
