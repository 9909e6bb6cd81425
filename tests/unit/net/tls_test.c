/* SPDX-License-Identifier: Apache-2.0 */
/* TLS: who is trusted under which name, what is shown, and how failures are told apart. */
#include "certs.h"
#include "harness.h"
#include <openssl/err.h>
#include <openssl/ssl.h>

static struct identity ca, other_ca, site, expired, client;

/* What the server does and what it saw; set before it starts, read after it has stopped. */
static struct {
    const struct identity *identity;
    const struct identity *client_ca;   /* asks for a client certificate */
    int version_max;
    bool drop;                          /* hang up within the handshake */
} play;
static char seen_sni[256], seen_client[256], seen_version[32], seen_cipher[64];

static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)store;
    return ok;
}

static SSL_CTX *server_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    if (play.version_max)
        SSL_CTX_set_max_proto_version(ctx, play.version_max);
    SSL_CTX_use_certificate(ctx, play.identity->cert);
    SSL_CTX_use_PrivateKey(ctx, play.identity->key);
    if (play.client_ca) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), play.client_ca->cert);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    }
    return ctx;
}

static void note(SSL *ssl)
{
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(seen_sni, sizeof seen_sni, "%s", sni ? sni : "(none)");
    snprintf(seen_version, sizeof seen_version, "%s", SSL_get_version(ssl));
    snprintf(seen_cipher, sizeof seen_cipher, "%s", SSL_get_cipher_name(ssl));
    X509 *peer = SSL_get1_peer_certificate(ssl);
    seen_client[0] = '\0';
    if (peer)
        X509_NAME_oneline(X509_get_issuer_name(peer), seen_client, sizeof seen_client);
    X509_free(peer);
}

static void script_tls(int fd, int nth)
{
    (void)nth;
    if (play.drop) {
        char byte;
        recv(fd, &byte, 1, 0);
        return;
    }
    SSL_CTX *ctx = server_ctx();
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
        char buf[4096];
        note(ssl);
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret";
        while (SSL_read(ssl, buf, sizeof buf) > 0)
            SSL_write(ssl, answer, sizeof answer - 1);
        SSL_shutdown(ssl);
    } else {
        /* An alert must not be lost to the reset that unread bytes would cause. */
        shutdown(fd, SHUT_WR);
        await_close(fd);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static struct net_target tls_target(uint16_t port)
{
    struct net_target t = plain_target(port);
    t.tls = true;
    t.sni = t.cert_host = "site.test";
    t.ca_pem = ca.cert_pem;
    return t;
}

/* One call; `like` without address. Returns the error, or 0. */
static enum net_error try(void **state, const struct net_target *like, struct outcome *o)
{
    struct server s;
    server_start(&s, script_tls);
    struct net_target t = *like;
    t.host = "127.0.0.1";
    t.port = s.port;
    fetch_get(*state, &t, "/", o);
    enum net_error error = o->failure.error;
    if (!error)
        assert_string_equal(o->body.data, "secret");
    world_close(state);
    server_stop(&s);
    world_open(state);
    return error;
}

static void expect(void **state, const struct net_target *like, enum net_error error)
{
    struct outcome o;
    enum net_error got = try(state, like, &o);
    if (got != error)
        print_error("%s\n", o.failure.text);
    assert_int_equal(got, error);
    outcome_clear(&o);
}

static void test_names(void **state)
{
    play.identity = &site;
    struct net_target t = tls_target(0);
    expect(state, &t, 0);
    assert_string_equal(seen_sni, "site.test");
    assert_string_equal(seen_version, "TLSv1.3");
    /* Another SNI, none, an address in the certificate, a wildcard. */
    t.sni = "front.example";
    expect(state, &t, 0);
    assert_string_equal(seen_sni, "front.example");
    t.sni = NULL;
    expect(state, &t, 0);
    assert_string_equal(seen_sni, "(none)");
    t.cert_host = "127.0.0.1";
    expect(state, &t, 0);
    t.cert_host = NULL;
    expect(state, &t, 0);
    t.cert_host = "a.wild.test";
    expect(state, &t, 0);
    static const char *const wrong[] = {"other.test", "wild.test", "a.b.wild.test", "127.0.0.2",
                                        "::1"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        t.sni = "site.test";
        t.cert_host = wrong[i];
        expect(state, &t, NET_TLS_CERTIFICATE_ERROR);
    }
}

static void test_trust(void **state)
{
    play.identity = &site;
    struct net_target t = tls_target(0);
    t.ca_pem = other_ca.cert_pem;
    expect(state, &t, NET_TLS_CERTIFICATE_ERROR);
    t.ca_pem = NULL; /* the system does not know our CA */
    expect(state, &t, NET_TLS_CERTIFICATE_ERROR);
    t.ca_pem = site.cert_pem; /* the certificate itself is an anchor, too */
    expect(state, &t, 0);
    cleanup(free_p) char *both = xasprintf("%s\n# and\n%s", other_ca.cert_pem, ca.cert_pem);
    t.ca_pem = both;
    expect(state, &t, 0);
    play.identity = &expired;
    struct outcome o;
    assert_int_equal(try(state, &t, &o), NET_TLS_CERTIFICATE_ERROR);
    assert_non_null(strstr(o.failure.text, "expired"));
    outcome_clear(&o);
    play.identity = &site;
}

static void test_client_certificate(void **state)
{
    play.identity = &site;
    play.client_ca = &ca;
    struct net_target t = tls_target(0);
    t.client_cert_pem = client.cert_pem;
    t.client_key_pem = client.key_pem;
    expect(state, &t, 0);
    assert_non_null(strstr(seen_client, "test CA"));
    t.tls_max = NET_TLS_1_2;
    expect(state, &t, 0);
    /* None shown: the server's alert (certificate_required in TLS 1.3) gets through. */
    t.client_cert_pem = t.client_key_pem = NULL;
    t.tls_max = NET_TLS_DEFAULT;
    struct outcome o;
    assert_int_equal(try(state, &t, &o), NET_TLS_ALERT_RECEIVED);
    assert_int_equal(o.failure.tls_alert, 116);
    outcome_clear(&o);
    t.tls_max = NET_TLS_1_2;
    assert_int_equal(try(state, &t, &o), NET_TLS_ALERT_RECEIVED);
    assert_int_equal(o.failure.tls_alert, 40);
    outcome_clear(&o);
    play.client_ca = NULL;
}

static void test_versions_and_ciphers(void **state)
{
    play.identity = &site;
    struct net_target t = tls_target(0);
    t.tls_max = NET_TLS_1_2;
    t.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
    expect(state, &t, 0);
    assert_string_equal(seen_version, "TLSv1.2");
    assert_string_equal(seen_cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
    t = tls_target(0);
    t.tls_min = NET_TLS_1_0;
    t.tls_max = NET_TLS_1_1;
    expect(state, &t, 0);
    assert_string_equal(seen_version, "TLSv1.1");
    /* Not spoken there: 70 is protocol_version. */
    play.version_max = TLS1_1_VERSION;
    t = tls_target(0);
    struct outcome o;
    assert_int_equal(try(state, &t, &o), NET_TLS_ALERT_RECEIVED);
    assert_int_equal(o.failure.tls_alert, 70);
    outcome_clear(&o);
    play.version_max = 0;
}

static void test_bad_settings(void **state)
{
    play.identity = &site;
    struct net_target good = tls_target(0), t = good;
    t.ca_pem = "nonsense";
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t.ca_pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t = good;
    t.client_cert_pem = client.cert_pem;
    t.client_key_pem = site.key_pem;
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t.client_key_pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
                       "-----END ENCRYPTED PRIVATE KEY-----\n";
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t = good;
    t.ciphers = "NO-SUCH-CIPHER";
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t = good;
    t.tls_min = NET_TLS_1_3;
    t.tls_max = NET_TLS_1_2;
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
    t = good;
    t.sni = "a b";
    expect(state, &t, NET_TLS_CONFIGURATION_ERROR);
}

static void script_plain(int fd, int nth)
{
    (void)nth;
    char byte[8];
    recv(fd, byte, sizeof byte, 0);
    say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    shutdown(fd, SHUT_WR);
    await_close(fd);
}

static void test_no_tls_there(void **state)
{
    play.identity = &site;
    play.drop = true;
    struct net_target t = tls_target(0);
    expect(state, &t, NET_CONNECTION_TERMINATED);
    play.drop = false;
    struct server s;
    server_start(&s, script_plain);
    t.port = s.port;
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_TLS_PROTOCOL_ERROR);
    outcome_clear(&o);
    server_stop(&s);
}

/* A connection made with one set of settings must never serve a call with another. */
static void test_no_connection_is_shared(void **state)
{
    play.identity = &site;
    struct server s;
    server_start(&s, script_tls);
    struct net_target like[7];
    for (size_t i = 0; i < ARRAY_LEN(like); i++)
        like[i] = tls_target(s.port);
    like[1].sni = "front.example";
    like[2].sni = NULL;
    like[3].client_cert_pem = client.cert_pem;
    like[3].client_key_pem = client.key_pem;
    like[4].tls_max = NET_TLS_1_2;
    like[5].cert_host = "other.test";
    like[6].ca_pem = other_ca.cert_pem;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_LEN(like); i++) {
            struct outcome o;
            fetch_get(*state, &like[i], "/", &o);
            assert_int_equal(o.failure.error, i < 5 ? 0 : NET_TLS_CERTIFICATE_ERROR);
            outcome_clear(&o);
        }
    /* Five kept, two refused each time. */
    assert_int_equal(s.connections, 5 + 4);
    world_close(state);
    server_stop(&s);
    world_open(state);
}

static int make_all(void **state)
{
    (void)state;
    ca = make_identity("test CA", NULL, NULL, 10);
    other_ca = make_identity("other CA", NULL, NULL, 10);
    site = make_identity("someone", "DNS:site.test,DNS:*.wild.test,IP:127.0.0.1", &ca, 10);
    expired = make_identity("someone", "DNS:site.test", &ca, 0);
    client = make_identity("someone", "DNS:client.test", &ca, 10);
    return 0;
}

static int clear_all(void **state)
{
    (void)state;
    struct identity *all[] = {&ca, &other_ca, &site, &expired, &client};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        clear_identity(all[i]);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_names),
        TEST(test_trust),
        TEST(test_client_certificate),
        TEST(test_versions_and_ciphers),
        TEST(test_bad_settings),
        TEST(test_no_tls_there),
        TEST(test_no_connection_is_shared),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
