#include "crypto/jws.h"

#include "fixture.h"

#include "crypto/alg.h"

#include <openssl/ec.h>
#include <pthread.h>

/* RFC 7515 appendix A: keys and tokens as printed there. */
#define A_PAYLOAD                                                                                  \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ"
#define A_PLAIN "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
#define A1_KEY                                                                                     \
    "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":"                                                    \
    "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"
#define A1_TOKEN                                                                                   \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." A_PAYLOAD                                          \
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define A2_KEY                                                                                     \
    "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\""                                   \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4" \
    "d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5re" \
    "xMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxX" \
    "FvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}"
#define A2_TOKEN                                                                                   \
    "eyJhbGciOiJSUzI1NiJ9." A_PAYLOAD "."                                                          \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define A3_KEY                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","     \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define A3_TOKEN                                                                                   \
    "eyJhbGciOiJFUzI1NiJ9." A_PAYLOAD                                                              \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define A4_KEY                                                                                     \
    "{\"kty\":\"EC\",\"crv\":\"P-521\","                                                           \
    "\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceq" \
    "wQGk\","                                                                                      \
    "\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3k" \
    "yMj2\"}"
#define A4_TOKEN                                                                                   \
    "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA."                                                             \
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G" \
    "aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"

/* RFC 7520 §3, §4. */
#define BILBO "bilbo.baggins@hobbiton.example"
#define FRODO                                                                                      \
    "It\xe2\x80\x99s a dangerous business, Frodo, going out your door. You step onto the road, "   \
    "and if you don't keep your feet, there\xe2\x80\x99s no knowing where you might be swept off " \
    "to."
#define FRODO_PAYLOAD                                                                              \
    "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250" \
    "byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hl" \
    "cmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4"
#define BILBO_RSA                                                                                  \
    "{\"kty\":\"RSA\",\"kid\":\"" BILBO "\",\"use\":\"sig\",\"e\":\"AQAB\",\"n\":\""               \
    "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmS" \
    "CpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-Of" \
    "VfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKw" \
    "uCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\"}"
#define BILBO_EC                                                                                   \
    "{\"kty\":\"EC\",\"kid\":\"" BILBO "\",\"use\":\"sig\",\"crv\":\"P-521\","                     \
    "\"x\":\"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5c" \
    "j0Kt\","                                                                                      \
    "\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-Hq" \
    "HZR1\"}"
#define BILBO_OCT                                                                                  \
    "{\"kty\":\"oct\",\"kid\":\"018c0ae5-4d9b-471b-bfd6-eef314bc7037\",\"use\":\"sig\","           \
    "\"alg\":\"HS256\",\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}"
#define S41_TOKEN                                                                                  \
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO_PAYLOAD "."  \
    "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xugl" \
    "II7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x" \
    "8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE" \
    "_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"
#define S42_TOKEN                                                                                  \
    "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO_PAYLOAD "."  \
    "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TT" \
    "B5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrY" \
    "RXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtf" \
    "a64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"
#define S43_TOKEN                                                                                  \
    "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." FRODO_PAYLOAD "."  \
    "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3" \
    "mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
#define S44_TOKEN                                                                                  \
    "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9"             \
    "." FRODO_PAYLOAD ".s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"

/* RFC 8037 appendix A. */
#define ED_KEY                                                                                     \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED_PRIVATE                                                                                 \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\","  \
    "\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}"
#define ED_TOKEN                                                                                   \
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."                                    \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static void verifies_the_examples_of_the_rfcs(void **state)
{
    static const struct {
        const char *key, *token, *plain;
    } rows[] = {
        {A1_KEY, A1_TOKEN, A_PLAIN},
        {A2_KEY, A2_TOKEN, A_PLAIN},
        {A3_KEY, A3_TOKEN, A_PLAIN},
        {A4_KEY, A4_TOKEN, "Payload"},
        {BILBO_RSA, S41_TOKEN, FRODO},
        {BILBO_RSA, S42_TOKEN, FRODO},
        {BILBO_EC, S43_TOKEN, FRODO},
        {BILBO_OCT, S44_TOKEN, FRODO},
        {ED_KEY, ED_TOKEN, "Example of Ed25519 signing"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct jwk *k = jwk_of(rows[i].key);

        assert_int_equal(open_token(slice_str(rows[i].token), k, rows[i].plain), ERR_OK);
        jwk_free(k);
    }
}

/* EdDSA and HMAC are deterministic: ours must be the printed bytes. */
static void signs_the_printed_bytes(void **state)
{
    struct jwk *ed = jwk_of(ED_PRIVATE), *oct = jwk_of(BILBO_OCT);
    struct slice a = forge("{\"alg\":\"EdDSA\"}", "Example of Ed25519 signing", ed);
    struct slice b =
        forge("{\"alg\":\"HS256\",\"kid\":\"018c0ae5-4d9b-471b-bfd6-eef314bc7037\"}", FRODO, oct);

    (void)state;
    assert_true(slice_eq(a, SLICE(ED_TOKEN)));
    assert_true(slice_eq(b, SLICE(S44_TOKEN)));
    exact_free(a);
    exact_free(b);
    jwk_free(ed);
    jwk_free(oct);
}

static void every_algorithm_verifies_what_it_signed_and_nothing_else(void **state)
{
    (void)state;
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++) {
        struct jwk *k = fresh_key((enum alg)a), *other = fresh_key((enum alg)a);
        char header[64];
        struct slice token;
        char *p;

        snprintf(header, sizeof(header), "{\"alg\":\"%.*s\"}", SLICE_FMT(alg_name((enum alg)a)));
        token = forge(header, "payload", k);
        assert_int_equal(open_token(token, k, "payload"), ERR_OK);
        assert_int_equal(open_token(token, other, NULL), ERR_DENIED);
        p = (char *)(uintptr_t)memchr(token.p, '.', token.n);
        p[1] = p[1] == 'c' ? 'd' : 'c';
        assert_int_equal(open_token(token, k, NULL), ERR_DENIED);
        exact_free(token);
        jwk_free(k);
        jwk_free(other);
    }
}

static void any_changed_bit_of_a_signature_is_refused(void **state)
{
    static const enum alg algs[] = {ALG_HS256, ALG_ES256, ALG_EDDSA};
    static const char *const headers[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"ES256\"}",
                                          "{\"alg\":\"EdDSA\"}"};
    unsigned char signature[JWS_SIGNATURE_MAX * 6];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct jwk *k = fresh_key(algs[i]);
        struct slice token = forge(headers[i], "payload", k);
        size_t n = signature_of(token, signature);

        for (size_t bit = 0; bit < n * 8; bit += 5) {
            struct slice changed;

            signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
            changed = with_signature(token, slice_of(signature, n));
            assert_int_equal(open_token(changed, k, NULL), ERR_DENIED);
            signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
            exact_free(changed);
        }
        exact_free(token);
        jwk_free(k);
    }
}

static enum err open_with_signature(struct slice token, const struct jwk *k, const void *p,
                                    size_t n)
{
    struct slice changed = with_signature(token, slice_of(p, n));
    enum err e = open_token(changed, k, NULL);

    exact_free(changed);
    return e;
}

/* HMAC of the right start but cut, or with bytes behind it. */
static void a_mac_of_another_length_is_refused(void **state)
{
    unsigned char signature[JWS_SIGNATURE_MAX * 6] = {0};
    struct jwk *k = fresh_key(ALG_HS512);
    struct slice token = forge("{\"alg\":\"HS512\"}", "payload", k);
    size_t n = signature_of(token, signature);

    (void)state;
    assert_int_equal(n, 64);
    for (size_t cut = 1; cut < n; cut++)
        assert_int_equal(open_with_signature(token, k, signature, cut), ERR_DENIED);
    assert_int_equal(open_with_signature(token, k, signature, n + 1), ERR_DENIED);
    exact_free(token);
    jwk_free(k);
}

/* K1: the public key's text as an HMAC secret. */
static void k1_refuses_hs256_made_with_the_rsa_public_key(void **state)
{
    struct jwk *rsa = fresh_key(ALG_RS256), *hs = NULL;
    struct buf pem = pem_of(rsa->pkey, false);
    unsigned char mac[HASH_BYTES_MAX];
    struct slice token, forged;
    struct jose_parts parts;

    (void)state;
    token = forge("{\"alg\":\"HS256\",\"kid\":\"k1\"}", "payload", rsa);
    assert_int_equal(jose_split(token, &parts), ERR_OK);
    hash_hmac(HASH_SHA256, buf_slice(&pem), parts.input, mac);
    forged = with_signature(token, slice_of(mac, 32));
    assert_int_equal(open_token(forged, rsa, NULL), ERR_DENIED);
    assert_int_equal(open_token(token, rsa, NULL), ERR_DENIED);
    assert_int_equal(jwk_from_secret(buf_slice(&pem), ALG_HS256, SLICE_NONE, &hs), ERR_SYNTAX);
    exact_free(token);
    exact_free(forged);
    buf_fini(&pem);
    jwk_free(rsa);
}

/* K1: what the header says must be what the key is for, within one family as well. */
static void k1_refuses_every_algorithm_but_the_keys_own(void **state)
{
    static const enum alg keys[] = {ALG_HS256, ALG_RS256, ALG_PS256, ALG_ES256, ALG_EDDSA};

    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct jwk *k = fresh_key(keys[i]);

        for (int a = ALG_NONE + 1; a < ALG_COUNT; a++) {
            char header[64];
            struct slice token;

            if ((enum alg)a == keys[i])
                continue;
            snprintf(header, sizeof(header), "{\"alg\":\"%.*s\"}",
                     SLICE_FMT(alg_name((enum alg)a)));
            token = forge(header, "payload", k);
            assert_int_equal(open_token(token, k, NULL), ERR_DENIED);
            exact_free(token);
        }
        jwk_free(k);
    }
}

/* K1: one RSA key, both paddings: a PS signature is no RS signature. */
static void k1_a_ps_signature_is_not_an_rs_signature(void **state)
{
    struct jwk *k = fresh_key(ALG_PS256);
    struct slice token = forge("{\"alg\":\"RS256\"}", "payload", k);

    (void)state;
    k->alg_mask = alg_family_mask(FAMILY_RSA) | alg_family_mask(FAMILY_PSS);
    assert_int_equal(open_token(token, k, NULL), ERR_DENIED);
    exact_free(token);
    token = forge("{\"alg\":\"PS384\"}", "payload", k);
    assert_int_equal(open_token(token, k, NULL), ERR_DENIED);
    exact_free(token);
    jwk_free(k);
}

static size_t der_signature(const unsigned char *raw, unsigned char *out)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    int n;

    assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)),
                     1);
    n = i2d_ECDSA_SIG(sig, &out);
    ECDSA_SIG_free(sig);
    return (size_t)n;
}

static void refuses_es256_in_der(void **state)
{
    unsigned char raw[JWS_SIGNATURE_MAX * 6], der[80];
    struct jwk *k = fresh_key(ALG_ES256);
    struct slice token = forge("{\"alg\":\"ES256\"}", "payload", k);

    (void)state;
    assert_int_equal(signature_of(token, raw), 64);
    assert_int_equal(open_with_signature(token, k, raw, 64), ERR_OK);
    assert_int_equal(open_with_signature(token, k, der, der_signature(raw, der)), ERR_DENIED);
    exact_free(token);
    jwk_free(k);
}

static void refuses_es256_of_another_length(void **state)
{
    unsigned char raw[JWS_SIGNATURE_MAX * 6] = {0}, wide[66] = {0};
    struct jwk *k = fresh_key(ALG_ES256);
    struct slice token = forge("{\"alg\":\"ES256\"}", "payload", k);

    (void)state;
    assert_int_equal(signature_of(token, raw), 64);
    for (size_t n = 1; n < 200; n++)
        assert_int_equal(open_with_signature(token, k, raw, n), n == 64 ? ERR_OK : ERR_DENIED);
    memcpy(wide + 1, raw, 32); /* each half with a zero before it: the same numbers */
    memcpy(wide + 34, raw + 32, 32);
    assert_int_equal(open_with_signature(token, k, wide, sizeof(wide)), ERR_DENIED);
    exact_free(token);
    jwk_free(k);
}

/* The order of P-256: r and s must lie strictly between zero and it. */
static void refuses_r_or_s_of_zero_or_not_below_the_order(void **state)
{
    static const unsigned char order[32] = {0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                            0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    unsigned char raw[JWS_SIGNATURE_MAX * 6], changed[64];
    struct jwk *k = fresh_key(ALG_ES256);
    struct slice token = forge("{\"alg\":\"ES256\"}", "payload", k);

    (void)state;
    assert_int_equal(signature_of(token, raw), 64);
    for (int half = 0; half < 3; half++) {
        memcpy(changed, raw, 64);
        memset(changed + 32 * (half & 1), 0, half == 2 ? 64 : 32);
        assert_int_equal(open_with_signature(token, k, changed, 64), ERR_DENIED);
        memcpy(changed, raw, 64);
        memcpy(changed + 32 * (half & 1), order, 32);
        assert_int_equal(open_with_signature(token, k, changed, 64), ERR_DENIED);
    }
    exact_free(token);
    jwk_free(k);
}

static void refuses_an_rsa_signature_of_another_length(void **state)
{
    unsigned char raw[JWS_SIGNATURE_MAX * 6] = {0};
    struct jwk *k = fresh_key(ALG_RS256);
    struct slice token = forge("{\"alg\":\"RS256\"}", "payload", k);

    (void)state;
    assert_int_equal(signature_of(token, raw), 256);
    assert_int_equal(open_with_signature(token, k, raw, 255), ERR_DENIED);
    assert_int_equal(open_with_signature(token, k, raw, 257), ERR_DENIED);
    memmove(raw + 1, raw, 256);
    raw[0] = 0;
    assert_int_equal(open_with_signature(token, k, raw, 257), ERR_DENIED);
    exact_free(token);
    jwk_free(k);
}

static void a_public_key_cannot_sign(void **state)
{
    static const char *const keys[] = {A2_KEY, A3_KEY, ED_KEY};
    unsigned char out[JWS_SIGNATURE_MAX];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct jwk *k = jwk_of(keys[i]);

        assert_int_equal(jws_sign(k, SLICE("x"), out, &n), ERR_UNSUPPORTED);
        jwk_free(k);
    }
}

/* More keys than a thread keeps contexts for: each still only takes its own tokens. */
static void keys_beyond_the_kept_contexts_stay_apart(void **state)
{
    enum { KEYS = 12 };
    struct jwk *keys[KEYS];
    struct slice tokens[KEYS];

    (void)state;
    for (int i = 0; i < KEYS; i++) {
        keys[i] = fresh_key(ALG_ES256);
        tokens[i] = forge("{\"alg\":\"ES256\"}", "payload", keys[i]);
    }
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < KEYS; i++)
            for (int j = 0; j < KEYS; j++)
                assert_int_equal(open_token(tokens[i], keys[j], NULL),
                                 i == j ? ERR_OK : ERR_DENIED);
    for (int i = 0; i < KEYS; i++) {
        exact_free(tokens[i]);
        jwk_free(keys[i]);
    }
}

static void on_key_freed(void *parent, void *value, CRYPTO_EX_DATA *data, int at, long argl,
                         void *argp)
{
    (void)parent;
    (void)data;
    (void)at;
    (void)argl;
    (void)argp;
    if (value != NULL)
        ++*(int *)value;
}

static void a_forgotten_key_leaves_with_its_owner(void **state)
{
    int at = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_EVP_PKEY, 0, NULL, NULL, NULL, on_key_freed);
    struct jwk *key = fresh_key(ALG_ES256);
    struct slice token = forge("{\"alg\":\"ES256\"}", "payload", key);
    int freed = 0;

    (void)state;
    assert_int_equal(EVP_PKEY_set_ex_data(key->pkey, at, &freed), 1);
    assert_int_equal(open_token(token, key, NULL), ERR_OK);
    jwt_forget_keys();
    assert_int_equal(open_token(token, key, NULL), ERR_OK); /* made ready again */
    jwt_forget_keys();
    assert_int_equal(freed, 0);
    jwk_free(key);
    assert_int_equal(freed, 1);
    exact_free(token);
}

static void *verify_often(void *arg)
{
    struct jwk *const *keys = arg;
    struct slice tokens[3] = {SLICE(A1_TOKEN), SLICE(A2_TOKEN), SLICE(A3_TOKEN)};
    unsigned char plain[BASE64URL_BYTES(JWT_BYTES_MAX)];
    const struct jose_header *header;
    uintptr_t failures = 0;
    size_t n;

    for (int i = 0; i < 60; i++)
        for (int j = 0; j < 3; j++)
            failures += jws_open(tokens[j], keys[j], plain, &n, &header) != ERR_OK;
    return (void *)failures; /* cmocka's asserts belong to the main thread */
}

static void threads_share_keys_and_leave_nothing(void **state)
{
    struct jwk *keys[3] = {jwk_of(A1_KEY), jwk_of(A2_KEY), jwk_of(A3_KEY)};
    pthread_t threads[4];
    void *failures;

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, keys), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &failures), 0);
        assert_null(failures);
    }
    for (int i = 0; i < 3; i++)
        jwk_free(keys[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_examples_of_the_rfcs),
        cmocka_unit_test(signs_the_printed_bytes),
        cmocka_unit_test(every_algorithm_verifies_what_it_signed_and_nothing_else),
        cmocka_unit_test(any_changed_bit_of_a_signature_is_refused),
        cmocka_unit_test(a_mac_of_another_length_is_refused),
        cmocka_unit_test(k1_refuses_hs256_made_with_the_rsa_public_key),
        cmocka_unit_test(k1_refuses_every_algorithm_but_the_keys_own),
        cmocka_unit_test(k1_a_ps_signature_is_not_an_rs_signature),
        cmocka_unit_test(refuses_es256_in_der),
        cmocka_unit_test(refuses_es256_of_another_length),
        cmocka_unit_test(refuses_r_or_s_of_zero_or_not_below_the_order),
        cmocka_unit_test(refuses_an_rsa_signature_of_another_length),
        cmocka_unit_test(a_public_key_cannot_sign),
        cmocka_unit_test(keys_beyond_the_kept_contexts_stay_apart),
        cmocka_unit_test(a_forgotten_key_leaves_with_its_owner),
        cmocka_unit_test(threads_share_keys_and_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
