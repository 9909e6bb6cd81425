/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials where the fastly CLI has them: FASTLY_API_TOKEN, FASTLY_API_KEY (its library's name),
 * then its config file, in the form of today ([auth]) or of old ([profile]). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "base/mem.h"
#include "manifest/node.h"
#include "provider/fs.h"

enum { CONFIG_MAX = 256 * 1024 };

const char fs_hint_scopes[] =
    "the token needs the scope global (or the service in its list, and purge scopes for purges); "
    "see `edgectl doctor`";

static int use(const char *token, const char *from, struct headers *headers, char **ret_from,
               struct err *err)
{
    for (const unsigned char *p = (const unsigned char *)token; *p; p++) {
        if (*p > ' ' && *p < 0x7f)
            continue;
        int r = err_set(err, ERR_CREDENTIALS, "%s holds a character that no token has (byte %zu)",
                        from, (size_t)(p - (const unsigned char *)token) + 1);
        err_hint(err, "copy it anew, without quotes, spaces and line ends");
        return r;
    }
    headers_add_str(headers, "fastly-key", token);
    *ret_from = xstrdup(from);
    return 0;
}

static const char *text_of(const struct node *n, const char *key)
{
    const struct node *child = node_child(n, key);
    return child && child->text && child->len ? child->text : NULL;
}

/* The token of the profile that is the default, NULL if there is none. */
static const char *default_token(const struct node *root, const char *wanted)
{
    const struct node *auth = node_child(root, "auth");
    const char *name = wanted ? wanted : text_of(auth, "default");
    const char *token = name ? text_of(node_child(node_child(auth, "tokens"), name), "token")
                             : NULL;
    const struct node *profiles = node_child(root, "profile");
    if (token || !profiles)
        return token;
    for (size_t i = 0; i < profiles->count; i++) {
        const struct node *p = profiles->items[i];
        const char *is_default = text_of(p, "default");
        if (wanted ? p->key && strcmp(p->key, wanted) == 0
                   : is_default && strcmp(is_default, "true") == 0)
            return text_of(p, "token");
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
    cleanup(free_p) char *text = NULL;
    size_t len;
    int r = file_read(path, CONFIG_MAX, &text, &len, err);
    if (r < 0)
        return r;
    cleanup(node_freep) struct node *root = NULL;
    r = node_from_toml(text, len, path, &root, err);
    explicit_bzero(text, len);
    if (r < 0) /* its words may quote a token */
        return err_set(err, ERR_CREDENTIALS, "%s, line %d: this is no TOML", path,
                       err ? err->line : 0);
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
