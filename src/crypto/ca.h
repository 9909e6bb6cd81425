/* SPDX-License-Identifier: Apache-2.0 */
/* edgectl's own certificate authority, for HTTPS on this machine. Made on first use, one per user.
 * Its certificate is constrained to loopback names and addresses, so that a user who lets a
 * browser trust it trusts nothing else by that: a stolen key can only imitate `localhost`. */
#ifndef EDGECTL_CRYPTO_CA_H
#define EDGECTL_CRYPTO_CA_H

#include <stdbool.h>
#include "base/err.h"

struct ca;

/* ${XDG_DATA_HOME:-~/.local/share}/edgectl/ca, to be freed; NULL without a home. */
char *ca_default_dir(void);

/* Reads DIR/ca.key and DIR/ca.pem, or makes them if DIR is not there: both whole or not at all,
 * also when two processes do so at once. The key is P-256, readable by the user only.
 * -ERR_IO: files that cannot be read, written or understood; an expired certificate; a key that
 * others may read. */
must_use int ca_open(const char *dir, struct ca **ret, struct err *err);
void ca_close(struct ca *ca);
/* Path of the certificate, for the user to trust. Valid as long as the ca. */
const char *ca_cert_path(const struct ca *ca);

/* True if this authority may vouch for the name: localhost or below it. */
bool ca_covers(const char *name);
/* A new certificate and key (X509 * and EVP_PKEY *, the caller's references) for 30 days, for
 * `name`, which ca_covers, beside localhost, *.localhost, 127.0.0.1 and ::1. NULL: only those.
 * -ERR_FAILURE from OpenSSL. Any thread. */
must_use int ca_issue(const struct ca *ca, const char *name, void **ret_x509, void **ret_pkey,
                      struct err *err);

#endif
