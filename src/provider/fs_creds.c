/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials where the fastly CLI has them: FASTLY_API_TOKEN, FASTLY_API_KEY (its library's name),
 * then its config file, in the form of today ([auth]) or of old ([profile]). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/mem.h"
#include "manifest/node.h"
#include "provider/fs.h"

const char fs_hint_scopes[] =
    "the token needs the scope global (or the service in its list, and purge scopes for purges); "
    "see `edgectl doctor`";

static int use(const char *token, const char *from, struct headers *headers, char **ret_from,
               struct err *err)
{
    int r = token_form(token, from, err);
    if (r < 0)
        return r;
    headers_add_str(headers, "fastly-key", token);
    *ret_from = xstrdup(from);
    return 0;
}

/* The token of the profile that is the default, NULL if there is none. */
static const char *default_token(const struct node *root, const char *wanted)
{
    const struct node *auth = node_child(root, "auth");
    const char *name = wanted ? wanted : node_text(auth, "default");
    const char *token = name ? node_text(node_child(node_child(auth, "tokens"), name), "token")
                             : NULL;
    const struct node *profiles = node_child(root, "profile");
    if (token || !profiles)
        return token;
    for (size_t i = 0; i < profiles->count; i++) {
        const struct node *p = profiles->items[i];
        const char *is_default = node_text(p, "default");
        if (wanted ? p->key && strcmp(p->key, wanted) == 0
                   : is_default && strcmp(is_default, "true") == 0)
            return node_text(p, "token");
    }
    return NULL;
}

static int none(const char *why, const char *path, struct err *err)
{
    int r = err_set(err, ERR_CREDENTIALS, "no credentials for Fastly: FASTLY_API_TOKEN is not set, "
                                          "and %s %s", why, path);
    err_hint(err, "make a token with the scope global at "
                  "https://manage.fastly.com/account/personal/tokens and set FASTLY_API_TOKEN, or "
                  "log in with `fastly auth login`");
    return r;
}

static int read_config(const char *path, const char *profile, struct headers *headers,
                       char **ret_from, struct err *err)
{
    cleanup(node_freep) struct node *root = NULL;
    int r = login_from_toml(path, &root, err);
    if (r < 0)
        return r;
    const char *token = default_token(root, profile);
    return token ? use(token, path, headers, ret_from, err)
                 : none("no default login stands in", path, err);
}

int fs_creds_find(const struct target_options *o, struct headers *ret_headers, char **ret_from,
                  struct err *err)
{
    static const char *const names[] = {"FASTLY_API_TOKEN", "FASTLY_API_KEY"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *token = target_variable(o, names[i]);
        if (token)
            return use(token, names[i], ret_headers, ret_from, err);
    }
    cleanup(free_p) char *path = user_config_path("fastly/config.toml");
    struct stat st;
    if (stat(path, &st) < 0)
        return none("there is no", path, err);
    return read_config(path, target_variable(o, "FASTLY_PROFILE"), ret_headers, ret_from, err);
}
