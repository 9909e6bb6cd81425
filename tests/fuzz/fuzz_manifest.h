/* SPDX-License-Identifier: Apache-2.0 */
/* What the two manifest fuzzers share: a folder with a few data files, a load, a round trip. */
#ifndef TESTS_FUZZ_MANIFEST_H
#define TESTS_FUZZ_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static char folder[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(path_of(name), "wb");
    need(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "writing a file");
}

static void remove_folder(void)
{
    static const char *const names[] = {"j", "g", "u", "k", "l", "p", "edge.yaml", "fastly.toml",
                                        "again.yaml"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(path_of(names[i]));
    rmdir(folder);
}

/* A new folder with one file of each kind, by one-letter names. */
static void make_folder(void)
{
    static const char *const files[][2] = {
        {"j", "{\"a\": \"b\"}"},
        {"g", "{\"1.2.3.4\": {\"city\": \"x\"}}"},
        {"u", "{\"UA\": {\"device\": {}}}"},
        {"k", "{\"a\": \"b\", \"c\": {\"data\": \"d\", \"metadata\": \"m\"}}"},
        {"l", "{\"entries\": [{\"prefix\": \"1.2.3.0/24\", \"action\": \"BLOCK\"}]}"},
        {"p", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
              "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"},
    };
    snprintf(folder, sizeof folder, "%s/edgectl-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    need(mkdtemp(folder) != NULL, "making a folder");
    atexit(remove_folder);
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        put(files[i][0], files[i][1], strlen(files[i][1]));
}

static void check_problems(const struct manifest_problems *p, int r)
{
    bool error = false;
    need(p->count <= 100, "the problems are bounded");
    for (size_t i = 0; i < p->count; i++) {
        error = error || p->list[i].code != ERR_NONE;
        need(p->list[i].msg[0] && !strchr(p->list[i].msg, '\n'), "a problem is one line");
    }
    need(error == (r < 0), "it fails exactly when there is an error");
}

static struct manifest *load(const char *name)
{
    struct manifest *m = NULL;
    struct manifest_problems problems;
    int r = manifest_load(folder, name, NULL, &m, &problems);
    check_problems(&problems, r);
    need((m != NULL) == (r == 0), "a manifest comes with success only");
    if (r < 0 && getenv("FUZZ_SHOW"))
        fprintf(stderr, "%s:%d:%d: %s\n", name, problems.list[0].line, problems.list[0].col,
                problems.list[0].msg);
    manifest_problems_clear(&problems);
    return m;
}

static void round_trip(const struct manifest *m)
{
    struct buf one = BUF_INIT(64 << 20), two = BUF_INIT(64 << 20);
    need(manifest_write_yaml(m, &one, NULL) == 0, "it can be written");
    put("again.yaml", one.data, one.len);
    struct manifest *again = load("again.yaml");
    need(again != NULL, "what was written can be read");
    need(manifest_write_yaml(again, &two, NULL) == 0, "it can be written again");
    need(one.len == two.len && memcmp(one.data, two.data, one.len) == 0, "it is the same");
    manifest_unref(again);
    buf_clear(&one);
    buf_clear(&two);
}

static void fuzz_manifest(const char *name, const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready)
        make_folder();
    ready = true;
    put(name, data, size);
    struct manifest *m = load(name);
    if (m)
        round_trip(m);
    manifest_unref(m);
}

#endif
