#include "crypto/jwk_build.h"

#include "base/secret.h"
#include "crypto/base64url.h"
#include "crypto/context.h"

#include <openssl/core_names.h>
#include <stdlib.h>

enum { PRIVATE_TEXT_MAX = 16 * 1024, NUMBER_BYTES_MAX = RSA_BITS_MAX / 8 };

static void set_text(json_t *object, const char *name, struct slice text)
{
    CHECK(json_object_set_new(object, name, json_stringn(text.p, text.n)) == 0);
}

static void set_bytes(json_t *object, const char *name, struct slice bytes)
{
    char text[BASE64URL_CHARS(NUMBER_BYTES_MAX)];

    CHECK(bytes.n <= NUMBER_BYTES_MAX);
    set_text(object, name, slice_of(text, base64url_encode(bytes, text)));
}

/* A parameter of the key as big-endian bytes: width of them, or as few as it takes for 0. */
static bool number_of(EVP_PKEY *pkey, const char *parameter, size_t width, unsigned char *out,
                      size_t *n)
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, parameter, &number) == 1;

    if (ok) {
        *n = width > 0 ? width : (size_t)BN_num_bytes(number);
        ok = *n <= NUMBER_BYTES_MAX && BN_bn2binpad(number, out, (int)*n) == (int)*n;
    }
    BN_clear_free(number);
    return ok;
}

static void set_number(json_t *object, const char *name, EVP_PKEY *pkey, const char *parameter,
                       size_t width)
{
    unsigned char bytes[NUMBER_BYTES_MAX];
    size_t n;

    CHECK(number_of(pkey, parameter, width, bytes, &n));
    set_bytes(object, name, slice_of(bytes, n));
}

static const struct alg_row *row_of(const struct jwk *k)
{
    return alg_row((enum alg)__builtin_ctz(k->alg_mask));
}

static void set_public_half(json_t *object, EVP_PKEY *pkey, const struct alg_row *row)
{
    unsigned char raw[32];
    size_t n = sizeof(raw);

    if (row->family == FAMILY_RSA || row->family == FAMILY_PSS) {
        set_text(object, "kty", SLICE("RSA"));
        for (size_t i = 0; i < RSA_PUBLIC_MEMBERS; i++)
            set_number(object, rsa_members[i].jwk, pkey, rsa_members[i].openssl, 0);
        return;
    }
    set_text(object, "kty", row->family == FAMILY_EDDSA ? SLICE("OKP") : SLICE("EC"));
    set_text(object, "crv", slice_str(row->curve));
    if (row->family == FAMILY_EDDSA) {
        CHECK(EVP_PKEY_get_raw_public_key(pkey, raw, &n) == 1);
        set_bytes(object, "x", slice_of(raw, n));
        return;
    }
    set_number(object, "x", pkey, OSSL_PKEY_PARAM_EC_PUB_X, row->coordinate_bytes);
    set_number(object, "y", pkey, OSSL_PKEY_PARAM_EC_PUB_Y, row->coordinate_bytes);
}

static json_t *common_members(const struct jwk *k)
{
    json_t *object = json_object();

    CHECK(object != NULL);
    set_text(object, "use", SLICE("sig"));
    if (k->alg != ALG_NONE)
        set_text(object, "alg", alg_name(k->alg));
    if (k->kid.n > 0)
        set_text(object, "kid", k->kid);
    return object;
}

json_t *jwk_public_json(const struct jwk *k)
{
    json_t *object;

    crypto_context();
    if (k->pkey == NULL)
        return NULL;
    object = common_members(k);
    set_public_half(object, k->pkey, row_of(k));
    return object;
}

static void append(struct secret *text, size_t *at, struct slice s)
{
    CHECK(s.n <= text->n - *at);
    memcpy(text->p + *at, s.p, s.n);
    *at += s.n;
}

/* Private members never pass through jansson, whose memory is not wiped. */
static void append_member(struct secret *text, size_t *at, const char *name, struct slice bytes)
{
    append(text, at, SLICE(",\""));
    append(text, at, slice_str(name));
    append(text, at, SLICE("\":\""));
    CHECK(BASE64URL_CHARS(bytes.n) <= text->n - *at);
    *at += base64url_encode(bytes, text->p + *at);
    append(text, at, SLICE("\""));
}

/* False when the key has no private half. */
static bool append_private_half(struct secret *text, size_t *at, const struct jwk *k)
{
    const struct alg_row *row = row_of(k);
    unsigned char bytes[NUMBER_BYTES_MAX];
    size_t n = sizeof(bytes);
    bool ok = true;

    if (row->family == FAMILY_EDDSA) {
        ok = EVP_PKEY_get_raw_private_key(k->pkey, bytes, &n) == 1;
        if (ok)
            append_member(text, at, "d", slice_of(bytes, n));
    } else if (row->family == FAMILY_ECDSA) {
        ok = number_of(k->pkey, OSSL_PKEY_PARAM_PRIV_KEY, row->coordinate_bytes, bytes, &n);
        if (ok)
            append_member(text, at, "d", slice_of(bytes, n));
    } else {
        for (size_t i = RSA_PUBLIC_MEMBERS; ok && i < RSA_MEMBERS; i++) {
            ok = number_of(k->pkey, rsa_members[i].openssl, 0, bytes, &n);
            if (ok)
                append_member(text, at, rsa_members[i].jwk, slice_of(bytes, n));
        }
    }
    secret_wipe(bytes, sizeof(bytes));
    return ok;
}

struct secret *jwk_private_text(const struct jwk *k)
{
    struct secret *text = secret_new(PRIVATE_TEXT_MAX), *exact = NULL;
    json_t *object = k->pkey != NULL ? jwk_public_json(k) : common_members(k);
    char *open_part;
    size_t at = 0;
    bool ok = true;

    if (k->hmac != NULL)
        set_text(object, "kty", SLICE("oct"));
    open_part = json_dumps(object, JSON_COMPACT);
    CHECK(open_part != NULL);
    append(text, &at, slice_of(open_part, strlen(open_part) - 1)); /* without its brace */
    if (k->hmac != NULL)
        append_member(text, &at, "k", secret_slice(k->hmac));
    else
        ok = append_private_half(text, &at, k);
    append(text, &at, SLICE("}"));
    if (ok)
        exact = secret_copy(slice_of(text->p, at));
    free(open_part);
    json_decref(object);
    secret_free(text);
    return exact;
}
