#ifndef CRYPTO_ALG_H
#define CRYPTO_ALG_H

#include "crypto/hash.h"
#include "crypto/jwk.h"

/* What each JWS algorithm is made of. Within this room only. */
enum alg_family { FAMILY_NONE, FAMILY_HMAC, FAMILY_RSA, FAMILY_PSS, FAMILY_ECDSA, FAMILY_EDDSA };

struct alg_row {
    const char *name;
    enum alg_family family;
    enum hash hash;
    const char *curve;       /* as a JWK says it; NULL without one */
    const char *group;       /* as OpenSSL says it */
    size_t coordinate_bytes; /* of a point, and of r and s */
};

const struct alg_row *alg_row(enum alg a);
/* Bit mask of the algorithms of one family. */
unsigned alg_family_mask(enum alg_family f);
/* The algorithm whose curve has this name in a JWK; ALG_NONE when unknown. */
enum alg alg_of_curve(struct slice curve);

#endif
