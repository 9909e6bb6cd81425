/* SPDX-License-Identifier: Apache-2.0 */
#include "template/template.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/embed.h"
#include "base/mem.h"
#include "template/folder.h"
#include "vcs/vcs.h"

enum { TEXT_MAX = 16 * 1024 * 1024 };

const struct template_builtin template_builtins[] = {
    {"c", "C, with edge.h; runs at once, as its module comes ready made"},
    {"rust", "Rust, with the crate fastly"},
    {"go", "Go, with compute-sdk-go"},
    {"js", "JavaScript, with @fastly/js-compute"},
    {NULL, NULL},
};

/* What a starter takes from elsewhere in templates/: everything below `from` (or that very file)
 * goes below `to` (or to that very path). Last comes what must not look older than its sources. */
static const struct extra {
    const char *starter, *from, *to;
} extras[] = {
    {"c", "sdk/c/", "edge/"},
    {"c", "prebuilt/c.wasm", "bin/main.wasm"},
};

struct making {
    const struct template_job *job;
    struct folder *folder;
    bool env_seen;
    char *env_example;      /* content of .env.example, if there is one */
};

bool template_name_ok(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 63 || !isalpha((unsigned char)name[0]))
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
    return true;
}

/* Copy text with each `mark` replaced; `value` NULL means fresh random hex digits each time. */
static bool replace(struct buf *to, const char *text, size_t len, const char *mark,
                    const char *value)
{
    const char *end = text + len;
    for (const char *hit; (hit = memmem(text, (size_t)(end - text), mark, strlen(mark)));
         text = hit + strlen(mark)) {
        buf_add(to, text, (size_t)(hit - text));
        if (value) {
            buf_add_str(to, value);
            continue;
        }
        uint8_t random[16];
        random_bytes(random, sizeof(random));
        for (size_t i = 0; i < sizeof(random); i++)
            buf_printf(to, "%02x", random[i]);
    }
    return buf_add(to, text, (size_t)(end - text)) && !to->overflow;
}

static int put(struct making *m, const char *path, const void *data, size_t len, unsigned mode,
               bool fill_in, struct err *err)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    /* Binary files are copied: a NUL byte tells them, as git has it. */
    if (fill_in && !memchr(data, 0, len)) {
        if (!replace(&text, data, len, "{{name}}", m->job->name)) {
            buf_clear(&text);
            return err_set(err, ERR_LIMIT, "'%s' is too big for a template", path);
        }
        data = buf_str(&text);
        len = text.len;
    }
    if (strcmp(path, ".env") == 0)
        m->env_seen = true;
    if (strcmp(path, ".env.example") == 0 && len < TEXT_MAX) {
        free(m->env_example);
        m->env_example = xstrndup(data, len);
    }
    int r = folder_put(m->folder, path, data, len, mode, err);
    buf_clear(&text);
    return r;
}

static int cancelled(const struct template_job *job, struct err *err)
{
    return job->cancelled && job->cancelled(job->env) ? err_set(err, ERR_INTERRUPTED, "interrupted")
                                                      : 0;
}

/* Files built in whose path begins with `from`: put at `to` and the rest of their path. */
static int put_built_in(struct making *m, const char *from, const char *to, struct err *err)
{
    size_t count;
    const struct embed_file *files = embed_under(from, &count);
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *path = xasprintf("%s%s", to, files[i].path + strlen(from));
        int r = cancelled(m->job, err);
        if (r == 0)
            r = put(m, path, files[i].data, files[i].len, files[i].mode, true, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_built_in(struct making *m, struct err *err)
{
    cleanup(free_p) char *from = xasprintf("%s/", m->job->source);
    int r = put_built_in(m, from, "", err);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(extras); i++)
        if (strcmp(extras[i].starter, m->job->source) == 0)
            r = put_built_in(m, extras[i].from, extras[i].to, err);
    return r;
}

static int on_entry(void *env, const struct vcs_entry *entry, struct err *err)
{
    struct making *m = env;
    if (entry->kind == VCS_SYMLINK) {
        cleanup(free_p) char *target = xstrndup(entry->data, entry->len);
        return folder_link(m->folder, entry->path, target, err);
    }
    unsigned mode = entry->kind == VCS_EXECUTABLE ? 0755 : 0644;
    return put(m, entry->path, entry->data, entry->len, mode,
               strcmp(entry->path, "edge.yaml") == 0, err);
}

static void on_progress(void *env, uint64_t done, uint64_t total)
{
    const struct making *m = env;
    if (m->job->progress)
        m->job->progress(m->job->env, done, total);
}

static bool on_cancelled(void *env)
{
    const struct making *m = env;
    return m->job->cancelled && m->job->cancelled(m->job->env);
}

static int make_from_git(struct making *m, struct err *err)
{
    struct vcs_export export = {
        .url = m->job->source,
        .ref = m->job->ref,
        .subdir = m->job->subdir,
        .scratch = folder_scratch(m->folder),
        .entry = on_entry,
        .progress = on_progress,
        .cancelled = on_cancelled,
        .env = m,
    };
    int r = vcs_export(&export, err);
    if (r == 0 && folder_count(m->folder) == 0)
        r = err_set(err, ERR_USAGE, "'%s' has no files", m->job->source);
    return r;
}

static int make_env(struct making *m, struct err *err)
{
    if (m->env_seen || !m->env_example)
        return 0;
    struct buf text = BUF_INIT(TEXT_MAX);
    replace(&text, m->env_example, strlen(m->env_example), "change-me", NULL);
    int r = folder_put(m->folder, ".env", buf_str(&text), text.len, 0600, err);
    buf_clear(&text);
    return r;
}

static bool is_builtin(const char *source)
{
    for (const struct template_builtin *t = template_builtins; t->name; t++)
        if (strcmp(t->name, source) == 0)
            return true;
    return false;
}

int template_make(const struct template_job *job, size_t *ret_files, struct err *err)
{
    bool builtin = is_builtin(job->source);
    if (!builtin && !vcs_is_url(job->source)) {
        int r = err_set(err, ERR_USAGE, "there is no template '%s'", job->source);
        err_hint(err, "c, rust, go and js are built in; others are git addresses such as "
                      "https://host/repo, or a path that begins with ./ or /");
        return r;
    }
    if (builtin && (job->ref || job->subdir))
        return err_set(err, ERR_USAGE, "template '%s' is built in: it has no refs and directories",
                       job->source);
    cleanup(folder_close_p) struct folder *folder = NULL;
    int r = folder_open(job->folder, job->force, &folder, err);
    if (r < 0)
        return r;
    struct making m = {.job = job, .folder = folder};
    r = builtin ? make_built_in(&m, err) : make_from_git(&m, err);
    if (r == 0)
        r = make_env(&m, err);
    if (r == 0)
        r = cancelled(job, err);
    if (r == 0)
        r = folder_commit(folder, err);
    if (r == 0)
        *ret_files = folder_count(folder);
    free(m.env_example);
    return r;
}
