/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/history.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/kill_point.h"
#include "base/mem.h"

enum { HISTORY_MAX = 256 << 20, REQUESTS_MAX = 1 << 20, CRC_TEXT = 8 };

struct history {
    char id[HISTORY_ID_MAX];
    char *path;
    int fd;                 /* -1: open for reading */
    uint32_t crc;           /* of the last line */
    json_t *events;
};

static char *folder(const char *state_dir, const char *target)
{
    return xasprintf("%s/rollouts/%s", state_dir, target);
}

static uint32_t line_crc(uint32_t before, const char *json, size_t len)
{
    return (uint32_t)crc32(before, (const Bytef *)json, (uInt)len);
}

/* --- reading --- */

/* The event of a line without its end, or NULL when the line is not whole. */
static json_t *parse_line(struct history *h, const char *line, size_t len)
{
    char hex[CRC_TEXT + 1];
    if (len < CRC_TEXT + 2 || line[CRC_TEXT] != ' ')
        return NULL;
    memcpy(hex, line, CRC_TEXT);
    hex[CRC_TEXT] = '\0';
    char *end;
    unsigned long crc = strtoul(hex, &end, 16);
    const char *json = line + CRC_TEXT + 1;
    size_t size = len - CRC_TEXT - 1;
    if (*end || crc != line_crc(h->crc, json, size))
        return NULL;
    json_t *event = json_loadb(json, size, 0, NULL);
    if (event)
        h->crc = (uint32_t)crc;
    return event;
}

/* Does a whole event stand there, with something behind it where its line should end? Then this is
 * no line that was being written when the process was killed. */
static bool has_whole_event(const struct history *h, const char *line, size_t len)
{
    json_error_t at;
    const char *json = line + CRC_TEXT + 1;
    json_t *event = len > CRC_TEXT + 2 ? json_loadb(json, len - CRC_TEXT - 1,
                                                    JSON_DISABLE_EOF_CHECK, &at) : NULL;
    bool more = event && (size_t)at.position < len - CRC_TEXT - 1;
    json_decref(event);
    return more && strtoul(line, NULL, 16) == line_crc(h->crc, json, (size_t)at.position);
}

/* *ret_good: how far the file is whole. Only its last line may not be. */
static int replay(struct history *h, const char *text, size_t len, size_t *ret_good,
                  struct err *err)
{
    size_t at = 0;
    for (int line = 1; at < len; line++) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t size = end ? (size_t)(end - text) - at : len - at;
        json_t *event = end ? parse_line(h, text + at, size) : NULL;
        if (!event && at + size + 1 >= len && !has_whole_event(h, text + at, size))
            break;
        if (!event) {
            err_set(err, ERR_FAILURE, "this line of the rollout's journal is damaged");
            err_place(err, h->path, line, 0);
            err_hint(err, "put all traffic on one version: edgectl rollout abort --to VERSION");
            return -ERR_FAILURE;
        }
        json_array_append_new(h->events, event);
        at += size + 1;
    }
    *ret_good = at;
    return 0;
}

static struct history *make(const char *dir, const char *id)
{
    struct history *h = xnew(struct history);
    snprintf(h->id, sizeof h->id, "%s", id);
    h->path = xasprintf("%s/%s.jsonl", dir, id);
    h->fd = -1;
    h->events = json_array();
    return h;
}

static void name_at(time_t when, char id[HISTORY_ID_MAX])
{
    struct tm tm;
    gmtime_r(&when, &tm);
    snprintf(id, HISTORY_ID_MAX, "%04d%02d%02d-%02d%02d%02d-%04x", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             (unsigned)(random_u64() & 0xffff));
}

/* The newest is found by its name: a rollout that begins within the second of the one before, or
 * after the clock was set back, is called as if it had begun a second after that. */
static void name_after(const char *newest, char id[HISTORY_ID_MAX])
{
    struct tm tm = {0};
    name_at((time_t)(clock_wall_ns() / 1000000000), id);
    if (newest && strcmp(id, newest) <= 0 && strptime(newest, "%Y%m%d-%H%M%S", &tm))
        name_at(timegm(&tm) + 1, id);
}

int history_new(const char *state_dir, const char *target, struct history **ret, struct err *err)
{
    cleanup(free_p) char *dir = folder(state_dir, target);
    char **ids = NULL, id[HISTORY_ID_MAX];
    size_t count = 0;
    int r = history_list(state_dir, target, &ids, &count, err);
    if (r == 0)
        name_after(count ? ids[count - 1] : NULL, id);
    history_list_free(ids, count);
    if (r == 0)
        r = file_make_dirs(dir, err);
    if (r < 0)
        return r;
    cleanup(history_close_p) struct history *h = make(dir, id);
    h->fd = open(h->path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (h->fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot write %s", h->path);
    *ret = TAKE(h);
    return 0;
}

static int load(struct history *h, bool write, struct err *err)
{
    cleanup(free_p) char *text = NULL;
    size_t len, good = 0;
    int r = file_read(h->path, HISTORY_MAX, &text, &len, err);
    if (r == 0)
        r = replay(h, text, len, &good, err);
    if (r < 0 || !write)
        return r;
    h->fd = open(h->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (h->fd < 0 || (good < len && ftruncate(h->fd, (off_t)good) < 0))
        return err_sys(err, ERR_IO, errno, "cannot write %s", h->path);
    return 0;
}

int history_open(const char *state_dir, const char *target, const char *id, bool write,
                 struct history **ret, struct err *err)
{
    cleanup(free_p) char *dir = folder(state_dir, target);
    char **ids = NULL;
    size_t count = 0;
    *ret = NULL;
    int r = history_list(state_dir, target, &ids, &count, err);
    if (r < 0)
        return r;
    /* One that was killed before its first event was whole has not begun. */
    for (size_t i = count; i-- > 0 && r == 0 && !*ret;) {
        if (id && strcmp(ids[i], id) != 0)
            continue;
        cleanup(history_close_p) struct history *h = make(dir, ids[i]);
        r = load(h, write, err);
        if (r == 0 && history_count(h) > 0)
            *ret = TAKE(h);
        else if (r == 0 && write)
            unlink(h->path);
    }
    history_list_free(ids, count);
    return r;
}

int history_read(const char *path, struct history **ret, struct err *err)
{
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    cleanup(history_close_p) struct history *h = make(".", "");
    snprintf(h->id, sizeof h->id, "%.*s", (int)strcspn(name, "."), name);
    free(h->path);
    h->path = xstrdup(path);
    int r = load(h, false, err);
    if (r == 0)
        *ret = TAKE(h);
    return r;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    if (h->fd >= 0)
        close(h->fd);
    json_decref(h->events);
    free(h->path);
    free(h);
}

void history_close_p(struct history **h)
{
    history_close(*h);
}

const char *history_id(const struct history *h)
{
    return h->id;
}

const char *history_path(const struct history *h)
{
    return h->path;
}

size_t history_count(const struct history *h)
{
    return json_array_size(h->events);
}

const json_t *history_event(const struct history *h, size_t i)
{
    return json_array_get(h->events, i);
}

static int append(struct history *h, const json_t *event, struct err *err)
{
    cleanup(free_p) char *json = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (h->fd < 0)
        return err_set(err, ERR_IO, "%s cannot be written", h->path);
    uint32_t crc = line_crc(h->crc, json, strlen(json));
    cleanup(free_p) char *line = xasprintf("%08x %s\n", crc, json);
    char where[64];
    snprintf(where, sizeof where, "rollout event %s",
             json_string_value(json_object_get(event, "e")));
    kill_point(where);
    off_t before = lseek(h->fd, 0, SEEK_END);
    if (!file_write_all(h->fd, line, strlen(line)) || fdatasync(h->fd) < 0) {
        int failed = errno;
        /* What a full disk has taken of it must not stand before the next line. */
        if (before < 0 || ftruncate(h->fd, before) < 0) {
            close(h->fd);
            h->fd = -1;
        }
        int r = err_sys(err, ERR_IO, failed, "cannot write %s", h->path);
        err_hint(err, "make room there, then go on with: edgectl rollout resume, or abort; from "
                      "another folder: --state DIR");
        return r;
    }
    h->crc = crc;
    kill_point(where);
    return 0;
}

int history_add(struct history *h, json_t *event, struct err *err)
{
    /* json_pack makes none of a text that is no UTF-8. */
    if (!event)
        return err_set(err, ERR_FAILURE, "an event cannot be written as JSON");
    if (!json_object_get(event, "t"))
        json_object_set_new(event, "t", json_integer(clock_wall_ns() / 1000000));
    json_array_append_new(h->events, event);
    int r = append(h, event, err);
    /* What is not written has not happened. */
    if (r < 0)
        json_array_remove(h->events, history_count(h) - 1);
    return r;
}

/* --- requests --- */

/* Somebody was killed, or met a full disk, while he asked: his line has no end. */
static bool is_torn(int fd)
{
    char last = '\n';
    off_t end = lseek(fd, 0, SEEK_END);
    return end > 0 && pread(fd, &last, 1, end - 1) == 1 && last != '\n';
}

int history_ask(const struct history *h, const json_t *request, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s.asked", h->path);
    cleanup(free_p) char *json = json_dumps(request, JSON_COMPACT);
    cleanup(close_p) int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* One write, so that those who ask at the same time have a line each. */
    cleanup(free_p) char *line = xasprintf("%s%s\n", fd >= 0 && is_torn(fd) ? "\n" : "", json);
    if (fd < 0 || !file_write_all(fd, line, strlen(line)) || fdatasync(fd) < 0)
        return err_sys(err, ERR_IO, errno, "cannot write %s", path);
    return 0;
}

json_t *history_request(const struct history *h, size_t taken)
{
    cleanup(free_p) char *path = xasprintf("%s.asked", h->path);
    cleanup(free_p) char *text = NULL;
    size_t len;
    if (access(path, F_OK) != 0 || file_read(path, REQUESTS_MAX, &text, &len, NULL) < 0)
        return NULL;
    const char *at = text;
    for (size_t i = 0; i < taken && at; i++) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    const char *end = at ? strchr(at, '\n') : NULL;
    if (!end)
        return NULL;
    json_t *request = json_loadb(at, (size_t)(end - at), 0, NULL);
    if (json_is_object(request))
        return request;
    json_decref(request);
    return json_object();
}

/* --- listing --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int history_list(const char *state_dir, const char *target, char ***ret_ids, size_t *ret_count,
                 struct err *err)
{
    cleanup(free_p) char *dir = folder(state_dir, target);
    char **ids = NULL;
    size_t count = 0;
    DIR *d = opendir(dir);
    if (!d && errno != ENOENT)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len <= 6 || len >= HISTORY_ID_MAX + 6 || strcmp(e->d_name + len - 6, ".jsonl") != 0)
            continue;
        ids = xreallocarray(ids, count + 1, sizeof *ids);
        ids[count++] = xstrndup(e->d_name, len - 6);
    }
    if (d)
        closedir(d);
    if (count)
        qsort(ids, count, sizeof *ids, by_name);
    *ret_ids = ids;
    *ret_count = count;
    return 0;
}

void history_list_free(char **ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    free(ids);
}
