#ifndef CRYPTO_TLS_FILE_H
#define CRYPTO_TLS_FILE_H

#include "base/err.h"

#include <openssl/types.h>

/*
 * PEM files on their way into a TLS context, so that a check of the configuration says what the
 * start would say. On ERR_TLS *why is a sentence with the file's name and OpenSSL's reason, free().
 */

/* A chain, leaf first. */
enum err tls_file_certificate(SSL_CTX *context, const char *path, char **why) MUST_USE;
/* The private key of the certificate in use, without a passphrase. */
enum err tls_file_key(SSL_CTX *context, const char *path, char **why) MUST_USE;
/* Whom the peer's certificate has to come from. */
enum err tls_file_authorities(SSL_CTX *context, const char *path, char **why) MUST_USE;
/* The same on a server, which also tells its clients whom it takes. */
enum err tls_file_client_authorities(SSL_CTX *context, const char *path, char **why) MUST_USE;

#endif
