/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES

enum { FORMAT = 1, KEY_SIZE = crypto_kdf_KEYBYTES, HEAD = 1 + NONCE };
enum { SUBKEY_SEAL = 1, SUBKEY_PRINT = 2 };
static const char CONTEXT[crypto_kdf_CONTEXTBYTES] = "edgeseal";

struct seal {
    struct secret *key, *print_key;
};

/* Sealing asks the kernel for randomness, not base/clock.h: a nonce that a replayed test seed
 * gives twice under a lasting key would open both values. */
static void fill_random(uint8_t *to, size_t len)
{
    randombytes_buf(to, len);
}

static int write_key(const char *path, struct err *err)
{
    cleanup(free_p) char *temp = xasprintf("%s.XXXXXX", path);
    cleanup(close_p) int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot make a key file beside %s", path);
    uint8_t *key;
    cleanup(secret_unref_p) struct secret *made = secret_alloc(KEY_SIZE, &key);
    fill_random(key, KEY_SIZE);
    int r = 0;
    if (!file_write_all(fd, key, KEY_SIZE) || fsync(fd) < 0)
        r = err_sys(err, ERR_IO, errno, "cannot write the key file %s", path);
    /* A link does not replace: of two that make one at once the first wins, and both read it. */
    else if (link(temp, path) < 0 && errno != EEXIST)
        r = err_sys(err, ERR_IO, errno, "cannot write the key file %s", path);
    unlink(temp);
    return r;
}

static int check_key(const char *path, int fd, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the key file %s", path);
    if (!S_ISREG(st.st_mode) || st.st_size != KEY_SIZE) {
        int r = err_set(err, ERR_CREDENTIALS, "%s is not a key file of edgectl", path);
        err_hint(err, "put the right one back, or remove it and put the secrets again");
        return r;
    }
    if (st.st_mode & 077) {
        int r = err_set(err, ERR_CREDENTIALS, "the key file %s is open to other users", path);
        err_hint(err, "chmod 600 '%s'; if others could read it, put the secrets again", path);
        return r;
    }
    return 0;
}

static int read_key(const char *path, struct secret **ret_master, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int r = err_set(err, ERR_CREDENTIALS, "the key file %s is missing", path);
        err_hint(err, "put it back from a backup, or put the secrets again");
        return r;
    }
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the key file %s", path);
    int r = check_key(path, fd, err);
    if (r < 0)
        return r;
    uint8_t *data;
    cleanup(secret_unref_p) struct secret *master = secret_alloc(KEY_SIZE, &data);
    if (read(fd, data, KEY_SIZE) != KEY_SIZE)
        return err_sys(err, ERR_IO, errno, "cannot read the key file %s", path);
    *ret_master = TAKE(master);
    return 0;
}

static struct secret *derive(const struct secret *master, uint64_t id, size_t len)
{
    uint8_t *data;
    struct secret *key = secret_alloc(len, &data);
    crypto_kdf_derive_from_key(data, len, id, CONTEXT, secret_expose(master));
    return key;
}

int seal_open(const char *path, bool create, struct seal **ret_seal, struct err *err)
{
    cleanup(secret_unref_p) struct secret *master = NULL;
    if (create && access(path, F_OK) < 0 && errno == ENOENT) {
        int r = write_key(path, err);
        if (r < 0)
            return r;
    }
    int r = read_key(path, &master, err);
    if (r < 0)
        return r;
    struct seal *s = xnew(struct seal);
    s->key = derive(master, SUBKEY_SEAL, crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
    s->print_key = derive(master, SUBKEY_PRINT, crypto_generichash_KEYBYTES);
    *ret_seal = s;
    return 0;
}

void seal_close(struct seal *s)
{
    if (!s)
        return;
    secret_unref(s->key);
    secret_unref(s->print_key);
    free(s);
}

void seal_close_p(struct seal **s)
{
    seal_close(*s);
}

/* "store NUL key": bound into the tag, so that a row cannot be passed off as another's. */
static char *label_bytes(const struct seal_label *label, size_t *ret_len)
{
    size_t store_len = strlen(label->store) + 1, key_len = strlen(label->key);
    char *bytes = xmalloc(store_len + key_len);
    memcpy(bytes, label->store, store_len);
    memcpy(bytes + store_len, label->key, key_len);
    *ret_len = store_len + key_len;
    return bytes;
}

uint8_t *seal_value(const struct seal *s, const struct seal_label *label,
                    const struct secret *value, size_t *ret_len)
{
    size_t label_len;
    cleanup(free_p) char *bound = label_bytes(label, &label_len);
    uint8_t *sealed = xmalloc(HEAD + secret_len(value) + TAG);
    sealed[0] = FORMAT;
    fill_random(sealed + 1, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + HEAD, NULL, secret_expose(value), secret_len(value), (const uint8_t *)bound,
        label_len, NULL, sealed + 1, secret_expose(s->key));
    *ret_len = HEAD + secret_len(value) + TAG;
    return sealed;
}

int seal_unseal(const struct seal *s, const struct seal_label *label, const uint8_t *sealed,
                size_t len, struct secret **ret_value, struct err *err)
{
    size_t label_len;
    cleanup(free_p) char *bound = label_bytes(label, &label_len);
    cleanup(secret_unref_p) struct secret *value = NULL;
    bool ok = len >= HEAD + TAG && sealed[0] == FORMAT;
    if (ok) {
        uint8_t *data;
        value = secret_alloc(len - HEAD - TAG, &data);
        ok = crypto_aead_xchacha20poly1305_ietf_decrypt(
                 data, NULL, NULL, sealed + HEAD, len - HEAD, (const uint8_t *)bound, label_len,
                 sealed + 1, secret_expose(s->key)) == 0;
    }
    if (!ok) {
        int r = err_set(err, ERR_CREDENTIALS,
                        "secret '%s' of store '%s' does not open with this folder's key",
                        label->key, label->store);
        err_hint(err, "put it again: edgectl secret put %s %s", label->store, label->key);
        return r;
    }
    *ret_value = TAKE(value);
    return 0;
}

void seal_print(const struct seal *s, const struct secret *value, char ret_hex[SEAL_PRINT_SIZE])
{
    uint8_t digest[(SEAL_PRINT_SIZE - 1) / 2 > crypto_generichash_BYTES_MIN
                       ? (SEAL_PRINT_SIZE - 1) / 2 : crypto_generichash_BYTES_MIN];
    crypto_generichash(digest, sizeof digest, secret_expose(value), secret_len(value),
                       secret_expose(s->print_key), secret_len(s->print_key));
    sodium_bin2hex(ret_hex, SEAL_PRINT_SIZE, digest, (SEAL_PRINT_SIZE - 1) / 2);
}
