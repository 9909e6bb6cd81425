/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void aws_time_text(int64_t time_s, char ret_text[AWS_TIME_SIZE])
{
    time_t t = (time_t)time_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(ret_text, AWS_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

bool aws_time_parse(const char *text, int64_t *ret_s)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int hours = 0, minutes = 0, used = 0;
    char sign = *rest;
    if (strcmp(rest, "Z") != 0) {
        if ((sign != '+' && sign != '-') ||
            (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
             sscanf(rest + 1, "%2d%2d%n", &hours, &minutes, &used) != 2) || rest[1 + used])
            return false;
    }
    int64_t offset = (hours * 60 + minutes) * 60;
    *ret_s = (int64_t)timegm(&tm) - (sign == '-' ? -offset : offset);
    return true;
}
