#include "crypto/context.h"

#include "base/alloc.h"
#include "base/err.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

static const char *const digest_names[HASH_COUNT] = {"SHA256", "SHA384", "SHA512"};

static EVP_MD *digests[HASH_COUNT];
static EVP_CIPHER *gcm;
static EVP_MAC *hmac;
static pthread_key_t at_thread_end;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static _Thread_local struct crypto_context *mine;

static void context_free(void *arg)
{
    struct crypto_context *c = arg;

    EVP_MD_CTX_free(c->digest);
    EVP_MD_CTX_free(c->eddsa);
    for (int h = 0; h < HASH_COUNT; h++)
        EVP_MAC_CTX_free(c->hmac[h]);
    EVP_CIPHER_CTX_free(c->gcm);
    for (int i = 0; i < VERIFIER_SLOTS; i++)
        EVP_PKEY_CTX_free(c->verifiers[i].ctx);
    free(c);
    mine = NULL;
}

static void fetch(void)
{
    for (int h = 0; h < HASH_COUNT; h++) {
        digests[h] = EVP_MD_fetch(NULL, digest_names[h], NULL);
        CHECK(digests[h] != NULL);
    }
    gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    CHECK(gcm != NULL && hmac != NULL);
    CHECK(pthread_key_create(&at_thread_end, context_free) == 0);
}

static EVP_MAC_CTX *hmac_context(enum hash h)
{
    char name[16];
    OSSL_PARAM params[2] = {OSSL_PARAM_END, OSSL_PARAM_END};
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

    strcpy(name, digest_names[h]);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    CHECK(ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) == 1);
    return ctx;
}

static struct crypto_context *context_new(void)
{
    struct crypto_context *c = mem_zalloc(sizeof(*c));

    CHECK(pthread_once(&fetched, fetch) == 0);
    c->digest = EVP_MD_CTX_new();
    c->eddsa = EVP_MD_CTX_new();
    c->gcm = EVP_CIPHER_CTX_new();
    CHECK(c->digest != NULL && c->eddsa != NULL && c->gcm != NULL);
    for (int h = 0; h < HASH_COUNT; h++)
        c->hmac[h] = hmac_context((enum hash)h);
    CHECK(pthread_setspecific(at_thread_end, c) == 0);
    return c;
}

struct crypto_context *crypto_context(void)
{
    ERR_clear_error();
    if (mine == NULL)
        mine = context_new();
    return mine;
}

const EVP_MD *crypto_md(enum hash h)
{
    CHECK(digests[h] != NULL);
    return digests[h];
}

const EVP_CIPHER *crypto_gcm(void)
{
    CHECK(gcm != NULL);
    return gcm;
}
