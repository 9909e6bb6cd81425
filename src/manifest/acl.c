/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/acl.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/json.h"
#include "base/mem.h"
#include "manifest/data.h"

struct entry {
    struct ip_prefix prefix;
    char text[IP_PREFIX_TEXT];
    char *action;
};

/* Entries stand in the order in which they match: longest mask first, later ones before earlier
 * ones of the same length. */
struct acl {
    struct entry *entries;
    size_t count;
};

static void mask(struct ip_prefix *p)
{
    for (size_t i = 0; i < p->len; i++) {
        int keep = (int)p->bits - (int)i * 8;
        if (keep <= 0)
            p->octets[i] = 0;
        else if (keep < 8)
            p->octets[i] &= (uint8_t)(0xff << (8 - keep));
    }
}

static int parse_bits(const char *s)
{
    int bits = 0;
    if (!*s || strlen(s) > 3)
        return -1;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return -1;
        bits = bits * 10 + (*s - '0');
    }
    return bits;
}

const char *ip_prefix_parse(const char *s, bool bare, struct ip_prefix *ret)
{
    char address[INET6_ADDRSTRLEN];
    struct ip_prefix p = {0};
    size_t len = strcspn(s, "/");
    if (len >= sizeof address)
        return "not an IP address";
    memcpy(address, s, len);
    address[len] = '\0';
    if (inet_pton(AF_INET, address, p.octets) == 1)
        p.len = 4;
    else if (inet_pton(AF_INET6, address, p.octets) == 1)
        p.len = 16;
    else
        return "not an IP address";
    int all = p.len * 8, bits = all;
    if (s[len] == '/')
        bits = parse_bits(s + len + 1);
    else if (!bare)
        return "the mask is missing, as in 192.0.2.0/24";
    if (bits < 1 || bits > all)
        return p.len == 4 ? "the mask must be from 1 to 32" : "the mask must be from 1 to 128";
    p.bits = (uint8_t)bits;
    mask(&p);
    *ret = p;
    return NULL;
}

void ip_prefix_text(const struct ip_prefix *p, char to[IP_PREFIX_TEXT])
{
    inet_ntop(p->len == 4 ? AF_INET : AF_INET6, p->octets, to, IP_PREFIX_TEXT);
    size_t len = strlen(to);
    snprintf(to + len, IP_PREFIX_TEXT - len, "/%d", p->bits);
}

bool ip_prefix_match(const struct ip_prefix *p, const uint8_t *octets, size_t len)
{
    if (len != p->len)
        return false;
    size_t whole = p->bits / 8;
    int rest = p->bits % 8;
    return memcmp(p->octets, octets, whole) == 0 &&
           (rest == 0 || p->octets[whole] == (octets[whole] & (uint8_t)(0xff << (8 - rest))));
}

struct acl *acl_new(void)
{
    return xnew(struct acl);
}

void acl_free(struct acl *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free(a->entries[i].action);
    free(a->entries);
    free(a);
}

static void acl_freep(struct acl **a)
{
    acl_free(*a);
}

const char *acl_add(struct acl *a, const char *prefix, const char *action)
{
    struct entry e = {0};
    const char *why = ip_prefix_parse(prefix, false, &e.prefix);
    if (why)
        return why;
    ip_prefix_text(&e.prefix, e.text);
    if (strcasecmp(action, "ALLOW") == 0)
        action = "ALLOW";
    else if (strcasecmp(action, "BLOCK") == 0)
        action = "BLOCK";
    e.action = xstrdup(action);
    size_t lo = 0, hi = a->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (a->entries[mid].prefix.bits > e.prefix.bits)
            lo = mid + 1;
        else
            hi = mid;
    }
    a->entries = xreallocarray(a->entries, a->count + 1, sizeof e);
    memmove(&a->entries[lo + 1], &a->entries[lo], (a->count - lo) * sizeof e);
    a->entries[lo] = e;
    a->count++;
    return NULL;
}

static int add_json(struct acl *a, const json_t *entry, size_t index, struct err *err)
{
    const char *prefix = json_string_value(json_object_get(entry, "prefix"));
    const char *action = json_string_value(json_object_get(entry, "action"));
    if (!prefix || !action)
        return err_set(err, ERR_MANIFEST, "entry %zu needs \"prefix\" and \"action\", both text",
                       index);
    const char *why = acl_add(a, prefix, action);
    if (why)
        return err_set(err, ERR_MANIFEST, "entry %zu: prefix '%.60s': %s", index, prefix, why);
    return 0;
}

int acl_load(const char *path, struct acl **ret_acl, struct err *err)
{
    cleanup(acl_freep) struct acl *a = acl_new();
    cleanup(json_decref_p) json_t *root = NULL;
    int r = data_json_load(path, &root, err);
    if (r < 0)
        return r;
    const json_t *entries = json_object_get(root, "entries");
    if (!json_is_array(entries))
        r = err_set(err, ERR_MANIFEST, "an ACL file is {\"entries\": [...]}");
    for (size_t i = 0; r == 0 && i < json_array_size(entries); i++)
        r = add_json(a, json_array_get(entries, i), i, err);
    if (r < 0) {
        err_place(err, path, 0, 0);
        return r;
    }
    *ret_acl = TAKE(a);
    return 0;
}

bool acl_entry(const struct acl *a, size_t index, const char **ret_prefix, const char **ret_action)
{
    if (index >= a->count)
        return false;
    *ret_prefix = a->entries[index].text;
    *ret_action = a->entries[index].action;
    return true;
}

bool acl_lookup(const struct acl *a, const uint8_t *octets, size_t len, const char **ret_prefix,
                const char **ret_action)
{
    for (size_t i = 0; i < a->count; i++) {
        if (ip_prefix_match(&a->entries[i].prefix, octets, len))
            return acl_entry(a, i, ret_prefix, ret_action);
    }
    return false;
}
