#include "crypto/alg.h"

static const struct alg_row rows[ALG_COUNT] = {
    [ALG_HS256] = {"HS256", FAMILY_HMAC, HASH_SHA256, NULL, NULL, 0},
    [ALG_HS384] = {"HS384", FAMILY_HMAC, HASH_SHA384, NULL, NULL, 0},
    [ALG_HS512] = {"HS512", FAMILY_HMAC, HASH_SHA512, NULL, NULL, 0},
    [ALG_RS256] = {"RS256", FAMILY_RSA, HASH_SHA256, NULL, NULL, 0},
    [ALG_RS384] = {"RS384", FAMILY_RSA, HASH_SHA384, NULL, NULL, 0},
    [ALG_RS512] = {"RS512", FAMILY_RSA, HASH_SHA512, NULL, NULL, 0},
    [ALG_PS256] = {"PS256", FAMILY_PSS, HASH_SHA256, NULL, NULL, 0},
    [ALG_PS384] = {"PS384", FAMILY_PSS, HASH_SHA384, NULL, NULL, 0},
    [ALG_PS512] = {"PS512", FAMILY_PSS, HASH_SHA512, NULL, NULL, 0},
    [ALG_ES256] = {"ES256", FAMILY_ECDSA, HASH_SHA256, "P-256", "prime256v1", 32},
    [ALG_ES384] = {"ES384", FAMILY_ECDSA, HASH_SHA384, "P-384", "secp384r1", 48},
    [ALG_ES512] = {"ES512", FAMILY_ECDSA, HASH_SHA512, "P-521", "secp521r1", 66},
    [ALG_EDDSA] = {"EdDSA", FAMILY_EDDSA, HASH_SHA512, "Ed25519", NULL, 32},
};

const struct alg_row *alg_row(enum alg a)
{
    return &rows[a < ALG_COUNT ? a : ALG_NONE];
}

enum alg alg_find(struct slice name)
{
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++)
        if (slice_eq(name, slice_str(rows[a].name)))
            return (enum alg)a;
    return ALG_NONE;
}

struct slice alg_name(enum alg a)
{
    return slice_str(alg_row(a)->name);
}

unsigned alg_family_mask(enum alg_family f)
{
    unsigned mask = 0;

    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++)
        if (rows[a].family == f)
            mask |= 1u << a;
    return mask;
}

enum alg alg_of_curve(struct slice curve)
{
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++)
        if (rows[a].curve != NULL && slice_eq(curve, slice_str(rows[a].curve)))
            return (enum alg)a;
    return ALG_NONE;
}
