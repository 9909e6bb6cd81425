/* SPDX-License-Identifier: Apache-2.0 */
/* The token as Vercel's CLI has it: VERCEL_TOKEN, else what `vercel login` has stored; team and
 * project by VERCEL_ORG_ID and VERCEL_PROJECT_ID, else by the folder's link. As in vercel/vercel,
 * packages/cli-config/src/paths.ts and packages/cli/src/util/projects/link.ts. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "provider/vc.h"

enum { FILE_MAX = 256 * 1024 };

void vc_creds_clear(struct vc_creds *c)
{
    secret_unref(c->token);
    free(c->from);
    free(c->team);
    free(c->project);
    *c = (struct vc_creds){0};
}

/* The CLI's folder for data: "auth.json", "config.json"; the caller frees. */
static char *data_path(const struct target_options *o, const char *name)
{
    const char *data = target_variable(o, "XDG_DATA_HOME"), *home = target_variable(o, "HOME");
    cleanup(free_p) char *old = xasprintf("%s/.now/%s", home ? home : "", name);
    if (access(old, F_OK) == 0)
        return TAKE(old);
    return data ? xasprintf("%s/com.vercel.cli/%s", data, name)
                : xasprintf("%s/.local/share/com.vercel.cli/%s", home ? home : "", name);
}

/* NULL when there is no such file, or it is no JSON. */
static json_t *read_json(const char *path)
{
    char *text;
    size_t len;
    if (access(path, R_OK) < 0 || file_read(path, FILE_MAX, &text, &len, NULL) < 0)
        return NULL;
    json_t *json = json_loadb(text, len, 0, NULL);
    secret_wipe(text, len);
    free(text);
    return json;
}

static int use_token(struct vc_creds *c, const char *token, const char *from, struct err *err)
{
    int r = token_form(token, from, err);
    if (r < 0)
        return r;
    c->token = secret_new(token, strlen(token));
    c->from = xstrdup(from);
    return 0;
}

static int find_token(const struct target_options *o, struct vc_creds *c, struct err *err)
{
    const char *token = target_variable(o, "VERCEL_TOKEN");
    if (token)
        return use_token(c, token, "VERCEL_TOKEN", err);
    cleanup(free_p) char *path = data_path(o, "auth.json");
    cleanup(json_decref_p) json_t *stored = read_json(path);
    token = json_text(stored, "token");
    int64_t expires = json_integer_value(json_object_get(stored, "expiresAt"));
    if (!token || !*token) {
        int r = err_set(err, ERR_CREDENTIALS, "no Vercel token: VERCEL_TOKEN is not set, and there "
                        "is none in %s", path);
        err_hint(err, "set VERCEL_TOKEN (made in the account's settings), or run `vercel login`");
        return r;
    }
    if (expires && expires < clock_wall_ns() / 1000000000) {
        int r = err_set(err, ERR_CREDENTIALS, "the token in %s has expired", path);
        err_hint(err, "`vercel whoami` renews it; in CI set VERCEL_TOKEN");
        return r;
    }
    return use_token(c, token, path, err);
}

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

/* The manifest, then both variables, then .vercel/project.json, then what the CLI was told. */
static int find_project(const struct target_options *o, struct vc_creds *c, struct err *err)
{
    const struct manifest_target *m = o->manifest->target;
    const char *org = target_variable(o, "VERCEL_ORG_ID");
    const char *project = target_variable(o, "VERCEL_PROJECT_ID");
    if (!org != !project && !(m && m->project)) {
        int r = err_set(err, ERR_CREDENTIALS, "%s is set, but %s is not",
                        org ? "VERCEL_ORG_ID" : "VERCEL_PROJECT_ID",
                        org ? "VERCEL_PROJECT_ID" : "VERCEL_ORG_ID");
        err_hint(err, "set both or neither, or name the project in targets.%s.project", o->name);
        return r;
    }
    cleanup(free_p) char *link_path = xasprintf("%s/.vercel/project.json", o->manifest->dir);
    cleanup(json_decref_p) json_t *link = read_json(link_path);
    cleanup(free_p) char *config_path = data_path(o, "config.json");
    cleanup(json_decref_p) json_t *config = read_json(config_path);
    const char *linked_org = json_text(link, "orgId"), *linked = json_text(link, "projectId");
    const char *team = m && m->team ? m->team : org ? org : linked_org;
    if (!team)
        team = target_variable(o, "VERCEL_TEAM_ID");
    if (!team)
        team = json_text(config, "currentTeam");
    c->team = copy(team && *team ? team : NULL);
    c->project = copy(m && m->project ? m->project
                      : project       ? project
                      : linked        ? linked
                                      : o->manifest->name);
    return 0;
}

int vc_creds_find(const struct target_options *o, struct vc_creds *ret, struct err *err)
{
    *ret = (struct vc_creds){0};
    int r = find_token(o, ret, err);
    if (r == 0)
        r = find_project(o, ret, err);
    if (r < 0)
        vc_creds_clear(ret);
    return r;
}
