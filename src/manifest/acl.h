/* SPDX-License-Identifier: Apache-2.0 */
/* IP prefixes, and access control lists as the Compute ABI knows them: prefix to action, longest
 * prefix first, of equal ones the last. JSON: {"entries": [{"prefix": "192.0.2.0/24", "action":
 * "BLOCK"}]}; other members, such as the API's "op", are ignored. Source: abi README 10 and 12. */
#ifndef EDGECTL_MANIFEST_ACL_H
#define EDGECTL_MANIFEST_ACL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct ip_prefix {
    uint8_t octets[16];         /* bits after the mask are 0 */
    uint8_t len;                /* of octets: 4 or 16 */
    uint8_t bits;
};

enum { IP_PREFIX_TEXT = 56 };

/* "192.0.2.0/24", and with `bare` also an address alone (a mask of all bits). A mask of 0 is
 * refused, as the platform does. NULL when it is one, else what is wrong. */
const char *ip_prefix_parse(const char *s, bool bare, struct ip_prefix *ret);
/* Canonical text, "2001:db8::/32". */
void ip_prefix_text(const struct ip_prefix *p, char to[IP_PREFIX_TEXT]);
/* len is that of the address: 4 or 16. An IPv4 prefix matches no mapped IPv6 address. */
bool ip_prefix_match(const struct ip_prefix *p, const uint8_t *octets, size_t len);

struct acl;

struct acl *acl_new(void);
/* NULL is fine. */
void acl_free(struct acl *a);
/* ALLOW and BLOCK are recognised in any case and stored in capitals. NULL, or what is wrong. */
const char *acl_add(struct acl *a, const char *prefix, const char *action);
/* From a JSON file of at most 16 MiB. */
must_use int acl_load(const char *path, struct acl **ret_acl, struct err *err);
/* Whether an entry matches the address (len 4 or 16). The texts are borrowed from the list. */
bool acl_lookup(const struct acl *a, const uint8_t *octets, size_t len, const char **ret_prefix,
                const char **ret_action);
/* Entry by index, in order of matching; false past the end. */
bool acl_entry(const struct acl *a, size_t index, const char **ret_prefix,
               const char **ret_action);

#endif
