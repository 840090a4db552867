#include "crypto/jwk_build.h"

#include "base/alloc.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/context.h"

#include <openssl/core_names.h>
#include <stdlib.h>

struct jwk *jwk_new(enum alg alg, unsigned alg_mask, struct slice kid)
{
    struct jwk *k = mem_zalloc(sizeof(*k));

    k->alg = alg;
    k->alg_mask = alg_mask;
    if (kid.n > 0)
        k->kid = slice_of(mem_strndup(kid.p, kid.n), kid.n);
    return k;
}

void jwk_free(struct jwk *k)
{
    if (k == NULL)
        return;
    EVP_PKEY_free(k->pkey);
    secret_free(k->hmac);
    free((void *)(uintptr_t)k->kid.p);
    free(k);
}

/*
 * Moduli of the flawed generator lie, for every small prime, in the subgroup that
 * 65537 generates; a sound modulus does so with a chance below one in 2^27.
 */
static bool is_roca(const BIGNUM *n)
{
    static const unsigned char primes[] = {11, 13, 17,  19,  37,  53,  61,  71, 73,
                                           79, 97, 103, 107, 109, 127, 151, 157};

    for (size_t i = 0; i < sizeof(primes); i++) {
        unsigned p = primes[i], power = 1;
        unsigned residue = (unsigned)BN_mod_word(n, p);
        bool found = false;

        for (unsigned step = 0; step < p && !found; step++) {
            found = power == residue;
            power = power * (65537u % p) % p;
        }
        if (!found)
            return false;
    }
    return true;
}

static bool is_sound_rsa(EVP_PKEY *pkey)
{
    BIGNUM *n = NULL, *e = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
              EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
              BN_num_bits(n) >= RSA_BITS_MIN && BN_num_bits(n) <= RSA_BITS_MAX && BN_is_odd(n) &&
              BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= 64 && !is_roca(n);

    BN_free(n);
    BN_free(e);
    return ok;
}

static unsigned curve_mask(EVP_PKEY *pkey)
{
    char group[64];
    size_t n;

    if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) != 1)
        return 0;
    for (int a = ALG_ES256; a <= ALG_ES512; a++)
        if (slice_eq(slice_of(group, n), slice_str(alg_row((enum alg)a)->group)))
            return 1u << a;
    return 0;
}

/*
 * Points of small order, and texts of a number that is not below 2^255 - 19 (RFC 8032 §5.1.3):
 * under such a key one signature holds for every message. The sign of x, the last bit, says
 * nothing about that.
 */
static bool is_sound_ed25519(EVP_PKEY *pkey)
{
    static const unsigned char weak[][32] = {
        {0},
        {1},
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    };
    unsigned char y[32];
    size_t n = sizeof(y), high = 1;

    CHECK(EVP_PKEY_get_raw_public_key(pkey, y, &n) == 1 && n == sizeof(y));
    y[31] &= 0x7f;
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++)
        if (memcmp(y, weak[i], sizeof(y)) == 0)
            return false;
    while (high < 31 && y[high] == 0xff)
        high++;
    /* -1, of order 2, is 0xec there; what follows it is no number of the field. */
    return high < 31 || y[31] != 0x7f || y[0] < 0xec;
}

unsigned jwk_fitness(EVP_PKEY *pkey)
{
    crypto_context();
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return is_sound_rsa(pkey) ? alg_family_mask(FAMILY_RSA) | alg_family_mask(FAMILY_PSS) : 0;
    if (EVP_PKEY_is_a(pkey, "EC"))
        return curve_mask(pkey);
    return EVP_PKEY_is_a(pkey, "ED25519") && is_sound_ed25519(pkey) ? 1u << ALG_EDDSA : 0;
}

/* A public key in place of a secret is the confusion of incidents K1. */
static bool looks_like_key_text(struct slice s)
{
    s = slice_trim(s);
    return (s.n > 0 && memmem(s.p, s.n, "-----BEGIN ", 11) != NULL) ||
           slice_starts(s, SLICE("ssh-")) || slice_starts(s, SLICE("ecdsa-sha2-")) ||
           (s.n > 0 && s.p[0] == '{' && memmem(s.p, s.n, "\"kty\"", 5) != NULL);
}

enum err jwk_from_secret(struct slice bytes, enum alg alg, struct slice kid, struct jwk **out)
{
    const struct alg_row *row = alg_row(alg);

    if (row->family != FAMILY_HMAC)
        return ERR_UNSUPPORTED;
    if (bytes.n < hash_bytes(row->hash) || bytes.n > HMAC_KEY_BYTES_MAX)
        return ERR_RANGE;
    if (looks_like_key_text(bytes))
        return ERR_SYNTAX;
    *out = jwk_new(alg, 1u << alg, kid);
    (*out)->hmac = secret_copy(bytes);
    return ERR_OK;
}

static struct jwk *generate_secret(enum alg alg, struct slice kid)
{
    struct jwk *k = jwk_new(alg, 1u << alg, kid);

    k->hmac = secret_new(hash_bytes(alg_row(alg)->hash));
    random_bytes(k->hmac->p, k->hmac->n);
    return k;
}

enum err jwk_generate(enum alg alg, struct slice kid, struct jwk **out)
{
    const struct alg_row *row = alg_row(alg);
    EVP_PKEY *pkey = NULL;

    crypto_context();
    switch (row->family) {
    case FAMILY_NONE:
        return ERR_UNSUPPORTED;
    case FAMILY_HMAC:
        *out = generate_secret(alg, kid);
        return ERR_OK;
    case FAMILY_RSA:
    case FAMILY_PSS:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS_MIN);
        break;
    case FAMILY_ECDSA:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", row->group);
        break;
    case FAMILY_EDDSA:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    }
    CHECK(pkey != NULL);
    *out = jwk_new(alg, 1u << alg, kid);
    (*out)->pkey = pkey;
    return ERR_OK;
}
