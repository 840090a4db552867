#include "net/tls_own.h"

#include "crypto/tls_file.h"

/* Mozilla's intermediate list without finite-field DHE (G19). */
#define CIPHERS_1_2                                                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

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
    return context;
}

enum err tls_context_use(SSL_CTX *context, const char *certificate, const char *key, char **why)
{
    enum err e = tls_file_certificate(context, certificate, why);

    return e == ERR_OK ? tls_file_key(context, key, why) : e;
}
