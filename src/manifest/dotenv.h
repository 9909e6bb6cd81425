/* SPDX-License-Identifier: Apache-2.0 */
/* The .env file beside a manifest: NAME=value lines for local secrets. Strict: what is not
 * understood is an error with its line, since a secret that is read wrongly fails far away.
 *
 *     # comment              blank lines and comments
 *     export NAME=value      `export` is allowed, spaces around `=` are not
 *     NAME="a\nb"            double quotes: \n \t \r \" \\ \$; may span lines
 *     NAME='as it is'        single quotes: no escapes; may span lines
 *     NAME=plain # remark    unquoted: ends at " #", outer spaces are dropped
 *
 * Nothing is expanded in it. A name may stand only once. */
#ifndef EDGECTL_MANIFEST_DOTENV_H
#define EDGECTL_MANIFEST_DOTENV_H

#include <stddef.h>
#include "base/err.h"

enum { DOTENV_MAX = 1024 * 1024 };

struct dotenv;

/* Parse text; `file` is for messages. Stops at the first bad line (err has its place). */
must_use int dotenv_parse(const char *text, size_t len, const char *file,
                          struct dotenv **ret_env, struct err *err);
/* Wipes the values. NULL is fine. */
void dotenv_free(struct dotenv *env);
/* The process's environment wins; then the file. NULL if in neither. `env` may be NULL. */
const char *dotenv_get(const struct dotenv *env, const char *name);

#endif
