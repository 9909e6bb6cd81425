/* SPDX-License-Identifier: Apache-2.0 */
/* A draft whose comment and package were written at the same time, looked at again. Fastly says of
 * writes to one service that overlap that updates may get lost (API reference, "Rate limiting"), so
 * what both answered is not believed: the package is read back while the version is activated, and
 * the comment stands in the answer to that. A package that got lost does no harm meanwhile: the
 * draft still holds that of the version it was cloned from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

void fs_check_clear(struct fs_check *c)
{
    fs_drop(&c->package);
    free(c->comment);
    free(c->files_hash);
    *c = (struct fs_check){0};
}

static struct fs_call ask(struct fs *f, const struct fs_service *s, int number)
{
    cleanup(free_p) char *service = api_path("/service/%s", s->id);
    return fs_start(f, "GET", xasprintf("%s/version/%d/package", service, number), NULL, false);
}

/* 1: the version holds that package, 0 another one or none. `unsaid`: the result when there is one
 * that nothing more is told of. */
static int answered(struct fs *f, struct fs_call *call, const char *files_hash, int unsaid,
                    struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(f, call, &root, err);
    const char *its = json_text(json_object_get(root, "metadata"), "files_hash");
    return r <= 0 ? r : its ? strcmp(its, files_hash) == 0 : unsaid;
}

void fs_check_begin(struct fs *f, struct fs_service *s, int number, const char *comment,
                    const char *files_hash)
{
    fs_check_clear(&f->check);
    f->check = (struct fs_check){.service = s, .number = number, .comment = xstrdup(comment),
                                 .files_hash = xstrdup(files_hash), .package = ask(f, s, number)};
}

static int put_comment(struct fs *f, const struct fs_service *s, int number, const char *comment,
                       json_t **ret, struct err *err)
{
    cleanup(free_p) char *service = api_path("/service/%s", s->id);
    return fs_do(f, "PUT", xasprintf("%s/version/%d", service, number),
                 api_body_form("comment", comment, (char *)NULL), ret, err);
}

/* A comment can be changed whatever state its version is in. */
static int check_comment(struct fs *f, const struct fs_check *c, const json_t *version,
                         struct err *err)
{
    const json_t *said = json_object_get(version, "comment");
    const char *its = json_text(version, "comment");
    if (!said || (its && strcmp(its, c->comment) == 0))
        return 0;
    cleanup(json_decref_p) json_t *root = NULL;
    int r = put_comment(f, c->service, c->number, c->comment, &root, err);
    its = json_text(root, "comment");
    if (r == 0 && (!its || strcmp(its, c->comment) != 0))
        r = err_set(err, ERR_FAILURE, "version %d of %s does not take its comment, by which its "
                                      "release is found again", c->number, c->service->name);
    return r;
}

/* So that nobody takes it for the release: the next run makes another version. */
static int give_up(struct fs *f, const struct fs_check *c, struct err *err)
{
    int r = put_comment(f, c->service, c->number, "edgectl: incomplete, its package was lost", NULL,
                        err);
    if (r < 0)
        return r;
    r = err_set(err, ERR_NETWORK, "Fastly lost the package of version %d of %s: it still holds the "
                                  "one before", c->number, c->service->name);
    err_hint(err, "deploy again: that makes another version");
    return r;
}

int fs_check_end(struct fs *f, const json_t *version, struct err *err)
{
    struct fs_check c = f->check;
    if (!c.service)
        return 0;
    f->check = (struct fs_check){0};
    int r = check_comment(f, &c, version, err);
    int whole = r < 0 ? r : answered(f, &c.package, c.files_hash, 1, err);
    r = whole == 0 ? give_up(f, &c, err) : whole;
    if (whole == 0)
        f->read_ns = 0;
    if (whole > 0)
        r = fs_note_complete(f, c.service, c.number, c.comment, err);
    fs_check_clear(&c);
    return r < 0 ? r : 0;
}

/* --- what is whole --- */

int fs_note_complete(struct fs *f, const struct fs_service *s, int number, const char *comment,
                     struct err *err)
{
    cleanup(free_p) char *id = fs_version_id(s, number);
    return fact_note(&f->t, "complete", id, comment, err);
}

static bool has_links(const json_t *have, const struct fs_links *want)
{
    size_t found = 0, i;
    json_t *link;
    json_array_foreach((json_t *)have, i, link) {
        const char *name = json_text(link, "name"), *store = json_text(link, "resource_id");
        for (size_t k = 0; name && store && k < want->count; k++)
            found += strcmp(want->list[k].name, name) == 0 && want->list[k].id &&
                     strcmp(want->list[k].id, store) == 0;
    }
    return found == want->count;
}

int fs_is_complete(struct fs *f, const struct fs_service *s, int number, const char *files_hash,
                   struct err *err)
{
    const char *comment = json_text(fs_version(s, number), "comment");
    cleanup(free_p) char *id = fs_version_id(s, number);
    const char *fact = fact_get(&f->t, "complete", id);
    if (comment && fact && strcmp(fact, comment) == 0)
        return 1;
    /* A draft is looked through when it is gone on with. */
    if (!fs_is_locked(s, number))
        return 0;
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    struct fs_call package = ask(f, s, number);
    struct fs_call links = fs_start(f, "GET", api_path("/service/%s/version/%s/resource", s->id,
                                                       text), NULL, false);
    cleanup(json_decref_p) json_t *list = NULL;
    int whole = answered(f, &package, files_hash, 0, err);
    int r = whole < 0 ? whole : fs_wait(f, &links, &list, err);
    fs_drop(&links);
    return r < 0 ? r : whole && has_links(list, &f->links);
}
