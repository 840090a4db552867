#include "crypto/jwk_build.h"

#include "base/secret.h"
#include "crypto/base64url.h"
#include "crypto/context.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

enum { NUMBER_BYTES_MAX = RSA_BITS_MAX / 8 + 1, POINT_BYTES_MAX = 1 + 2 * 66 };

const struct rsa_member rsa_members[RSA_MEMBERS] = {
    {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
    {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

/* Decodes a base64url member of at most cap bytes; false when absent, empty or malformed. */
static bool take_bytes(const json_t *object, const char *name, unsigned char *out, size_t cap,
                       size_t *n)
{
    struct slice text = json_text(object, name);

    return text.n > 0 && BASE64URL_BYTES(text.n) <= cap && base64url_decode(text, out, n) == ERR_OK;
}

static bool take_exact(const json_t *object, const char *name, unsigned char *out, size_t bytes)
{
    size_t n;

    return take_bytes(object, name, out, bytes, &n) && n == bytes;
}

static BIGNUM *take_number(const json_t *object, const char *name)
{
    unsigned char bytes[NUMBER_BYTES_MAX];
    BIGNUM *number = NULL;
    size_t n;

    if (take_bytes(object, name, bytes, sizeof(bytes), &n))
        number = BN_bin2bn(bytes, (int)n, NULL);
    secret_wipe(bytes, sizeof(bytes));
    return number;
}

/* A key from collected parameters, checked: the point on the curve, the halves a pair. */
static enum err build(const char *type, OSSL_PARAM_BLD *collected, bool is_private, EVP_PKEY **out)
{
    int selection = is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(collected);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
    EVP_PKEY *pkey = NULL;
    bool ok;

    CHECK(params != NULL && ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1);
    ok = EVP_PKEY_fromdata(ctx, &pkey, selection, params) == 1;
    check = ok ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    ok = check != NULL && EVP_PKEY_public_check(check) == 1 &&
         (!is_private || EVP_PKEY_pairwise_check(check) == 1);
    EVP_PKEY_CTX_free(check);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    if (!ok) {
        EVP_PKEY_free(pkey);
        return ERR_SYNTAX;
    }
    *out = pkey;
    return ERR_OK;
}

static enum err read_rsa(const json_t *object, EVP_PKEY **out)
{
    bool is_private = json_object_get(object, "d") != NULL;
    size_t count = is_private ? RSA_MEMBERS : RSA_PUBLIC_MEMBERS;
    OSSL_PARAM_BLD *collected = OSSL_PARAM_BLD_new();
    BIGNUM *numbers[RSA_MEMBERS] = {NULL};
    enum err e = ERR_SYNTAX;

    CHECK(collected != NULL);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = take_number(object, rsa_members[i].jwk);
        if (numbers[i] == NULL || BN_is_zero(numbers[i]))
            goto out;
        CHECK(OSSL_PARAM_BLD_push_BN(collected, rsa_members[i].openssl, numbers[i]) == 1);
    }
    /* Before the checks of build(), whose cost grows with the size. */
    if (BN_num_bits(numbers[0]) < RSA_BITS_MIN || BN_num_bits(numbers[0]) > RSA_BITS_MAX)
        goto out;
    e = build("RSA", collected, is_private, out);
out:
    for (size_t i = 0; i < RSA_MEMBERS; i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(collected);
    return e;
}

static enum err read_ec(const json_t *object, EVP_PKEY **out)
{
    const struct alg_row *row = alg_row(alg_of_curve(json_text(object, "crv")));
    size_t bytes = row->coordinate_bytes;
    bool is_private = json_object_get(object, "d") != NULL;
    unsigned char point[POINT_BYTES_MAX] = {POINT_CONVERSION_UNCOMPRESSED}, scalar[66];
    OSSL_PARAM_BLD *collected;
    BIGNUM *d = NULL;
    enum err e;

    if (row->family != FAMILY_ECDSA)
        return ERR_UNSUPPORTED;
    if (!take_exact(object, "x", point + 1, bytes) ||
        !take_exact(object, "y", point + 1 + bytes, bytes) ||
        (is_private && !take_exact(object, "d", scalar, bytes)))
        return ERR_SYNTAX;
    collected = OSSL_PARAM_BLD_new();
    CHECK(collected != NULL);
    CHECK(OSSL_PARAM_BLD_push_utf8_string(collected, OSSL_PKEY_PARAM_GROUP_NAME, row->group, 0) ==
          1);
    CHECK(OSSL_PARAM_BLD_push_octet_string(collected, OSSL_PKEY_PARAM_PUB_KEY, point,
                                           1 + 2 * bytes) == 1);
    if (is_private) {
        d = BN_bin2bn(scalar, (int)bytes, NULL);
        CHECK(d != NULL && OSSL_PARAM_BLD_push_BN(collected, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1);
    }
    e = build("EC", collected, is_private, out);
    BN_clear_free(d);
    OSSL_PARAM_BLD_free(collected);
    secret_wipe(scalar, sizeof(scalar));
    return e;
}

/* Ed25519 alone (RFC 8037 §2); a private key must belong to the public one beside it. */
static enum err read_okp(const json_t *object, EVP_PKEY **out)
{
    bool is_private = json_object_get(object, "d") != NULL;
    unsigned char x[32], d[32], made[32];
    size_t n = sizeof(made);
    EVP_PKEY *pkey;

    if (alg_of_curve(json_text(object, "crv")) != ALG_EDDSA)
        return ERR_UNSUPPORTED;
    if (!take_exact(object, "x", x, sizeof(x)) ||
        (is_private && !take_exact(object, "d", d, sizeof(d))))
        return ERR_SYNTAX;
    pkey = is_private ? EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, d, sizeof(d))
                      : EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, x, sizeof(x));
    secret_wipe(d, sizeof(d));
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, made, &n) != 1 ||
        memcmp(made, x, sizeof(x)) != 0) {
        EVP_PKEY_free(pkey);
        return ERR_SYNTAX;
    }
    *out = pkey;
    return ERR_OK;
}

enum err jwk_read_material(const json_t *object, EVP_PKEY **out)
{
    struct slice type = json_text(object, "kty");

    crypto_context();
    if (slice_eq(type, SLICE("RSA")))
        return read_rsa(object, out);
    if (slice_eq(type, SLICE("EC")))
        return read_ec(object, out);
    if (slice_eq(type, SLICE("OKP")))
        return read_okp(object, out);
    return ERR_UNSUPPORTED;
}
