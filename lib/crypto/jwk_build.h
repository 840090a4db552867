#ifndef CRYPTO_JWK_BUILD_H
#define CRYPTO_JWK_BUILD_H

#include "crypto/alg.h"

#include <openssl/evp.h>

enum { RSA_BITS_MIN = 2048, RSA_BITS_MAX = 8192, HMAC_KEY_BYTES_MAX = 4096 };

/* Pieces that the makers of keys share. Within this room only. */

/* A key without material; kid is copied. */
struct jwk *jwk_new(enum alg alg, unsigned alg_mask, struct slice kid);

/*
 * The algorithms a key is fit for: 0 for other kinds, RSA outside the bounds above
 * or with a weak exponent, RSA of the flawed generator of CVE-2017-15361 (ROCA),
 * points of small order, and curves other than P-256, P-384, P-521 and Ed25519.
 */
unsigned jwk_fitness(EVP_PKEY *pkey);

/* The RSA members of a JWK (RFC 7518 §6.3) in OpenSSL's words; the first two are public. */
enum { RSA_MEMBERS = 8, RSA_PUBLIC_MEMBERS = 2 };
struct rsa_member {
    const char *jwk, *openssl;
};
extern const struct rsa_member rsa_members[RSA_MEMBERS];

/* Key material of a JWK object whose kty is RSA, EC or OKP; private when it has "d". */
enum err jwk_read_material(const json_t *object, EVP_PKEY **out) MUST_USE;

#endif
