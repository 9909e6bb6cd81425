/* SPDX-License-Identifier: Apache-2.0 */
/* A pair: a version of the function that holds two others, each whole and in a folder of its own,
 * for the router (aws_router.c) to choose from. At the edge one event has one version of one
 * function, so two that share traffic must be in the same zip. What it is made from is fetched from
 * Lambda: a rollout can be begun and ended by another machine than the one that deployed.
 *
 * Its description says whose pair it is, and its bytes follow from the two: it is made once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/embed.h"
#include "base/mem.h"
#include "base/spool.h"
#include "base/uri.h"
#include "bundle/archive.h"
#include "provider/aws_router.h"

static const char mark[] = "edgectl-pair ";
static const char dispatcher[] = "hosts/pair/index.js";

/* Lambda takes a zip of 50 MB in a request (Lambda Developer Guide, "Lambda quotas"). */
enum { ARMS = 2, ZIP_MAX = 300 << 20, MEMORY = 8 << 20, UPLOAD_MAX = 50 << 20 };

bool aws_pair_read(const char *description, char ret[2][PROVIDER_ID_MAX])
{
    if (strncmp(description, mark, strlen(mark)) != 0)
        return false;
    const char *first = description + strlen(mark), *plus = strchr(first, '+');
    if (!plus || plus == first || !plus[1])
        return false;
    snprintf(ret[0], PROVIDER_ID_MAX, "%.*s", (int)(plus - first), first);
    snprintf(ret[1], PROVIDER_ID_MAX, "%s", plus + 1);
    return true;
}

/* --- fetching --- */

/* The address is AWS's own for some minutes, with a signature in its query. */
static int download(struct aws_target *t, const char *url, struct api_response *ret,
                    struct err *err)
{
    struct uri uri;
    if (!uri_parse(url, strlen(url), &uri) || !uri.scheme || !uri.authority)
        return err_set(err, ERR_NETWORK, "AWS Lambda says that the code is at '%.200s'", url);
    cleanup(free_p) char *base = xasprintf("%.*s://%.*s", (int)uri.scheme_len, uri.scheme,
                                           (int)uri.authority_len, uri.authority);
    cleanup(free_p) char *path = xstrndup(uri.path, uri.path_len);
    cleanup(api_free_p) struct api *api = NULL;
    struct api_options options = {.name = "Amazon S3", .base = base, .base_from = "AWS Lambda",
                                  .ca_from = "AWS_CA_BUNDLE", .trace = t->base.o.trace,
                                  .trace_env = t->base.o.env};
    int r = api_new(&options, &api, err);
    if (r < 0)
        return r;
    const char *query = strchr(path, '?');
    if (query)
        api_hide(api, query + 1, strlen(query + 1));
    r = api_do(api, &(struct api_request){.method = "GET", .path = path, .max_answer = ZIP_MAX},
               ret, err);
    return r < 0 || ret->status == 200 ? r : api_fail(api, "GET", "the code", ret, err);
}

int aws_code_fetch(struct aws_target *t, const char *version, struct archive_files *files,
                   struct err *err)
{
    cleanup(json_decref_p) json_t *function = NULL;
    int r = aws_lambda_read(t, version, &function, err);
    if (r == 0)
        r = err_set(err, ERR_FAILURE, "there is no version %s of %s", version, t->function);
    if (r < 0)
        return r;
    const char *url = aws_text(json_object_get(function, "Code"), "Location");
    cleanup(api_response_clear) struct api_response zip = {0};
    r = download(t, url, &zip, err);
    if (r == 0)
        r = zip_read((const uint8_t *)zip.body, zip.len, files, err);
    return r < 0 ? err_wrap(err, r, "the code of version %s", version) : 0;
}

/* --- making --- */

struct parts {
    struct bundle_part *list;
    size_t count;
};

static void parts_clear(struct parts *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->list[i].name);
    free(p->list);
}

/* Takes `name`, borrows the data. */
static void add(struct parts *p, char *name, const void *data, size_t len)
{
    p->list = xreallocarray(p->list, p->count + 1, sizeof *p->list);
    p->list[p->count++] = (struct bundle_part){.name = name, .data = (uint8_t *)data, .len = len};
}

static int write_zip(const char *app, const char *const versions[ARMS],
                     const struct archive_files files[ARMS], struct spool *sp,
                     struct aws_code *ret, struct err *err)
{
    static const char package[] = "{\"type\":\"module\"}\n";
    size_t count;
    const struct embed_file *script = embed_under(dispatcher, &count);
    if (!count)
        return err_set(err, ERR_FAILURE, "this edgectl was built without %s", dispatcher);
    cleanup(parts_clear) struct parts parts = {0};
    cleanup(free_p) char *table = xasprintf(
        "export default { \"%s\": \"v%s/\", \"%s\": \"v%s/\" };\n"
        "export const main = \"%s\", app = \"%s\";\n",
        versions[0], versions[0], versions[1], versions[1], versions[0], app);
    add(&parts, xstrdup("lambda/index.js"), script->data, script->len);
    add(&parts, xstrdup("package.json"), package, strlen(package));
    add(&parts, xstrdup("versions.js"), table, strlen(table));
    for (int arm = 0; arm < ARMS; arm++)
        for (size_t i = 0; i < files[arm].count; i++)
            add(&parts, xasprintf("v%s/%s", versions[arm], files[arm].list[i].name),
                files[arm].list[i].data, files[arm].list[i].len);
    uint8_t *data;
    int r = zip_write(parts.list, parts.count, sp, &data, &ret->len, err);
    ret->data = data;
    ret->spool = sp;
    return r;
}

static int make(struct aws_target *t, const char *const versions[ARMS], char ret[PROVIDER_ID_MAX],
                struct err *err)
{
    struct archive_files files[ARMS] = {0};
    cleanup(spool_free_p) struct spool *sp = spool_new(t->base.o.state_dir, MEMORY);
    struct aws_code code = {0};
    cleanup(free_p) char *text = xasprintf("%s%s+%s", mark, versions[0], versions[1]);
    int r = 0;
    for (int arm = 0; arm < ARMS && r == 0; arm++)
        r = aws_code_fetch(t, versions[arm], &files[arm], err);
    if (r == 0)
        r = write_zip(t->function, versions, files, sp, &code, err);
    for (int arm = 0; arm < ARMS; arm++)
        archive_files_clear(&files[arm]);
    if (r == 0 && code.len > UPLOAD_MAX) {
        r = err_set(err, ERR_LIMIT, "both together are a zip of %zu MB, and Lambda takes 50",
                    code.len >> 20);
        err_hint(err, "without `router` in the target CloudFront shares up to 15 %%, each version "
                 "by itself");
    }
    if (r == 0)
        r = aws_lambda_publish_as(t, &code, text, ret, err);
    return r < 0 ? err_wrap(err, r, "a function with versions %s and %s", versions[0], versions[1])
                 : 0;
}

int aws_pair_make(struct aws_target *t, const char *a, const char *b, char ret[PROVIDER_ID_MAX],
                  struct err *err)
{
    /* The older one first: with the same two it is the same pair, whoever is stable. */
    bool swap = strtol(a, NULL, 10) > strtol(b, NULL, 10);
    const char *const versions[ARMS] = {swap ? b : a, swap ? a : b};
    cleanup(json_decref_p) json_t *all = NULL;
    int r = aws_lambda_versions(t, &all, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        char holds[ARMS][PROVIDER_ID_MAX];
        if (aws_pair_read(aws_text(one, "Description"), holds) &&
            strcmp(holds[0], versions[0]) == 0 && strcmp(holds[1], versions[1]) == 0) {
            snprintf(ret, PROVIDER_ID_MAX, "%s", aws_text(one, "Version"));
            return 0;
        }
    }
    return make(t, versions, ret, err);
}
