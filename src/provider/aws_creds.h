/* SPDX-License-Identifier: Apache-2.0 */
/* Where an AWS access key comes from, in the order of AWS's own tools: variables, then the profile
 * (a role taken with another profile's keys or with a web identity token, keys, a
 * credential_process). Keys that expire are fetched anew five minutes before that. Single sign-on
 * and the services inside of AWS's machines (containers, EC2) are named in the error with the
 * command that turns them into variables; they are not asked. */
#ifndef EDGECTL_PROVIDER_AWS_CREDS_H
#define EDGECTL_PROVIDER_AWS_CREDS_H

#include "base/err.h"
#include "provider/aws_api.h"
#include "provider/aws_config.h"

struct aws_creds;

struct aws_creds_options {
    const struct aws_config *config;
    const char *profile;            /* NULL: AWS_PROFILE, else "default" */
    void (*trace)(void *env, const char *line);
    void *env;
};

/* No remote call: finds the source. -ERR_CREDENTIALS with every place that was looked at. */
must_use int aws_creds_open(const struct aws_creds_options *o, struct aws_creds **ret,
                            struct err *err);
/* NULL is allowed. */
void aws_creds_close(struct aws_creds *c);
/* An aws_keys_fn: env is the struct aws_creds. May call AWS STS or run the process. */
must_use int aws_creds_keys(void *env, struct aws_keys **ret, struct err *err);
/* "AWS_ACCESS_KEY_ID", "role R by profile 'x' of FILE"; borrowed. */
const char *aws_creds_from(const struct aws_creds *c);
const char *aws_creds_profile(const struct aws_creds *c);

/* For aws_creds.c: run `command` by sh and take the keys that it prints (AWS SDKs and Tools
 * Reference Guide, "Process credential provider"). -ERR_CREDENTIALS. */
must_use int aws_process_keys(const char *command, struct aws_keys *ret, struct err *err);

#endif
