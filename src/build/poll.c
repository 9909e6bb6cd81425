/* SPDX-License-Identifier: Apache-2.0 */
#include "build/poll.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>
#include "base/mem.h"

static const int64_t interval_ns = 500000000;

struct poller {
    struct loop *loop;
    struct source_set set;
    struct source_list was, is;         /* `is` belongs to the worker while one runs */
    char **files;
    struct source_file *was_files, *is_files;   /* mtime_ns -1: not there */
    size_t file_count;
    struct timer timer;
    uv_work_t work;
    void (*changed)(void *env, const char *path);
    void *env;
    bool first, working, freed;
};

static void look(uv_work_t *work)
{
    struct poller *p = work->data;
    source_list_read(&p->is, &p->set);
    for (size_t i = 0; i < p->file_count; i++) {
        struct stat st;
        p->is_files[i] = (struct source_file){.path = p->files[i], .mtime_ns = -1};
        if (stat(p->files[i], &st) < 0)
            continue;
        p->is_files[i].mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        p->is_files[i].size = (uint64_t)st.st_size;
    }
}

static void release(struct poller *p)
{
    source_set_clear(&p->set);
    source_list_clear(&p->was);
    source_list_clear(&p->is);
    for (size_t i = 0; i < p->file_count; i++)
        free(p->files[i]);
    free(p->files);
    free(p->was_files);
    free(p->is_files);
    free(p);
}

static void look_again(void *env);

static void report(void *env, const char *path)
{
    struct poller *p = env;
    if (!p->freed)
        p->changed(p->env, path);
}

static void on_looked(uv_work_t *work, int status)
{
    struct poller *p = work->data;
    (void)status;
    p->working = false;
    if (!p->freed && !p->first) {
        /* A callback may free the poller: not before the lists have been used. */
        p->working = true;
        source_list_diff(&p->was, &p->is, report, p);
        for (size_t i = 0; i < p->file_count; i++)
            if (p->was_files[i].mtime_ns != p->is_files[i].mtime_ns ||
                p->was_files[i].size != p->is_files[i].size)
                report(p, p->files[i]);
        p->working = false;
    }
    if (p->freed) {
        release(p);
        return;
    }
    p->first = false;
    source_list_clear(&p->was);
    p->was = p->is;
    p->is = (struct source_list){0};
    struct source_file *files = p->was_files;
    p->was_files = p->is_files;
    p->is_files = files;
    timer_start(p->loop, &p->timer, interval_ns, look_again, p);
}

static void look_again(void *env)
{
    struct poller *p = env;
    p->working = uv_queue_work(loop_uv(p->loop), &p->work, look, on_looked) == 0;
}

struct poller *poller_new(struct loop *loop, const struct source_set *set,
                          const char *const *files, size_t file_count,
                          void (*changed)(void *env, const char *path), void *env)
{
    struct poller *p = xnew(struct poller);
    p->loop = loop;
    source_set_copy(&p->set, set);
    p->files = xcalloc(file_count + 1, sizeof(char *));
    p->was_files = xcalloc(file_count + 1, sizeof(*p->was_files));
    p->is_files = xcalloc(file_count + 1, sizeof(*p->is_files));
    p->file_count = file_count;
    for (size_t i = 0; i < file_count; i++)
        p->files[i] = xstrdup(files[i]);
    p->changed = changed;
    p->env = env;
    p->first = true;
    p->work.data = p;
    look_again(p);
    return p;
}

void poller_free(struct poller *p)
{
    if (!p)
        return;
    p->freed = true;
    timer_stop(&p->timer);
    if (!p->working)
        release(p);
}
