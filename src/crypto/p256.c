/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/p256.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include "base/mem.h"

enum { POINT_SIZE = 1 + 2 * P256_SIZE }; /* 0x04, X, Y */

struct p256 {
    EVP_PKEY *pkey;
    uint8_t point[POINT_SIZE];
};

/* Past the check of the scalar libcrypto can only run out of memory. */
static void need(bool ok)
{
    if (!ok)
        abort();
}

static void bn_clear_p(BIGNUM **n)
{
    BN_clear_free(*n);
}

static void group_free_p(EC_GROUP **g)
{
    EC_GROUP_free(*g);
}

static void point_free_p(EC_POINT **p)
{
    EC_POINT_free(*p);
}

/* libcrypto's key import wants the public point too. */
static bool multiply(const EC_GROUP *group, const BIGNUM *d, uint8_t ret_point[POINT_SIZE])
{
    if (BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(group)) >= 0)
        return false;
    cleanup(point_free_p) EC_POINT *point = EC_POINT_new(group);
    need(point && EC_POINT_mul(group, point, d, NULL, NULL, NULL) == 1);
    need(EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, ret_point, POINT_SIZE,
                            NULL) == POINT_SIZE);
    return true;
}

static EVP_PKEY *import(const BIGNUM *d, const uint8_t point[POINT_SIZE])
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    need(build &&
         OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
         OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, d) &&
         OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, POINT_SIZE));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    need(params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
         EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) == 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    return pkey;
}

struct p256 *p256_new(const uint8_t scalar[P256_SIZE])
{
    cleanup(group_free_p) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    /* Secure memory where there is any: to_param then keeps the private half there too. */
    cleanup(bn_clear_p) BIGNUM *d = BN_secure_new();
    need(group && d && BN_bin2bn(scalar, P256_SIZE, d));
    uint8_t point[POINT_SIZE];
    if (!multiply(group, d, point))
        return NULL;
    struct p256 *k = xnew(struct p256);
    memcpy(k->point, point, POINT_SIZE);
    k->pkey = import(d, point);
    return k;
}

void p256_free(struct p256 *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}

void p256_free_p(struct p256 **k)
{
    p256_free(*k);
}

void p256_public(const struct p256 *k, uint8_t ret_x[P256_SIZE], uint8_t ret_y[P256_SIZE])
{
    memcpy(ret_x, k->point + 1, P256_SIZE);
    memcpy(ret_y, k->point + 1 + P256_SIZE, P256_SIZE);
}

size_t p256_sign(const struct p256 *k, const void *data, size_t len,
                 uint8_t ret_der[P256_SIGNATURE_MAX])
{
    size_t der_len = P256_SIGNATURE_MAX;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    need(ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
         EVP_DigestSign(ctx, ret_der, &der_len, data, len) == 1);
    EVP_MD_CTX_free(ctx);
    return der_len;
}
