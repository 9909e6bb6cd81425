/* SPDX-License-Identifier: Apache-2.0 */
/* URIs as HTTP uses them (RFC 9110 4, RFC 3986): absolute, or a bare path with query. Slices point
 * into the text that was parsed. */
#ifndef EDGECTL_BASE_URI_H
#define EDGECTL_BASE_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uri {
    const char *scheme;         /* NULL for a bare path; not NUL-terminated */
    size_t scheme_len;
    const char *authority;      /* as written, may hold user info and port; NULL if none */
    size_t authority_len;
    const char *path;           /* path and query, no fragment; begins with '/' or '?', or empty */
    size_t path_len;
};

/* False if the text is not a URI of one of those forms, or longer than 65534 bytes. */
bool uri_parse(const char *text, size_t len, struct uri *ret);

struct uri_host {
    const char *host;           /* without brackets */
    size_t host_len;
    int port;                   /* 0 = none given */
    bool literal6;              /* was an IPv6 literal in brackets */
};

/* Split host[:port] (no user info). False if malformed: empty host, bad port, stray characters. */
bool uri_split_host(const char *text, size_t len, struct uri_host *ret);

/* Percent-decodes text in place. False for what is no encoding, or would end the text. */
bool uri_decode(char *text);

#endif
