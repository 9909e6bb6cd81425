/* SPDX-License-Identifier: Apache-2.0 */
/* What AWS's own tools read: the variables of the environment, and the shared files
 * ~/.aws/config and ~/.aws/credentials (AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE).
 * Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files". */
#ifndef EDGECTL_PROVIDER_AWS_CONFIG_H
#define EDGECTL_PROVIDER_AWS_CONFIG_H

#include <stdbool.h>
#include "base/err.h"

/* Where variables are looked up. An empty value counts as none. */
struct aws_env {
    const char *(*get)(void *env, const char *name);
    void *env;
};

const char *aws_env_get(const struct aws_env *env, const char *name);

struct aws_config;

/* Reads both files; one that does not exist is as if empty. -ERR_CREDENTIALS for one that cannot be
 * read, or has no such form, with its place. `env` must outlive the result. */
must_use int aws_config_load(const struct aws_env *env, struct aws_config **ret, struct err *err);
/* NULL is allowed. */
void aws_config_free(struct aws_config *c);
void aws_config_free_p(struct aws_config **c);

/* A key of a profile, or NULL; the credentials file comes first. A nested key is
 * "lambda.endpoint_url". Borrowed. ret_file (may be NULL) gets the path of the file that has it. */
const char *aws_config_get(const struct aws_config *c, const char *profile, const char *key,
                           const char **ret_file);
/* A key of a section that is no profile: kind "services" or "sso-session". */
const char *aws_config_section(const struct aws_config *c, const char *kind, const char *name,
                               const char *key);
bool aws_config_has_profile(const struct aws_config *c, const char *profile);
/* "profile 'x' in FILE and FILE": what was looked at, for messages; the caller frees. */
char *aws_config_places(const struct aws_config *c, const char *profile);
const struct aws_env *aws_config_env(const struct aws_config *c);

#endif
