#include "net/tls_own.h"

#include "base/buf.h"

#include <openssl/err.h>

/* Mozilla's intermediate list without finite-field DHE (G19). */
#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

char *tls_why(const char *what, const char *file)
{
    const unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "%s %s: %s", what, file, reason != NULL ? reason : "unknown error");
    ERR_clear_error();
    buf_cstr(&b);
    return b.p; /* nothing was consumed at its front */
}

/* A key with a passphrase is an error, not a question on the terminal. */
static int refuse_passphrase(char *to, int room, int is_writing, void *arg)
{
    (void)to;
    (void)room;
    (void)is_writing;
    (void)arg;
    return -1;
}

SSL_CTX *tls_context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    CHECK(context != NULL);
    CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
    CHECK(SSL_CTX_set_cipher_list(context, CIPHERS_1_2) == 1);
    CHECK(SSL_CTX_set_ciphersuites(context, CIPHERS_1_3) == 1);
    CHECK(SSL_CTX_set1_groups_list(context, GROUPS) == 1);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* A record's head and body in one read(2). */
    SSL_CTX_set_read_ahead(context, 1);
    CHECK(SSL_CTX_set_max_early_data(context, 0) == 1);
    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
    return context;
}

enum err tls_context_use(SSL_CTX *context, const char *certificate, const char *key, char **why)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        *why = tls_why("cannot use the certificate", certificate);
        return ERR_TLS;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        *why = tls_why("cannot use the key", key);
        return ERR_TLS;
    }
    if (SSL_CTX_check_private_key(context) != 1) {
        *why = tls_why("the certificate does not belong to the key", key);
        return ERR_TLS;
    }
    return ERR_OK;
}
