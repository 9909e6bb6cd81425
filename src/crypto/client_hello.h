/* SPDX-License-Identifier: Apache-2.0 */
/* What a TLS ClientHello (RFC 8446, 4.1.2) tells of the software that sent it: the JA3 and JA4
 * fingerprints. JA3: MD5 of "version,ciphers,extensions,groups,point formats", decimal numbers
 * joined by '-', in the order sent (salesforce/ja3). JA4: FoxIO's description of "JA4: TLS Client
 * Fingerprinting". Both leave GREASE values (RFC 8701) out. */
#ifndef EDGECTL_CRYPTO_CLIENT_HELLO_H
#define EDGECTL_CRYPTO_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JA4_SIZE = 37 };     /* t13d1516h2_8daaf6152771_e5627efa2ab1 and its NUL */

struct client_hello_prints {
    uint8_t ja3_md5[16];
    char ja4[JA4_SIZE];
};

/* `message` is the handshake message with its four bytes of header. False if it is malformed. */
bool client_hello_read(const uint8_t *message, size_t len, struct client_hello_prints *ret);

#endif
