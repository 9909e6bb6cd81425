/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hmac.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "crypto/secret.h"

void hmac_bytes(const void *key, size_t key_len, const void *data, size_t len,
                uint8_t ret_mac[HASH_SIZE])
{
    uint8_t mac[HASH_SIZE];
    unsigned int mac_len = 0;
    /* As in hash.c: what fails here cannot be helped, and no false MAC may get out. */
    if (key_len > INT_MAX || !HMAC(EVP_sha256(), key, (int)key_len, data, len, mac, &mac_len) ||
        mac_len != HASH_SIZE)
        abort();
    memcpy(ret_mac, mac, HASH_SIZE);
    secret_wipe(mac, sizeof mac);
}
