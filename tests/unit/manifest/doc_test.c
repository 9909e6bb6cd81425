/* SPDX-License-Identifier: Apache-2.0 */
/* The page and the schema have every key of the table, and the schema has its shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "cli/man.h"
#include "manifest/doc.h"
#include "manifest/keys.h"

static void the_page_has_every_key(void **state)
{
    struct buf page = BUF_INIT(1 << 20);
    (void)state;
    manifest_doc_man(&page, "Some `prose`.");
    for (size_t i = 0; i < edge_keys.count; i++) {
        struct buf want = BUF_INIT(4096);
        buf_add_str(&want, ".TP\n\\fB");
        man_text(&want, edge_keys.keys[i].path);
        buf_add_str(&want, "\\fR\n");
        man_text(&want, edge_keys.keys[i].text);
        buf_add_char(&want, '\n');
        if (!strstr(buf_str(&page), buf_str(&want)))
            fail_msg("not on the page: %s", buf_str(&want));
        buf_clear(&want);
    }
    assert_non_null(strstr(buf_str(&page), "\\fBprose\\fR"));
    assert_null(strstr(buf_str(&page), "\n.\n"));
    assert_false(page.overflow);
    buf_clear(&page);
}

/* The member of a schema, or of one of its alternatives. */
static const json_t *member(const json_t *schema, const char *name)
{
    const json_t *any = json_object_get(schema, "anyOf"), *found = json_object_get(schema, name);
    for (size_t i = 0; !found && i < json_array_size(any); i++)
        found = json_object_get(json_array_get(any, i), name);
    return found;
}

static const json_t *walk(const json_t *schema, const char *path)
{
    for (const char *p = path; schema && *p;) {
        size_t len = strcspn(p, ".[");
        cleanup(free_p) char *name = xstrndup(p, len);
        if (*p == '[')
            schema = member(schema, "items");
        else if (strcmp(name, "*") == 0)
            schema = member(schema, "additionalProperties");
        else
            schema = json_object_get(member(schema, "properties"), name);
        p += *p == '[' ? 2 : len;
        p += *p == '.';
    }
    return schema;
}

static void the_schema_has_every_key(void **state)
{
    struct buf text = BUF_INIT(1 << 20);
    (void)state;
    manifest_doc_schema(&text);
    json_t *root = json_loads(buf_str(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    for (size_t i = 0; i < edge_keys.count; i++) {
        const struct manifest_key *k = &edge_keys.keys[i];
        const json_t *s = walk(root, k->path);
        if (!json_is_object(s))
            fail_msg("not in the schema: %s", k->path);
        if (k->types & KT_ENUM)
            assert_non_null(member(s, "enum"));
    }
    const json_t *required = json_object_get(root, "required");
    assert_int_equal(json_array_size(required), 1);
    assert_string_equal(json_string_value(json_array_get(required, 0)), "name");
    assert_true(json_is_false(json_object_get(root, "additionalProperties")));
    /* A target has the top level's keys, without what is required there, but no targets. */
    assert_non_null(walk(root, "targets.*.limits.cpu"));
    assert_null(walk(root, "targets.*.targets"));
    assert_null(json_object_get(walk(root, "targets.*.backends.*"), "required"));
    json_decref(root);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_every_key),
        cmocka_unit_test(the_schema_has_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
