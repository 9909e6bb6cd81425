/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    DAY = 24 * 60 * 60,
    CA_DAYS = 3650,
    LEAF_DAYS = 30,
    MAX_FILE = 64 << 10,
    MAX_NAME = 253,
};

struct ca {
    char *cert_path;
    EVP_PKEY *key;
    X509 *cert;
};

static void pkey_free_p(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void x509_free_p(X509 **x)
{
    X509_free(*x);
}

static void bio_free_p(BIO **b)
{
    BIO_free(*b);
}

/* OpenSSL's own reason; never holds key material. */
static int openssl_err(struct err *err, const char *what)
{
    char text[160];
    unsigned long e = ERR_get_error();
    ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_FAILURE, "%s: %s", what, text);
}

/* --- certificates --- */

static EVP_PKEY *new_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *x)
{
    uint8_t bytes[16];
    random_bytes(bytes, sizeof bytes);
    bytes[0] = (bytes[0] & 0x3f) | 0x40; /* positive, of full length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

/* A certificate without extensions; an hour old, as clocks differ. `issuer` NULL: its own. */
static X509 *new_cert(EVP_PKEY *key, X509 *issuer, const char *common_name, long days)
{
    X509 *x = X509_new();
    if (!x)
        abort(); /* out of memory */
    X509_NAME *name = X509_get_subject_name(x);
    time_t now = (time_t)(clock_wall_ns() / 1000000000);
    bool ok = X509_set_version(x, X509_VERSION_3) && set_serial(x) && X509_set_pubkey(x, key) &&
              X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, (const uint8_t *)"edgectl", -1,
                                         -1, 0) &&
              X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common_name,
                                         -1, -1, 0) &&
              X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : name) &&
              X509_time_adj_ex(X509_getm_notBefore(x), 0, -3600, &now) &&
              X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, &now);
    if (ok)
        return x;
    X509_free(x);
    return NULL;
}

static X509 *new_ca_cert(EVP_PKEY *key)
{
    /* The serial-like tail tells two users' authorities apart in a browser's list. */
    char name[64];
    snprintf(name, sizeof name, "edgectl local CA %08x", (unsigned)random_u64());
    cleanup(x509_free_p) X509 *x = new_cert(key, NULL, name, CA_DAYS);
    bool ok = x && add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
              add_extension(x, x, NID_key_usage, "critical,keyCertSign") &&
              add_extension(x, x, NID_name_constraints,
                            "critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0,"
                            "permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff") &&
              add_extension(x, x, NID_subject_key_identifier, "hash") &&
              X509_sign(x, key, EVP_sha256());
    return ok ? TAKE(x) : NULL;
}

bool ca_covers(const char *name)
{
    static const char base[] = "localhost";
    size_t len = strlen(name), tail = sizeof base - 1;
    if (len > MAX_NAME || len < tail || strcasecmp(name + len - tail, base) != 0 ||
        (len > tail && name[len - tail - 1] != '.') || name[0] == '.')
        return false;
    /* The name goes into a list with commas and colons: let nothing but a host name through. */
    for (size_t i = 0; i < len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._", name[i]))
            return false;
    return true;
}

int ca_issue(const struct ca *ca, const char *name, void **ret_x509, void **ret_pkey,
             struct err *err)
{
    cleanup(pkey_free_p) EVP_PKEY *key = new_key();
    cleanup(free_p) char *names =
        xasprintf("%s%s%sDNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1",
                  name ? "DNS:" : "", name ? name : "", name ? "," : "");
    cleanup(x509_free_p) X509 *x = NULL;
    if (key)
        x = new_cert(key, ca->cert, "edgectl on this machine", LEAF_DAYS);
    bool ok = x && add_extension(x, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
              add_extension(x, ca->cert, NID_key_usage, "critical,digitalSignature") &&
              add_extension(x, ca->cert, NID_ext_key_usage, "serverAuth") &&
              add_extension(x, ca->cert, NID_subject_alt_name, names) &&
              add_extension(x, ca->cert, NID_authority_key_identifier, "keyid:always") &&
              X509_sign(x, ca->key, EVP_sha256());
    if (!ok)
        return openssl_err(err, "cannot make a certificate");
    *ret_x509 = TAKE(x);
    *ret_pkey = TAKE(key);
    return 0;
}

/* --- files --- */

char *ca_default_dir(void)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/')
        return xasprintf("%s/edgectl/ca", data);
    return home && home[0] == '/' ? xasprintf("%s/.local/share/edgectl/ca", home) : NULL;
}

static int write_bio(const char *path, BIO *from, mode_t mode, struct err *err)
{
    char *data;
    long len = BIO_get_mem_data(from, &data);
    cleanup(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                                   mode);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot make %s", path);
    for (long at = 0; at < len;) {
        ssize_t n = write(fd, data + at, (size_t)(len - at));
        if (n < 0 && errno != EINTR)
            return err_sys(err, ERR_IO, errno, "cannot write %s", path);
        at += n > 0 ? n : 0;
    }
    if (fsync(fd) < 0)
        return err_sys(err, ERR_IO, errno, "cannot write %s", path);
    return 0;
}

static int write_pair(const char *dir, EVP_PKEY *key, X509 *cert, struct err *err)
{
    cleanup(free_p) char *key_path = xasprintf("%s/ca.key", dir);
    cleanup(free_p) char *cert_path = xasprintf("%s/ca.pem", dir);
    cleanup(bio_free_p) BIO *key_pem = BIO_new(BIO_s_secmem());
    cleanup(bio_free_p) BIO *cert_pem = BIO_new(BIO_s_mem());
    if (!key_pem || !cert_pem ||
        !PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) ||
        !PEM_write_bio_X509(cert_pem, cert))
        return openssl_err(err, "cannot write the local certificate authority");
    int r = write_bio(key_path, key_pem, 0600, err);
    if (r == 0)
        r = write_bio(cert_path, cert_pem, 0644, err);
    if (r < 0) {
        unlink(key_path);
        unlink(cert_path);
    }
    return r;
}

/* Both files in a directory of another name, which is then given the right one: so there is never
 * half an authority, and of two processes one wins. */
static int create(const char *dir, struct err *err)
{
    int r = file_make_parents(dir, err);
    if (r < 0)
        return r;
    cleanup(pkey_free_p) EVP_PKEY *key = new_key();
    cleanup(x509_free_p) X509 *cert = key ? new_ca_cert(key) : NULL;
    if (!cert)
        return openssl_err(err, "cannot make the local certificate authority");
    cleanup(free_p) char *fresh = xasprintf("%s.XXXXXX", dir);
    if (!mkdtemp(fresh))
        return err_sys(err, ERR_IO, errno, "cannot make a directory beside %s", dir);
    r = write_pair(fresh, key, cert, err);
    if (r == 0 && rename(fresh, dir) == 0)
        return 0;
    int sys = errno;
    cleanup(free_p) char *key_path = xasprintf("%s/ca.key", fresh);
    cleanup(free_p) char *cert_path = xasprintf("%s/ca.pem", fresh);
    unlink(key_path);
    unlink(cert_path);
    rmdir(fresh);
    if (r == 0 && sys != ENOTEMPTY && sys != EEXIST)
        r = err_sys(err, ERR_IO, sys, "cannot make %s", dir);
    return r;
}

static int no_password(char *buf, int size, int rwflag, void *env)
{
    (void)buf, (void)size, (void)rwflag, (void)env;
    return -1;
}

static int read_file(const char *path, bool secret, BIO **ret, struct err *err)
{
    struct stat st;
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (secret && (st.st_mode & 077)) {
        err_set(err, ERR_IO, "%s can be read by others", path);
        err_hint(err, "chmod 600 %s; or, as it may be known to others, remove its directory to get "
                 "a new authority", path);
        return -ERR_IO;
    }
    cleanup(bio_free_p) BIO *b = BIO_new(secret ? BIO_s_secmem() : BIO_s_mem());
    char room[4096];
    ssize_t n;
    size_t total = 0;
    while ((n = read(fd, room, sizeof room)) > 0 && (total += (size_t)n) <= MAX_FILE)
        BIO_write(b, room, (int)n);
    explicit_bzero(room, sizeof room);
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    *ret = TAKE(b);
    return 0;
}

static int load(const char *dir, struct ca *ca, struct err *err)
{
    cleanup(free_p) char *key_path = xasprintf("%s/ca.key", dir);
    cleanup(bio_free_p) BIO *key = NULL;
    cleanup(bio_free_p) BIO *cert = NULL;
    ca->cert_path = xasprintf("%s/ca.pem", dir);
    int r = read_file(key_path, true, &key, err);
    if (r == 0)
        r = read_file(ca->cert_path, false, &cert, err);
    if (r < 0)
        return r;
    ca->key = PEM_read_bio_PrivateKey(key, NULL, no_password, NULL);
    ca->cert = PEM_read_bio_X509(cert, NULL, no_password, NULL);
    bool ok = ca->key && ca->cert && X509_check_private_key(ca->cert, ca->key) == 1;
    ERR_clear_error();
    time_t soon = (time_t)(clock_wall_ns() / 1000000000) + (time_t)LEAF_DAYS * DAY;
    bool lasts = ok && X509_cmp_time(X509_get0_notAfter(ca->cert), &soon) > 0;
    if (lasts)
        return 0;
    err_set(err, ERR_IO, ok ? "the certificate authority in %s is about to expire"
                            : "the certificate authority in %s is damaged", dir);
    err_hint(err, "remove that directory; a new one is made, which browsers must be told to trust");
    return -ERR_IO;
}

int ca_open(const char *dir, struct ca **ret, struct err *err)
{
    struct stat st;
    int r = 0;
    if (stat(dir, &st) < 0) {
        if (errno != ENOENT)
            return err_sys(err, ERR_IO, errno, "cannot look into %s", dir);
        r = create(dir, err);
    }
    if (r < 0)
        return r;
    struct ca *ca = xnew(struct ca);
    r = load(dir, ca, err);
    if (r < 0)
        ca_close(ca);
    else
        *ret = ca;
    return r;
}

void ca_close(struct ca *ca)
{
    if (!ca)
        return;
    EVP_PKEY_free(ca->key);
    X509_free(ca->cert);
    free(ca->cert_path);
    free(ca);
}

const char *ca_cert_path(const struct ca *ca)
{
    return ca->cert_path;
}
