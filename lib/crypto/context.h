#ifndef CRYPTO_CONTEXT_H
#define CRYPTO_CONTEXT_H

#include "crypto/hash.h"
#include "crypto/jose.h"

#include <openssl/evp.h>

/*
 * What OpenSSL 3.0 is slow to make: algorithms, fetched once per process, and
 * contexts, made once per thread and freed with it. Within this room only.
 */
enum { VERIFIER_SLOTS = 8, JOSE_SLOTS = 4, JOSE_MEMO_CHARS = 512 };

/* A context ready for EVP_PKEY_verify(); it holds its own reference to pkey. */
struct verifier {
    EVP_PKEY *pkey; /* borrowed from ctx; NULL: free slot */
    enum alg alg;
    EVP_PKEY_CTX *ctx;
};

/* A header seen before: those of one signing key are all the same text. */
struct jose_memo {
    char text[JOSE_MEMO_CHARS];
    size_t n; /* 0: free slot */
    struct jose_header header;
};

struct crypto_context {
    EVP_MD_CTX *digest, *eddsa;
    EVP_MAC_CTX *hmac[HASH_COUNT];
    EVP_CIPHER_CTX *gcm;
    struct verifier verifiers[VERIFIER_SLOTS];
    struct jose_memo memos[JOSE_SLOTS];
    unsigned verifier_next, memo_next;
};

/* The calling thread's; valid until it ends. The thread's error queue is empty on return. */
struct crypto_context *crypto_context(void) __attribute__((returns_nonnull));

/* After crypto_context(). */
const EVP_MD *crypto_md(enum hash h) __attribute__((returns_nonnull));
const EVP_CIPHER *crypto_gcm(void) __attribute__((returns_nonnull));

#endif
