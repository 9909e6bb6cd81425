/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle from disk against its record. Neither is trusted. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/mem.h"
#include "bundle/archive.h"
#include "bundle/internal.h"
#include "bundle/record.h"

enum { RECORD_MAX = 64 << 20, DEPTH_MAX = 64 };
static const size_t archive_max = (size_t)520 << 20;

/* --- the record --- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static int damaged(const char *what, struct err *err)
{
    return err_set(err, ERR_FAILURE, "the release record is damaged: %s", what);
}

static int provider_of(const json_t *record, enum manifest_provider *ret, struct err *err)
{
    if (json_integer_value(json_object_get(record, "format")) != 1)
        return damaged("its format is not 1", err);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        *ret = (enum manifest_provider)i;
        if (strcmp(manifest_provider_name(*ret), text_of(record, "provider")) == 0)
            return 0;
    }
    return damaged("it names no provider", err);
}

static int read_record(const char *path, json_t **ret, struct err *err)
{
    cleanup(free_p) char *record = xasprintf("%s.release.json", path);
    cleanup(free_p) char *text = NULL;
    size_t len;
    struct err why = {0};
    int r = file_read(record, RECORD_MAX, &text, &len, &why);
    if (r < 0 && why.sys == ENOENT)
        return 0;
    if (r < 0) {
        if (err)
            *err = why;
        return r;
    }
    json_error_t e;
    *ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (!*ret)
        return damaged(e.text, err);
    return 0;
}

/* --- parts --- */

static int compare_parts(const struct archive_files *files, const json_t *record, size_t others,
                         struct err *err)
{
    const json_t *parts = json_object_get(record, "parts"), *o;
    size_t i;
    if (!json_is_array(parts))
        return damaged("it lists no parts", err);
    json_array_foreach (parts, i, o) {
        const char *name = text_of(o, "name");
        const struct bundle_part *p = archive_find(files, name);
        if (!p)
            return err_set(err, ERR_FAILURE, "'%.200s' is missing from it", name);
        if (strcmp(p->digest, text_of(o, "sha256")) != 0)
            return err_set(err, ERR_FAILURE, "'%.200s' is not what was bundled: its SHA-256 is %s",
                           name, p->digest);
    }
    if (json_array_size(parts) + others != files->count)
        return err_set(err, ERR_FAILURE, "it holds %zu files, the record lists %zu",
                       files->count - others, json_array_size(parts));
    return 0;
}

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n >= e && strcmp(name + n - e, end) == 0;
}

/* The guest is there and would be taken. */
static int check_module(const struct archive_files *files, const char *end, struct err *err)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct bundle_part *p = &files->list[i];
        if (!ends_with(p->name, end))
            continue;
        if (module_format(p->data, p->len) != MODULE_CORE)
            return module_format_error(p->data, p->len, p->name, err);
        struct module_info info = {0};
        struct err problems[MODULE_PROBLEMS_MAX];
        int r = module_info_read(p->data, p->len, &info, err);
        if (r == 0 && module_info_problems(&info, problems) > 0) {
            r = -(int)problems[0].code;
            if (err)
                *err = problems[0];
        }
        module_info_clear(&info);
        return r < 0 ? err_wrap(err, r, "%s", p->name) : 0;
    }
    return err_set(err, ERR_FAILURE, "no %s is in it", end);
}

/* One folder, with what the provider's own CLI asks for. */
static int check_package(const struct archive_files *files, struct err *err)
{
    size_t len = files->count ? strcspn(files->list[0].name, "/") : 0;
    bool manifest = false;
    for (size_t i = 0; i < files->count; i++) {
        const char *name = files->list[i].name;
        if (strcspn(name, "/") != len || strncmp(name, files->list[0].name, len) != 0 ||
            name[len] != '/')
            return err_set(err, ERR_FAILURE, "'%.200s' is not in the one folder of a package",
                           name);
        manifest |= strcmp(name + len, "/fastly.toml") == 0;
    }
    if (!manifest)
        return err_set(err, ERR_FAILURE, "no fastly.toml is in it");
    return check_module(files, "/bin/main.wasm", err);
}

static int check_files_hash(const struct archive_files *files, const json_t *record,
                            struct err *err)
{
    char hex[FILES_HASH_SIZE];
    bundle_files_hash(files->list, files->count, NULL, hex);
    if (strcmp(hex, text_of(json_object_get(record, "package"), "files_hash")) != 0)
        return err_set(err, ERR_FAILURE, "its files_hash is not the record's but %s", hex);
    return 0;
}

static void finish(struct bundle_check *check, const struct archive_files *files)
{
    check->part_count = files->count;
    check->size = files->total;
}

/* --- archives --- */

static int compare_package(const uint8_t *data, size_t len, const json_t *record, struct err *err)
{
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(data, len, digest);
    hash_hex(digest, hex);
    if (strcmp(hex, text_of(json_object_get(record, "package"), "sha256")) != 0)
        return err_set(err, ERR_FAILURE, "it is not the file that was bundled: its SHA-256 is %s",
                       hex);
    return 0;
}

static int check_archive(const uint8_t *data, size_t len, const json_t *record,
                         struct archive_files *files, struct bundle_check *check, struct err *err)
{
    bool zip = len >= 2 && data[0] == 'P' && data[1] == 'K';
    check->provider = zip ? PROVIDER_AWS : PROVIDER_FASTLY;
    int r = record ? provider_of(record, &check->provider, err) : 0;
    if (r == 0 && record)
        r = compare_package(data, len, record, err);
    if (r == 0)
        r = zip ? zip_read(data, len, files, err) : targz_read(data, len, files, err);
    if (r == 0 && record)
        r = compare_parts(files, record, 0, err);
    if (r == 0)
        r = zip ? check_module(files, "app.wasm", err) : check_package(files, err);
    if (r == 0 && record && !zip)
        r = check_files_hash(files, record, err);
    finish(check, files);
    return r;
}

int bundle_verify_archive(const uint8_t *data, size_t len, const json_t *record,
                          struct bundle_check *ret_check, struct err *err)
{
    cleanup(archive_files_clear) struct archive_files files = {0};
    return check_archive(data, len, record, &files, ret_check, err);
}

/* --- folders --- */

static int read_folder(const char *root, const char *below, int depth, struct archive_files *files,
                       struct err *err);

static int read_one(const char *root, const char *name, int depth, struct archive_files *files,
                    struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", root, name);
    struct stat st;
    if (lstat(path, &st) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (S_ISDIR(st.st_mode))
        return read_folder(root, name, depth + 1, files, err);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_FAILURE, "'%.200s' is no regular file", name);
    int r = archive_name_check(files, name, err);
    if (r < 0)
        return r;
    char *data;
    size_t len;
    r = file_read(path, archive_left(files), &data, &len, err);
    if (r < 0)
        return r;
    struct buf content = {.data = data, .len = len, .cap = len + 1, .max = len + 1};
    archive_add(files, name, &content);
    return 0;
}

static int read_folder(const char *root, const char *below, int depth, struct archive_files *files,
                       struct err *err)
{
    cleanup(free_p) char *path = *below ? xasprintf("%s/%s", root, below) : xstrdup(root);
    struct dirent **names;
    if (depth > DEPTH_MAX)
        return err_set(err, ERR_FAILURE, "'%.200s' is too deep", below);
    int n = scandir(path, &names, NULL, NULL), r = 0;
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", path);
    for (int i = 0; i < n; i++) {
        const char *entry = names[i]->d_name;
        if (r == 0 && strcmp(entry, ".") != 0 && strcmp(entry, "..") != 0) {
            cleanup(free_p) char *name = xasprintf("%s%s%s", below, *below ? "/" : "", entry);
            r = read_one(root, name, depth, files, err);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

/* metadata.json is no module: it goes into the upload beside them. */
static int compare_metadata(const struct archive_files *files, const json_t *record,
                            struct err *err)
{
    const struct bundle_part *p = archive_find(files, "metadata.json");
    json_t *json = p ? json_loadb((const char *)p->data, p->len, 0, NULL) : NULL;
    bool same = json && json_equal(json, json_object_get(record, "metadata"));
    json_decref(json);
    return same ? 0 : err_set(err, ERR_FAILURE, "metadata.json is not what was bundled");
}

static int check_folder(const char *path, struct archive_files *files, struct bundle_check *check,
                        struct err *err)
{
    if (!check->record) {
        err_set(err, ERR_FAILURE, "%s has no release record beside it", path);
        err_hint(err, "copy %s.release.json along with it", path);
        return -ERR_FAILURE;
    }
    bool modules;
    int r = provider_of(check->record, &check->provider, err);
    if (r == 0)
        r = read_folder(path, "", 0, files, err);
    if (r == 0)
        r = archive_finish(files, err);
    modules = check->provider == PROVIDER_CLOUDFLARE;
    if (r == 0)
        r = compare_parts(files, check->record, modules ? 1 : 0, err);
    if (r == 0 && modules)
        r = compare_metadata(files, check->record, err);
    if (r == 0)
        r = check_module(files, "app.wasm", err);
    finish(check, files);
    return r;
}

int bundle_verify(const char *path, struct bundle_check *ret_check, struct err *err)
{
    cleanup(archive_files_clear) struct archive_files files = {0};
    cleanup(free_p) char *place = xstrdup(path);
    struct stat st;
    *ret_check = (struct bundle_check){0};
    for (size_t len = strlen(place); len > 1 && place[len - 1] == '/'; len--)
        place[len - 1] = '\0';
    if (stat(place, &st) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", place);
    int r = read_record(place, &ret_check->record, err);
    if (r == 0 && S_ISDIR(st.st_mode)) {
        r = check_folder(place, &files, ret_check, err);
    } else if (r == 0) {
        cleanup(free_p) char *data = NULL;
        size_t len;
        r = file_read(place, archive_max, &data, &len, err);
        if (r == 0)
            r = check_archive((const uint8_t *)data, len, ret_check->record, &files, ret_check,
                              err);
    }
    if (r < 0)
        bundle_check_clear(ret_check);
    return r;
}

void bundle_check_clear(struct bundle_check *c)
{
    json_decref(c->record);
    c->record = NULL;
}
