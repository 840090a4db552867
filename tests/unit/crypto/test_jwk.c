#include "fixture.h"

#include "base/secret.h"
#include "crypto/alg.h"
#include "crypto/jwk_build.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#define EC_X "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
#define EC_Y "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC_D "\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\""
#define EC_HEAD "\"kty\":\"EC\",\"crv\":\"P-256\""
#define EC_KEY EC_HEAD "," EC_X "," EC_Y
#define ED_X "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define ED_D "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\""
#define ED_KEY "\"kty\":\"OKP\",\"crv\":\"Ed25519\"," ED_X

static enum err outcome(const char *text, unsigned allowed, bool is_public_only)
{
    struct jwk *k = NULL;
    enum err e = read_jwk(text, allowed, is_public_only, &k);

    assert_int_equal(k != NULL, e == ERR_OK);
    jwk_free(k);
    return e;
}

static void an_ec_key_has_the_algorithm_of_its_curve(void **state)
{
    struct jwk *k = NULL;

    (void)state;
    assert_int_equal(read_jwk("{" EC_KEY ",\"kid\":\"a\"}", ~0u, true, &k), ERR_OK);
    assert_int_equal(k->alg, ALG_ES256);
    assert_int_equal(k->alg_mask, 1u << ALG_ES256);
    assert_true(slice_eq(k->kid, SLICE("a")));
    jwk_free(k);
}

static void an_rsa_key_without_alg_takes_what_the_issuer_may_use(void **state)
{
    struct jwk *rsa = fresh_key(ALG_RS256), *k = NULL;
    json_t *object = jwk_public_json(rsa);

    (void)state;
    json_object_del(object, "alg");
    assert_int_equal(jwk_from_json(object, ~0u, true, &k), ERR_OK);
    assert_int_equal(k->alg, ALG_NONE);
    assert_int_equal(k->alg_mask, alg_family_mask(FAMILY_RSA) | alg_family_mask(FAMILY_PSS));
    jwk_free(k);
    k = NULL;
    assert_int_equal(jwk_from_json(object, 1u << ALG_RS256 | 1u << ALG_ES256, true, &k), ERR_OK);
    assert_int_equal(k->alg, ALG_RS256);
    assert_int_equal(k->alg_mask, 1u << ALG_RS256);
    jwk_free(k);
    k = NULL;
    assert_int_equal(jwk_from_json(object, 1u << ALG_ES256 | 1u << ALG_HS256, true, &k),
                     ERR_UNSUPPORTED);
    json_decref(object);
    jwk_free(rsa);
}

static void the_alg_member_must_fit_key_and_issuer(void **state)
{
    (void)state;
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"ES256\"}", ~0u, true), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"ES256\"}", 1u << ALG_RS256, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"ES384\"}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"HS256\"}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"none\"}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":\"\"}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" EC_KEY ",\"alg\":7}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("{" ED_KEY ",\"alg\":\"ES256\"}", ~0u, true), ERR_UNSUPPORTED);
}

static void use_must_be_sig(void **state)
{
    (void)state;
    assert_int_equal(outcome("{" EC_KEY ",\"use\":\"sig\"}", ~0u, true), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY ",\"use\":\"enc\"}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"use\":\"SIG\"}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"use\":[\"sig\"]}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"use\":null}", ~0u, true), ERR_DENIED);
}

static void key_ops_must_name_the_use_we_make(void **state)
{
    (void)state;
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"verify\"]}", ~0u, true), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"sign\",\"verify\"]}", ~0u, true), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"sign\"]}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[]}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":\"verify\"}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"verify\",1]}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"verify\",\"b\",\"c\",\"d\",\"e\",\"f\","
                             "\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\",\"p\",\"q\"]}",
                             ~0u, true),
                     ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"key_ops\":[\"verify\",\"verify\"]}", ~0u, true),
                     ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY "," EC_D ",\"key_ops\":[\"sign\"]}", ~0u, false), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY "," EC_D ",\"key_ops\":[\"verify\"]}", ~0u, false),
                     ERR_DENIED);
}

static void private_members_are_refused_where_only_public_keys_belong(void **state)
{
    (void)state;
    assert_int_equal(outcome("{" EC_KEY "," EC_D "}", ~0u, false), ERR_OK);
    assert_int_equal(outcome("{" EC_KEY "," EC_D "}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" ED_KEY "," ED_D "}", ~0u, false), ERR_OK);
    assert_int_equal(outcome("{" ED_KEY "," ED_D "}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"k\":\"AA\"}", ~0u, true), ERR_DENIED);
    assert_int_equal(outcome("{" EC_KEY ",\"oth\":[]}", ~0u, false), ERR_DENIED);
    assert_int_equal(outcome("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":"
                             "\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}",
                             ~0u, true),
                     ERR_DENIED);
}

static void the_point_lies_on_the_curve_and_has_its_length(void **state)
{
    (void)state;
    /* y with its last bits changed */
    assert_int_equal(outcome("{" EC_HEAD "," EC_X
                             ",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aE\"}",
                             ~0u, true),
                     ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_HEAD "," EC_X "}", ~0u, true), ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_HEAD "," EC_X ",\"y\":\"\"}", ~0u, true), ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_HEAD "," EC_X ",\"y\":1}", ~0u, true), ERR_SYNTAX);
    assert_int_equal(outcome("{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_X "," EC_Y "}", ~0u, true),
                     ERR_SYNTAX);
    /* the same numbers with a zero byte before them */
    assert_int_equal(outcome("{" EC_HEAD
                             ",\"x\":\"AH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF\"," EC_Y "}",
                             ~0u, true),
                     ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_HEAD
                             ",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU=\"," EC_Y "}",
                             ~0u, true),
                     ERR_SYNTAX);
}

static void unknown_curves_and_types_are_not_supported(void **state)
{
    (void)state;
    assert_int_equal(outcome("{\"kty\":\"EC\",\"crv\":\"secp256k1\"," EC_X "," EC_Y "}", ~0u, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{\"kty\":\"EC\",\"crv\":\"Ed25519\"," EC_X "," EC_Y "}", ~0u, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{\"kty\":\"OKP\",\"crv\":\"X25519\"," ED_X "}", ~0u, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{\"kty\":\"OKP\",\"crv\":\"P-256\"," ED_X "}", ~0u, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{\"kty\":\"ec\",\"crv\":\"P-256\"," EC_X "," EC_Y "}", ~0u, true),
                     ERR_UNSUPPORTED);
    assert_int_equal(outcome("{}", ~0u, true), ERR_UNSUPPORTED);
    assert_int_equal(outcome("[]", ~0u, true), ERR_SYNTAX);
}

static void the_private_half_belongs_to_the_public_one(void **state)
{
    (void)state;
    assert_int_equal(
        outcome("{" EC_KEY ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LM\"}", ~0u, false),
        ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_KEY ",\"d\":\"AAAA\"}", ~0u, false), ERR_SYNTAX);
    assert_int_equal(outcome("{" ED_KEY ",\"d\":\"AAAA\"}", ~0u, false), ERR_SYNTAX);
    assert_int_equal(
        outcome("{" ED_KEY ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2E\"}", ~0u, false),
        ERR_SYNTAX);
}

static void the_kid_is_a_short_text(void **state)
{
    char text[1024];
    char kid[JOSE_KID_BYTES + 2];

    (void)state;
    memset(kid, 'k', sizeof(kid));
    kid[JOSE_KID_BYTES] = '\0';
    snprintf(text, sizeof(text), "{" EC_KEY ",\"kid\":\"%s\"}", kid);
    assert_int_equal(outcome(text, ~0u, true), ERR_OK);
    kid[JOSE_KID_BYTES] = 'k';
    kid[JOSE_KID_BYTES + 1] = '\0';
    snprintf(text, sizeof(text), "{" EC_KEY ",\"kid\":\"%s\"}", kid);
    assert_int_equal(outcome(text, ~0u, true), ERR_SYNTAX);
    assert_int_equal(outcome("{" EC_KEY ",\"kid\":1}", ~0u, true), ERR_SYNTAX);
}

static void a_symmetric_key_is_as_long_as_its_hash(void **state)
{
    static const struct {
        enum alg alg;
        size_t least;
    } rows[] = {{ALG_HS256, 32}, {ALG_HS384, 48}, {ALG_HS512, 64}};
    char bytes[64], text[256];

    (void)state;
    memset(bytes, 'k', sizeof(bytes));
    for (size_t i = 0; i < 3; i++) {
        struct jwk *k = NULL;
        char chars[BASE64URL_CHARS(64) + 1];

        assert_int_equal(
            jwk_from_secret(slice_of(bytes, rows[i].least - 1), rows[i].alg, SLICE_NONE, &k),
            ERR_RANGE);
        assert_int_equal(
            jwk_from_secret(slice_of(bytes, rows[i].least), rows[i].alg, SLICE_NONE, &k), ERR_OK);
        jwk_free(k);
        for (size_t n = rows[i].least - 1; n <= rows[i].least; n++) {
            chars[base64url_encode(slice_of(bytes, n), chars)] = '\0';
            snprintf(text, sizeof(text), "{\"kty\":\"oct\",\"alg\":\"%.*s\",\"k\":\"%s\"}",
                     SLICE_FMT(alg_name(rows[i].alg)), chars);
            assert_int_equal(outcome(text, ~0u, false), n < rows[i].least ? ERR_RANGE : ERR_OK);
        }
    }
    assert_int_equal(outcome("{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"\"}", ~0u, false),
                     ERR_SYNTAX);
}

static void a_symmetric_key_has_one_algorithm(void **state)
{
    static const char text[] =
        "{\"kty\":\"oct\",\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}";

    (void)state;
    assert_int_equal(outcome(text, ~0u, false), ERR_UNSUPPORTED);
    assert_int_equal(outcome(text, 1u << ALG_HS256 | 1u << ALG_RS256, false), ERR_OK);
    assert_int_equal(outcome(text, 1u << ALG_RS256, false), ERR_UNSUPPORTED);
}

/* K1: a JWK's text, or another form of a public key, as an HMAC secret. */
static void k1_key_texts_are_no_secrets(void **state)
{
    static const char *const rows[] = {
        "{" EC_KEY "}",
        "  {" EC_KEY "}",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZI\n-----END PUBLIC KEY-----\n",
        "text before\n-----BEGIN CERTIFICATE-----\nMIIB0000000000000000000",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlz",
    };
    struct jwk *k = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(jwk_from_secret(slice_str(rows[i]), ALG_HS256, SLICE_NONE, &k),
                         ERR_SYNTAX);
    assert_int_equal(
        jwk_from_secret(SLICE("0123456789abcdef0123456789abcdef"), ALG_RS256, SLICE_NONE, &k),
        ERR_UNSUPPORTED);
    assert_int_equal(
        jwk_from_secret(SLICE("0123456789abcdef0123456789abcdef"), ALG_NONE, SLICE_NONE, &k),
        ERR_UNSUPPORTED);
}

static EVP_PKEY *rsa_of(const BIGNUM *n, unsigned long exponent)
{
    OSSL_PARAM_BLD *collected = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;
    BIGNUM *e = BN_new();
    OSSL_PARAM *params;

    assert_int_equal(BN_set_word(e, exponent), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(collected, OSSL_PKEY_PARAM_RSA_N, n), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(collected, OSSL_PKEY_PARAM_RSA_E, e), 1);
    params = OSSL_PARAM_BLD_to_param(collected);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(collected);
    EVP_PKEY_CTX_free(ctx);
    BN_free(e);
    return pkey;
}

static enum err outcome_of_pem(EVP_PKEY *pkey, bool is_private, enum alg alg)
{
    struct buf pem = pem_of(pkey, is_private);
    struct slice copy = exact(buf_slice(&pem));
    struct jwk *k = NULL;
    enum err e = jwk_from_pem(copy, alg, SLICE("p"), &k);

    assert_int_equal(k != NULL, e == ERR_OK);
    jwk_free(k);
    exact_free(copy);
    buf_fini(&pem);
    return e;
}

static void rsa_under_2048_bits_is_refused(void **state)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    struct jwk *small = jwk_new(ALG_RS256, 1u << ALG_RS256, SLICE_NONE), *k = NULL;
    json_t *object;

    (void)state;
    small->pkey = pkey;
    object = jwk_public_json(small);
    assert_int_equal(jwk_from_json(object, ~0u, true, &k), ERR_SYNTAX);
    assert_int_equal(outcome_of_pem(pkey, false, ALG_RS256), ERR_UNSUPPORTED);
    json_decref(object);
    jwk_free(small);
}

/* A power of 65537 lies in the subgroup of 65537 for every prime: the mark of a flawed modulus. */
static void rsa_moduli_of_the_flawed_generator_are_refused(void **state)
{
    BIGNUM *n = BN_new(), *exponent = BN_new();
    BN_CTX *scratch = BN_CTX_new();
    EVP_PKEY *pkey;

    (void)state;
    assert_int_equal(BN_set_word(n, 65537), 1);
    assert_int_equal(BN_set_word(exponent, 128), 1);
    assert_int_equal(BN_exp(n, n, exponent, scratch), 1);
    pkey = rsa_of(n, 65537);
    assert_int_equal(outcome_of_pem(pkey, false, ALG_RS256), ERR_UNSUPPORTED);
    EVP_PKEY_free(pkey);
    assert_int_equal(BN_add_word(n, 2), 1);
    pkey = rsa_of(n, 65537);
    assert_int_equal(outcome_of_pem(pkey, false, ALG_RS256), ERR_OK);
    EVP_PKEY_free(pkey);
    BN_free(n);
    BN_free(exponent);
    BN_CTX_free(scratch);
}

static void rsa_with_exponent_one_or_even_is_refused(void **state)
{
    struct jwk *rsa = fresh_key(ALG_RS256);
    BIGNUM *n = NULL;

    (void)state;
    assert_int_equal(EVP_PKEY_get_bn_param(rsa->pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    for (unsigned long e = 1; e <= 4; e++) {
        EVP_PKEY *pkey = rsa_of(n, e);

        assert_int_equal(outcome_of_pem(pkey, false, ALG_RS256), e == 3 ? ERR_OK : ERR_UNSUPPORTED);
        EVP_PKEY_free(pkey);
    }
    BN_free(n);
    jwk_free(rsa);
}

static void pem_must_fit_the_algorithm(void **state)
{
    static const enum alg algs[] = {ALG_RS256, ALG_PS512, ALG_ES256,
                                    ALG_ES384, ALG_ES512, ALG_EDDSA};

    (void)state;
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
        struct jwk *k = fresh_key(algs[i]);

        for (int a = ALG_NONE; a < ALG_COUNT; a++) {
            bool fits = (jwk_fitness(k->pkey) & 1u << a) != 0;

            assert_int_equal(outcome_of_pem(k->pkey, false, (enum alg)a),
                             fits ? ERR_OK : ERR_UNSUPPORTED);
            assert_int_equal(outcome_of_pem(k->pkey, true, (enum alg)a),
                             fits ? ERR_OK : ERR_UNSUPPORTED);
        }
        jwk_free(k);
    }
}

static void a_private_pem_signs_and_its_public_pem_verifies(void **state)
{
    struct jwk *made = fresh_key(ALG_ES256), *signer = NULL, *verifier = NULL;
    struct buf private_pem = pem_of(made->pkey, true), public_pem = pem_of(made->pkey, false);
    struct slice token;

    (void)state;
    assert_int_equal(jwk_from_pem(buf_slice(&private_pem), ALG_ES256, SLICE("p"), &signer), ERR_OK);
    assert_int_equal(jwk_from_pem(buf_slice(&public_pem), ALG_ES256, SLICE("p"), &verifier),
                     ERR_OK);
    token = forge("{\"alg\":\"ES256\",\"kid\":\"p\"}", "payload", signer);
    assert_int_equal(open_token(token, verifier, "payload"), ERR_OK);
    assert_null(jwk_private_text(verifier));
    exact_free(token);
    buf_fini(&private_pem);
    buf_fini(&public_pem);
    jwk_free(made);
    jwk_free(signer);
    jwk_free(verifier);
}

static void a_certificate_gives_its_public_key(void **state)
{
    struct jwk *made = fresh_key(ALG_ES256), *k = NULL;
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    struct slice token;
    char *p;
    long n;

    (void)state;
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 60);
    assert_int_equal(X509_set_pubkey(certificate, made->pkey), 1);
    assert_true(X509_sign(certificate, made->pkey, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, certificate), 1);
    n = BIO_get_mem_data(bio, &p);
    assert_int_equal(jwk_from_pem(slice_of(p, (size_t)n), ALG_ES256, SLICE_NONE, &k), ERR_OK);
    token = forge("{\"alg\":\"ES256\"}", "payload", made);
    assert_int_equal(open_token(token, k, "payload"), ERR_OK);
    exact_free(token);
    jwk_free(k);
    jwk_free(made);
    X509_free(certificate);
    BIO_free(bio);
}

/* A prompt at a terminal would hang the daemon. */
static void an_encrypted_pem_is_refused_without_asking(void **state)
{
    struct jwk *made = fresh_key(ALG_ES256), *k = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;
    long n;

    (void)state;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, made->pkey, EVP_aes_128_cbc(),
                                              (const unsigned char *)"pass", 4, NULL, NULL),
                     1);
    n = BIO_get_mem_data(bio, &p);
    assert_int_equal(jwk_from_pem(slice_of(p, (size_t)n), ALG_ES256, SLICE_NONE, &k), ERR_SYNTAX);
    BIO_free(bio);
    jwk_free(made);
}

static void text_that_is_no_pem_is_refused(void **state)
{
    static const char *const rows[] = {
        "", "x", "-----BEGIN PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
    struct jwk *k = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice copy = exact(slice_str(rows[i]));

        assert_int_equal(jwk_from_pem(copy, ALG_ES256, SLICE_NONE, &k), ERR_SYNTAX);
        exact_free(copy);
    }
}

static void what_was_written_reads_back_and_still_signs(void **state)
{
    (void)state;
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++) {
        struct jwk *made = fresh_key((enum alg)a), *back = NULL;
        struct secret *text = jwk_private_text(made);
        char header[64];
        json_t *object;
        struct slice token;

        assert_non_null(text);
        assert_int_equal(json_read(secret_slice(text), 65536, &object), ERR_OK);
        assert_int_equal(jwk_from_json(object, 1u << a, false, &back), ERR_OK);
        assert_true(slice_eq(back->kid, SLICE("k1")));
        assert_int_equal(back->alg, a);
        snprintf(header, sizeof(header), "{\"alg\":\"%.*s\"}", SLICE_FMT(alg_name((enum alg)a)));
        token = forge(header, "payload", back);
        assert_int_equal(open_token(token, made, "payload"), ERR_OK);
        exact_free(token);
        json_decref(object);
        secret_free(text);
        jwk_free(made);
        jwk_free(back);
    }
}

static void the_public_json_verifies_and_holds_nothing_private(void **state)
{
    static const char *const secrets[] = {"d", "p", "q", "dp", "dq", "qi", "k"};

    (void)state;
    for (int a = ALG_RS256; a < ALG_COUNT; a++) {
        struct jwk *made = fresh_key((enum alg)a), *back = NULL;
        json_t *object = jwk_public_json(made);
        char header[64];
        struct slice token;

        assert_true(slice_eq(json_text(object, "use"), SLICE("sig")));
        assert_true(slice_eq(json_text(object, "alg"), alg_name((enum alg)a)));
        assert_true(slice_eq(json_text(object, "kid"), SLICE("k1")));
        for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
            assert_null(json_object_get(object, secrets[i]));
        assert_int_equal(jwk_from_json(object, ~0u, true, &back), ERR_OK);
        snprintf(header, sizeof(header), "{\"alg\":\"%.*s\"}", SLICE_FMT(alg_name((enum alg)a)));
        token = forge(header, "payload", made);
        assert_int_equal(open_token(token, back, "payload"), ERR_OK);
        exact_free(token);
        json_decref(object);
        jwk_free(made);
        jwk_free(back);
    }
}

static void a_symmetric_key_has_no_public_json(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_null(jwk_public_json(k));
    jwk_free(k);
    jwk_free(NULL);
}

static void algorithm_names_are_exact(void **state)
{
    (void)state;
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++)
        assert_int_equal(alg_find(alg_name((enum alg)a)), a);
    assert_int_equal(alg_find(SLICE("none")), ALG_NONE);
    assert_int_equal(alg_find(SLICE("hs256")), ALG_NONE);
    assert_int_equal(alg_find(SLICE("ES256K")), ALG_NONE);
    assert_int_equal(alg_find(SLICE_NONE), ALG_NONE);
    assert_int_equal(alg_name(ALG_NONE).n, 0);
    assert_int_equal(alg_name((enum alg)ALG_COUNT).n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ec_key_has_the_algorithm_of_its_curve),
        cmocka_unit_test(an_rsa_key_without_alg_takes_what_the_issuer_may_use),
        cmocka_unit_test(the_alg_member_must_fit_key_and_issuer),
        cmocka_unit_test(use_must_be_sig),
        cmocka_unit_test(key_ops_must_name_the_use_we_make),
        cmocka_unit_test(private_members_are_refused_where_only_public_keys_belong),
        cmocka_unit_test(the_point_lies_on_the_curve_and_has_its_length),
        cmocka_unit_test(unknown_curves_and_types_are_not_supported),
        cmocka_unit_test(the_private_half_belongs_to_the_public_one),
        cmocka_unit_test(the_kid_is_a_short_text),
        cmocka_unit_test(a_symmetric_key_is_as_long_as_its_hash),
        cmocka_unit_test(a_symmetric_key_has_one_algorithm),
        cmocka_unit_test(k1_key_texts_are_no_secrets),
        cmocka_unit_test(rsa_under_2048_bits_is_refused),
        cmocka_unit_test(rsa_moduli_of_the_flawed_generator_are_refused),
        cmocka_unit_test(rsa_with_exponent_one_or_even_is_refused),
        cmocka_unit_test(pem_must_fit_the_algorithm),
        cmocka_unit_test(a_private_pem_signs_and_its_public_pem_verifies),
        cmocka_unit_test(a_certificate_gives_its_public_key),
        cmocka_unit_test(an_encrypted_pem_is_refused_without_asking),
        cmocka_unit_test(text_that_is_no_pem_is_refused),
        cmocka_unit_test(what_was_written_reads_back_and_still_signs),
        cmocka_unit_test(the_public_json_verifies_and_holds_nothing_private),
        cmocka_unit_test(a_symmetric_key_has_no_public_json),
        cmocka_unit_test(algorithm_names_are_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
