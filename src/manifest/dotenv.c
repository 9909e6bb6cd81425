/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/dotenv.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"

struct entry {
    char *name, *value;
};

struct dotenv {
    struct entry *entries;
    size_t count;
};

struct scan {
    const char *at, *end;
    int line;
    const char *file;
    struct err *err;
};

void dotenv_free(struct dotenv *env)
{
    if (!env)
        return;
    for (size_t i = 0; i < env->count; i++) {
        explicit_bzero(env->entries[i].value, strlen(env->entries[i].value));
        free(env->entries[i].name);
        free(env->entries[i].value);
    }
    free(env->entries);
    free(env);
}

static void dotenv_freep(struct dotenv **env)
{
    dotenv_free(*env);
}

static const char *in_file(const struct dotenv *env, const char *name)
{
    for (size_t i = 0; env && i < env->count; i++) {
        if (strcmp(env->entries[i].name, name) == 0)
            return env->entries[i].value;
    }
    return NULL;
}

const char *dotenv_get(const struct dotenv *env, const char *name)
{
    const char *real = getenv(name);
    return real ? real : in_file(env, name);
}

/* Never quotes the line itself: it may hold a secret. */
static int bad_line(const struct scan *s, int line, const char *what)
{
    int r = err_set(s->err, ERR_MANIFEST, "%s", what);
    err_place(s->err, s->file, line, 1);
    err_hint(s->err, "a line is NAME=value, NAME=\"value\" or # comment");
    return r;
}

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

static bool at_line_end(const struct scan *s)
{
    return s->at == s->end || *s->at == '\n';
}

static void skip_line(struct scan *s)
{
    while (!at_line_end(s))
        s->at++;
    if (s->at < s->end)
        s->at++;
    s->line++;
}

static int read_name(struct scan *s, char **ret_name)
{
    if ((size_t)(s->end - s->at) > 7 && memcmp(s->at, "export ", 7) == 0) {
        s->at += 7;
        skip_blanks(s);
    }
    const char *start = s->at;
    while (s->at < s->end && (isalnum((unsigned char)*s->at) || *s->at == '_'))
        s->at++;
    if (s->at == start || isdigit((unsigned char)*start))
        return bad_line(s, s->line, "a name of letters, digits and _ must come first");
    if (s->at == s->end || *s->at != '=')
        return bad_line(s, s->line, "'=' must follow the name at once");
    *ret_name = xstrndup(start, (size_t)(s->at - start));
    s->at++;
    return 0;
}

static bool unescape(char c, char *out)
{
    static const char from[] = "ntr\"\\$", to[] = "\n\t\r\"\\$";
    const char *p = c ? strchr(from, c) : NULL;
    if (p)
        *out = to[p - from];
    return p != NULL;
}

static int read_quoted(struct scan *s, struct buf *value)
{
    char quote = *s->at++;
    int first_line = s->line;
    for (; s->at < s->end && *s->at != quote; s->at++) {
        char c = *s->at;
        if (c == '\n')
            s->line++;
        if (c == '\\' && quote == '"' && (s->at + 1 == s->end || !unescape(*++s->at, &c)))
            return bad_line(s, s->line, "unknown escape in a quoted value");
        buf_add_char(value, c);
    }
    if (s->at == s->end)
        return bad_line(s, first_line, "the quote is not closed");
    s->at++;
    skip_blanks(s);
    if (!at_line_end(s) && *s->at != '#')
        return bad_line(s, s->line, "text after the closing quote");
    return 0;
}

static void read_plain(struct scan *s, struct buf *value)
{
    const char *start = s->at;
    while (!at_line_end(s) && !(*s->at == '#' && s->at > start &&
                                (s->at[-1] == ' ' || s->at[-1] == '\t')))
        s->at++;
    const char *end = s->at;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    buf_add(value, start, (size_t)(end - start));
}

static int read_line(struct scan *s, struct dotenv *env)
{
    cleanup(free_p) char *name = NULL;
    cleanup(buf_clear) struct buf value = BUF_INIT(DOTENV_MAX);
    int line = s->line;
    int r = read_name(s, &name);
    if (r < 0)
        return r;
    if (in_file(env, name))
        return bad_line(s, line, "the name stands in this file twice");
    skip_blanks(s);
    if (s->at < s->end && (*s->at == '"' || *s->at == '\''))
        r = read_quoted(s, &value);
    else
        read_plain(s, &value);
    if (r == 0) {
        env->entries = xreallocarray(env->entries, env->count + 1, sizeof *env->entries);
        env->entries[env->count++] = (struct entry){TAKE(name), xstrdup(buf_str(&value))};
    }
    if (value.data)
        explicit_bzero(value.data, value.len);
    return r;
}

int dotenv_parse(const char *text, size_t len, const char *file, struct dotenv **ret_env,
                 struct err *err)
{
    cleanup(dotenv_freep) struct dotenv *env = xnew(struct dotenv);
    struct scan s = {.at = text, .end = text + len, .line = 1, .file = file, .err = err};
    if (memchr(text, '\0', len))
        return bad_line(&s, 1, "the file has NUL characters in it");
    while (s.at < s.end) {
        skip_blanks(&s);
        if (!at_line_end(&s) && *s.at != '#') {
            int r = read_line(&s, env);
            if (r < 0)
                return r;
        }
        skip_line(&s);
    }
    *ret_env = TAKE(env);
    return 0;
}
