/* SPDX-License-Identifier: Apache-2.0 */
#include "build/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"
#include "build/sources.h"
#include "manifest/manifest.h"

enum { RECORD_VERSION = 1 };

struct record {
    char command[HASH_HEX_SIZE], sources[HASH_HEX_SIZE];
    int64_t mtime_ns, size;         /* of the artifact after the build */
};

static void hash_text(struct hash *h, const char *s)
{
    hash_add(h, s ? s : "", s ? strlen(s) + 1 : 0);
}

static void command_digest(const struct manifest *m, uint8_t ret_digest[HASH_SIZE])
{
    cleanup(hash_free_p) struct hash *h = hash_new();
    hash_text(h, m->build.command);
    hash_text(h, m->build.dir);
    hash_text(h, m->build.artifact);
    hash_final(h, ret_digest);
}

static bool read_record(const char *state_dir, struct record *ret_record)
{
    cleanup(free_p) char *path = xasprintf("%s/build.json", state_dir);
    cleanup(json_decref_p) json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    int version;
    json_int_t mtime, size;
    const char *command, *sources;
    if (!root ||
        json_unpack(root, "{s:i,s:s,s:s,s:I,s:I}", "version", &version, "command", &command,
                    "sources", &sources, "artifact_mtime_ns", &mtime, "artifact_size", &size) < 0)
        return false;
    if (version != RECORD_VERSION || strlen(command) != HASH_HEX_SIZE - 1 ||
        strlen(sources) != HASH_HEX_SIZE - 1)
        return false;
    *ret_record = (struct record){.mtime_ns = mtime, .size = size};
    memcpy(ret_record->command, command, HASH_HEX_SIZE);
    memcpy(ret_record->sources, sources, HASH_HEX_SIZE);
    return true;
}

static int64_t mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static void need(struct freshness *f, const char *what, const char *path)
{
    f->needed = true;
    snprintf(f->reason, sizeof(f->reason), path ? "%s %s" : "%s", what, path);
}

/* Nothing is known of how this artifact came about: as make does. */
static void check_age(const struct source_list *sources, const struct stat *artifact,
                      struct freshness *f)
{
    const char *path = NULL;
    if (source_list_newest(sources, &path) > mtime_ns(artifact))
        need(f, "newer than the artifact:", path);
}

void fresh_check(const struct manifest *m, const char *state_dir, struct freshness *ret_freshness)
{
    struct freshness *f = ret_freshness;
    *f = (struct freshness){0};
    cleanup(source_set_clear) struct source_set set = {0};
    cleanup(source_list_clear) struct source_list sources = {0};
    if (!m->build.command)
        return;
    source_set_init(&set, m, state_dir);
    source_list_read(&sources, &set);
    source_list_digest(&sources, f->sources);
    command_digest(m, f->command);
    char command[HASH_HEX_SIZE], digest[HASH_HEX_SIZE];
    hash_hex(f->command, command);
    hash_hex(f->sources, digest);
    struct record r;
    struct stat st;
    bool known = state_dir && read_record(state_dir, &r);
    if (!m->build.artifact || stat(m->build.artifact, &st) < 0)
        need(f, "there is no artifact yet", NULL);
    else if (sources.cut)
        need(f, "there are too many source files to compare", NULL);
    else if (known && strcmp(r.command, command) != 0)
        need(f, "the build command has changed", NULL);
    else if (known && r.mtime_ns == mtime_ns(&st) && r.size == (int64_t)st.st_size) {
        if (strcmp(r.sources, digest) != 0)
            need(f, "the sources have changed", NULL);
    } else {
        check_age(&sources, &st, f);
    }
}

int fresh_record(const struct manifest *m, const char *state_dir, const struct freshness *at_start,
                 struct err *err)
{
    struct stat st;
    if (stat(m->build.artifact, &st) < 0)
        return err_sys(err, ERR_BUILD, errno, "the build command left no %s", m->build.artifact);
    char command[HASH_HEX_SIZE], sources[HASH_HEX_SIZE];
    hash_hex(at_start->command, command);
    hash_hex(at_start->sources, sources);
    cleanup(json_decref_p) json_t *root =
        json_pack("{s:i,s:s,s:s,s:I,s:I}", "version", RECORD_VERSION, "command", command, "sources",
                  sources, "artifact_mtime_ns", (json_int_t)mtime_ns(&st), "artifact_size",
                  (json_int_t)st.st_size);
    cleanup(free_p) char *path = xasprintf("%s/build.json", state_dir);
    cleanup(free_p) char *temp = xasprintf("%s/build.json.%d", state_dir, (int)getpid());
    if (json_dump_file(root, temp, JSON_INDENT(1)) < 0 || rename(temp, path) < 0) {
        int r = err_sys(err, ERR_IO, errno, "cannot write %s", path);
        unlink(temp);
        return r;
    }
    return 0;
}
