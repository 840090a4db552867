#ifndef UNIT_CRYPTO_FIXTURE_H
#define UNIT_CRYPTO_FIXTURE_H

#include "base/alloc.h"
#include "crypto/base64url.h"
#include "crypto/jws.h"
#include "crypto/jwt.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Shared by the tests of this folder; unused ones cost nothing. */
#define HELPER __attribute__((unused)) static

/* A copy in a block of exactly its size, so that a sanitizer sees the first byte too far. */
HELPER struct slice exact(struct slice s)
{
    char *p = malloc(s.n > 0 ? s.n : 1);

    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

HELPER void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

HELPER json_t *json_of(const char *text)
{
    json_t *tree = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

    assert_non_null(tree);
    return tree;
}

HELPER enum err read_jwk(const char *text, unsigned allowed, bool is_public_only, struct jwk **out)
{
    json_t *object = json_of(text);
    enum err e = jwk_from_json(object, allowed, is_public_only, out);

    json_decref(object);
    return e;
}

HELPER struct jwk *jwk_of(const char *text)
{
    struct jwk *k = NULL;

    assert_int_equal(read_jwk(text, ~0u, false, &k), ERR_OK);
    return k;
}

HELPER struct jwk *fresh_key(enum alg alg)
{
    struct jwk *k = NULL;

    assert_int_equal(jwk_generate(alg, SLICE("k1"), &k), ERR_OK);
    return k;
}

HELPER void add_base64url(struct buf *b, struct slice s)
{
    size_t n = BASE64URL_CHARS(s.n);

    buf_commit(b, base64url_encode(s, buf_room(b, n)));
}

/* A token of any header and payload; signed by key with its own algorithm, whatever the header
 * says. */
HELPER struct slice forge(const char *header, const char *payload, const struct jwk *key)
{
    unsigned char signature[JWS_SIGNATURE_MAX];
    struct buf b;
    struct slice token;
    size_t n;

    buf_init(&b);
    add_base64url(&b, slice_str(header));
    buf_add_char(&b, '.');
    add_base64url(&b, slice_str(payload));
    assert_int_equal(jws_sign(key, buf_slice(&b), signature, &n), ERR_OK);
    buf_add_char(&b, '.');
    add_base64url(&b, slice_of(signature, n));
    token = exact(buf_slice(&b));
    buf_fini(&b);
    return token;
}

/* The same, cut before the signature, with other signature bytes. */
HELPER struct slice with_signature(struct slice token, struct slice signature)
{
    struct jose_parts parts;
    struct buf b;
    struct slice changed;

    assert_int_equal(jose_split(token, &parts), ERR_OK);
    buf_init(&b);
    buf_add(&b, parts.input);
    buf_add_char(&b, '.');
    add_base64url(&b, signature);
    changed = exact(buf_slice(&b));
    buf_fini(&b);
    return changed;
}

HELPER size_t signature_of(struct slice token, unsigned char *out)
{
    struct jose_parts parts;
    size_t n;

    assert_int_equal(jose_split(token, &parts), ERR_OK);
    assert_int_equal(base64url_decode(parts.signature, out, &n), ERR_OK);
    return n;
}

/* Opens a copy of the token; the payload is compared when the signature holds. */
HELPER enum err open_token(struct slice token, const struct jwk *key, const char *payload)
{
    unsigned char plain[BASE64URL_BYTES(JWT_BYTES_MAX)];
    const struct jose_header *header;
    struct slice copy = exact(token);
    size_t n;
    enum err e = jws_open(copy, key, plain, &n, &header);

    if (e == ERR_OK && payload != NULL)
        assert_true(slice_eq(slice_of(plain, n), slice_str(payload)));
    exact_free(copy);
    return e;
}

enum { NOW_S = 1700000000 };
static const struct slice test_audiences[] = {{"postern", 7}, {"ml", 2}};

HELPER struct jwt_rules usual_rules(void)
{
    return (struct jwt_rules){
        .issuer = SLICE("https://gw.example"),
        .audiences = test_audiences,
        .audience_count = 2,
        .now_s = NOW_S,
        .expiry_required = true,
    };
}

/* Verifies a token; claims must come back if and only if all holds. */
HELPER enum err verify_with(struct slice token, const struct jwk *key,
                            const struct jwt_rules *rules)
{
    json_t *claims = NULL;
    struct slice copy = exact(token);
    enum err e = jwt_verify(copy, key, rules, &claims);

    assert_int_equal(claims != NULL, e == ERR_OK);
    json_decref(claims);
    exact_free(copy);
    return e;
}

/* Forges, verifies under the usual rules, forgets. */
HELPER enum err verdict(const char *header, const char *payload, const struct jwk *key)
{
    struct jwt_rules rules = usual_rules();
    struct slice token = forge(header, payload, key);
    enum err e = verify_with(token, key, &rules);

    exact_free(token);
    return e;
}

#define GOOD_CLAIMS                                                                                \
    "{\"iss\":\"https://gw.example\",\"aud\":\"postern\",\"sub\":\"u1\",\"exp\":1700000060}"

HELPER struct buf pem_of(EVP_PKEY *pkey, bool is_private)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct buf b;
    char *p;
    long n;

    assert_non_null(bio);
    if (is_private)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    n = BIO_get_mem_data(bio, &p);
    buf_init(&b);
    buf_add(&b, slice_of(p, (size_t)n));
    BIO_free(bio);
    return b;
}

#endif
