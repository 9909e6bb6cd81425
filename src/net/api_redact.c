/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "crypto/secret.h"
#include "net/api_internal.h"

enum { SHORTEST = 4 };
static const char MARK[] = "[hidden]";

static void add(struct redact *r, char *text)
{
    r->texts = xreallocarray(r->texts, r->count + 1, sizeof *r->texts);
    r->texts[r->count++] = text;
}

static char *percent_encoded(const char *text, size_t len)
{
    char *curls = curl_easy_escape(NULL, text, (int)len);
    char *copy = xstrdup(curls ? curls : "");
    curl_free(curls);
    return copy;
}

void redact_add(struct redact *r, const void *text, size_t len)
{
    if (len < SHORTEST || memchr(text, '\0', len))
        return;
    char *plain = xstrndup(text, len);
    for (size_t i = 0; i < r->count; i++) {
        if (strcmp(r->texts[i], plain) == 0) {
            secret_wipe(plain, len);
            free(plain);
            return;
        }
    }
    /* Longer forms first: what replaces the plain text must not break them apart. */
    char *encoded = percent_encoded(plain, len);
    if (strcmp(encoded, plain) != 0)
        add(r, encoded);
    else
        free(encoded);
    add(r, base64_encode(plain, len));
    add(r, plain);
}

void redact_clear(struct redact *r)
{
    for (size_t i = 0; i < r->count; i++) {
        secret_wipe(r->texts[i], strlen(r->texts[i]));
        free(r->texts[i]);
    }
    free(r->texts);
    *r = (struct redact){0};
}

/* In place: the mark is cut to fit where a secret is shorter than it. */
static void replace(char *text, const char *secret)
{
    size_t len = strlen(secret);
    size_t mark = len < sizeof MARK - 1 ? len : sizeof MARK - 1;
    for (char *at = text; (at = strstr(at, secret)); at += mark) {
        memcpy(at, MARK, mark);
        memmove(at + mark, at + len, strlen(at + len) + 1);
    }
}

void redact_text(const struct redact *r, char *text)
{
    for (size_t i = 0; i < r->count; i++)
        replace(text, r->texts[i]);
}
