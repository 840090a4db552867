/* Keys that are well-formed and yet none to trust: too large, of weak numbers, of other curves. */
#include "fixture.h"

#include "base/secret.h"
#include "crypto/jwk_build.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

static enum err outcome(const char *text)
{
    struct jwk *k = NULL;
    enum err e = read_jwk(text, ~0u, false, &k);

    assert_int_equal(k != NULL, e == ERR_OK);
    jwk_free(k);
    return e;
}

static enum err outcome_of_pem(struct slice pem, enum alg alg)
{
    struct slice copy = exact(pem);
    struct jwk *k = NULL;
    enum err e = jwk_from_pem(copy, alg, SLICE("p"), &k);

    assert_int_equal(k != NULL, e == ERR_OK);
    jwk_free(k);
    exact_free(copy);
    return e;
}

static EVP_PKEY *rsa_of(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *collected = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params;

    assert_int_equal(OSSL_PARAM_BLD_push_BN(collected, OSSL_PKEY_PARAM_RSA_N, n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(collected, OSSL_PKEY_PARAM_RSA_E, e), 1);
    params = OSSL_PARAM_BLD_to_param(collected);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(collected);
    EVP_PKEY_CTX_free(ctx);
    return pkey;
}

/* 2^n_bits + add as modulus, 2^e_bits + 1 as exponent. */
static unsigned fitness_of(int n_bits, unsigned long add, int e_bits)
{
    BIGNUM *n = BN_new(), *e = BN_new();
    EVP_PKEY *pkey;
    unsigned fitness;

    assert_int_equal(BN_set_bit(n, n_bits), 1);
    assert_int_equal(BN_add_word(n, add), 1);
    assert_int_equal(BN_set_bit(e, e_bits), 1);
    assert_int_equal(BN_add_word(e, 1), 1);
    pkey = rsa_of(n, e);
    fitness = jwk_fitness(pkey);
    EVP_PKEY_free(pkey);
    BN_free(n);
    BN_free(e);
    return fitness;
}

/* The cost of one check grows with the cube: a key of 16k bits is an attack on the verifier. */
static void rsa_has_bounds_on_both_sides(void **state)
{
    (void)state;
    assert_int_not_equal(fitness_of(2047, 3, 16), 0);
    assert_int_not_equal(fitness_of(8191, 3, 16), 0);
    assert_int_equal(fitness_of(2046, 3, 16), 0);
    assert_int_equal(fitness_of(8192, 3, 16), 0);
    assert_int_equal(fitness_of(2047, 2, 16), 0);
    assert_int_not_equal(fitness_of(2047, 3, 63), 0);
    assert_int_equal(fitness_of(2047, 3, 64), 0);
}

static enum err outcome_with(const json_t *good, const char *member, const char *text)
{
    json_t *object = json_copy((json_t *)(uintptr_t)good);
    struct jwk *k = NULL;
    enum err e;

    json_object_set_new(object, member, json_string(text));
    e = jwk_from_json(object, ~0u, true, &k);
    assert_int_equal(k != NULL, e == ERR_OK);
    jwk_free(k);
    json_decref(object);
    return e;
}

static void rsa_numbers_are_base64url_not_zero_and_bounded(void **state)
{
    static char large[1367 + 1]; /* 1025 bytes, the most that is decoded */
    struct jwk *made = fresh_key(ALG_RS256);
    json_t *good = jwk_public_json(made);

    (void)state;
    assert_int_equal(outcome_with(good, "e", "AQAB"), ERR_OK);
    assert_int_equal(outcome_with(good, "e", "AQA*"), ERR_SYNTAX);
    assert_int_equal(outcome_with(good, "e", "AA"), ERR_SYNTAX);
    assert_int_equal(outcome_with(good, "e", ""), ERR_SYNTAX);
    memset(large, 'B', sizeof(large) - 1);
    large[sizeof(large) - 2] = 'A';
    assert_int_equal(outcome_with(good, "n", large), ERR_SYNTAX);
    json_decref(good);
    jwk_free(made);
}

static enum err outcome_of_ed25519(const unsigned char y[32])
{
    char text[128], *at = text;

    at += sprintf(at, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
    at += base64url_encode(slice_of(y, 32), at);
    strcpy(at, "\"}");
    return outcome(text);
}

/* Under these one signature holds for every message, or two texts are one key (RFC 8032). */
static void ed25519_points_of_small_order_are_no_keys(void **state)
{
    static const unsigned char order_8[32] = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0,
                                              0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
                                              0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
                                              0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05};
    unsigned char y[32] = {0};

    (void)state;
    assert_int_equal(outcome_of_ed25519(y), ERR_UNSUPPORTED);
    y[0] = 1;
    assert_int_equal(outcome_of_ed25519(y), ERR_UNSUPPORTED);
    y[31] = 0x80; /* the sign says nothing */
    assert_int_equal(outcome_of_ed25519(y), ERR_UNSUPPORTED);
    memcpy(y, order_8, sizeof(y));
    assert_int_equal(outcome_of_ed25519(y), ERR_UNSUPPORTED);
    memset(y, 0xff, sizeof(y));
    for (unsigned low = 0xec; low <= 0xff; low++) {
        y[0] = (unsigned char)low;
        y[31] = low % 2 == 0 ? 0x7f : 0xff;
        assert_int_equal(outcome_of_ed25519(y), ERR_UNSUPPORTED);
    }
}

/* The neighbours of the bound of the field are numbers like any other. */
static void ed25519_numbers_just_below_the_field_pass(void **state)
{
    unsigned char y[32];

    (void)state;
    memset(y, 0xff, sizeof(y));
    y[0] = 0xeb;
    y[31] = 0x7f;
    assert_int_equal(outcome_of_ed25519(y), ERR_OK);
    y[0] = 0xff;
    y[15] = 0xfe;
    assert_int_equal(outcome_of_ed25519(y), ERR_OK);
    y[15] = 0xff;
    y[31] = 0x7e;
    assert_int_equal(outcome_of_ed25519(y), ERR_OK);
}

static void other_curves_and_kinds_fit_no_algorithm(void **state)
{
    static const char *const curves[] = {"secp224r1", "secp256k1"};
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");

    (void)state;
    assert_int_equal(jwk_fitness(pkey), 0);
    EVP_PKEY_free(pkey);
    for (size_t i = 0; i < 2; i++) {
        struct buf pem;

        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[i]);
        pem = pem_of(pkey, false);
        assert_int_equal(jwk_fitness(pkey), 0);
        for (int a = ALG_ES256; a <= ALG_ES512; a++)
            assert_int_equal(outcome_of_pem(buf_slice(&pem), (enum alg)a), ERR_UNSUPPORTED);
        EVP_PKEY_free(pkey);
        buf_fini(&pem);
    }
}

static void a_pem_is_of_bounded_size_and_whole(void **state)
{
    struct jwk *made = fresh_key(ALG_ES256);
    struct buf pem = pem_of(made->pkey, false);

    (void)state;
    assert_int_equal(outcome_of_pem(SLICE("-----BEGIN CERTIFICATE-----\nMIIB\n"
                                          "-----END CERTIFICATE-----\n"),
                                    ALG_ES256),
                     ERR_SYNTAX);
    assert_int_equal(outcome_of_pem(slice_to(buf_slice(&pem), pem.n / 2), ALG_ES256), ERR_SYNTAX);
    while (pem.n < 64 * 1024)
        buf_add_char(&pem, '\n');
    assert_int_equal(outcome_of_pem(buf_slice(&pem), ALG_ES256), ERR_OK);
    buf_add_char(&pem, '\n');
    assert_int_equal(outcome_of_pem(buf_slice(&pem), ALG_ES256), ERR_SYNTAX);
    buf_fini(&pem);
    jwk_free(made);
}

static void a_symmetric_key_has_a_longest_and_a_form(void **state)
{
    static char bytes[4097], text[6000];
    struct jwk *k = NULL;

    (void)state;
    memset(bytes, 'k', sizeof(bytes));
    assert_int_equal(jwk_from_secret(slice_of(bytes, 4096), ALG_HS256, SLICE_NONE, &k), ERR_OK);
    jwk_free(k);
    assert_int_equal(jwk_from_secret(slice_of(bytes, 4097), ALG_HS256, SLICE_NONE, &k), ERR_RANGE);
    sprintf(text, "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"%.*s\"}", 43,
            "AAAAAAAAAAAAAAAAAAAAAAAAAA"
            "AAAAAAAAAAAAAAAAAAAA");
    assert_int_equal(outcome(text), ERR_OK);
    text[60] = '+';
    assert_int_equal(outcome(text), ERR_SYNTAX);
    memset(bytes, 'A', sizeof(bytes));
    sprintf(text, "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"%.4096s%.1500s\"}", bytes, bytes);
    assert_int_equal(outcome(text), ERR_SYNTAX);
}

static void no_key_is_made_for_no_algorithm(void **state)
{
    struct jwk *k = NULL;

    (void)state;
    assert_int_equal(jwk_generate(ALG_NONE, SLICE("k"), &k), ERR_UNSUPPORTED);
    assert_null(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_has_bounds_on_both_sides),
        cmocka_unit_test(rsa_numbers_are_base64url_not_zero_and_bounded),
        cmocka_unit_test(ed25519_points_of_small_order_are_no_keys),
        cmocka_unit_test(ed25519_numbers_just_below_the_field_pass),
        cmocka_unit_test(other_curves_and_kinds_fit_no_algorithm),
        cmocka_unit_test(a_pem_is_of_bounded_size_and_whole),
        cmocka_unit_test(a_symmetric_key_has_a_longest_and_a_form),
        cmocka_unit_test(no_key_is_made_for_no_algorithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
