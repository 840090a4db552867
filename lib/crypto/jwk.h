#ifndef CRYPTO_JWK_H
#define CRYPTO_JWK_H

#include "base/json.h"

#include <openssl/types.h>

/* JWS algorithms (RFC 7518, RFC 8037); "none" is unknown to the code. ALG_NONE marks "no choice".
 */
enum alg {
    ALG_NONE,
    ALG_HS256,
    ALG_HS384,
    ALG_HS512,
    ALG_RS256,
    ALG_RS384,
    ALG_RS512,
    ALG_PS256,
    ALG_PS384,
    ALG_PS512,
    ALG_ES256,
    ALG_ES384,
    ALG_ES512,
    ALG_EDDSA,
    ALG_COUNT
};

enum alg alg_find(struct slice name); /* exact; ALG_NONE when unknown */
struct slice alg_name(enum alg a);

/* One key and the algorithms it may be used with (D8): immutable once built. */
struct jwk {
    struct slice kid;    /* owned; may be empty */
    enum alg alg;        /* the one algorithm; for RSA keys of a JWKS without "alg", ALG_NONE */
    unsigned alg_mask;   /* 1 << enum alg for each algorithm that is allowed */
    EVP_PKEY *pkey;      /* owned; NULL for HS* */
    struct secret *hmac; /* owned; NULL otherwise */
    int64_t not_after;   /* seconds UTC after which it verifies nothing; 0: no end */
};

void jwk_free(struct jwk *k);

/*
 * From one JWK (RFC 7517, 7518 §6, 8037). allowed: bit mask of algorithms the issuer
 * may use. Refused: use other than sig, key_ops without verify (sign for own keys), RSA under 2048
 * bits, symmetric keys shorter than the hash, points off the curve, private members
 * when is_public_only, moduli of the generator of CVE-2017-15361. A symmetric key needs
 * its algorithm by "alg" or as the only HS* of allowed.
 * errors  ERR_SYNTAX (malformed, or not a valid key), ERR_DENIED (use, key_ops, private
 *         members), ERR_UNSUPPORTED (kind, curve or algorithm), ERR_RANGE (HS* too short)
 */
enum err jwk_from_json(const json_t *object, unsigned allowed, bool is_public_only,
                       struct jwk **out) MUST_USE;
/* PEM public or private key, or certificate. alg must fit the key. */
enum err jwk_from_pem(struct slice pem, enum alg alg, struct slice kid, struct jwk **out) MUST_USE;
/* ERR_RANGE: shorter than the hash. ERR_SYNTAX: the text of a public key or certificate (K1). */
enum err jwk_from_secret(struct slice bytes, enum alg alg, struct slice kid,
                         struct jwk **out) MUST_USE;
enum err jwk_generate(enum alg alg, struct slice kid, struct jwk **out) MUST_USE;

/* The public JWK with kid, alg, use; NULL for HS*. Caller json_decref()s. */
json_t *jwk_public_json(const struct jwk *k);
/* The whole private key as JWK text, to be sealed. Caller secret_free()s. */
struct secret *jwk_private_text(const struct jwk *k);

/*
 * The keys of one issuer, counted, immutable: workers share it and swap it whole.
 * HS and asymmetric keys never meet in one set (K1).
 */
struct keyset {
    unsigned refs; /* atomic */
    struct jwk **keys;
    size_t count;
};

struct keyset *keyset_new(void);
/* Takes ownership of k. ERR_CONFLICT: a kid twice, or HS beside asymmetric; k is then freed. */
enum err keyset_add(struct keyset *set, struct jwk *k) MUST_USE;
struct keyset *keyset_ref(struct keyset *set);
void keyset_unref(struct keyset *set);
/* By kid; without a kid in the token, the only key that allows alg, or NULL. */
const struct jwk *keyset_find(const struct keyset *set, struct slice kid, enum alg alg);
/*
 * A JWKS document, public keys only; unusable keys and those that share a kid are skipped
 * and counted, a set with none is ERR_SYNTAX. Over 1 MiB: ERR_TOO_LARGE.
 */
enum err keyset_from_jwks(struct slice text, unsigned allowed, struct keyset **out,
                          size_t *skipped) MUST_USE;

#endif
