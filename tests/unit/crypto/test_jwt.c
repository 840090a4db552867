#include "crypto/jwt.h"

#include "fixture.h"

#define HS_HEADER "{\"alg\":\"HS256\",\"kid\":\"k1\"}"

static bool has_form(struct slice token)
{
    struct slice copy = exact(token);
    bool yes = jwt_has_form(copy);

    exact_free(copy);
    return yes;
}

static void k2_form_is_three_parts_and_exactly_two_dots(void **state)
{
    static const char *const bad[] = {
        "",       ".",      "..",      "a",         "a.b",     "a.b.",   "a..c",    ".b.c",
        "a.b.c.", ".a.b.c", "a.b.c.d", "a.b.c.d.e", "a b.c.d", "a.b.c=", "a.b.c\n", "a.b.\xc3\xa9",
        "a.b.c/"};

    (void)state;
    assert_true(has_form(SLICE("a.b.c")));
    assert_true(has_form(SLICE("eyJhbGciOiJIUzI1NiJ9.e30.AA")));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(has_form(slice_str(bad[i])));
}

static void k7_refuses_a_run_of_dots_and_tokens_over_the_cap(void **state)
{
    static char text[JWT_BYTES_MAX + 2];
    struct jwt_peek peek;

    (void)state;
    memset(text, '.', sizeof(text));
    for (size_t n = 0; n <= sizeof(text); n += 511)
        assert_false(has_form(slice_of(text, n)));
    assert_int_equal(jwt_peek(slice_of(text, JWT_BYTES_MAX), &peek), ERR_SYNTAX);
    memset(text, 'A', sizeof(text));
    text[10] = text[20] = '.';
    assert_true(has_form(slice_of(text, JWT_BYTES_MAX)));
    assert_false(has_form(slice_of(text, JWT_BYTES_MAX + 1)));
}

static enum err peek_of(struct slice token, struct jwt_peek *out)
{
    struct slice copy = exact(token);
    enum err e = jwt_peek(copy, out);

    exact_free(copy);
    return e;
}

static void peek_reads_kid_algorithm_and_issuer(void **state)
{
    static const char *const payloads[] = {
        GOOD_CLAIMS,
        "{\"a\":{\"iss\":\"inner\"},\"b\":[\"iss\",{\"iss\":1}],\"iss\" : \"https://gw.example\"}",
        "{\"a\":\"\\\"iss\\\":\\\"x\\\"\",\"iss\":\"https:\\/\\/gw.example\"}",
        "{\"\\u0069ss\":\"https://gw.example\"}",
        "{ \"iss\"\t:\r\n \"https://gw.example\" }",
    };
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct slice token = forge(HS_HEADER, payloads[i], k);
        struct jwt_peek peek;

        assert_int_equal(peek_of(token, &peek), ERR_OK);
        assert_true(slice_eq(peek.kid, SLICE("k1")));
        assert_true(slice_eq(peek.issuer, SLICE("https://gw.example")));
        assert_int_equal(peek.alg, ALG_HS256);
        exact_free(token);
    }
    jwk_free(k);
}

static void peek_without_kid_or_issuer_leaves_them_empty(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);
    struct slice token = forge("{\"alg\":\"HS256\"}", "{\"sub\":\"u\"}", k);
    struct jwt_peek peek;

    (void)state;
    assert_int_equal(peek_of(token, &peek), ERR_OK);
    assert_int_equal(peek.kid.n, 0);
    assert_int_equal(peek.issuer.n, 0);
    exact_free(token);
    jwk_free(k);
}

static void peek_refuses_payloads_without_a_usable_issuer(void **state)
{
    static const char *const payloads[] = {"x",
                                           "[]",
                                           "\"iss\"",
                                           "{\"iss\":1}",
                                           "{\"iss\":\"a",
                                           "{\"iss\":[\"a\"]}",
                                           "{\"iss\"",
                                           "{\"iss\":\"",
                                           "{\"iss\":",
                                           "{\"iss\" \"a\"}",
                                           "}",
                                           "]\"iss\":\"a\""};
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        struct slice token = forge(HS_HEADER, payloads[i], k);
        struct jwt_peek peek;

        assert_int_equal(peek_of(token, &peek), ERR_SYNTAX);
        exact_free(token);
    }
    jwk_free(k);
}

static void peek_refuses_what_does_not_fit_its_room(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);
    char payload[1200];
    struct slice token;
    struct jwt_peek peek;

    (void)state;
    memset(payload, 'i', sizeof(payload));
    memcpy(payload, "{\"iss\":\"", 8);
    memcpy(payload + 1100, "\"}", 3);
    token = forge(HS_HEADER, payload, k);
    assert_int_equal(peek_of(token, &peek), ERR_SYNTAX);
    exact_free(token);
    jwk_free(k);
}

static void a_good_token_gives_its_claims(void **state)
{
    struct jwt_rules rules = usual_rules();
    struct jwk *k = fresh_key(ALG_ES256);
    struct slice token = forge("{\"alg\":\"ES256\",\"kid\":\"k1\"}", GOOD_CLAIMS, k);
    json_t *claims = NULL;

    (void)state;
    assert_int_equal(jwt_verify(token, k, &rules, &claims), ERR_OK);
    assert_true(slice_eq(json_text(claims, "sub"), SLICE("u1")));
    json_decref(claims);
    exact_free(token);
    jwk_free(k);
}

/* K4: verify_with() also checks that the claims stay untouched on every failure. */
static void k4_no_claims_come_back_before_the_signature_holds(void **state)
{
    struct jwt_rules rules = usual_rules();
    struct jwk *k = fresh_key(ALG_HS256), *other = fresh_key(ALG_HS256);
    struct slice token = forge(HS_HEADER, GOOD_CLAIMS, other);
    struct slice expired =
        forge(HS_HEADER, "{\"iss\":\"https://gw.example\",\"aud\":\"ml\",\"exp\":1}", other);

    (void)state;
    assert_int_equal(verify_with(token, k, &rules), ERR_DENIED);
    /* The signature comes first: a forged token is not told that it is also too old. */
    assert_int_equal(verify_with(expired, k, &rules), ERR_DENIED);
    assert_int_equal(verify_with(expired, other, &rules), ERR_EXPIRED);
    exact_free(token);
    exact_free(expired);
    jwk_free(k);
    jwk_free(other);
}

static void k1_alg_none_is_unknown_in_every_spelling(void **state)
{
    static const char *const names[] = {"none",   "None",   "NONE",        "nOnE",   "",
                                        "none ",  " none",  "hs256",       "HS256 ", "HS",
                                        "HS2567", "ES256K", "HS256\\u0000"};
    struct jwk *k = fresh_key(ALG_HS256);
    struct jwt_rules rules = usual_rules();
    struct slice token = forge(HS_HEADER, GOOD_CLAIMS, k);

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char header[64];

        snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", names[i]);
        assert_int_equal(verdict(header, GOOD_CLAIMS, k), ERR_SYNTAX);
    }
    exact_free(token);
    /* And without any signature. */
    token = exact(SLICE("eyJhbGciOiJub25lIn0.e30."));
    assert_int_equal(verify_with(token, k, &rules), ERR_SYNTAX);
    exact_free(token);
    jwk_free(k);
}

static void the_algorithm_is_a_text_and_present(void **state)
{
    static const char *const headers[] = {"{}",
                                          "{\"alg\":null}",
                                          "{\"alg\":1}",
                                          "{\"alg\":[\"HS256\"]}",
                                          "[]",
                                          "\"HS256\"",
                                          "{\"Alg\":\"HS256\"}",
                                          "null",
                                          "",
                                          "{\"alg\":\"HS256\"} x",
                                          "{\"alg\":\"HS256\"",
                                          "{\"alg\":\"HS256\",\"x\":\"\xff\"}"};
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        assert_int_equal(verdict(headers[i], GOOD_CLAIMS, k), ERR_SYNTAX);
    jwk_free(k);
}

static void k2_refuses_keys_and_extensions_in_the_header(void **state)
{
    static const char *const members[] = {
        "\"jku\":\"https://evil.example/jwks\"",
        "\"x5u\":\"https://evil.example/c\"",
        "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "\"jwk\":null",
        "\"x5c\":[\"MII\"]",
        "\"crit\":[\"exp\"]",
        "\"crit\":[]",
        "\"b64\":false,\"crit\":[\"b64\"]",
        "\"b64\":true",
        "\"zip\":\"DEF\"",
        "\"enc\":\"A128GCM\"",
    };
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        char header[128];
        struct slice token;
        struct jwt_peek peek;

        snprintf(header, sizeof(header), "{\"alg\":\"HS256\",%s}", members[i]);
        token = forge(header, GOOD_CLAIMS, k);
        assert_int_equal(peek_of(token, &peek), ERR_SYNTAX);
        exact_free(token);
        assert_int_equal(verdict(header, GOOD_CLAIMS, k), ERR_SYNTAX);
    }
    jwk_free(k);
}

static void harmless_header_members_are_ignored(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"x5t\":\"abc\",\"nonce\":\"1\",\"cty\":\"x\"}",
                             GOOD_CLAIMS, k),
                     ERR_OK);
    jwk_free(k);
}

static void duplicate_members_are_refused(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"alg\":\"HS256\"}", GOOD_CLAIMS, k), ERR_SYNTAX);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}", GOOD_CLAIMS, k),
                     ERR_SYNTAX);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":\"k1\",\"kid\":\"k2\"}", GOOD_CLAIMS, k),
                     ERR_SYNTAX);
    assert_int_equal(verdict(HS_HEADER,
                             "{\"iss\":\"https://gw.example\",\"aud\":\"ml\",\"exp\":1700000060,"
                             "\"iss\":\"https://evil.example\"}",
                             k),
                     ERR_SYNTAX);
    jwk_free(k);
}

static void the_kid_of_the_token_is_the_keys(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":\"k1\"}", GOOD_CLAIMS, k), ERR_OK);
    assert_int_equal(verdict("{\"alg\":\"HS256\"}", GOOD_CLAIMS, k), ERR_OK);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":\"k2\"}", GOOD_CLAIMS, k), ERR_DENIED);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":\"\"}", GOOD_CLAIMS, k), ERR_DENIED);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":1}", GOOD_CLAIMS, k), ERR_SYNTAX);
    assert_int_equal(verdict("{\"alg\":\"HS256\",\"kid\":null}", GOOD_CLAIMS, k), ERR_SYNTAX);
    jwk_free(k);
}

static void a_key_past_its_end_verifies_nothing(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    k->not_after = NOW_S;
    assert_int_equal(verdict(HS_HEADER, GOOD_CLAIMS, k), ERR_OK);
    k->not_after = NOW_S - 1;
    assert_int_equal(verdict(HS_HEADER, GOOD_CLAIMS, k), ERR_DENIED);
    jwk_free(k);
}

static enum err verdict_of_types(const char *typ, const struct slice *types, size_t count,
                                 bool required, const struct jwk *k)
{
    struct jwt_rules rules = usual_rules();
    char header[128];
    struct slice token;
    enum err e;

    snprintf(header, sizeof(header), "{\"alg\":\"HS256\"%s}", typ);
    token = forge(header, GOOD_CLAIMS, k);
    rules.types = types;
    rules.type_count = count;
    rules.type_required = required;
    e = verify_with(token, k, &rules);
    exact_free(token);
    return e;
}

static void k2_the_type_must_be_one_of_those_asked_for(void **state)
{
    static const struct slice types[] = {{"at+jwt", 6}};
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_int_equal(verdict_of_types(",\"typ\":\"at+jwt\"", types, 1, true, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"AT+JWT\"", types, 1, true, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"application/at+jwt\"", types, 1, true, k),
                     ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"JWT\"", types, 1, true, k), ERR_DENIED);
    assert_int_equal(verdict_of_types(",\"typ\":\"reset+jwt\"", types, 1, true, k), ERR_DENIED);
    assert_int_equal(verdict_of_types(",\"typ\":\"\"", types, 1, false, k), ERR_DENIED);
    assert_int_equal(verdict_of_types("", types, 1, true, k), ERR_DENIED);
    assert_int_equal(verdict_of_types("", types, 1, false, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":1", types, 1, false, k), ERR_SYNTAX);
    jwk_free(k);
}

static void k2_without_a_choice_any_type_but_a_foreign_purpose(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    assert_int_equal(verdict_of_types("", NULL, 0, false, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"JWT\"", NULL, 0, false, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"at+jwt\"", NULL, 0, false, k), ERR_OK);
    assert_int_equal(verdict_of_types(",\"typ\":\"logout+jwt\"", NULL, 0, false, k), ERR_DENIED);
    assert_int_equal(verdict_of_types(",\"typ\":\"application/DPoP+JWT\"", NULL, 0, false, k),
                     ERR_DENIED);
    assert_int_equal(verdict_of_types(",\"typ\":\"refresh+jwt\"", NULL, 0, false, k), ERR_DENIED);
    jwk_free(k);
}

/* A header is remembered by its text; what was refused once stays refused, what differs is read. */
static void remembered_headers_decide_as_the_first_time(void **state)
{
    struct jwk *k = fresh_key(ALG_HS256);

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 7; i++) {
            char header[64];

            snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":\"k%d\"}", i);
            assert_int_equal(verdict(header, GOOD_CLAIMS, k), i == 1 ? ERR_OK : ERR_DENIED);
        }
        assert_int_equal(verdict("{\"alg\":\"none\"}", GOOD_CLAIMS, k), ERR_SYNTAX);
    }
    jwk_free(k);
}

static void sign_makes_what_verify_takes(void **state)
{
    static const struct slice types[] = {{"at+jwt", 6}};
    struct jwt_rules rules = usual_rules();
    json_t *claims = json_of(GOOD_CLAIMS);

    (void)state;
    rules.types = types;
    rules.type_count = 1;
    rules.type_required = true;
    for (int a = ALG_NONE + 1; a < ALG_COUNT; a++) {
        struct jwk *k = fresh_key((enum alg)a);
        struct jwt_peek peek;
        struct buf b;

        buf_init(&b);
        buf_add(&b, SLICE("kept "));
        assert_int_equal(jwt_sign(k, "at+jwt", claims, &b), ERR_OK);
        assert_true(slice_starts(buf_slice(&b), SLICE("kept ")));
        buf_consume(&b, 5);
        assert_true(jwt_has_form(buf_slice(&b)));
        assert_int_equal(peek_of(buf_slice(&b), &peek), ERR_OK);
        assert_int_equal(peek.alg, a);
        assert_true(slice_eq(peek.kid, SLICE("k1")));
        assert_int_equal(verify_with(buf_slice(&b), k, &rules), ERR_OK);
        buf_fini(&b);
        jwk_free(k);
    }
    json_decref(claims);
}

static void sign_escapes_the_kid(void **state)
{
    struct jwk *k = NULL;
    json_t *claims = json_of(GOOD_CLAIMS);
    struct jwt_peek peek;
    struct buf b;

    (void)state;
    assert_int_equal(jwk_generate(ALG_HS256, SLICE("a\"b\\c"), &k), ERR_OK);
    buf_init(&b);
    assert_int_equal(jwt_sign(k, NULL, claims, &b), ERR_OK);
    assert_int_equal(peek_of(buf_slice(&b), &peek), ERR_OK);
    assert_true(slice_eq(peek.kid, SLICE("a\"b\\c")));
    buf_fini(&b);
    json_decref(claims);
    jwk_free(k);
}

static void sign_refuses_claims_that_nobody_would_take(void **state)
{
    static char big[JWT_BYTES_MAX];
    struct jwk *k = fresh_key(ALG_HS256);
    json_t *list = json_array(), *claims = json_object();
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(jwt_sign(k, NULL, list, &b), ERR_UNSUPPORTED);
    memset(big, 'x', sizeof(big) - 1);
    json_object_set_new(claims, "x", json_string(big));
    assert_int_equal(jwt_sign(k, NULL, claims, &b), ERR_TOO_LARGE);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    json_decref(list);
    json_decref(claims);
    jwk_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k2_form_is_three_parts_and_exactly_two_dots),
        cmocka_unit_test(k7_refuses_a_run_of_dots_and_tokens_over_the_cap),
        cmocka_unit_test(peek_reads_kid_algorithm_and_issuer),
        cmocka_unit_test(peek_without_kid_or_issuer_leaves_them_empty),
        cmocka_unit_test(peek_refuses_payloads_without_a_usable_issuer),
        cmocka_unit_test(peek_refuses_what_does_not_fit_its_room),
        cmocka_unit_test(a_good_token_gives_its_claims),
        cmocka_unit_test(k4_no_claims_come_back_before_the_signature_holds),
        cmocka_unit_test(k1_alg_none_is_unknown_in_every_spelling),
        cmocka_unit_test(the_algorithm_is_a_text_and_present),
        cmocka_unit_test(k2_refuses_keys_and_extensions_in_the_header),
        cmocka_unit_test(harmless_header_members_are_ignored),
        cmocka_unit_test(duplicate_members_are_refused),
        cmocka_unit_test(the_kid_of_the_token_is_the_keys),
        cmocka_unit_test(a_key_past_its_end_verifies_nothing),
        cmocka_unit_test(k2_the_type_must_be_one_of_those_asked_for),
        cmocka_unit_test(k2_without_a_choice_any_type_but_a_foreign_purpose),
        cmocka_unit_test(remembered_headers_decide_as_the_first_time),
        cmocka_unit_test(sign_makes_what_verify_takes),
        cmocka_unit_test(sign_escapes_the_kid),
        cmocka_unit_test(sign_refuses_claims_that_nobody_would_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
