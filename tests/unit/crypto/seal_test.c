/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include "base/mem.h"
#include "crypto/seal.h"
#include "unit/test.h"
#include "unit/world/scratch.h"

static const struct seal_label label = {"store", "key"};

static struct seal *open_seal(const char *name)
{
    struct seal *s;
    struct err err;
    if (seal_open(scratch_path(name), true, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static struct secret *text_secret(const char *text)
{
    return secret_new(text, strlen(text));
}

static void what_is_sealed_opens_again(void **state)
{
    (void)state;
    struct err err;
    const char *const values[] = {"", "hunter2"};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct seal *s = open_seal("key");
        struct secret *value = text_secret(values[i]), *back;
        size_t len;
        uint8_t *sealed = seal_value(s, &label, value, &len);
        assert_null(memmem(sealed, len, "hunter2", 7));
        seal_close(s);
        s = open_seal("key"); /* the same file gives the same key */
        assert_int_equal(seal_unseal(s, &label, sealed, len, &back, &err), 0);
        assert_int_equal(secret_len(back), strlen(values[i]));
        assert_memory_equal(secret_expose(back), values[i], secret_len(back));
        secret_unref(back);
        secret_unref(value);
        free(sealed);
        seal_close(s);
    }
}

static void no_changed_byte_opens(void **state)
{
    (void)state;
    struct err err;
    struct seal *s = open_seal("key");
    struct secret *value = text_secret("hunter2"), *back = NULL;
    size_t len;
    uint8_t *sealed = seal_value(s, &label, value, &len);
    for (size_t i = 0; i < len; i++) {
        sealed[i] ^= 0x40;
        assert_int_equal(seal_unseal(s, &label, sealed, len, &back, &err), -ERR_CREDENTIALS);
        assert_null(strstr(err.msg, "hunter2"));
        sealed[i] ^= 0x40;
        assert_int_equal(seal_unseal(s, &label, sealed, i, &back, &err), -ERR_CREDENTIALS);
    }
    const struct seal_label others[] = {{"store", "other"}, {"other", "key"}, {"storek", "ey"}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(seal_unseal(s, &others[i], sealed, len, &back, &err), -ERR_CREDENTIALS);
    struct seal *foreign = open_seal("key2");
    assert_int_equal(seal_unseal(foreign, &label, sealed, len, &back, &err), -ERR_CREDENTIALS);
    assert_null(back);
    seal_close(foreign);
    secret_unref(value);
    free(sealed);
    seal_close(s);
}

static void sealing_twice_differs(void **state)
{
    (void)state;
    struct seal *s = open_seal("key");
    struct secret *value = text_secret("hunter2");
    size_t len;
    uint8_t *a = seal_value(s, &label, value, &len), *b = seal_value(s, &label, value, &len);
    assert_memory_not_equal(a, b, len);
    free(a);
    free(b);
    secret_unref(value);
    seal_close(s);
}

static void prints_tell_values_apart_by_key(void **state)
{
    (void)state;
    struct seal *one = open_seal("key"), *two = open_seal("key2");
    struct secret *a = text_secret("a"), *b = text_secret("b");
    char p1[SEAL_PRINT_SIZE], p2[SEAL_PRINT_SIZE];
    seal_print(one, a, p1);
    seal_print(one, a, p2);
    assert_string_equal(p1, p2);
    assert_int_equal(strlen(p1), SEAL_PRINT_SIZE - 1);
    seal_print(one, b, p2);
    assert_string_not_equal(p1, p2);
    seal_print(two, a, p2);
    assert_string_not_equal(p1, p2);
    secret_unref(a);
    secret_unref(b);
    seal_close(one);
    seal_close(two);
}

static void the_key_file_is_private_and_whole(void **state)
{
    (void)state;
    struct seal *s = NULL;
    struct err err;
    struct stat st;
    assert_int_equal(seal_open(scratch_path("none"), false, &s, &err), -ERR_CREDENTIALS);
    mode_t before = umask(0);
    seal_close(open_seal("key"));
    umask(before);
    assert_int_equal(stat(scratch_path("key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    chmod(scratch_path("key"), 0640);
    assert_int_equal(seal_open(scratch_path("key"), true, &s, &err), -ERR_CREDENTIALS);
    assert_non_null(strstr(err.hint, "chmod 600"));
    chmod(scratch_path("key"), 0600);
    assert_int_equal(truncate(scratch_path("key"), 31), 0);
    assert_int_equal(seal_open(scratch_path("key"), true, &s, &err), -ERR_CREDENTIALS);
    assert_null(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        T(what_is_sealed_opens_again),
        T(no_changed_byte_opens),
        T(sealing_twice_differs),
        T(prints_tell_values_apart_by_key),
        T(the_key_file_is_private_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
