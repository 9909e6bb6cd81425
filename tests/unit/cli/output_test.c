/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "cli/output.h"

/* Both streams in memory. */
struct streams {
    FILE *out, *err;
    char *out_text, *err_text;
    size_t out_len, err_len;
    struct output *o;
};

static void start(struct streams *s, struct output_mode mode)
{
    *s = (struct streams){0};
    s->out = open_memstream(&s->out_text, &s->out_len);
    s->err = open_memstream(&s->err_text, &s->err_len);
    s->o = output_new(s->out, s->err, mode);
}

static void finish(struct streams *s, const char *out, const char *err)
{
    assert_int_equal(output_finish(s->o, NULL), 0);
    output_free(s->o);
    fclose(s->out);
    fclose(s->err);
    assert_string_equal(s->out_text, out);
    assert_string_equal(s->err_text, err);
    free(s->out_text);
    free(s->err_text);
}

static const struct out_column columns[] = {
    {"name", "NAME", false}, {"size", "SIZE", true}, {"note", "NOTE", false}, {NULL, NULL, false}};

static json_t *rows(void)
{
    return json_pack("[{s:s,s:i,s:s},{s:s,s:i}]", "name", "a", "size", 12345, "note", "x", "name",
                     "l\xc3\xa4nger", "size", 7);
}

static void a_table_is_text_or_json(void **state)
{
    (void)state;
    struct streams s;
    start(&s, (struct output_mode){0});
    out_table(s.o, rows(), columns);
    out_table(s.o, json_array(), columns);
    finish(&s, "NAME     SIZE  NOTE\n"
               "a       12345  x\n"
               "l\xc3\xa4nger      7\n", "");
    start(&s, (struct output_mode){.json = true});
    out_table(s.o, rows(), columns);
    finish(&s, "[{\"name\":\"a\",\"size\":12345,\"note\":\"x\"},{\"name\":\"l\xc3\xa4nger\","
               "\"size\":7}]\n", "");
}

static void messages_go_to_stderr_as_far_as_wanted(void **state)
{
    (void)state;
    static const struct {
        struct output_mode mode;
        const char *err;
    } cases[] = {
        {{0}, "note 1\nedgectl: warning: w\n"},
        {{.quiet = true}, "edgectl: warning: w\n"},
        {{.verbose = true}, "note 1\ndetail\nedgectl: warning: w\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct streams s;
        start(&s, cases[i].mode);
        out_printf(s.o, "%s", "payload");
        out_note(s.o, "note %d", 1);
        out_detail(s.o, "detail");
        out_warn(s.o, "%c", 'w');
        finish(&s, "payload", cases[i].err);
    }
}

static void errors_have_place_and_hint(void **state)
{
    (void)state;
    struct err e = {0};
    err_set(&e, ERR_MANIFEST, "unknown key 'bakends'");
    err_place(&e, "edge.yaml", 3, 5);
    err_hint(&e, "did you mean 'backends'?");
    struct streams s;
    start(&s, (struct output_mode){0});
    out_error(s.o, &e);
    finish(&s, "", "edgectl: edge.yaml:3:5: unknown key 'bakends'\n"
                   "hint: did you mean 'backends'?\n");
    start(&s, (struct output_mode){.json = true});
    out_error(s.o, &e);
    finish(&s, "", "{\"error\":{\"code\":\"MANIFEST\",\"message\":\"unknown key 'bakends'\","
                   "\"exit\":9,\"file\":\"edge.yaml\",\"line\":3,\"column\":5,"
                   "\"hint\":\"did you mean 'backends'?\"}}\n");
    err_set(&e, ERR_IO, "not \xff UTF-8");
    start(&s, (struct output_mode){.json = true});
    out_error(s.o, &e);
    finish(&s, "", "{\"error\":{\"code\":\"IO\",\"exit\":1}}\n");
}

static void progress_is_two_lines_where_nothing_can_be_redrawn(void **state)
{
    (void)state;
    struct streams s;
    struct out_progress p;
    start(&s, (struct output_mode){0});
    out_progress_start(s.o, &p, "cloning", 10);
    for (int i = 0; i < 10; i++)
        out_progress_add(&p, 1);
    out_progress_end(&p, "10 files");
    finish(&s, "", "cloning ...\ncloning: 10 files\n");
    start(&s, (struct output_mode){.quiet = true});
    out_progress_start(s.o, &p, "cloning", 0);
    out_progress_add(&p, 1);
    out_progress_end(&p, "1 file");
    finish(&s, "", "");
}

static void payload_that_is_lost_is_an_error(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    struct output *o = output_new(full, stderr, (struct output_mode){0});
    struct err e = {0};
    for (int i = 0; i < 10000; i++)
        out_printf(o, "more than a buffer holds\n");
    assert_int_equal(output_finish(o, &e), -ERR_IO);
    assert_string_equal(e.msg, "cannot write to standard output: No space left on device");
    output_free(o);
    fclose(full);
}

static void no_colour_where_it_is_not_wanted(void **state)
{
    (void)state;
    struct streams s;
    start(&s, (struct output_mode){0});
    assert_string_equal(out_style(s.o, OUT_RED), "");
    assert_string_equal(out_err_style(s.o, OUT_RED), "");
    finish(&s, "", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_text_or_json),
        cmocka_unit_test(messages_go_to_stderr_as_far_as_wanted),
        cmocka_unit_test(errors_have_place_and_hint),
        cmocka_unit_test(progress_is_two_lines_where_nothing_can_be_redrawn),
        cmocka_unit_test(payload_that_is_lost_is_an_error),
        cmocka_unit_test(no_colour_where_it_is_not_wanted),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
