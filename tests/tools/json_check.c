/* SPDX-License-Identifier: Apache-2.0 */
/* json_check SCHEMA out|err ARG... <TEXT: is what `edgectl ARG...` wrote as cmd/edgectl.schema.json
 * says? Of standard output each line that is JSON is looked at, of standard error each that is an
 * error. Members that the schema does not know are wrong here, though users must bear them.
 *
 * json_check SCHEMA commands: the commands that have a schema.
 *
 * Exit status 0 good, 1 not (with what and where), 2 no schema for the command. Of JSON Schema
 * 2020-12 it knows the words that the file uses, and fails on any other. */
#include <jansson.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

static const json_t *defs;

struct at {
    const struct at *above;
    const char *key;
    size_t index;
};

struct why {
    char text[400];
};

static void place(const struct at *at, struct buf *to)
{
    if (at->above)
        place(at->above, to);
    if (at->key)
        buf_printf(to, ".%s", at->key);
    else if (at->above)
        buf_printf(to, "[%zu]", at->index);
}

/* `value` NULL: it is not there. */
static bool wrong(const struct at *at, struct why *why, const char *what, const json_t *value)
{
    cleanup(buf_clear) struct buf where = BUF_INIT(4096);
    cleanup(free_p) char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    place(at, &where);
    snprintf(why->text, sizeof why->text, "$%.80s: %.120s: %.150s", buf_str(&where), what,
             text ? text : "is missing");
    return false;
}

static bool is_type(const json_t *v, const char *type)
{
    return strcmp(type, "object") == 0    ? json_is_object(v)
           : strcmp(type, "array") == 0   ? json_is_array(v)
           : strcmp(type, "string") == 0  ? json_is_string(v)
           : strcmp(type, "integer") == 0 ? json_is_integer(v)
           : strcmp(type, "number") == 0  ? json_is_number(v)
           : strcmp(type, "boolean") == 0 ? json_is_boolean(v)
           : strcmp(type, "null") == 0    ? json_is_null(v)
                                          : (fprintf(stderr, "type %s?\n", type), exit(3), false);
}

static bool has_type(const json_t *v, const json_t *type)
{
    size_t i;
    json_t *one;
    if (json_is_string(type))
        return is_type(v, json_string_value(type));
    json_array_foreach((json_t *)type, i, one)
        if (is_type(v, json_string_value(one)))
            return true;
    return false;
}

static bool fits(const json_t *v, const json_t *schema, const struct at *at, struct why *why);

static bool object_fits(const json_t *v, const json_t *schema, const struct at *at, struct why *why)
{
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *more = json_object_get(schema, "additionalProperties");
    size_t i;
    json_t *member;
    const char *key;
    json_array_foreach(json_object_get(schema, "required"), i, member)
        if (!json_object_get(v, json_string_value(member)))
            return wrong(at, why, json_string_value(member), NULL);
    json_object_foreach((json_t *)v, key, member) {
        const json_t *known = json_object_get(properties, key);
        struct at below = {.above = at, .key = key};
        if (!known && json_is_object(more))
            known = more;
        if (!known && !json_is_true(more))
            return wrong(&below, why, "is not in the schema", member);
        if (known && !fits(member, known, &below, why))
            return false;
    }
    return true;
}

static bool any_fits(const json_t *v, const json_t *list, const struct at *at, struct why *why)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)list, i, one)
        if (fits(v, one, at, why))
            return true;
    return false; /* why: of the last */
}

static bool matches(const json_t *v, const json_t *pattern)
{
    regex_t re;
    if (regcomp(&re, json_string_value(pattern), REG_EXTENDED | REG_NOSUB) != 0)
        exit(3);
    bool good = regexec(&re, json_string_value(v), 0, NULL, 0) == 0;
    regfree(&re);
    return good;
}

static bool word_fits(const json_t *v, const char *word, const json_t *rule, const json_t *schema,
                      const struct at *at, struct why *why)
{
    size_t i;
    json_t *one;
    if (strcmp(word, "type") == 0)
        return has_type(v, rule) || wrong(at, why, "has another type", v);
    if (strcmp(word, "const") == 0)
        return json_equal(v, rule) || wrong(at, why, "is another value", v);
    if (strcmp(word, "anyOf") == 0)
        return any_fits(v, rule, at, why);
    if (strcmp(word, "pattern") == 0)
        return !json_is_string(v) || matches(v, rule) || wrong(at, why, "does not match", v);
    if (strcmp(word, "$ref") == 0)
        return fits(v, json_object_get(defs, json_string_value(rule) + strlen("#/$defs/")), at, why);
    if (strcmp(word, "properties") == 0)
        return !json_is_object(v) || object_fits(v, schema, at, why);
    if (strcmp(word, "enum") == 0) {
        json_array_foreach((json_t *)rule, i, one)
            if (json_equal(v, one))
                return true;
        return wrong(at, why, "is none of the values", v);
    }
    if (strcmp(word, "items") == 0) {
        json_array_foreach((json_t *)v, i, one) {
            struct at below = {.above = at, .index = i};
            if (!fits(one, rule, &below, why))
                return false;
        }
        return true;
    }
    if (strcmp(word, "additionalProperties") == 0)
        return json_object_get(schema, "properties") || object_fits(v, schema, at, why);
    if (strcmp(word, "required") == 0 || strcmp(word, "description") == 0)
        return true;
    fprintf(stderr, "json_check: '%s' is not known here\n", word);
    exit(3);
}

static bool fits(const json_t *v, const json_t *schema, const struct at *at, struct why *why)
{
    const char *word;
    json_t *rule;
    if (!schema)
        exit(3);
    json_object_foreach((json_t *)schema, word, rule)
        if (!word_fits(v, word, rule, schema, at, why))
            return false;
    return true;
}

/* The command that the arguments name: one or two words, among options. */
static const json_t *schema_of(int argc, char **argv, char name[64])
{
    static const char *const with_value[] = {"-C", "--manifest", "--target", "--state"};
    const char *words[2] = {"", ""};
    int count = 0;
    for (int i = 0; i < argc && count < 2; i++) {
        bool skip = false;
        for (size_t k = 0; k < ARRAY_LEN(with_value); k++)
            skip = skip || strcmp(argv[i], with_value[k]) == 0;
        if (skip)
            i++;
        else if (argv[i][0] != '-')
            words[count++] = argv[i];
    }
    snprintf(name, 64, "%.30s %.30s", words[0], words[1]);
    const json_t *two = json_object_get(defs, name);
    if (two)
        return two;
    snprintf(name, 64, "%.30s", words[0]);
    return json_object_get(defs, name);
}

int main(int argc, char **argv)
{
    json_error_t error;
    cleanup(json_decref_p) json_t *root = argc > 2 ? json_load_file(argv[1], 0, &error) : NULL;
    char name[64], *line = NULL;
    size_t cap = 0;
    int number = 0, status = 0;
    defs = json_object_get(root, "$defs");
    if (!defs)
        return fprintf(stderr, "json_check: no schema\n"), 3;
    if (strcmp(argv[2], "commands") == 0) {
        const char *key;
        json_t *one;
        json_object_foreach((json_t *)defs, key, one)
            if (key[0] >= 'a')
                printf("%s\n", key);
        return 0;
    }
    bool errors = strcmp(argv[2], "err") == 0;
    const json_t *schema = errors ? json_object_get(defs, "Error")
                                  : schema_of(argc - 3, argv + 3, name);
    while (getline(&line, &cap, stdin) > 0) {
        number++;
        if (errors && strncmp(line, "{\"error\"", 8) != 0)
            continue;
        cleanup(json_decref_p) json_t *value = json_loads(line, JSON_DECODE_ANY, NULL);
        struct why why;
        if (!value && !errors)
            continue; /* whoever asked for --json and got help */
        if (!schema) {
            fprintf(stderr, "json_check: %s has no schema\n", name);
            status = 2;
        } else if (!value || !fits(value, schema, &(struct at){0}, &why)) {
            fprintf(stderr, "json_check: %s, line %d: %s\n", errors ? "stderr" : name, number,
                    value ? why.text : "is no JSON");
            status = 1;
        }
    }
    free(line);
    return status;
}
