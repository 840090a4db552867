#ifndef CRYPTO_JWS_H
#define CRYPTO_JWS_H

#include "crypto/jose.h"

enum { JWS_SIGNATURE_MAX = 1024 }; /* RSA of 8192 bits */

/*
 * Signatures over bytes with one key and one algorithm of its mask (RFC 7515,
 * RFC 7518 §3, RFC 8037 §3.1). Within this room only.
 */

/* ERR_DENIED: alg is not the key's, or the signature does not hold. */
enum err jws_verify(const struct jwk *key, enum alg alg, struct slice input,
                    struct slice signature) MUST_USE;
/* out has JWS_SIGNATURE_MAX bytes. ERR_UNSUPPORTED: the key has no single algorithm or no private
 * half. */
enum err jws_sign(const struct jwk *key, struct slice input, unsigned char *out,
                  size_t *n) MUST_USE;

/*
 * Checks a compact token's header against the key and its signature; only then
 * the payload, whatever bytes it holds.
 * payload  has BASE64URL_BYTES(JWT_BYTES_MAX) bytes; *n is set
 * header   the verified one, valid until this thread's next jose_header_read()
 * errors   ERR_SYNTAX, ERR_DENIED (alg, kid, signature)
 */
enum err jws_open(struct slice token, const struct jwk *key, unsigned char *payload, size_t *n,
                  const struct jose_header **header) MUST_USE;

#endif
