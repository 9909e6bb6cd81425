/* SPDX-License-Identifier: Apache-2.0 */
#include "build/sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "manifest/manifest.h"

/* --- the rules --- */

/* `path` is `dir` or below it. Returns what follows "dir/", "" for dir itself, or NULL. */
static const char *below(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    if (strncmp(dir, path, n) != 0)
        return NULL;
    if (path[n] == '\0')
        return path + n;
    if (n && dir[n - 1] == '/')
        return path + n;
    return path[n] == '/' ? path + n + 1 : NULL;
}

static bool name_is(const char *name, size_t len, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == len && memcmp(name, words[i], len) == 0)
            return true;
    return false;
}

/* One component of a path below a root. `top` = directly in the project. */
static bool name_ignored(const char *name, size_t len, bool top)
{
    static const char *const anywhere[] = {"target", "node_modules", "__pycache__"};
    static const char *const at_top[] = {"bin", "build", "dist", "out", "pkg"};
    /* vim's probe for a writable directory, emacs' and others' backups */
    static const char *const files[] = {"4913"};
    static const char *const endings[] = {".swp", ".swx", ".tmp"};
    if (name[0] == '.' || name[0] == '#' || name[len - 1] == '~')
        return true;
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (len > 4 && memcmp(name + len - 4, endings[i], 4) == 0)
            return true;
    return name_is(name, len, anywhere, ARRAY_LEN(anywhere)) ||
           name_is(name, len, files, ARRAY_LEN(files)) ||
           (top && name_is(name, len, at_top, ARRAY_LEN(at_top)));
}

static bool rest_ignored(const struct source_set *set, const char *root, const char *rest)
{
    bool top = set->whole_project && strcmp(root, set->project) == 0;
    while (*rest) {
        size_t len = strcspn(rest, "/");
        if (len && name_ignored(rest, len, top))
            return true;
        top = false;
        rest += len;
        rest += strspn(rest, "/");
    }
    return false;
}

bool source_set_has(const struct source_set *set, const char *path)
{
    if ((set->artifact && strcmp(set->artifact, path) == 0) ||
        (set->manifest && strcmp(set->manifest, path) == 0))
        return false;
    if (set->state_dir && below(set->state_dir, path))
        return false;
    for (size_t i = 0; i < set->root_count; i++) {
        const char *rest = below(set->roots[i], path);
        if (rest)
            return !rest_ignored(set, set->roots[i], rest);
    }
    return false;
}

/* --- the set --- */

static char *without_slash(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    /* "dir/." is how a manifest says "here" */
    if (len > 2 && path[len - 1] == '.' && path[len - 2] == '/')
        len -= 2;
    return xstrndup(path, len);
}

static void add_root(struct source_set *set, const char *path)
{
    cleanup(free_p) char *root = without_slash(path);
    for (size_t i = 0; i < set->root_count; i++)
        if (below(set->roots[i], root))
            return;
    size_t kept = 0;
    for (size_t i = 0; i < set->root_count; i++) {
        if (below(root, set->roots[i]))
            free(set->roots[i]);
        else
            set->roots[kept++] = set->roots[i];
    }
    set->roots = xreallocarray(set->roots, kept + 1, sizeof(char *));
    set->roots[kept] = TAKE(root);
    set->root_count = kept + 1;
}

void source_set_init(struct source_set *set, const struct manifest *m, const char *state_dir)
{
    *set = (struct source_set){.project = without_slash(m->dir)};
    set->artifact = m->build.artifact ? xstrdup(m->build.artifact) : NULL;
    set->manifest = m->file ? xstrdup(m->file) : NULL;
    set->state_dir = state_dir ? without_slash(state_dir) : NULL;
    set->whole_project = m->build.watch_count == 0;
    for (size_t i = 0; i < m->build.watch_count; i++)
        add_root(set, m->build.watch[i]);
    if (set->whole_project)
        add_root(set, m->dir);
}

void source_set_copy(struct source_set *to, const struct source_set *from)
{
    *to = *from;
    to->roots = xcalloc(from->root_count + 1, sizeof(char *));
    for (size_t i = 0; i < from->root_count; i++)
        to->roots[i] = xstrdup(from->roots[i]);
    to->project = xstrdup(from->project);
    to->artifact = from->artifact ? xstrdup(from->artifact) : NULL;
    to->manifest = from->manifest ? xstrdup(from->manifest) : NULL;
    to->state_dir = from->state_dir ? xstrdup(from->state_dir) : NULL;
}

void source_set_clear(struct source_set *set)
{
    for (size_t i = 0; i < set->root_count; i++)
        free(set->roots[i]);
    free(set->roots);
    free(set->project);
    free(set->artifact);
    free(set->manifest);
    free(set->state_dir);
    *set = (struct source_set){0};
}

/* --- the list --- */

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void add_file(struct source_list *list, const char *path, const struct stat *st)
{
    if (list->count == SOURCES_MAX) {
        list->cut = true;
        return;
    }
    if (list->count == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 64;
        list->files = xreallocarray(list->files, list->cap, sizeof(*list->files));
    }
    list->files[list->count++] = (struct source_file){
        .path = xstrdup(path), .mtime_ns = mtime_ns(st), .size = (uint64_t)st->st_size};
}

static void close_dir_p(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static void walk(struct source_list *list, const struct source_set *set, const char *path,
                 int depth)
{
    if (depth > SOURCES_DEPTH_MAX) {
        list->cut = true;
        return;
    }
    cleanup(close_dir_p) DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && !list->cut && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        cleanup(free_p) char *child = xasprintf("%s/%s", strcmp(path, "/") ? path : "", e->d_name);
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        bool is_dir = S_ISDIR(st.st_mode);
        if (!source_set_has(set, child))
            continue;
        if (is_dir)
            walk(list, set, child, depth + 1);
        else
            add_file(list, child, &st);
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct source_file *)a)->path, ((const struct source_file *)b)->path);
}

void source_list_read(struct source_list *ret_list, const struct source_set *set)
{
    *ret_list = (struct source_list){0};
    for (size_t i = 0; i < set->root_count; i++) {
        struct stat st;
        if (stat(set->roots[i], &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            walk(ret_list, set, set->roots[i], 0);
        else
            add_file(ret_list, set->roots[i], &st);
    }
    if (ret_list->count)
        qsort(ret_list->files, ret_list->count, sizeof(*ret_list->files), by_path);
}

void source_list_clear(struct source_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].path);
    free(list->files);
    *list = (struct source_list){0};
}

void source_list_digest(const struct source_list *list, uint8_t ret_digest[HASH_SIZE])
{
    cleanup(hash_free_p) struct hash *h = hash_new();
    for (size_t i = 0; i < list->count; i++) {
        const struct source_file *f = &list->files[i];
        hash_add(h, f->path, strlen(f->path) + 1);
        hash_add(h, &f->mtime_ns, sizeof(f->mtime_ns));
        hash_add(h, &f->size, sizeof(f->size));
    }
    hash_final(h, ret_digest);
}

int64_t source_list_newest(const struct source_list *list, const char **ret_path)
{
    int64_t newest = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->files[i].mtime_ns > newest) {
            newest = list->files[i].mtime_ns;
            *ret_path = list->files[i].path;
        }
    }
    return newest;
}

void source_list_diff(const struct source_list *was, const struct source_list *is,
                      void (*fn)(void *env, const char *path), void *env)
{
    size_t a = 0, b = 0;
    while (a < was->count || b < is->count) {
        const struct source_file *x = a < was->count ? &was->files[a] : NULL;
        const struct source_file *y = b < is->count ? &is->files[b] : NULL;
        int order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
        if (order != 0)
            fn(env, order < 0 ? x->path : y->path);
        else if (x->mtime_ns != y->mtime_ns || x->size != y->size)
            fn(env, x->path);
        a += order <= 0;
        b += order >= 0;
    }
}
