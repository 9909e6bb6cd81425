/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_creds.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "provider/aws_time.h"

enum { CHAIN_MAX = 8, TOKEN_MAX = 64 * 1024, EARLY_S = 5 * 60 };

enum source_kind { SOURCE_KEYS, SOURCE_PROCESS, SOURCE_WEB, SOURCE_ROLE };

struct source {
    enum source_kind kind;
    char *from;                 /* for people */
    char *command;
    char *role, *session, *external_id, *duration, *token_file;
    struct source *base;        /* SOURCE_ROLE: whose keys take the role */
    struct aws_keys keys;       /* those in use; none yet when there is no id */
};

struct aws_creds {
    struct aws_creds_options o;
    const struct aws_env *env;
    char *profile;
    char *region;               /* of STS */
    struct source *source;
};

static void source_free(struct source *s)
{
    if (!s)
        return;
    source_free(s->base);
    aws_keys_clear(&s->keys);
    free(s->from);
    free(s->command);
    free(s->role);
    free(s->session);
    free(s->external_id);
    free(s->duration);
    free(s->token_file);
    free(s);
}

static void source_free_p(struct source **s)
{
    source_free(*s);
}

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

/* --- finding the source --- */

static struct secret *text_secret(const char *s)
{
    return s ? secret_new(s, strlen(s)) : NULL;
}

static struct source *static_source(char *from, const char *id, const char *secret,
                                    const char *token)
{
    struct source *s = xnew(struct source);
    s->from = from;
    s->keys = (struct aws_keys){.access_key_id = xstrdup(id), .secret_key = text_secret(secret),
                                .session_token = text_secret(token)};
    return s;
}

/* 1 found, 0 not. */
static int from_variables(const struct aws_env *env, struct source **ret, struct err *err)
{
    const char *id = aws_env_get(env, "AWS_ACCESS_KEY_ID");
    const char *secret = aws_env_get(env, "AWS_SECRET_ACCESS_KEY");
    if (!id && !secret)
        return 0;
    if (!id || !secret) {
        int r = err_set(err, ERR_CREDENTIALS, "%s is set, but %s is not",
                        id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                        id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        err_hint(err, "set both (and AWS_SESSION_TOKEN for temporary keys), or neither");
        return r;
    }
    *ret = static_source(xstrdup("AWS_ACCESS_KEY_ID"), id, secret,
                         aws_env_get(env, "AWS_SESSION_TOKEN"));
    return 1;
}

static struct source *web_source(const struct aws_creds *c, const char *role, const char *file,
                                 const char *session, char *from)
{
    struct source *s = xnew(struct source);
    if (!session)
        session = aws_env_get(c->env, "AWS_ROLE_SESSION_NAME");
    s->kind = SOURCE_WEB;
    s->from = from;
    s->role = xstrdup(role);
    s->token_file = xstrdup(file);
    s->session = xstrdup(session ? session : "edgectl");
    return s;
}

static int find_in_profile(const struct aws_creds *c, const char *profile, int depth,
                           struct source **ret, struct err *err);

static int unsupported(const char *what, const char *profile, struct err *err)
{
    int r = err_set(err, ERR_CREDENTIALS, "AWS profile '%s' takes its keys from %s, which edgectl "
                    "does not ask itself", profile, what);
    err_hint(err, "eval \"$(aws configure export-credentials --profile %s --format env)\", or as "
             "credential_process: aws configure export-credentials --profile %s", profile, profile);
    return r;
}

/* Whose keys take the role: another profile's, this one's own, or the environment's. */
static int find_base(const struct aws_creds *c, const char *profile, int depth,
                     struct source **ret, struct err *err)
{
    const char *other = aws_config_get(c->o.config, profile, "source_profile", NULL);
    const char *kind = aws_config_get(c->o.config, profile, "credential_source", NULL);
    if (other && strcmp(other, profile) != 0)
        return find_in_profile(c, other, depth + 1, ret, err);
    if (other) {
        const char *file, *id = aws_config_get(c->o.config, profile, "aws_access_key_id", &file);
        const char *secret = aws_config_get(c->o.config, profile, "aws_secret_access_key", NULL);
        if (id && secret)
            *ret = static_source(xasprintf("profile '%s' of %s", profile, file), id, secret,
                                 aws_config_get(c->o.config, profile, "aws_session_token", NULL));
        return id && secret;
    }
    if (kind && strcmp(kind, "Environment") == 0)
        return from_variables(c->env, ret, err);
    return kind ? unsupported(kind, profile, err) : 0;
}

static int find_role(const struct aws_creds *c, const char *profile, const char *role, int depth,
                     struct source **ret, struct err *err)
{
    const struct aws_config *config = c->o.config;
    const char *session = aws_config_get(config, profile, "role_session_name", NULL);
    const char *token = aws_config_get(config, profile, "web_identity_token_file", NULL);
    if (token) {
        *ret = web_source(c, role, token, session,
                          xasprintf("role %s by profile '%s'", role, profile));
        return 1;
    }
    if (aws_config_get(config, profile, "mfa_serial", NULL))
        return unsupported("a role that needs a one-time password (mfa_serial)", profile, err);
    cleanup(source_free_p) struct source *base = NULL;
    int r = find_base(c, profile, depth, &base, err);
    if (r < 0)
        return r;
    if (r == 0) {
        r = err_set(err, ERR_CREDENTIALS, "AWS profile '%s' takes the role %s, but there are no "
                    "keys to take it with", profile, role);
        err_hint(err, "set source_profile or credential_source = Environment in that profile");
        return r;
    }
    struct source *s = xnew(struct source);
    s->kind = SOURCE_ROLE;
    s->from = xasprintf("role %s by profile '%s', with %s", role, profile, base->from);
    s->role = xstrdup(role);
    s->session = xstrdup(session ? session : "edgectl");
    s->external_id = copy(aws_config_get(config, profile, "external_id", NULL));
    s->duration = copy(aws_config_get(config, profile, "duration_seconds", NULL));
    s->base = TAKE(base);
    *ret = s;
    return 1;
}

/* 1 found, 0 not. */
static int find_in_profile(const struct aws_creds *c, const char *profile, int depth,
                           struct source **ret, struct err *err)
{
    const struct aws_config *config = c->o.config;
    if (depth > CHAIN_MAX)
        return err_set(err, ERR_CREDENTIALS, "AWS profile '%s': source_profile goes in a circle",
                       profile);
    const char *role = aws_config_get(config, profile, "role_arn", NULL);
    if (role)
        return find_role(c, profile, role, depth, ret, err);
    const char *file, *id = aws_config_get(config, profile, "aws_access_key_id", &file);
    const char *secret = aws_config_get(config, profile, "aws_secret_access_key", NULL);
    if (id && secret) {
        *ret = static_source(xasprintf("profile '%s' of %s", profile, file), id, secret,
                             aws_config_get(config, profile, "aws_session_token", NULL));
        return 1;
    }
    const char *command = aws_config_get(config, profile, "credential_process", &file);
    if (command) {
        *ret = xnew(struct source);
        (*ret)->kind = SOURCE_PROCESS;
        (*ret)->command = xstrdup(command);
        (*ret)->from = xasprintf("credential_process of profile '%s' in %s", profile, file);
        return 1;
    }
    if (aws_config_get(config, profile, "sso_session", NULL) ||
        aws_config_get(config, profile, "sso_start_url", NULL))
        return unsupported("single sign-on", profile, err);
    return 0;
}

static int nothing_found(const struct aws_creds *c, struct err *err)
{
    cleanup(free_p) char *places = aws_config_places(c->o.config, c->profile);
    int r = err_set(err, ERR_CREDENTIALS,
                    "no AWS credentials: neither AWS_ACCESS_KEY_ID nor AWS_WEB_IDENTITY_TOKEN_FILE "
                    "is set, and there are no keys in %s", places);
    if (aws_env_get(c->env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
        aws_env_get(c->env, "AWS_CONTAINER_CREDENTIALS_FULL_URI"))
        err_hint(err, "this container's keys become variables by: "
                      "eval \"$(aws configure export-credentials --format env)\"");
    else
        err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile in "
                      "AWS_PROFILE, or run `aws configure`");
    return r;
}

static int find_source(struct aws_creds *c, bool named, struct err *err)
{
    /* A profile that was asked for by name beats variables, as with `aws --profile`. */
    int r = named ? 0 : from_variables(c->env, &c->source, err);
    if (r != 0)
        return r;
    const char *token = aws_env_get(c->env, "AWS_WEB_IDENTITY_TOKEN_FILE");
    const char *role = aws_env_get(c->env, "AWS_ROLE_ARN");
    if (!named && token && role) {
        c->source = web_source(c, role, token, NULL,
                               xasprintf("role %s by AWS_WEB_IDENTITY_TOKEN_FILE", role));
        return 1;
    }
    if (strcmp(c->profile, "default") != 0 && !aws_config_has_profile(c->o.config, c->profile)) {
        cleanup(free_p) char *places = aws_config_places(c->o.config, c->profile);
        r = err_set(err, ERR_CREDENTIALS, "there is no %s", places);
        err_hint(err, "check AWS_PROFILE, or run `aws configure --profile %s`", c->profile);
        return r;
    }
    return find_in_profile(c, c->profile, 0, &c->source, err);
}

int aws_creds_open(const struct aws_creds_options *o, struct aws_creds **ret, struct err *err)
{
    struct aws_creds *c = xnew(struct aws_creds);
    c->o = *o;
    c->env = aws_config_env(o->config);
    const char *by_variable = aws_env_get(c->env, "AWS_PROFILE");
    if (!by_variable)
        by_variable = aws_env_get(c->env, "AWS_DEFAULT_PROFILE");
    c->profile = xstrdup(o->profile ? o->profile : by_variable ? by_variable : "default");
    const char *region = aws_env_get(c->env, "AWS_REGION");
    if (!region)
        region = aws_env_get(c->env, "AWS_DEFAULT_REGION");
    if (!region)
        region = aws_config_get(o->config, c->profile, "region", NULL);
    c->region = xstrdup(region ? region : AWS_EDGE_REGION);
    int r = find_source(c, o->profile != NULL, err);
    if (r == 0)
        r = nothing_found(c, err);
    if (r < 0) {
        aws_creds_close(c);
        return r;
    }
    *ret = c;
    return 0;
}

void aws_creds_close(struct aws_creds *c)
{
    if (!c)
        return;
    source_free(c->source);
    free(c->profile);
    free(c->region);
    free(c);
}

const char *aws_creds_from(const struct aws_creds *c)
{
    return c->source->from;
}

const char *aws_creds_profile(const struct aws_creds *c)
{
    return c->profile;
}

/* --- fetching --- */

struct fetch {
    const struct aws_creds *c;
    struct source *s;
};

static int keys_of(const struct aws_creds *c, struct source *s, struct err *err);

static int base_keys(void *env, struct aws_keys **ret, struct err *err)
{
    const struct fetch *f = env;
    int r = keys_of(f->c, f->s->base, err);
    if (r == 0)
        *ret = &f->s->base->keys;
    return r;
}

/* AssumeRole and AssumeRoleWithWebIdentity answer alike. */
static int take_role(const struct aws_creds *c, struct source *s, const char *result,
                     struct api_body *form, struct err *err)
{
    struct fetch fetch = {c, s};
    struct aws_service_options o = {
        .id = AWS_STS, .config = c->o.config, .profile = c->profile, .region = c->region,
        .keys = s->base ? base_keys : NULL, .keys_env = &fetch, .trace = c->o.trace,
        .env = c->o.env};
    struct aws_service *sts;
    int r = aws_service_open(&o, &sts, err);
    if (r < 0) {
        api_body_free(form);
        return r;
    }
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_query_xml(sts, form, &x, err);
    aws_service_close(sts);
    if (r < 0)
        return err_wrap(err, r, "taking the role %s", s->role);
    const struct xml *keys = xml_find(xml_find(x, result), "Credentials");
    const char *id = xml_get(keys, "AccessKeyId"), *secret = xml_get(keys, "SecretAccessKey");
    const char *token = xml_get(keys, "SessionToken"), *until = xml_get(keys, "Expiration");
    int64_t expires_s;
    if (!id || !*id || !secret || !*secret || !token || !*token || !until ||
        !aws_time_parse(until, &expires_s))
        return err_set(err, ERR_NETWORK, "AWS STS answered without an access key for the role %s",
                       s->role);
    s->keys = (struct aws_keys){.access_key_id = xstrdup(id), .secret_key = text_secret(secret),
                                .session_token = text_secret(token), .expires_s = expires_s};
    return 0;
}

static int take_web_role(const struct aws_creds *c, struct source *s, struct err *err)
{
    char *token;
    size_t len;
    int r = file_read(s->token_file, TOKEN_MAX, &token, &len, err);
    if (r < 0) {
        if (err)
            err->code = ERR_CREDENTIALS;
        return err_wrap(err, -ERR_CREDENTIALS, "web identity token for the role %s", s->role);
    }
    token[strcspn(token, " \t\r\n")] = '\0';
    struct api_body *form = api_body_form(
        "Action", "AssumeRoleWithWebIdentity", "RoleArn", s->role, "RoleSessionName", s->session,
        "WebIdentityToken", token, NULL);
    secret_wipe(token, len);
    free(token);
    return take_role(c, s, "AssumeRoleWithWebIdentityResult", form, err);
}

static int fetch_keys(const struct aws_creds *c, struct source *s, struct err *err)
{
    if (s->kind == SOURCE_PROCESS)
        return aws_process_keys(s->command, &s->keys, err);
    if (s->kind == SOURCE_WEB)
        return take_web_role(c, s, err);
    struct api_body *form =
        api_body_form("Action", "AssumeRole", "RoleArn", s->role, "RoleSessionName", s->session,
                      "ExternalId", s->external_id, "DurationSeconds", s->duration, NULL);
    return take_role(c, s, "AssumeRoleResult", form, err);
}

static int keys_of(const struct aws_creds *c, struct source *s, struct err *err)
{
    int64_t now_s = clock_wall_ns() / 1000000000;
    if (s->keys.access_key_id && (!s->keys.expires_s || s->keys.expires_s - EARLY_S > now_s))
        return 0;
    struct aws_keys old = s->keys;
    s->keys = (struct aws_keys){0};
    int r = fetch_keys(c, s, err);
    if (r == 0 && s->keys.expires_s && s->keys.expires_s <= now_s) {
        aws_keys_clear(&s->keys);
        r = err_set(err, ERR_CREDENTIALS, "the keys by %s have expired already", s->from);
        err_hint(err, "log in again, and check this machine's clock");
    }
    /* Old keys serve until they really expire. */
    if (r < 0 && old.access_key_id && old.expires_s > now_s) {
        s->keys = old;
        return 0;
    }
    aws_keys_clear(&old);
    return r;
}

int aws_creds_keys(void *env, struct aws_keys **ret, struct err *err)
{
    struct aws_creds *c = env;
    int r = keys_of(c, c->source, err);
    if (r == 0)
        *ret = &c->source->keys;
    return r;
}
