/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "crypto/sha512.h"

/* FIPS 180-2, C.1 and C.2, and the empty message. */
static void known_digests(void **state)
{
    static const struct {
        const char *first, *second, *hex;
    } cases[] = {
        {"", "", "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                 "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
        {"a", "bc", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn",
         "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
         "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char hex[SHA512_HEX_SIZE];
        struct sha512 *h = sha512_new();
        sha512_add(h, cases[i].first, strlen(cases[i].first));
        sha512_add(h, cases[i].second, strlen(cases[i].second));
        sha512_hex(h, hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_digests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
