/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "crypto/secret.h"

enum { FILE_MAX = 1 << 20, FILE_CREDENTIALS = 0, FILE_CONFIG = 1, FILES = 2 };

struct entry {
    char *key, *value;
};

struct section {
    int file;
    char *kind, *name;          /* "profile" "x" */
    struct entry *entries;
    size_t count;
};

struct aws_config {
    const struct aws_env *env;
    char *paths[FILES];
    struct section *sections;
    size_t count;
};

const char *aws_env_get(const struct aws_env *env, const char *name)
{
    const char *value = env->get(env->env, name);
    return value && *value ? value : NULL;
}

const struct aws_env *aws_config_env(const struct aws_config *c)
{
    return c->env;
}

void aws_config_free(struct aws_config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        struct section *s = &c->sections[i];
        for (size_t k = 0; k < s->count; k++) {
            secret_wipe(s->entries[k].value, strlen(s->entries[k].value));
            free(s->entries[k].key);
            free(s->entries[k].value);
        }
        free(s->entries);
        free(s->kind);
        free(s->name);
    }
    free(c->sections);
    for (int i = 0; i < FILES; i++)
        free(c->paths[i]);
    free(c);
}

void aws_config_free_p(struct aws_config **c)
{
    aws_config_free(*c);
}

/* --- reading --- */

struct reader {
    struct aws_config *c;
    int file, line;
    struct section *at;         /* NULL before the first section */
    char *outer;                /* key whose nested keys may follow, or NULL */
};

/* Without blanks around it; cut in place. */
static char *trimmed(char *s)
{
    s += strspn(s, " \t\r");
    size_t len = strlen(s);
    while (len && strchr(" \t\r", s[len - 1]))
        len--;
    s[len] = '\0';
    return s;
}

static int complain(const struct reader *r, const char *what, struct err *err)
{
    int code = err_set(err, ERR_CREDENTIALS, "%s", what);
    err_place(err, r->c->paths[r->file], r->line, 0);
    return code;
}

/* "[default]", "[profile x]", "[profile 'x y']"; in the credentials file "[x]" alone. */
static int read_section(struct reader *r, char *line, struct err *err)
{
    char *end = strchr(line, ']');
    if (!end)
        return complain(r, "a section's name does not end with ]", err);
    *end = '\0';
    char *name = trimmed(line + 1);
    const char *kind = "profile";
    size_t word = strcspn(name, " \t");
    if (r->file == FILE_CONFIG && strcmp(name, "default") != 0) {
        kind = name;
        name = name[word] ? trimmed(name + word + 1) : name + word;
        ((char *)kind)[word] = '\0';
    }
    size_t len = strlen(name);
    if (len >= 2 && (*name == '"' || *name == '\'') && name[len - 1] == *name) {
        name[len - 1] = '\0';
        name++;
    }
    struct aws_config *c = r->c;
    c->sections = xreallocarray(c->sections, c->count + 1, sizeof *c->sections);
    r->at = &c->sections[c->count++];
    *r->at = (struct section){.file = r->file, .kind = xstrdup(kind), .name = xstrdup(name)};
    free(TAKE(r->outer));
    return 0;
}

/* A comment behind a value begins with " #" or " ;". */
static void cut_comment(char *value)
{
    for (char *p = value; *p; p++) {
        if ((*p == '#' || *p == ';') && (p == value || p[-1] == ' ' || p[-1] == '\t')) {
            *p = '\0';
            return;
        }
    }
}

static int read_entry(struct reader *r, char *line, struct err *err)
{
    bool nested = (*line == ' ' || *line == '\t') && r->outer;
    char *equals = strchr(line, '=');
    if (!r->at || !equals)
        return complain(r, r->at ? "a line without '='" : "a key before the first section", err);
    *equals = '\0';
    char *key = trimmed(line), *value = equals + 1;
    cut_comment(value);
    value = trimmed(value);
    for (char *p = key; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    struct section *s = r->at;
    s->entries = xreallocarray(s->entries, s->count + 1, sizeof *s->entries);
    s->entries[s->count++] = (struct entry){
        nested ? xasprintf("%s.%s", r->outer, key) : xstrdup(key), xstrdup(value)};
    if (!nested) {
        free(r->outer);
        r->outer = *value ? NULL : xstrdup(key);
    }
    return 0;
}

static int read_lines(struct reader *r, char *text, struct err *err)
{
    int code = 0;
    for (char *line = text, *next; line && code == 0; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        r->line++;
        char *first = line + strspn(line, " \t\r");
        if (!*first || *first == '#' || *first == ';')
            continue;
        code = *line == '[' ? read_section(r, line, err) : read_entry(r, line, err);
    }
    return code;
}

static int read_file(struct aws_config *c, int file, struct err *err)
{
    if (access(c->paths[file], F_OK) < 0)
        return 0;
    char *text;
    size_t len;
    int r = file_read(c->paths[file], FILE_MAX, &text, &len, err);
    if (r < 0) {
        if (err)
            err->code = ERR_CREDENTIALS;
        return -ERR_CREDENTIALS;
    }
    struct reader reader = {.c = c, .file = file};
    r = read_lines(&reader, text, err);
    free(reader.outer);
    secret_wipe(text, len);
    free(text);
    return r;
}

static char *file_path(const struct aws_env *env, const char *variable, const char *name)
{
    const char *set = aws_env_get(env, variable), *home = aws_env_get(env, "HOME");
    if (set && strncmp(set, "~/", 2) == 0)
        return xasprintf("%s/%s", home ? home : "", set + 2);
    return set ? xstrdup(set) : xasprintf("%s/.aws/%s", home ? home : "", name);
}

int aws_config_load(const struct aws_env *env, struct aws_config **ret, struct err *err)
{
    cleanup(aws_config_free_p) struct aws_config *c = xnew(struct aws_config);
    c->env = env;
    c->paths[FILE_CREDENTIALS] = file_path(env, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
    c->paths[FILE_CONFIG] = file_path(env, "AWS_CONFIG_FILE", "config");
    for (int i = 0; i < FILES; i++) {
        int r = read_file(c, i, err);
        if (r < 0)
            return r;
    }
    *ret = TAKE(c);
    return 0;
}

/* --- asking --- */

/* The last of equal keys holds, as in the readers of AWS's own tools. */
static const char *find(const struct aws_config *c, const char *kind, const char *name,
                        const char *key, const char **ret_file)
{
    for (int file = 0; file < FILES; file++) {
        const char *found = NULL;
        for (size_t i = 0; i < c->count; i++) {
            const struct section *s = &c->sections[i];
            if (s->file != file || strcmp(s->kind, kind) != 0 || strcmp(s->name, name) != 0)
                continue;
            for (size_t k = 0; k < s->count; k++) {
                if (strcmp(s->entries[k].key, key) == 0)
                    found = s->entries[k].value;
            }
        }
        if (found && *found) {
            if (ret_file)
                *ret_file = c->paths[file];
            return found;
        }
    }
    return NULL;
}

const char *aws_config_get(const struct aws_config *c, const char *profile, const char *key,
                           const char **ret_file)
{
    return find(c, "profile", profile, key, ret_file);
}

const char *aws_config_section(const struct aws_config *c, const char *kind, const char *name,
                               const char *key)
{
    return find(c, kind, name, key, NULL);
}

bool aws_config_has_profile(const struct aws_config *c, const char *profile)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->sections[i].kind, "profile") == 0 &&
            strcmp(c->sections[i].name, profile) == 0)
            return true;
    }
    return false;
}

char *aws_config_places(const struct aws_config *c, const char *profile)
{
    return xasprintf("profile '%s' in %s and %s", profile, c->paths[FILE_CONFIG],
                     c->paths[FILE_CREDENTIALS]);
}
