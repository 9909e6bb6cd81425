/* SPDX-License-Identifier: Apache-2.0 */
/* Known answers: aws_vectors.json, written by aws_vectors.py. */
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include "base/mem.h"
#include "crypto/hash.h"
#include "provider/aws_sign.h"
#include "unit/test.h"

static json_t *vectors;
static struct secret *secret_key;

static int load(void **state)
{
    (void)state;
    json_error_t error;
    vectors = json_load_file("tests/unit/provider/aws_vectors.json", 0, &error);
    if (!vectors)
        return -1;
    const char *key = json_string_value(json_object_get(vectors, "secret_key"));
    secret_key = secret_new(key, strlen(key));
    return 0;
}

static int unload(void **state)
{
    (void)state;
    json_decref(vectors);
    secret_unref(secret_key);
    return 0;
}

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "";
}

/* One vector as what is handed to the signer. */
struct vector {
    struct aws_signer signer;
    struct aws_message message;
    struct headers headers;
    uint8_t digest[HASH_SIZE];
    struct secret *token;
};

static void vector_load(struct vector *v, const json_t *from)
{
    *v = (struct vector){0};
    const json_t *lines = json_object_get(from, "headers");
    for (size_t i = 0; i < json_array_size(lines); i++) {
        const json_t *line = json_array_get(lines, i);
        headers_add_str(&v->headers, json_string_value(json_array_get(line, 0)),
                        json_string_value(json_array_get(line, 1)));
    }
    hash_bytes(text(from, "body"), strlen(text(from, "body")), v->digest);
    if (*text(from, "token"))
        v->token = secret_new(text(from, "token"), strlen(text(from, "token")));
    v->signer = (struct aws_signer){.service = text(from, "service"),
                                    .region = text(from, "region"),
                                    .access_key_id = text(vectors, "access_key_id"),
                                    .secret_key = secret_key,
                                    .session_token = v->token};
    v->message = (struct aws_message){
        .method = text(from, "method"), .host = text(from, "host"), .path = text(from, "path"),
        .query = text(from, "query"), .headers = &v->headers, .body_sha256 = v->digest,
        .time_s = json_integer_value(json_object_get(vectors, "time_s"))};
}

static void vector_clear(struct vector *v)
{
    headers_clear(&v->headers);
    secret_unref(v->token);
}

static void check_v4(const json_t *from)
{
    cleanup(vector_clear) struct vector v;
    vector_load(&v, from);
    cleanup(buf_clear) struct buf canonical = BUF_INIT(1 << 16);
    aws_sign_canonical(&v.signer, &v.message, &canonical);
    if (strcmp(buf_str(&canonical), text(from, "canonical")) != 0)
        fail_msg("%s:\n%s\n-- instead of --\n%s", text(from, "name"), buf_str(&canonical),
                 text(from, "canonical"));
    cleanup(headers_clear) struct headers add = {0};
    aws_sign(&v.signer, &v.message, &add);
    assert_string_equal(headers_get(&add, "authorization"), text(from, "authorization"));
    assert_string_equal(headers_get(&add, "x-amz-date"), "20150830T123600Z");
    const char *token = headers_get(&add, "x-amz-security-token");
    assert_string_equal(token ? token : "", text(from, "token"));
    assert_null(headers_get(&add, "x-amz-region-set"));
}

static void check_all(const char *list, size_t least)
{
    const json_t *cases = json_object_get(vectors, list);
    assert_true(json_array_size(cases) >= least);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_v4(json_array_get(cases, i));
}

static void the_signatures_of_the_published_suite_come_out(void **state)
{
    (void)state;
    check_all("suite", 33);
}

static void signatures_are_those_of_the_providers_own_client(void **state)
{
    (void)state;
    check_all("botocore", 5);
}

static void unhex(const char *hex, uint8_t *to, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned int byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        to[i] = (uint8_t)byte;
    }
}

/* Checked with a public key that is read from its standard form, not by the code under test. */
static bool verifies(const struct p256 *key, const char *signed_text, const char *hex)
{
    static const uint8_t spki[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    uint8_t der[sizeof spki + 2 * P256_SIZE], signature[P256_SIGNATURE_MAX];
    memcpy(der, spki, sizeof spki);
    p256_public(key, der + sizeof spki, der + sizeof spki + P256_SIZE);
    const uint8_t *at = der;
    EVP_PKEY *public = d2i_PUBKEY(NULL, &at, sizeof der);
    assert_non_null(public);
    size_t len = strlen(hex) / 2;
    assert_true(len <= sizeof signature);
    unhex(hex, signature, len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, public), 1);
    bool good = EVP_DigestVerify(ctx, signature, len, (const uint8_t *)signed_text,
                                 strlen(signed_text)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(public);
    return good;
}

static struct p256 *derived(void)
{
    struct p256 *key = aws_sign_derive(text(vectors, "access_key_id"), secret_key);
    assert_non_null(key);
    return key;
}

/* aws-c-auth, tests/aws-signing-test-suite/v4a/get-vanilla. */
static void the_published_key_is_derived(void **state)
{
    (void)state;
    uint8_t x[P256_SIZE], y[P256_SIZE], want[P256_SIZE];
    cleanup(p256_free_p) struct p256 *key = derived();
    p256_public(key, x, y);
    unhex("b6618f6a65740a99e650b33b6b4b5bd0d43b176d721a3edfea7e7d2d56d936b1", want, sizeof want);
    assert_memory_equal(x, want, sizeof want);
    unhex("865ed22a7eadc9c5cb9d2cbaca1b3699139fedc5043dc6661864218330c8e518", want, sizeof want);
    assert_memory_equal(y, want, sizeof want);
    assert_true(verifies(key,
                         "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/service/aws4_request\n"
                         "cf59db423e841c8b7e3444158185aa261b724a5c27cbe762676f3eed19f4dc02",
                         "3046022100fddaaf816a31e30d04973875b13bc27b98da10907a3a1872fd5819a221334a"
                         "bc022100de2ee81d83b54f31efc82834de07e6cd4d5c6f25bfa08e0f29a15bb0977c343e"));
}

/* Both ways: what the provider's library signed is what we would sign, and ours can be verified. */
static void check_v4a(const struct p256 *key, const json_t *from)
{
    cleanup(vector_clear) struct vector v;
    vector_load(&v, from);
    v.signer.algorithm = AWS_V4A;
    v.signer.key = key;
    cleanup(buf_clear) struct buf canonical = BUF_INIT(1 << 16);
    aws_sign_canonical(&v.signer, &v.message, &canonical);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(canonical.data, canonical.len, digest);
    hash_hex(digest, hex);
    cleanup(free_p) char *signed_text = xasprintf(
        "AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/%s/aws4_request\n%s",
        v.signer.service, hex);

    cleanup(headers_clear) struct headers add = {0};
    aws_sign(&v.signer, &v.message, &add);
    const char *ours = headers_get(&add, "authorization"), *theirs = text(from, "authorization");
    size_t head = (size_t)(strstr(theirs, "Signature=") - theirs) + strlen("Signature=");
    assert_memory_equal(ours, theirs, head);
    if (!verifies(key, signed_text, theirs + head))
        fail_msg("%s: the library signed something else than\n%s", text(from, "name"),
                 buf_str(&canonical));
    assert_true(verifies(key, signed_text, ours + head));
    signed_text[strlen(signed_text) - 1] ^= 1;
    assert_false(verifies(key, signed_text, ours + head));
    assert_string_equal(headers_get(&add, "x-amz-region-set"), "*");
}

static void asymmetric_signatures_are_those_of_the_providers_library(void **state)
{
    (void)state;
    cleanup(p256_free_p) struct p256 *key = derived();
    const json_t *cases = json_object_get(vectors, "crt");
    assert_int_equal(json_array_size(cases), 3);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_v4a(key, json_array_get(cases, i));
}

static void scalars_outside_of_the_curves_order_are_no_keys(void **state)
{
    (void)state;
    uint8_t scalar[P256_SIZE] = {0};
    assert_null(p256_new(scalar));
    unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", scalar, sizeof scalar);
    assert_null(p256_new(scalar));
    scalar[P256_SIZE - 1]--;
    cleanup(p256_free_p) struct p256 *key = p256_new(scalar);
    assert_non_null(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signatures_of_the_published_suite_come_out),
        cmocka_unit_test(signatures_are_those_of_the_providers_own_client),
        cmocka_unit_test(the_published_key_is_derived),
        cmocka_unit_test(asymmetric_signatures_are_those_of_the_providers_library),
        cmocka_unit_test(scalars_outside_of_the_curves_order_are_no_keys),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
