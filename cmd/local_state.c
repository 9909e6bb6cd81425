/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/local_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/nearest.h"
#include "world/state.h"

enum { LINE_MAX_BYTES = 40 << 20 }; /* the largest value in base64, and its key and metadata */

static bool manifest_here(const struct cli *cli)
{
    return cli->manifest_file || access("edge.yaml", F_OK) == 0 || access("fastly.toml", F_OK) == 0;
}

static int load_manifest(struct cli *cli, struct local_state *s, struct err *err)
{
    struct manifest_problems problems = {0};
    int r = manifest_load(".", cli->manifest_file, cli->target, &s->manifest, &problems);
    s->declared = r == 0;
    for (size_t i = 0; i < problems.count && r < 0 && err; i++) {
        if (problems.list[i].code == ERR_NONE)
            continue;
        *err = problems.list[i];
        break;
    }
    manifest_problems_clear(&problems);
    return r;
}

int local_state_open(struct cli *cli, struct local_state *ret_state, struct err *err)
{
    struct local_state s = {0};
    int r = 0;
    if (strcmp(cli->target, "local") != 0) {
        r = err_set(err, ERR_USAGE, "'%s' keeps the data of this machine; target '%s' is not here",
                    cli->cmd->path, cli->target);
        err_hint(err, "leave --target away; what '%s' needs goes there with: edgectl deploy "
                      "--target %s", cli->target, cli->target);
        return r;
    }
    if (manifest_here(cli)) {
        r = load_manifest(cli, &s, err);
        if (r < 0)
            return r;
    } else if (!cli->state_dir && access(".edgectl", F_OK) < 0) {
        r = err_set(err, ERR_MANIFEST, "there is no edge.yaml or fastly.toml here");
        err_hint(err, "name the project with -C or --manifest, or its state folder with --state");
        return r;
    } else {
        s.manifest = manifest_for_module("app.wasm");
    }
    s.dir = state_dir_for(s.manifest, cli->state_dir);
    *ret_state = s;
    return 0;
}

void local_state_clear(struct local_state *s)
{
    manifest_unref(s->manifest);
    free(s->dir);
    *s = (struct local_state){0};
}

static const char *store_name(const struct manifest *m, enum store_kind kind, size_t i)
{
    switch (kind) {
    case STORE_KV: return i < m->kv_count ? m->kv[i].name : NULL;
    case STORE_CONFIG: return i < m->config_count ? m->configs[i].name : NULL;
    case STORE_SECRET: return i < m->secret_count ? m->secrets[i].name : NULL;
    }
    return NULL;
}

int local_state_declares(const struct local_state *s, enum store_kind kind, const char *name,
                         struct err *err)
{
    static const char *const kinds[] = {
        [STORE_KV] = "KV", [STORE_CONFIG] = "config", [STORE_SECRET] = "secret",
    };
    struct nearest near = {.word = name};
    const char *have;
    for (size_t i = 0; (have = store_name(s->manifest, kind, i)); i++) {
        if (strcmp(have, name) == 0)
            return 0;
        nearest_offer(&near, have);
    }
    if (!s->declared)
        return 0;
    int r = err_set(err, ERR_USAGE, "%s declares no %s store '%.256s'", s->manifest->file,
                    kinds[kind], name);
    if (near.best)
        err_hint(err, "did you mean '%s'?", near.best);
    else
        err_hint(err, "declare it there, so that the app can open it");
    return r;
}

int local_kv_open(struct cli *cli, struct local_kv *ret_kv, struct err *err)
{
    struct local_kv kv = {0};
    int r = local_state_open(cli, &kv.state, err);
    if (r == 0)
        r = kv_db_open(kv.state.dir, &kv.db, err);
    if (r == 0)
        r = kv_reader_open(kv.db, NULL, &kv.reader, err);
    if (r < 0)
        local_kv_close(&kv);
    else
        *ret_kv = kv;
    return r;
}

void local_kv_close(struct local_kv *kv)
{
    kv_reader_close(kv->reader);
    kv_db_close(kv->db);
    local_state_clear(&kv->state);
}

int local_kv_fail(struct local_kv *kv, enum kv_result result, const char *store, const char *key,
                  struct err *err)
{
    if (result == KV_INTERNAL_ERROR && kv_db_take_error(kv->db, err))
        return err ? -(int)err->code : -ERR_IO;
    enum err_code code = result == KV_BAD_REQUEST ? ERR_USAGE
                         : result == KV_PAYLOAD_TOO_LARGE ? ERR_LIMIT : ERR_FAILURE;
    return err_set(err, code, "KV store '%.256s', key '%.256s': %s", store, key,
                   kv_result_text(result));
}

static int read_stream(FILE *f, const char *name, struct buf *value, struct err *err)
{
    for (;;) {
        char block[65536];
        size_t n = fread(block, 1, sizeof block, f);
        if (!buf_add(value, block, n))
            return err_set(err, ERR_LIMIT, "%s holds more than %zu bytes", name, value->max);
        if (n == sizeof block)
            continue;
        return ferror(f) ? err_sys(err, ERR_IO, errno, "cannot read %s", name) : 0;
    }
}

int value_read(struct cli *cli, const struct value_source *from, struct buf *value,
               struct err *err)
{
    if (from->text && from->file)
        return err_set(err, ERR_USAGE, "give either a value or --file, not both");
    if (from->text) {
        if (!buf_add_str(value, from->text))
            return err_set(err, ERR_LIMIT, "the value has more than %zu bytes", value->max);
        return 0;
    }
    if (from->file && strcmp(from->file, "-") != 0) {
        FILE *f = fopen(from->file, "re");
        if (!f)
            return err_sys(err, ERR_IO, errno, "cannot open %s", from->file);
        int r = read_stream(f, from->file, value, err);
        fclose(f);
        return r;
    }
    if (isatty(STDIN_FILENO))
        out_note(cli->out, "reading the value from the terminal; Ctrl-D ends it");
    int r = read_stream(stdin, "stdin", value, err);
    if (r == 0 && from->strip && value->len && value->data[value->len - 1] == '\n')
        value->data[--value->len] = '\0';
    return r;
}

int line_reader_open(struct line_reader *l, const char *path, struct err *err)
{
    *l = (struct line_reader){.file = stdin, .name = "stdin"};
    struct stat st;
    if (path && strcmp(path, "-") != 0) {
        l->name = path;
        l->file = fopen(path, "re");
        if (!l->file)
            return err_sys(err, ERR_IO, errno, "cannot open %s", path);
        l->rewindable = fstat(fileno(l->file), &st) == 0 && S_ISREG(st.st_mode);
    }
    return 0;
}

void line_reader_close(struct line_reader *l)
{
    if (l->file && l->file != stdin)
        fclose(l->file);
    free(l->line);
    *l = (struct line_reader){0};
}

/* As getline, with a bound. */
static int read_line(struct line_reader *l, size_t *ret_len, struct err *err)
{
    size_t len = 0;
    int c;
    while ((c = getc_unlocked(l->file)) != EOF && c != '\n') {
        if (len + 1 >= l->cap) {
            l->cap = l->cap ? l->cap * 2 : 4096;
            l->line = xrealloc(l->line, l->cap);
        }
        l->line[len++] = (char)c;
        if (len > LINE_MAX_BYTES)
            return line_reader_place(
                l, err_set(err, ERR_LIMIT, "the line has more than %d bytes", LINE_MAX_BYTES), err);
    }
    if (ferror(l->file))
        return err_sys(err, ERR_IO, errno, "cannot read %s", l->name);
    *ret_len = len;
    return c != EOF || len > 0;
}

int line_reader_next(struct line_reader *l, char **ret_line, size_t *ret_len, struct err *err)
{
    for (;;) {
        size_t len = 0;
        l->number++;
        int r = read_line(l, &len, err);
        if (r <= 0)
            return r;
        while (len > 0 && (l->line[len - 1] == '\r' || l->line[len - 1] == ' '))
            len--;
        if (len == 0)
            continue;
        l->line[len] = '\0';
        *ret_line = l->line;
        *ret_len = len;
        return 1;
    }
}

void line_reader_rewind(struct line_reader *l)
{
    rewind(l->file);
    l->number = 0;
}

int line_reader_place(const struct line_reader *l, int r, struct err *err)
{
    if (r < 0)
        err_place(err, l->name, l->number, err ? err->col : 0);
    return r;
}

/* --- what was done, with --json --- */

void local_tell_put(struct cli *cli, const char *store, const char *key)
{
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:s, s:s}", "store", store, "key", key));
}

void local_tell_count(struct cli *cli, const char *store, const char *what, size_t count)
{
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:s, s:I}", "store", store, what, (json_int_t)count));
}
