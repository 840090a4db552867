/* The outer form of a token: what its three parts and its header may be, whoever signed it. */
#include "fixture.h"

#include "crypto/jose.h"

#include <stdio.h>

/* Signs header and payload as they are written, base64url already. */
static struct slice sign_text(const char *header64, const char *payload64, const struct jwk *key)
{
    unsigned char signature[JWS_SIGNATURE_MAX];
    struct buf b;
    struct slice token;
    size_t n;

    buf_init(&b);
    buf_printf(&b, "%s.%s", header64, payload64);
    assert_int_equal(jws_sign(key, buf_slice(&b), signature, &n), ERR_OK);
    buf_add_char(&b, '.');
    add_base64url(&b, slice_of(signature, n));
    token = exact(buf_slice(&b));
    buf_fini(&b);
    return token;
}

#define HS256_64 "eyJhbGciOiJIUzI1NiJ9"

/* Two texts of one token would pass by whatever remembers the first as revoked or seen. */
static void spare_bits_are_refused_in_every_part(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);
    struct slice token = sign_text(HS256_64, "e30", k);
    struct jwt_peek peek;
    char *last = (char *)(uintptr_t)&token.p[token.n - 1];

    (void)state;
    assert_int_equal(open_token(token, k, "{}"), ERR_OK);
    assert_int_equal(jwt_peek(token, &peek), ERR_OK);
    /* 43 digits hold 256 bits and two more: the digit with one of them set is the next but zero. */
    *last = *last == 'Z' ? 'a' : *last == 'z' ? '0' : *last == '9' ? '-' : (char)(*last + 1);
    assert_int_equal(open_token(token, k, NULL), ERR_SYNTAX);
    exact_free(token);
    token = sign_text(HS256_64, "e31", k);
    assert_int_equal(open_token(token, k, NULL), ERR_SYNTAX);
    assert_int_equal(jwt_peek(token, &peek), ERR_SYNTAX);
    exact_free(token);
    token = sign_text("eyJhbGciOiJIUzI1NiIgfR", "e30", k); /* {"alg":"HS256" } and four bits */
    assert_int_equal(open_token(token, k, NULL), ERR_SYNTAX);
    exact_free(token);
    jwk_free(k);
}

static void a_kid_longer_than_any_key_has_is_refused(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);
    char header[JOSE_KID_BYTES + 64];

    (void)state;
    jwk_free(k);
    k = jwk_of("{\"kty\":\"oct\",\"alg\":\"HS256\","
               "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    for (int n = JOSE_KID_BYTES; n <= JOSE_KID_BYTES + 1; n++) {
        struct slice token;
        struct jwt_peek peek;
        enum err expected = n == JOSE_KID_BYTES ? ERR_OK : ERR_SYNTAX;

        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":\"%0*d\"}", n, 7);
        token = forge(header, "{}", k);
        assert_int_equal(open_token(token, k, NULL), expected);
        assert_int_equal(jwt_peek(token, &peek), expected);
        exact_free(token);
    }
    jwk_free(k);
}

/* Too long for what a thread remembers, and decided each time anew. */
static void a_long_header_decides_as_a_short_one(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);
    char header[4096];

    (void)state;
    snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"x\":\"%03000d\"}", 0);
    for (int i = 0; i < 3; i++) {
        struct slice good = forge(header, "{}", k), bad = exact(good);

        *(char *)(uintptr_t)&bad.p[bad.n - 5] ^= 1;
        assert_int_equal(open_token(good, k, "{}"), ERR_OK);
        assert_int_not_equal(open_token(bad, k, NULL), ERR_OK);
        exact_free(good);
        exact_free(bad);
    }
    jwk_free(k);
}

static void a_key_that_could_be_of_many_algorithms_signs_with_none(void **state)
{
    unsigned char signature[JWS_SIGNATURE_MAX];
    struct jwk *k = fresh_key(ALG_RS256);
    json_t *claims = json_of("{\"iss\":\"a\"}");
    struct buf b;
    size_t n;

    (void)state;
    buf_init(&b);
    k->alg = ALG_NONE;
    k->alg_mask |= 1u << ALG_PS256;
    assert_int_equal(jws_sign(k, SLICE("x"), signature, &n), ERR_UNSUPPORTED);
    assert_int_equal(jwt_sign(k, NULL, claims, &b), ERR_UNSUPPORTED);
    assert_int_equal(jws_verify(k, ALG_NONE, SLICE("x"), SLICE("y")), ERR_DENIED);
    assert_int_equal(b.n, 0);
    json_decref(claims);
    buf_fini(&b);
    jwk_free(k);
}

static void a_public_key_makes_no_token(void **state)
{
    struct jwk *pair = fresh_key(ALG_ES256), *half = NULL;
    json_t *object = jwk_public_json(pair), *claims = json_of("{\"iss\":\"a\"}");
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(jwk_from_json(object, ~0u, true, &half), ERR_OK);
    assert_int_equal(jwt_sign(half, "at+jwt", claims, &b), ERR_UNSUPPORTED);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    json_decref(object);
    json_decref(claims);
    jwk_free(pair);
    jwk_free(half);
}

static void a_key_without_a_name_names_none(void **state)
{
    json_t *claims = json_of("{\"iss\":\"a\"}");
    struct jwk *k = NULL;
    struct jwt_peek peek;
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(jwk_generate(ALG_HS256, SLICE_NONE, &k), ERR_OK);
    assert_int_equal(jwt_sign(k, NULL, claims, &b), ERR_OK);
    assert_true(slice_starts(buf_slice(&b), SLICE(HS256_64 ".")));
    assert_int_equal(jwt_peek(buf_slice(&b), &peek), ERR_OK);
    assert_int_equal(peek.kid.n, 0);
    buf_fini(&b);
    json_decref(claims);
    jwk_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spare_bits_are_refused_in_every_part),
        cmocka_unit_test(a_kid_longer_than_any_key_has_is_refused),
        cmocka_unit_test(a_long_header_decides_as_a_short_one),
        cmocka_unit_test(a_key_that_could_be_of_many_algorithms_signs_with_none),
        cmocka_unit_test(a_public_key_makes_no_token),
        cmocka_unit_test(a_key_without_a_name_names_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
