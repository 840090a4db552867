#include "crypto/jwk_build.h"

#include "base/secret.h"
#include "crypto/base64url.h"
#include "crypto/jose.h"

enum { KEY_OPS_MAX = 16 };

static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

static bool has_private(const json_t *object)
{
    for (size_t i = 0; i < sizeof(private_members) / sizeof(private_members[0]); i++)
        if (json_object_get(object, private_members[i]) != NULL)
            return true;
    return false;
}

static bool allows_operation(const json_t *operations, struct slice wanted)
{
    size_t count = json_array_size(operations);
    bool found = false;

    if (!json_is_array(operations) || count > KEY_OPS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(operations, i);

        if (!json_is_string(one))
            return false;
        for (size_t j = 0; j < i; j++) /* once each, RFC 7517 §4.3 */
            if (json_equal(one, json_array_get(operations, j)))
                return false;
        found |= slice_eq(wanted, slice_str(json_string_value(one)));
    }
    return found;
}

/* A pair is ours and must be for signing; any other key is for verifying. */
static bool is_for_signatures(const json_t *object)
{
    const json_t *use = json_object_get(object, "use"), *ops = json_object_get(object, "key_ops");
    bool is_pair = json_object_get(object, "d") != NULL;

    if (use != NULL && !slice_eq(json_text(object, "use"), SLICE("sig")))
        return false;
    return ops == NULL || allows_operation(ops, is_pair ? SLICE("sign") : SLICE("verify"));
}

/* The algorithms left when "alg" is heard: all when it is absent, none when it is odd. */
static unsigned named_mask(const json_t *object)
{
    const json_t *named = json_object_get(object, "alg");
    enum alg a = alg_find(json_text(object, "alg"));

    if (named == NULL)
        return ~0u;
    return a != ALG_NONE ? 1u << a : 0;
}

/* The only algorithm of a mask, or ALG_NONE. */
static enum alg single_of(unsigned mask)
{
    return mask != 0 && (mask & (mask - 1)) == 0 ? (enum alg)__builtin_ctz(mask) : ALG_NONE;
}

static enum err read_secret(const json_t *object, unsigned mask, struct slice kid, struct jwk **out)
{
    enum alg alg = single_of(mask & alg_family_mask(FAMILY_HMAC));
    struct slice text = json_text(object, "k");
    struct secret *bytes;
    enum err e;

    if (alg == ALG_NONE)
        return ERR_UNSUPPORTED;
    if (text.n == 0 || BASE64URL_BYTES(text.n) > HMAC_KEY_BYTES_MAX)
        return ERR_SYNTAX;
    bytes = secret_new(BASE64URL_BYTES(text.n));
    e = base64url_decode(text, (unsigned char *)bytes->p, &bytes->n);
    if (e == ERR_OK)
        e = jwk_from_secret(secret_slice(bytes), alg, kid, out);
    secret_free(bytes);
    return e;
}

static enum err read_pkey(const json_t *object, unsigned mask, struct slice kid, struct jwk **out)
{
    EVP_PKEY *pkey = NULL;
    enum err e = jwk_read_material(object, &pkey);

    if (e != ERR_OK)
        return e;
    mask &= jwk_fitness(pkey);
    if (mask == 0) {
        EVP_PKEY_free(pkey);
        return ERR_UNSUPPORTED;
    }
    *out = jwk_new(single_of(mask), mask, kid);
    (*out)->pkey = pkey;
    return ERR_OK;
}

enum err jwk_from_json(const json_t *object, unsigned allowed, bool is_public_only,
                       struct jwk **out)
{
    const json_t *kid = json_object_get(object, "kid");
    struct slice kid_text = json_text(object, "kid");
    unsigned mask = allowed & named_mask(object);

    if (!json_is_object(object) || (kid != NULL && !json_is_string(kid)) ||
        kid_text.n > JOSE_KID_BYTES)
        return ERR_SYNTAX;
    if ((is_public_only && has_private(object)) || json_object_get(object, "oth") != NULL ||
        !is_for_signatures(object))
        return ERR_DENIED;
    if (mask == 0)
        return ERR_UNSUPPORTED;
    if (slice_eq(json_text(object, "kty"), SLICE("oct")))
        return read_secret(object, mask, kid_text, out);
    return read_pkey(object, mask, kid_text, out);
}
