/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "cli/man.h"

static void expect_prose(const char *markdown, const char *roff)
{
    struct buf b = BUF_INIT(1 << 16);
    man_prose(&b, markdown);
    assert_string_equal(buf_str(&b), roff);
    buf_clear(&b);
}

static void text_is_escaped(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 16);
    man_text(&b, ".a\\b-c 'd' `e` ^~");
    assert_string_equal(buf_str(&b), "\\&.a\\eb\\-c \\(aqd\\(aq \\(gae\\(ga \\(ha\\(ti");
    buf_clear(&b);
}

static void markdown_becomes_roff(void **state)
{
    (void)state;
    expect_prose("One\ntwo.\n\nNext.\n", ".PP\nOne\ntwo.\n.PP\nNext.\n");
    expect_prose("## Head\n\n- `a-b`: *x*\n  **y**\n", ".SS Head\n.IP \\(bu 2\n\\fBa\\-b\\fR: "
                 "\\fIx\\fR\n\\fBy\\fR\n");
    expect_prose("```\n.a *b*\n\nc\n```\nAfter\n",
                 ".PP\n.RS 4\n.EX\n\\&.a *b*\n\nc\n.EE\n.RE\n.PP\nAfter\n");
    expect_prose("", "");
}

static void lone_marks_are_text(void **state)
{
    (void)state;
    expect_prose("a * b, 2*3, `open, **\n", ".PP\na * b, 2*3, \\(gaopen, **\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(markdown_becomes_roff),
        cmocka_unit_test(lone_marks_are_text),
    };
    return cmocka_run_group_tests_name("man", tests, NULL, NULL);
}
