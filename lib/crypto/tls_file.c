#include "crypto/tls_file.h"

#include "base/buf.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

static enum err fail(const char *what, const char *path, char **why)
{
    const unsigned long code = ERR_peek_last_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "%s %s: %s", what, path, reason != NULL ? reason : "unknown error");
    ERR_clear_error();
    buf_cstr(&b);
    *why = b.p; /* nothing was consumed at its front */
    return ERR_TLS;
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

enum err tls_file_certificate(SSL_CTX *context, const char *path, char **why)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, path) != 1)
        return fail("cannot use the certificate", path, why);
    return ERR_OK;
}

/* OpenSSL says it in several ways, by the kinds of the two keys. */
static bool is_of_another(unsigned long code)
{
    const int reason = ERR_GET_REASON(code);

    return ERR_GET_LIB(code) == ERR_LIB_X509
               ? reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH
               : ERR_GET_LIB(code) == ERR_LIB_SSL && reason == SSL_R_NO_CERTIFICATE_ASSIGNED;
}

enum err tls_file_key(SSL_CTX *context, const char *path, char **why)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
    if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return ERR_OK;
    return fail(is_of_another(ERR_peek_last_error()) ? "the certificate does not belong to the key"
                                                     : "cannot use the key",
                path, why);
}

enum err tls_file_authorities(SSL_CTX *context, const char *path, char **why)
{
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(context, path) != 1)
        return fail("cannot use the authorities", path, why);
    return ERR_OK;
}

enum err tls_file_client_authorities(SSL_CTX *context, const char *path, char **why)
{
    STACK_OF(X509_NAME) * names;
    enum err e = tls_file_authorities(context, path, why);

    if (e != ERR_OK)
        return e;
    if ((names = SSL_load_client_CA_file(path)) == NULL)
        return fail("cannot use the authorities", path, why);
    SSL_CTX_set_client_CA_list(context, names);
    return ERR_OK;
}
