#include "crypto/hash.h"

#include "base/err.h"
#include "crypto/context.h"

size_t hash_bytes(enum hash h)
{
    static const size_t bytes[HASH_COUNT] = {32, 48, 64};

    return bytes[h];
}

void hash_digest(enum hash h, struct slice in, unsigned char out[HASH_BYTES_MAX])
{
    struct crypto_context *c = crypto_context();

    CHECK(EVP_DigestInit_ex(c->digest, crypto_md(h), NULL) == 1);
    CHECK(EVP_DigestUpdate(c->digest, in.p, in.n) == 1);
    CHECK(EVP_DigestFinal_ex(c->digest, out, NULL) == 1);
}

void hash_hmac(enum hash h, struct slice key, struct slice in, unsigned char out[HASH_BYTES_MAX])
{
    EVP_MAC_CTX *ctx = crypto_context()->hmac[h];
    /* No key at all would mean "the former key" to EVP_MAC_init(). */
    const char *bytes = key.n > 0 ? key.p : "";
    size_t n = 0;

    CHECK(EVP_MAC_init(ctx, (const unsigned char *)bytes, key.n, NULL) == 1);
    CHECK(EVP_MAC_update(ctx, (const unsigned char *)in.p, in.n) == 1);
    CHECK(EVP_MAC_final(ctx, out, &n, HASH_BYTES_MAX) == 1 && n == hash_bytes(h));
}
