/* SPDX-License-Identifier: Apache-2.0 */
/* Times as AWS writes them: ISO 8601. */
#ifndef EDGECTL_PROVIDER_AWS_TIME_H
#define EDGECTL_PROVIDER_AWS_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* "20150830T123600Z", as in signatures. */
enum { AWS_TIME_SIZE = 17 };
void aws_time_text(int64_t time_s, char ret_text[AWS_TIME_SIZE]);
/* "2026-11-26T13:00:00Z", with a fraction or an offset (+01:00, +0000) too; seconds since 1970.
 * False when it is none of these. */
bool aws_time_parse(const char *text, int64_t *ret_s);

#endif
