/* SPDX-License-Identifier: Apache-2.0 */
#include "build/watch.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include "base/clock.h"
#include "base/mem.h"
#include "build/outputs.h"
#include "build/poll.h"
#include "build/sources.h"
#include "manifest/manifest.h"

static const int64_t quiet_ns = 30000000;   /* of a burst, before it is reported */
static const int64_t burst_ns = 250000000;  /* at most, for a burst that does not end */

static const uint32_t dir_mask = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                                 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

struct dir {
    int wd;
    char *path;
};

/* A single path that may not exist yet; its nearest existing parent is watched for it. */
struct spot {
    char *path;
    enum watch_kind kind;
};

struct pending {
    char *paths[WATCH_PATHS_MAX];
    size_t count;
    unsigned kinds;
    bool more;
};

struct watch {
    struct loop *loop;
    struct watch_options opts;
    struct source_set set;
    struct outputs outputs;
    struct dir *dirs;           /* sorted by wd: the kernel counts them upwards */
    size_t dir_count, dir_cap;
    struct spot *spots;
    size_t spot_count;
    int fd;                     /* inotify, or -1 */
    uv_poll_t *poll;            /* freed when closed */
    struct poller *poller;
    struct pending burst, artifact;
    struct timer timer;
    struct task artifact_task;
    int64_t burst_started_ns;
};

/* --- what has changed --- */

static void deliver(struct watch *w, struct pending *p)
{
    struct pending taken = *p;
    *p = (struct pending){0};
    struct watch_change change = {.kinds = taken.kinds, .paths = (const char *const *)taken.paths,
                                  .count = taken.count, .more = taken.more};
    if (change.kinds)
        w->opts.on_change(w->opts.env, &change);
    for (size_t i = 0; i < taken.count; i++)
        free(taken.paths[i]);
}

static void on_quiet(void *env)
{
    struct watch *w = env;
    deliver(w, &w->burst);
}

static void on_artifact(void *env)
{
    struct watch *w = env;
    deliver(w, &w->artifact);
}

static void pending_add(struct pending *p, enum watch_kind kind, const char *path)
{
    p->kinds |= kind;
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->paths[i], path) == 0)
            return;
    if (p->count == WATCH_PATHS_MAX)
        p->more = true;
    else
        p->paths[p->count++] = xstrdup(path);
}

static void add_to_burst(struct watch *w, enum watch_kind kind, const char *path)
{
    int64_t now = clock_mono_ns();
    if (!w->burst.kinds)
        w->burst_started_ns = now;
    pending_add(&w->burst, kind, path);
    int64_t wait = w->burst_started_ns + burst_ns - now;
    if (wait > quiet_ns)
        wait = quiet_ns;
    timer_start(w->loop, &w->timer, wait > 0 ? wait : 0, on_quiet, w);
}

static void changed(struct watch *w, const char *path)
{
    for (size_t i = 0; i < w->spot_count; i++) {
        const struct spot *s = &w->spots[i];
        if (strcmp(s->path, path) != 0)
            continue;
        if (s->kind == WATCH_ARTIFACT) {
            pending_add(&w->artifact, s->kind, path);
            loop_defer(w->loop, &w->artifact_task);
            return;
        }
        if (s->kind != WATCH_SOURCE) {
            add_to_burst(w, s->kind, path);
            return;
        }
    }
    if (source_set_has(&w->set, path) && outputs_changed(&w->outputs, path) == OUTPUT_REPORT)
        add_to_burst(w, WATCH_SOURCE, path);
}

/* --- directories --- */

static void note(struct watch *w, const char *text)
{
    if (w->opts.on_note)
        w->opts.on_note(w->opts.env, text);
}

static size_t dir_slot(const struct watch *w, int wd)
{
    size_t low = 0, high = w->dir_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->dirs[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct dir *dir_find(const struct watch *w, int wd)
{
    size_t i = dir_slot(w, wd);
    return i < w->dir_count && w->dirs[i].wd == wd ? &w->dirs[i] : NULL;
}

static void dir_remember(struct watch *w, int wd, const char *path)
{
    size_t i = dir_slot(w, wd);
    if (i < w->dir_count && w->dirs[i].wd == wd) {
        if (strcmp(w->dirs[i].path, path) != 0) {
            free(w->dirs[i].path);
            w->dirs[i].path = xstrdup(path);
        }
        return;
    }
    if (w->dir_count == w->dir_cap) {
        w->dir_cap = w->dir_cap ? w->dir_cap * 2 : 32;
        w->dirs = xreallocarray(w->dirs, w->dir_cap, sizeof(*w->dirs));
    }
    memmove(&w->dirs[i + 1], &w->dirs[i], (w->dir_count - i) * sizeof(*w->dirs));
    w->dirs[i] = (struct dir){wd, xstrdup(path)};
    w->dir_count++;
}

static void dir_forget(struct watch *w, int wd)
{
    struct dir *d = dir_find(w, wd);
    if (!d)
        return;
    free(d->path);
    memmove(d, d + 1, (w->dir_count - (size_t)(d - w->dirs) - 1) * sizeof(*d));
    w->dir_count--;
}

/* A directory was moved away: what is below it has other paths now. */
static void dirs_forget_below(struct watch *w, const char *path)
{
    size_t len = strlen(path), kept = 0;
    for (size_t i = 0; i < w->dir_count; i++) {
        struct dir *d = &w->dirs[i];
        if (strncmp(d->path, path, len) == 0 && (d->path[len] == '/' || !d->path[len])) {
            inotify_rm_watch(w->fd, d->wd);
            free(d->path);
        } else {
            w->dirs[kept++] = *d;
        }
    }
    w->dir_count = kept;
}

static void start_polling(struct watch *w, int why);

static bool dir_add(struct watch *w, const char *path)
{
    if (w->fd < 0)
        return false;
    int wd = inotify_add_watch(w->fd, path, dir_mask);
    if (wd >= 0)
        dir_remember(w, wd, path);
    else if (errno == ENOSPC || errno == ENOMEM)
        start_polling(w, errno);
    return wd >= 0;
}

static void close_dir_p(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static bool entry_is_dir(DIR *dir, const struct dirent *e)
{
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Watch first, then read: what is made in between is seen twice rather than never. `fresh`: the
 * directory is new, so what it holds has changed. */
static void tree_add(struct watch *w, const char *path, bool fresh, int depth)
{
    if (depth > SOURCES_DEPTH_MAX || !dir_add(w, path))
        return;
    cleanup(close_dir_p) DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && w->fd >= 0 && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        cleanup(free_p) char *child = xasprintf("%s/%s", strcmp(path, "/") ? path : "", e->d_name);
        if (!source_set_has(&w->set, child))
            continue;
        if (entry_is_dir(dir, e))
            tree_add(w, child, fresh, depth + 1);
        else if (fresh)
            changed(w, child);
    }
}

/* `path` is inside `dir`, not dir itself. */
static bool inside(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    return strncmp(dir, path, n) == 0 && (path[n] == '/' || (n == 1 && path[1]));
}

/* Watch the directories above a spot as far as they exist, from the top down: so whichever is
 * missing, its parent is watched before we look for it, and tells when it comes. */
static void spot_anchor(struct watch *w, const struct spot *s)
{
    cleanup(free_p) char *path = xstrdup(s->path);
    size_t from = strlen(w->set.project);
    if (!inside(w->set.project, s->path)) {
        /* elsewhere: begin at the nearest that exists */
        struct stat st;
        char *slash;
        while ((slash = strrchr(path, '/')) && slash != path) {
            *slash = '\0';
            if (stat(path, &st) == 0)
                break;
        }
        from = strlen(path);
        memcpy(path, s->path, strlen(s->path) + 1);
    }
    for (char *slash = path + from; slash; slash = strchr(slash + 1, '/')) {
        if (*slash != '/')
            continue;
        *slash = '\0';
        bool there = dir_add(w, *path ? path : "/");
        *slash = '/';
        if (!there)
            return;
    }
}

/* --- inotify --- */

static void dir_came(struct watch *w, const char *path)
{
    if (source_set_has(&w->set, path))
        tree_add(w, path, true, 0);
    for (size_t i = 0; i < w->spot_count && w->fd >= 0; i++) {
        struct stat st;
        if (!inside(path, w->spots[i].path))
            continue;
        spot_anchor(w, &w->spots[i]);
        if (stat(w->spots[i].path, &st) == 0 && S_ISREG(st.st_mode))
            changed(w, w->spots[i].path);
    }
}

static bool is_artifact(const struct watch *w, const char *path)
{
    return w->set.artifact && strcmp(w->set.artifact, path) == 0;
}

static void on_event(struct watch *w, const struct inotify_event *e)
{
    struct dir *d = dir_find(w, e->wd);
    if (e->mask & IN_IGNORED)
        dir_forget(w, e->wd);
    if (!d || !e->len || (e->mask & IN_IGNORED))
        return;
    cleanup(free_p) char *path = xasprintf("%s/%s", strcmp(d->path, "/") ? d->path : "", e->name);
    if (e->mask & IN_ISDIR) {
        if (e->mask & (IN_CREATE | IN_MOVED_TO))
            dir_came(w, path);
        if (e->mask & IN_MOVED_FROM)
            dirs_forget_below(w, path);
        if (e->mask & (IN_MOVED_FROM | IN_DELETE))
            changed(w, path);
        return;
    }
    if (e->mask & IN_CREATE) {
        /* Its writer is still to close it; but a link comes with its content. */
        struct stat st;
        if (lstat(path, &st) < 0 || (st.st_nlink < 2 && !S_ISLNK(st.st_mode)))
            return;
    }
    if ((e->mask & (IN_DELETE | IN_MOVED_FROM)) && is_artifact(w, path))
        return; /* the next one will come */
    changed(w, path);
}

/* Events were lost: look at everything anew. */
static void on_overflow(struct watch *w)
{
    for (size_t i = 0; i < w->set.root_count; i++) {
        tree_add(w, w->set.roots[i], false, 0);
        add_to_burst(w, WATCH_SOURCE, w->set.roots[i]);
    }
    for (size_t i = 0; i < w->spot_count; i++) {
        spot_anchor(w, &w->spots[i]);
        if (w->spots[i].kind != WATCH_SOURCE)
            changed(w, w->spots[i].path);
    }
}

static void read_events(struct watch *w)
{
    _Alignas(struct inotify_event) char buf[16 * 1024];
    ssize_t n;
    while (w->fd >= 0 && (n = read(w->fd, buf, sizeof(buf))) > 0) {
        const struct inotify_event *e;
        for (char *at = buf; at < buf + n && w->fd >= 0; at += sizeof(*e) + e->len) {
            e = (const struct inotify_event *)at;
            if (e->mask & IN_Q_OVERFLOW)
                on_overflow(w);
            else
                on_event(w, e);
        }
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status == 0)
        read_events(poll->data);
}

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle);
}

static void stop_inotify(struct watch *w)
{
    if (w->poll) {
        uv_poll_stop(w->poll);
        uv_close((uv_handle_t *)w->poll, on_poll_closed);
        w->poll = NULL;
    }
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    for (size_t i = 0; i < w->dir_count; i++)
        free(w->dirs[i].path);
    free(w->dirs);
    w->dirs = NULL;
    w->dir_count = w->dir_cap = 0;
}

static void poller_changed(void *env, const char *path)
{
    changed(env, path);
}

/* `why`: errno of inotify, or 0 if it was asked for. */
static void start_polling(struct watch *w, int why)
{
    stop_inotify(w);
    if (w->poller)
        return;
    const char **files = xcalloc(w->spot_count + 1, sizeof(char *));
    size_t count = 0;
    for (size_t i = 0; i < w->spot_count; i++)
        if (w->spots[i].kind != WATCH_SOURCE)   /* the poller knows where sources are */
            files[count++] = w->spots[i].path;
    w->poller = poller_new(w->loop, &w->set, files, count, poller_changed, w);
    free(files);
    if (why)
        note(w, "the system has no file watches left: looking for changes twice a second instead"
                " (raise fs.inotify.max_user_watches or max_user_instances)");
}

/* --- life --- */

static void add_spot(struct watch *w, enum watch_kind kind, const char *path)
{
    if (!path)
        return;
    w->spots = xreallocarray(w->spots, w->spot_count + 1, sizeof(*w->spots));
    w->spots[w->spot_count++] = (struct spot){.path = xstrdup(path), .kind = kind};
}

static void start_inotify(struct watch *w)
{
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        start_polling(w, errno);
        return;
    }
    w->poll = xnew(uv_poll_t);
    w->poll->data = w;
    if (uv_poll_init(loop_uv(w->loop), w->poll, w->fd) < 0) {
        free(w->poll);
        w->poll = NULL;
        start_polling(w, ENOMEM);
        return;
    }
    uv_poll_start(w->poll, UV_READABLE, on_readable);
    for (size_t i = 0; i < w->spot_count && w->fd >= 0; i++)
        spot_anchor(w, &w->spots[i]);
    for (size_t i = 0; i < w->set.root_count && w->fd >= 0; i++)
        tree_add(w, w->set.roots[i], false, 0);
}

struct watch *watch_new(struct loop *loop, const struct watch_options *options)
{
    const struct manifest *m = options->manifest;
    struct watch *w = xnew(struct watch);
    w->loop = loop;
    w->opts = *options;
    w->opts.manifest = NULL;
    w->opts.state_dir = NULL;
    w->fd = -1;
    w->artifact_task = (struct task){.fn = on_artifact, .env = w};
    source_set_init(&w->set, m, options->state_dir);
    cleanup(free_p) char *env_file = xasprintf("%s/.env", w->set.project);
    add_spot(w, WATCH_MANIFEST, m->file);
    add_spot(w, WATCH_ENV, env_file);
    add_spot(w, WATCH_ARTIFACT, m->build.artifact);
    for (size_t i = 0; i < w->set.root_count; i++)
        add_spot(w, WATCH_SOURCE, w->set.roots[i]);
    if (options->poll)
        start_polling(w, 0);
    else
        start_inotify(w);
    return w;
}

void watch_build_started(struct watch *w)
{
    /* What happened before belongs to before. */
    read_events(w);
    outputs_build_started(&w->outputs);
}

static void on_held(void *env, const char *path, bool is_output)
{
    struct watch *w = env;
    if (!is_output) {
        add_to_burst(w, WATCH_SOURCE, path);
        return;
    }
    cleanup(free_p) char *text = xasprintf("every build writes %s: it is watched no more", path);
    note(w, text);
}

void watch_build_ended(struct watch *w)
{
    read_events(w);
    outputs_build_ended(&w->outputs, on_held, w);
}

static void pending_clear(struct pending *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->paths[i]);
    *p = (struct pending){0};
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    stop_inotify(w);
    poller_free(w->poller);
    timer_stop(&w->timer);
    task_cancel(&w->artifact_task);
    pending_clear(&w->burst);
    pending_clear(&w->artifact);
    for (size_t i = 0; i < w->spot_count; i++)
        free(w->spots[i].path);
    free(w->spots);
    source_set_clear(&w->set);
    outputs_clear(&w->outputs);
    free(w);
}
