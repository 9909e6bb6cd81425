/* SPDX-License-Identifier: Apache-2.0 */
/* Kills writers of a KV database at random moments and looks at what they left: every write that
 * was acknowledged is there, whole and in order; of the one write that each client had under way
 * either all is there or nothing.
 *
 * usage: kv_kill DIR ROUNDS SEED
 *
 * Each round starts two processes on one folder, each with two loops and eight clients per loop,
 * kills them after up to 0.3 s, and checks. What client c does as its i-th operation is a function
 * of (c, i), so the counts of acknowledged operations, in a mapped file that outlives the
 * processes, say all. The checking process ends without closing the database, so the log is
 * recovered every time and folding it is interrupted as well. */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/mem.h"
#include "store/db.h"
#include "store/state_schema.h"
#include "world/kv.h"

enum { PROCESSES = 2, LOOPS = 2, CLIENTS_PER_LOOP = 8, KEYS = 20, BIG = 150000 };
enum { CLIENTS = PROCESSES * LOOPS * CLIENTS_PER_LOOP };
enum op_kind { OP_PUT, OP_DELETE, OP_APPEND };

struct op {
    enum op_kind kind;
    int key;            /* KEYS = the client's log */
    size_t len;
    uint64_t hash;
};

static _Atomic uint64_t *acked;     /* per client: operations that are done */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

static struct op op_of(int client, uint64_t i)
{
    uint64_t h = mix((uint64_t)client << 40 ^ (i + 1));
    struct op op = {.hash = h, .key = (int)(h >> 8 & 0xffff) % KEYS, .len = (h >> 24) % 300};
    if (h % 16 == 0) {
        op.kind = OP_DELETE;
    } else if (h % 16 == 1) {
        op.kind = OP_APPEND;
        op.key = KEYS;
        op.len = sizeof(uint64_t);
    } else if (h % 64 == 2) {
        op.len = (h >> 24) % BIG;
    }
    return op;
}

static void op_value(const struct op *op, uint64_t i, uint8_t *to)
{
    if (op->kind == OP_APPEND) {
        memcpy(to, &i, sizeof i);
        return;
    }
    for (size_t k = 0; k < op->len; k++)
        to[k] = (uint8_t)(op->hash >> (k % 7 * 8) ^ k >> 8);
}

static void key_name(int client, int key, char to[32])
{
    snprintf(to, 32, "client-%02d/%02d", client, key);
}

static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "kv_kill: %s: %s\n", what, err ? err->msg : "");
    _exit(1);
}

/* --- the victim --- */

struct client {
    struct kv_db *db;
    struct loop *loop;
    int number;
    struct task task;
};

static void next_op(void *env);

static void op_done(void *env, enum kv_result result, uint64_t generation)
{
    struct client *c = env;
    (void)generation;
    if (result != KV_OK && result != KV_NOT_FOUND) {
        struct err err = {0};
        kv_db_take_error(c->db, &err);
        die(kv_result_text(result), &err);
    }
    atomic_fetch_add(&acked[c->number], 1);
    loop_defer(c->loop, &c->task);
}

static void next_op(void *env)
{
    struct client *c = env;
    uint64_t i = atomic_load(&acked[c->number]);
    struct op op = op_of(c->number, i);
    uint8_t value[BIG];
    char key[32];
    key_name(c->number, op.key, key);
    op_value(&op, i, value);
    struct kv_put put = {
        .store = "s", .key = key, .value = value, .value_len = op.len,
        .mode = op.kind == OP_APPEND ? KV_APPEND : KV_OVERWRITE,
    };
    if (op.kind == OP_DELETE)
        kv_write_delete(c->db, "s", key, c->loop, op_done, c);
    else
        kv_write_put(c->db, &put, c->loop, op_done, c);
}

static void *run_loop(void *env)
{
    struct client *clients = env;
    for (int i = 0; i < CLIENTS_PER_LOOP; i++) {
        clients[i].task = (struct task){.fn = next_op, .env = &clients[i]};
        loop_defer(clients[i].loop, &clients[i].task);
    }
    loop_run(clients[0].loop);
    return NULL;
}

static void victim(const char *dir, int process)
{
    struct kv_db *db;
    struct err err;
    struct client clients[LOOPS][CLIENTS_PER_LOOP];
    pthread_t threads[LOOPS];
    if (kv_db_open(dir, &db, &err) < 0)
        die("the victim cannot open", &err);
    for (int l = 0; l < LOOPS; l++) {
        struct loop *loop = loop_new();
        for (int i = 0; i < CLIENTS_PER_LOOP; i++)
            clients[l][i] = (struct client){
                .db = db, .loop = loop,
                .number = (process * LOOPS + l) * CLIENTS_PER_LOOP + i,
            };
        pthread_create(&threads[l], NULL, run_loop, clients[l]);
    }
    for (int l = 0; l < LOOPS; l++)
        pthread_join(threads[l], NULL);
    _exit(1);
}

/* --- the check --- */

static bool holds(struct kv_reader *r, const char *key, const void *want, size_t len, bool present)
{
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    enum kv_result result = kv_get(r, "s", key, &e);
    if (result == KV_NOT_FOUND)
        return !present;
    if (result != KV_OK || !present || e->value_len != len)
        return false;
    const uint8_t *data;
    size_t at = 0, n;
    while (body_peek(e->value, &data, &n) == BODY_DATA) {
        if (at + n > len || memcmp((const uint8_t *)want + at, data, n) != 0)
            return false;
        at += n;
        body_consume(e->value, n);
    }
    return at == len;
}

/* Is the client's state that after its first `count` operations? */
static bool state_is(struct kv_reader *r, int client, uint64_t count)
{
    int64_t last[KEYS];
    struct buf log = BUF_INIT(64 << 20);
    memset(last, 0xff, sizeof last);
    for (uint64_t i = 0; i < count; i++) {
        struct op op = op_of(client, i);
        if (op.kind == OP_APPEND)
            buf_add(&log, &i, sizeof i);
        else
            last[op.key] = (int64_t)i;
    }
    char key[32];
    key_name(client, KEYS, key);
    bool ok = holds(r, key, log.data, log.len, log.len > 0);
    buf_clear(&log);
    uint8_t value[BIG];
    for (int k = 0; k < KEYS && ok; k++) {
        struct op op = {0};
        if (last[k] >= 0)
            op = op_of(client, (uint64_t)last[k]);
        op_value(&op, 0, value);
        key_name(client, k, key);
        ok = holds(r, key, value, op.len, last[k] >= 0 && op.kind == OP_PUT);
    }
    return ok;
}

static void check(const char *dir)
{
    struct kv_db *db;
    struct kv_reader *r;
    struct err err;
    if (kv_db_open(dir, &db, &err) < 0 || kv_reader_open(db, NULL, &r, &err) < 0)
        die("cannot open after the kill", &err);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, STATE_DB_NAME);
    struct db *conn;
    if (db_open(path, DB_READ, &state_schema, &conn, &err) < 0 || db_check(conn, &err) < 0)
        die("the file is not whole", &err);
    for (int c = 0; c < CLIENTS; c++) {
        uint64_t n = atomic_load(&acked[c]);
        if (state_is(r, c, n))
            continue;
        /* The write under way may have been committed before its acknowledgement was counted. */
        if (!state_is(r, c, n + 1)) {
            fprintf(stderr, "kv_kill: client %d: %" PRIu64 " writes were acknowledged, but what is "
                            "stored is not their outcome\n", c, n);
            _exit(1);
        }
        atomic_store(&acked[c], n + 1);
    }
    _exit(0);
}

/* --- the rounds --- */

static void nap_us(long us)
{
    nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

static void wait_ok(pid_t pid, bool killed)
{
    int status;
    waitpid(pid, &status, 0);
    bool by_kill = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (killed ? by_kill : WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    fprintf(stderr, "kv_kill: %s ended with wait status %d\n", killed ? "a victim" : "the check",
            status);
    exit(1);
}

static uint64_t total(void)
{
    uint64_t sum = 0;
    for (int c = 0; c < CLIENTS; c++)
        sum += atomic_load(&acked[c]);
    return sum;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *dir = argv[1];
    int rounds = atoi(argv[2]);
    uint64_t seed = strtoull(argv[3], NULL, 10);
    acked = mmap(NULL, CLIENTS * sizeof *acked, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (acked == MAP_FAILED)
        return 1;
    for (int round = 0; round < rounds; round++) {
        pid_t victims[PROCESSES];
        for (int p = 0; p < PROCESSES; p++)
            if ((victims[p] = fork()) == 0)
                victim(dir, p);
        for (int p = 0; p < PROCESSES; p++) {
            nap_us((long)(mix(seed ^ (uint64_t)(round * PROCESSES + p + 1)) % 300000));
            kill(victims[p], SIGKILL);
        }
        for (int p = 0; p < PROCESSES; p++)
            wait_ok(victims[p], true);
        pid_t checker = fork();
        if (checker == 0)
            check(dir);
        wait_ok(checker, false);
    }
    printf("%d kills, %" PRIu64 " acknowledged writes, all there\n", rounds * PROCESSES, total());
    return 0;
}
