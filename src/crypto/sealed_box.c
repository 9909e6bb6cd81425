/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sealed_box.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

_Static_assert(SEALED_KEY_SIZE == crypto_box_PUBLICKEYBYTES &&
                   SEALED_KEY_SIZE == crypto_sign_PUBLICKEYBYTES &&
                   SEALED_SIGNATURE_SIZE == crypto_sign_BYTES &&
                   SEALED_MORE == crypto_box_SEALBYTES,
               "sizes are the format's");

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing here would be safe */
}

bool sealed_key_is_signed(const uint8_t key[SEALED_KEY_SIZE],
                          const uint8_t signature[SEALED_SIGNATURE_SIZE],
                          const uint8_t signer[SEALED_KEY_SIZE])
{
    pthread_once(&once, start);
    return crypto_sign_verify_detached(signature, key, SEALED_KEY_SIZE, signer) == 0;
}

bool sealed_box(const uint8_t key[SEALED_KEY_SIZE], const void *data, size_t len, uint8_t *to)
{
    pthread_once(&once, start);
    return crypto_box_seal(to, data, len, key) == 0;
}
