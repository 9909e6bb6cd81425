/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/kill_point.h"
#include "base/mem.h"

enum {
    JOURNAL_MAX = 64 << 20,         /* bytes of a file that is read */
    OPS_KEPT = 1000,
    RECORDS_MAX = 4 * OPS_KEPT,     /* beyond this it is written anew when it is opened */
};

struct op {
    uint64_t number;
    int64_t began_ms, ended_ms;
    json_t *begin, *end;
};

struct journal {
    char *path;
    int fd;                         /* -1 when it was opened to be read */
    int lock_fd;
    json_t *facts;
    struct op *ops;
    size_t op_count, op_cap;
    uint64_t last;                  /* operation's number */
    size_t records;
};

static int64_t now_ms(void)
{
    return clock_wall_ns() / 1000000;
}

/* --- reading --- */

static void op_clear(struct op *op)
{
    json_decref(op->begin);
    json_decref(op->end);
}

static struct op *find_op(struct journal *j, uint64_t number)
{
    for (size_t i = j->op_count; i-- > 0;)
        if (j->ops[i].number == number)
            return &j->ops[i];
    return NULL;
}

static void add_op(struct journal *j, uint64_t number, json_t *record)
{
    if (j->op_count == OPS_KEPT) {
        op_clear(&j->ops[0]);
        memmove(j->ops, j->ops + 1, --j->op_count * sizeof *j->ops);
    }
    if (j->op_count == j->op_cap) {
        j->op_cap = j->op_cap * 2 + 16;
        j->ops = xreallocarray(j->ops, j->op_cap, sizeof *j->ops);
    }
    j->ops[j->op_count++] = (struct op){
        .number = number,
        .began_ms = json_integer_value(json_object_get(record, "t")),
        .begin = json_incref(record),
    };
    if (number > j->last)
        j->last = number;
}

/* What a record means; false if it is none. */
static bool apply(struct journal *j, json_t *record)
{
    const char *fact = json_string_value(json_object_get(record, "fact"));
    json_int_t begin = json_integer_value(json_object_get(record, "begin"));
    json_int_t end = json_integer_value(json_object_get(record, "end"));
    if (fact) {
        json_t *value = json_object_get(record, "value");
        if (json_is_string(value))
            json_object_set(j->facts, fact, value);
        else
            json_object_del(j->facts, fact);
    } else if (begin > 0) {
        add_op(j, (uint64_t)begin, record);
    } else if (end > 0) {
        struct op *op = find_op(j, (uint64_t)end);
        if (op && !op->end) {
            op->end = json_incref(record);
            op->ended_ms = json_integer_value(json_object_get(record, "t"));
        }
    } else {
        return false;
    }
    j->records++;
    return true;
}

/* *ret_good: how far the file holds whole records. */
static int replay(struct journal *j, const char *text, size_t len, size_t *ret_good,
                  struct err *err)
{
    size_t at = 0;
    for (int line = 1; at < len; line++) {
        const char *end = memchr(text + at, '\n', len - at);
        if (!end)
            break; /* killed while it was written, so nothing was done that it tells of */
        json_t *record = json_loadb(text + at, (size_t)(end - text) - at, 0, NULL);
        bool good = record && apply(j, record);
        json_decref(record);
        if (!good) {
            int r = err_set(err, ERR_FAILURE, "this line of the journal is damaged");
            err_place(err, j->path, line, 0);
            err_hint(err, "move the file away; what is at the provider is then looked up anew");
            return r;
        }
        at = (size_t)(end - text) + 1;
    }
    *ret_good = at;
    return 0;
}

/* --- writing --- */

static int append(struct journal *j, json_t *record, bool sync, struct err *err)
{
    cleanup(free_p) char *line = json_dumps(record, JSON_COMPACT);
    cleanup(free_p) char *text = xasprintf("%s\n", line);
    if (j->fd < 0)
        return err_set(err, ERR_FAILURE, "the journal %s is open for reading only", j->path);
    off_t before = lseek(j->fd, 0, SEEK_END);
    if (!file_write_all(j->fd, text, strlen(text)) || (sync && fdatasync(j->fd) < 0)) {
        int failed = errno;
        /* What was written of it, on a full disk, must not stand before the next line. */
        if (before < 0 || ftruncate(j->fd, before) < 0) {
            close(j->fd);
            j->fd = -1;
        }
        int r = err_sys(err, ERR_IO, failed, "cannot write the journal %s", j->path);
        err_hint(err, "make room there and run it again: what was done is looked up");
        return r;
    }
    apply(j, record);
    return 0;
}

/* Takes the record. */
static int add_record(struct journal *j, json_t *record, bool sync, const char *where,
                      struct err *err)
{
    char point[160];
    snprintf(point, sizeof point, "before journal: %.120s", where);
    kill_point(point);
    int r = append(j, record, sync, err);
    json_decref(record);
    snprintf(point, sizeof point, "after journal: %.120s", where);
    kill_point(point);
    return r;
}

/* NULL: it is no more. */
static json_t *fact_record(const char *key, const char *value)
{
    return json_pack("{sI ss ss*}", "t", (json_int_t)now_ms(), "fact", key, "value", value);
}

/* Takes the record. */
static void put_line(struct buf *out, json_t *record)
{
    cleanup(free_p) char *line = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    buf_printf(out, "%s\n", line);
}

/* Facts and the operations that are kept, in place of everything. */
static int write_anew(struct journal *j, struct err *err)
{
    struct buf out = BUF_INIT(JOURNAL_MAX);
    const char *key;
    json_t *value;
    json_object_foreach(j->facts, key, value)
        put_line(&out, fact_record(key, json_string_value(value)));
    for (size_t i = 0; i < j->op_count; i++) {
        put_line(&out, json_incref(j->ops[i].begin));
        if (j->ops[i].end)
            put_line(&out, json_incref(j->ops[i].end));
    }
    int r = file_write(j->path, out.data, out.len, 0600, err);
    buf_clear(&out);
    return r;
}

/* --- the lock --- */

static int lock_held(const char *target, int fd, struct err *err)
{
    char text[256] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    int r = err_set(err, ERR_DRIFT, "another edgectl is at work on target '%s'%s%s", target,
                    text[0] ? ": " : "", text);
    err_hint(err, "wait until it is done; the lock goes with its process");
    return r;
}

static void lock_describe(int fd)
{
    char host[128] = "", when[32] = "", text[256];
    gethostname(host, sizeof host - 1);
    time_t now = (time_t)(now_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int len = snprintf(text, sizeof text, "process %d on %s, since %s\n", (int)getpid(), host,
                       when);
    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)len, 0) < 0)
        return; /* it only tells others who we are */
}

bool journal_is_held(const char *state_dir, const char *target)
{
    cleanup(free_p) char *path = xasprintf("%s/targets/%s/lock", state_dir, target);
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[256] = "", host[128] = "", here[128] = "";
    int pid = 0;
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "process %d on %127[^,]", &pid, host) != 2 || pid <= 0)
        return false;
    gethostname(here, sizeof here - 1);
    return strcmp(host, here) != 0 || kill(pid, 0) == 0 || errno == EPERM;
}

static int take_lock(struct journal *j, const char *dir, const char *target, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/lock", dir);
    j->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->lock_fd < 0) {
        int r = err_sys(err, ERR_IO, errno, "cannot open the lock file %s", path);
        err_hint(err, "what edgectl does is written down there; name a folder that can be written "
                      "to: --state DIR");
        return r;
    }
    if (flock(j->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? lock_held(target, j->lock_fd, err)
                                    : err_sys(err, ERR_IO, errno, "cannot lock %s", path);
    lock_describe(j->lock_fd);
    return 0;
}

/* --- life --- */

static int open_to_write(struct journal *j, size_t good, struct err *err)
{
    if (j->records > RECORDS_MAX) {
        int r = write_anew(j, err);
        if (r < 0)
            return r;
    }
    bool anew = j->records > RECORDS_MAX;
    j->fd = open(j->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (j->fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot open the journal %s", j->path);
    if (!anew && ftruncate(j->fd, (off_t)good) < 0)
        return err_sys(err, ERR_IO, errno, "cannot write the journal %s", j->path);
    return 0;
}

int journal_open(const char *state_dir, const char *target, enum journal_mode mode,
                 struct journal **ret, struct err *err)
{
    if (!*target || *target == '.' || strchr(target, '/'))
        return err_set(err, ERR_USAGE, "'%.100s' is no name for a target", target);
    cleanup(journal_close_p) struct journal *j = xnew(struct journal);
    cleanup(free_p) char *dir = xasprintf("%s/targets/%s", state_dir, target);
    cleanup(free_p) char *text = NULL;
    size_t len = 0, good = 0;
    j->fd = j->lock_fd = -1;
    j->path = xasprintf("%s/journal.jsonl", dir);
    j->facts = json_object();
    int r = mode == JOURNAL_WRITE ? file_make_dirs(dir, err) : 0;
    if (r == 0 && mode == JOURNAL_WRITE)
        r = take_lock(j, dir, target, err);
    if (r == 0 && access(j->path, F_OK) == 0)
        r = file_read(j->path, JOURNAL_MAX, &text, &len, err);
    if (r == 0)
        r = replay(j, text, len, &good, err);
    if (r == 0 && mode == JOURNAL_WRITE)
        r = open_to_write(j, good, err);
    if (r < 0)
        return r;
    *ret = TAKE(j);
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->op_count; i++)
        op_clear(&j->ops[i]);
    free(j->ops);
    json_decref(j->facts);
    if (j->fd >= 0)
        close(j->fd);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    free(j->path);
    free(j);
}

void journal_close_p(struct journal **j)
{
    journal_close(*j);
}

/* --- facts --- */

const char *journal_fact(const struct journal *j, const char *key)
{
    return json_string_value(json_object_get(j->facts, key));
}

static int set_fact(struct journal *j, const char *key, const char *value, bool sync,
                    struct err *err)
{
    const char *old = journal_fact(j, key);
    if (value && old ? strcmp(value, old) == 0 : !value && !old)
        return 0;
    return add_record(j, fact_record(key, value), sync, key, err);
}

int journal_set_fact(struct journal *j, const char *key, const char *value, struct err *err)
{
    return set_fact(j, key, value, true, err);
}

int journal_note_fact(struct journal *j, const char *key, const char *value, struct err *err)
{
    return set_fact(j, key, value, false, err);
}

void journal_each_fact(const struct journal *j, journal_fact_fn *fn, void *env)
{
    const char *key;
    json_t *value;
    json_object_foreach(j->facts, key, value)
        fn(env, key, json_string_value(value));
}

/* --- operations --- */

int journal_begin(struct journal *j, const char *kind, const char *what, const char *release,
                  const json_t *detail, uint64_t *ret_number, struct err *err)
{
    uint64_t number = j->last + 1;
    json_t *record = json_pack("{sI sI ss ss ss}", "t", (json_int_t)now_ms(), "begin",
                               (json_int_t)number, "kind", kind, "what", what, "release", release);
    if (detail)
        json_object_set_new(record, "detail", json_deep_copy(detail));
    *ret_number = number;
    return add_record(j, record, true, what, err);
}

int journal_end(struct journal *j, uint64_t number, int r, const struct err *failure,
                const json_t *detail, struct err *err)
{
    json_t *record = json_pack("{sI sI}", "t", (json_int_t)now_ms(), "end", (json_int_t)number);
    if (r < 0) {
        /* Bytes of a provider's answer may be in it. */
        json_t *words = json_string(failure->msg);
        json_object_set_new(record, "code", json_string(err_name((enum err_code)-r)));
        json_object_set_new(record, "error", words ? words : json_string("(no text)"));
    }
    if (detail)
        json_object_set_new(record, "result", json_deep_copy(detail));
    return add_record(j, record, true, "end", err);
}

static void show_op(const struct op *op, struct journal_op *ret)
{
    *ret = (struct journal_op){
        .number = op->number,
        .began_ms = op->began_ms,
        .ended_ms = op->ended_ms,
        .kind = json_string_value(json_object_get(op->begin, "kind")),
        .what = json_string_value(json_object_get(op->begin, "what")),
        .release = json_string_value(json_object_get(op->begin, "release")),
        .error = json_string_value(json_object_get(op->end, "error")),
        .detail = json_object_get(op->begin, "detail"),
        .result = json_object_get(op->end, "result"),
    };
}

bool journal_op_at(const struct journal *j, size_t i, struct journal_op *ret)
{
    if (i >= j->op_count)
        return false;
    show_op(&j->ops[i], ret);
    return true;
}

bool journal_interrupted(const struct journal *j, struct journal_op *ret)
{
    return j->op_count && !j->ops[j->op_count - 1].end && journal_op_at(j, j->op_count - 1, ret);
}
