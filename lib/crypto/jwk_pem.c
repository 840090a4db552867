#include "crypto/jwk_build.h"

#include "crypto/context.h"

#include <openssl/decoder.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

enum { PEM_BYTES_MAX = 64 * 1024 };

/* An encrypted key is refused; without this OpenSSL would ask at the terminal. */
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static EVP_PKEY *read_certificate(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509 *certificate;
    EVP_PKEY *pkey;

    CHECK(bio != NULL);
    certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    pkey = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    BIO_free(bio);
    return pkey;
}

static EVP_PKEY *read_key(struct slice pem)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = (const unsigned char *)pem.p;
    size_t left = pem.n;
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(&pkey, "PEM", NULL, NULL, 0, NULL, NULL);

    CHECK(ctx != NULL && OSSL_DECODER_CTX_set_pem_password_cb(ctx, no_passphrase, NULL) == 1);
    if (OSSL_DECODER_from_data(ctx, &at, &left) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    OSSL_DECODER_CTX_free(ctx);
    return pkey;
}

enum err jwk_from_pem(struct slice pem, enum alg alg, struct slice kid, struct jwk **out)
{
    EVP_PKEY *pkey;

    if (alg == ALG_NONE || alg_row(alg)->family == FAMILY_HMAC)
        return ERR_UNSUPPORTED;
    if (pem.n == 0 || pem.n > PEM_BYTES_MAX)
        return ERR_SYNTAX;
    crypto_context();
    if (memmem(pem.p, pem.n, "-----BEGIN CERTIFICATE-----", 27) != NULL)
        pkey = read_certificate(pem);
    else
        pkey = read_key(pem);
    if (pkey == NULL)
        return ERR_SYNTAX;
    if ((jwk_fitness(pkey) & 1u << alg) == 0) {
        EVP_PKEY_free(pkey);
        return ERR_UNSUPPORTED;
    }
    *out = jwk_new(alg, 1u << alg, kid);
    (*out)->pkey = pkey;
    return ERR_OK;
}
