/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials where wrangler has them: CLOUDFLARE_API_TOKEN, the older CLOUDFLARE_API_KEY with
 * CLOUDFLARE_EMAIL, and what `wrangler login` has stored. Order and files as in workers-sdk,
 * packages/workers-auth. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/clock.h"
#include "base/mem.h"
#include "manifest/node.h"
#include "provider/cf.h"

const char cf_hint_scopes[] =
    "the token needs Workers Scripts: Edit and Workers KV Storage: Edit, for domains also "
    "Zone: Read and Workers Routes: Edit, for metrics Account Analytics: Read "
    "(`edgectl doctor`)";

void cf_creds_clear(struct cf_creds *c)
{
    for (size_t i = 0; i < c->headers.count; i++)
        explicit_bzero(c->headers.list[i].value, c->headers.list[i].value_len);
    headers_clear(&c->headers);
    free(c->from);
    *c = (struct cf_creds){0};
}

static int use_token(struct cf_creds *c, const char *token, const char *from, struct err *err)
{
    int r = token_form(token, from, err);
    if (r < 0)
        return r;
    char *bearer = xasprintf("Bearer %s", token);
    headers_add_str(&c->headers, "authorization", bearer);
    explicit_bzero(bearer, strlen(bearer));
    free(bearer);
    c->from = xstrdup(from);
    return 0;
}

/* ~/.wrangler where that exists, as in its early versions; the caller frees. */
static char *login_path(void)
{
    const char *home = getenv("HOME");
    cleanup(free_p) char *old = xasprintf("%s/.wrangler", home ? home : "");
    struct stat st;
    if (home && stat(old, &st) == 0 && S_ISDIR(st.st_mode))
        return xasprintf("%s/config/default.toml", old);
    return user_config_path(".wrangler/config/default.toml");
}

static int use_login(struct cf_creds *c, const struct node *root, const char *path,
                     struct err *err)
{
    const char *token = node_text(root, "oauth_token");
    if (!token)
        token = node_text(root, "api_token"); /* of its first versions */
    if (!token)
        return err_set(err, ERR_CREDENTIALS, "%s holds no oauth_token", path);
    int64_t expires = time_ms_from_iso(node_text(root, "expiration_time"));
    if (expires && expires < clock_wall_ns() / 1000000) {
        int r = err_set(err, ERR_CREDENTIALS, "the login that wrangler stored in %s has expired",
                        path);
        err_hint(err, node_text(root, "refresh_token")
                          ? "`wrangler whoami` renews it, `wrangler login` makes a new one; or set "
                            "CLOUDFLARE_API_TOKEN"
                          : "run `wrangler login` again, or set CLOUDFLARE_API_TOKEN");
        return r;
    }
    return use_token(c, token, path, err);
}

static int read_login(struct cf_creds *c, const char *path, struct err *err)
{
    cleanup(node_freep) struct node *root = NULL;
    int r = login_from_toml(path, &root, err);
    return r < 0 ? r : use_login(c, root, path, err);
}

static int none(const char *login, struct err *err)
{
    cleanup(free_p) char *sealed = xasprintf("%.*senc", (int)strlen(login) - 4, login);
    struct stat st;
    bool is_sealed = stat(sealed, &st) == 0;
    int r = err_set(err, ERR_CREDENTIALS,
                    "no credentials for Cloudflare: neither CLOUDFLARE_API_TOKEN nor "
                    "CLOUDFLARE_API_KEY with CLOUDFLARE_EMAIL is set, and there is no %s%s",
                    login, is_sealed ? " (wrangler keeps its login sealed there)" : "");
    err_hint(err, "make an API token with the template \"Edit Cloudflare Workers\" at "
                  "https://dash.cloudflare.com/profile/api-tokens and set CLOUDFLARE_API_TOKEN");
    return r;
}

int cf_creds_find(const struct target_options *o, struct cf_creds *ret, struct err *err)
{
    const char *token = target_variable(o, "CLOUDFLARE_API_TOKEN");
    if (token)
        return use_token(ret, token, "CLOUDFLARE_API_TOKEN", err);
    const char *key = target_variable(o, "CLOUDFLARE_API_KEY");
    const char *email = target_variable(o, "CLOUDFLARE_EMAIL");
    if (key && email) {
        int r = token_form(key, "CLOUDFLARE_API_KEY", err);
        r = r < 0 ? r : token_form(email, "CLOUDFLARE_EMAIL", err);
        if (r < 0)
            return r;
        headers_add_str(&ret->headers, "x-auth-key", key);
        headers_add_str(&ret->headers, "x-auth-email", email);
        ret->from = xstrdup("CLOUDFLARE_API_KEY and CLOUDFLARE_EMAIL");
        return 0;
    }
    if (key)
        return err_set(err, ERR_CREDENTIALS,
                       "CLOUDFLARE_API_KEY is set, but CLOUDFLARE_EMAIL is not");
    cleanup(free_p) char *login = login_path();
    struct stat st;
    return stat(login, &st) == 0 ? read_login(ret, login, err) : none(login, err);
}
