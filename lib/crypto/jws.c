#include "crypto/jws.h"

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/base64url.h"
#include "crypto/context.h"
#include "crypto/jwt.h"

#include <openssl/ec.h>
#include <openssl/rsa.h>

/* r and s of a P-521 signature as DER integers, with sequence head. */
enum { COORDINATE_MAX = 66, DER_MAX = 3 + 2 * (2 + 1 + COORDINATE_MAX) };

static bool set_up(EVP_PKEY_CTX *ctx, const struct alg_row *row)
{
    if (EVP_PKEY_CTX_set_signature_md(ctx, crypto_md(row->hash)) != 1)
        return false;
    if (row->family == FAMILY_RSA)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    if (row->family == FAMILY_PSS) /* the salt is as long as the hash, RFC 7518 §3.5 */
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    return true;
}

/* This thread's context for pkey and alg; the oldest makes room. NULL when the key refuses. */
static EVP_PKEY_CTX *verifier_of(EVP_PKEY *pkey, enum alg alg)
{
    struct crypto_context *c = crypto_context();
    struct verifier *v;

    for (int i = 0; i < VERIFIER_SLOTS; i++)
        if (c->verifiers[i].pkey == pkey && c->verifiers[i].alg == alg)
            return c->verifiers[i].ctx;
    v = &c->verifiers[c->verifier_next++ % VERIFIER_SLOTS];
    EVP_PKEY_CTX_free(v->ctx);
    *v = (struct verifier){0};
    v->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (v->ctx == NULL || EVP_PKEY_verify_init(v->ctx) != 1 || !set_up(v->ctx, alg_row(alg)))
        return NULL;
    v->pkey = pkey;
    v->alg = alg;
    return v->ctx;
}

void jwt_forget_keys(void)
{
    struct crypto_context *c = crypto_context();

    for (int i = 0; i < VERIFIER_SLOTS; i++) {
        EVP_PKEY_CTX_free(c->verifiers[i].ctx);
        c->verifiers[i] = (struct verifier){.ctx = NULL};
    }
}

/* One DER INTEGER of big-endian bytes; returns its length, 0 for the value zero. */
static size_t der_integer(struct slice value, unsigned char *out)
{
    size_t pad;

    while (value.n > 0 && value.p[0] == 0)
        value = slice_from(value, 1);
    if (value.n == 0)
        return 0;
    pad = ((unsigned char)value.p[0] & 0x80) != 0;
    out[0] = 0x02;
    out[1] = (unsigned char)(value.n + pad);
    out[2] = 0;
    memcpy(out + 2 + pad, value.p, value.n);
    return 2 + pad + value.n;
}

/* r | s to what OpenSSL reads; 0 for a wrong length or a zero (RFC 7518 §3.4). */
static size_t der_of_raw(struct slice raw, size_t coordinate_bytes, unsigned char *out)
{
    unsigned char body[DER_MAX];
    size_t r, s, head = 0;

    if (raw.n != 2 * coordinate_bytes)
        return 0;
    r = der_integer(slice_to(raw, coordinate_bytes), body);
    s = r == 0 ? 0 : der_integer(slice_from(raw, coordinate_bytes), body + r);
    if (s == 0)
        return 0;
    out[head++] = 0x30;
    if (r + s >= 0x80)
        out[head++] = 0x81;
    out[head++] = (unsigned char)(r + s);
    memcpy(out + head, body, r + s);
    return head + r + s;
}

static bool verify_hmac(const struct jwk *key, enum hash hash, struct slice input,
                        struct slice signature)
{
    unsigned char mac[HASH_BYTES_MAX];
    bool same;

    hash_hmac(hash, secret_slice(key->hmac), input, mac);
    same = secret_equal(slice_of(mac, hash_bytes(hash)), signature);
    secret_wipe(mac, sizeof(mac));
    return same;
}

static bool verify_eddsa(const struct jwk *key, struct slice input, struct slice signature)
{
    EVP_MD_CTX *ctx = crypto_context()->eddsa;
    bool ok = EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                               (const unsigned char *)input.p, input.n) == 1;

    EVP_MD_CTX_reset(ctx);
    return ok;
}

static bool verify_pkey(const struct jwk *key, enum alg alg, struct slice input,
                        struct slice signature)
{
    const struct alg_row *row = alg_row(alg);
    unsigned char digest[HASH_BYTES_MAX], der[DER_MAX];
    EVP_PKEY_CTX *ctx = verifier_of(key->pkey, alg);

    if (ctx == NULL)
        return false;
    if (row->family == FAMILY_ECDSA) {
        signature = slice_of(der, der_of_raw(signature, row->coordinate_bytes, der));
        if (signature.n == 0)
            return false;
    } else if (signature.n != (size_t)EVP_PKEY_get_size(key->pkey)) {
        return false;
    }
    hash_digest(row->hash, input, digest);
    return EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.n, digest,
                           hash_bytes(row->hash)) == 1;
}

enum err jws_verify(const struct jwk *key, enum alg alg, struct slice input, struct slice signature)
{
    const struct alg_row *row = alg_row(alg);
    bool ok = false;

    if (alg == ALG_NONE || (key->alg_mask & 1u << alg) == 0)
        return ERR_DENIED;
    if (row->family == FAMILY_HMAC)
        ok = key->hmac != NULL && verify_hmac(key, row->hash, input, signature);
    else if (row->family == FAMILY_EDDSA)
        ok = key->pkey != NULL && verify_eddsa(key, input, signature);
    else
        ok = key->pkey != NULL && verify_pkey(key, alg, input, signature);
    return ok ? ERR_OK : ERR_DENIED;
}

static enum err sign_eddsa(const struct jwk *key, struct slice input, unsigned char *out, size_t *n)
{
    EVP_MD_CTX *ctx = crypto_context()->eddsa;
    size_t size = JWS_SIGNATURE_MAX;
    bool ok = EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key->pkey, NULL) == 1 &&
              EVP_DigestSign(ctx, out, &size, (const unsigned char *)input.p, input.n) == 1;

    EVP_MD_CTX_reset(ctx);
    if (!ok)
        return ERR_UNSUPPORTED;
    *n = size;
    return ERR_OK;
}

/* Of a signature just made by OpenSSL. */
static void raw_of_der(struct slice der, size_t coordinate_bytes, unsigned char *out)
{
    const unsigned char *at = (const unsigned char *)der.p;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.n);
    int size = (int)coordinate_bytes;

    CHECK(sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, size) == size);
    CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + size, size) == size);
    ECDSA_SIG_free(sig);
}

/* No kept context here: signing is rare, and none would be let go of with its key. */
static enum err sign_pkey(const struct jwk *key, struct slice input, unsigned char *out, size_t *n)
{
    const struct alg_row *row = alg_row(key->alg);
    unsigned char digest[HASH_BYTES_MAX], signature[JWS_SIGNATURE_MAX];
    size_t size = sizeof(signature);
    EVP_PKEY_CTX *ctx;
    bool ok;

    hash_digest(row->hash, input, digest);
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 && set_up(ctx, row) &&
         EVP_PKEY_sign(ctx, signature, &size, digest, hash_bytes(row->hash)) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return ERR_UNSUPPORTED;
    if (row->family == FAMILY_ECDSA) {
        raw_of_der(slice_of(signature, size), row->coordinate_bytes, out);
        size = 2 * row->coordinate_bytes;
    } else {
        memcpy(out, signature, size);
    }
    *n = size;
    return ERR_OK;
}

enum err jws_sign(const struct jwk *key, struct slice input, unsigned char *out, size_t *n)
{
    const struct alg_row *row = alg_row(key->alg);

    if (row->family == FAMILY_HMAC && key->hmac != NULL) {
        hash_hmac(row->hash, secret_slice(key->hmac), input, out);
        *n = hash_bytes(row->hash);
        return ERR_OK;
    }
    if (key->alg == ALG_NONE || key->pkey == NULL)
        return ERR_UNSUPPORTED;
    return row->family == FAMILY_EDDSA ? sign_eddsa(key, input, out, n)
                                       : sign_pkey(key, input, out, n);
}

enum err jws_open(struct slice token, const struct jwk *key, unsigned char *payload, size_t *n,
                  const struct jose_header **header)
{
    unsigned char signature[BASE64URL_BYTES(JWT_BYTES_MAX)];
    const struct jose_header *h;
    struct jose_parts parts;
    size_t signature_n;
    enum err e;

    if (jose_split(token, &parts) != ERR_OK || (h = jose_header_read(parts.header)) == NULL ||
        base64url_decode(parts.signature, signature, &signature_n) != ERR_OK)
        return ERR_SYNTAX;
    if (h->has_kid && key->kid.n > 0 && !slice_eq(slice_of(h->kid, h->kid_n), key->kid))
        return ERR_DENIED;
    e = jws_verify(key, h->alg, parts.input, slice_of(signature, signature_n));
    if (e != ERR_OK)
        return e;
    if (base64url_decode(parts.payload, payload, n) != ERR_OK)
        return ERR_SYNTAX;
    *header = h;
    return ERR_OK;
}
