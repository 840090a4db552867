#include "crypto/jwt_claims.h"

#include "fixture.h"

#define ISS "\"iss\":\"https://gw.example\""
#define AUD "\"aud\":\"postern\""
#define EXP "\"exp\":1700000060"

static struct jwk *key;

static int make_key(void **state)
{
    (void)state;
    key = fresh_key(ALG_HS256);
    return 0;
}

static int free_key(void **state)
{
    (void)state;
    jwk_free(key);
    return 0;
}

static enum err verdict_with(const char *claims, const struct jwt_rules *rules)
{
    struct slice token = forge("{\"alg\":\"HS256\"}", claims, key);
    enum err e = verify_with(token, key, rules);

    exact_free(token);
    return e;
}

static enum err verdict_of(const char *claims)
{
    struct jwt_rules rules = usual_rules();

    return verdict_with(claims, &rules);
}

/* One time claim with this text as its value, all else good. */
static enum err verdict_of_time(const char *name, const char *value, int64_t leeway_s)
{
    struct jwt_rules rules = usual_rules();
    char claims[256];

    rules.early_s = rules.late_s = leeway_s;
    rules.expiry_required = false;
    snprintf(claims, sizeof(claims), "{" ISS "," AUD ",\"%s\":%s}", name, value);
    return verdict_with(claims, &rules);
}

static void claims_are_one_json_object(void **state)
{
    static const char *const rows[] = {"[]",
                                       "\"x\"",
                                       "1",
                                       "null",
                                       "{",
                                       "{" ISS "," AUD "," EXP "}x",
                                       "{'iss':1}",
                                       "{" ISS "," AUD "," EXP ",\"x\":\"\\u0000\"}",
                                       "{" ISS "," AUD "," EXP ",\"x\":\"\xff\"}",
                                       "{" ISS "," AUD "," EXP ",}"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(verdict_of(rows[i]), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," AUD "," EXP "}"), ERR_OK);
}

static void deep_nesting_is_refused(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_add(&b, SLICE("{" ISS "," AUD "," EXP ",\"x\":"));
    for (int i = 0; i < 1000; i++)
        buf_add_char(&b, '[');
    for (int i = 0; i < 1000; i++)
        buf_add_char(&b, ']');
    buf_add_char(&b, '}');
    assert_int_equal(verdict_of(buf_cstr(&b)), ERR_SYNTAX);
    buf_fini(&b);
}

static void the_issuer_is_exact_text(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{" AUD "," EXP "}"), ERR_DENIED);
    assert_int_equal(verdict_of("{\"iss\":\"\"," AUD "," EXP "}"), ERR_DENIED);
    assert_int_equal(verdict_of("{\"iss\":\"https://gw.example/\"," AUD "," EXP "}"), ERR_DENIED);
    assert_int_equal(verdict_of("{\"iss\":\"HTTPS://gw.example\"," AUD "," EXP "}"), ERR_DENIED);
    assert_int_equal(verdict_of("{\"iss\":[\"https://gw.example\"]," AUD "," EXP "}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{\"iss\":null," AUD "," EXP "}"), ERR_SYNTAX);
}

static void without_a_wanted_issuer_nothing_passes(void **state)
{
    struct jwt_rules rules = usual_rules();

    (void)state;
    rules.issuer = SLICE_NONE;
    assert_int_equal(verdict_with("{" AUD "," EXP "}", &rules), ERR_DENIED);
    assert_int_equal(verdict_with("{\"iss\":\"\"," AUD "," EXP "}", &rules), ERR_DENIED);
}

static void the_audience_is_a_text_or_a_list_with_one_of_ours(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":\"ml\"}"), ERR_OK);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":[\"x\",\"postern\"]}"), ERR_OK);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":[\"postern\"]}"), ERR_OK);
    assert_int_equal(verdict_of("{" ISS "," EXP "}"), ERR_DENIED);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":\"\"}"), ERR_DENIED);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":[]}"), ERR_DENIED);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":\"Postern\"}"), ERR_DENIED);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":\"postern ml\"}"), ERR_DENIED);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":[\"postern\",1]}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":[[\"postern\"]]}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":{\"postern\":1}}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," EXP ",\"aud\":null}"), ERR_SYNTAX);
}

static void without_configured_audiences_any_well_formed_one_passes(void **state)
{
    struct jwt_rules rules = usual_rules();

    (void)state;
    rules.audience_count = 0;
    assert_int_equal(verdict_with("{" ISS "," EXP "}", &rules), ERR_OK);
    assert_int_equal(verdict_with("{" ISS "," EXP ",\"aud\":\"x\"}", &rules), ERR_OK);
    assert_int_equal(verdict_with("{" ISS "," EXP ",\"aud\":7}", &rules), ERR_SYNTAX);
}

static void subject_and_token_id_are_texts(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("{" ISS "," AUD "," EXP ",\"sub\":1}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," AUD "," EXP ",\"sub\":{\"a\":1}}"), ERR_SYNTAX);
    assert_int_equal(verdict_of("{" ISS "," AUD "," EXP ",\"jti\":null}"), ERR_SYNTAX);
}

static void a_token_ends_at_its_exp(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_time("exp", "1700000001", 0), ERR_OK);
    assert_int_equal(verdict_of_time("exp", "1700000000", 0), ERR_EXPIRED);
    assert_int_equal(verdict_of_time("exp", "1699999999", 0), ERR_EXPIRED);
    assert_int_equal(verdict_of_time("exp", "0", 0), ERR_EXPIRED);
    assert_int_equal(verdict_of_time("exp", "1699999971", 30), ERR_OK);
    assert_int_equal(verdict_of_time("exp", "1699999970", 30), ERR_EXPIRED);
}

static void a_token_begins_at_its_nbf(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_time("nbf", "1700000000", 0), ERR_OK);
    assert_int_equal(verdict_of_time("nbf", "1700000001", 0), ERR_RANGE);
    assert_int_equal(verdict_of_time("nbf", "1700000030", 30), ERR_OK);
    assert_int_equal(verdict_of_time("nbf", "1700000031", 30), ERR_RANGE);
}

static void a_token_from_the_future_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_time("iat", "1700000000", 0), ERR_OK);
    assert_int_equal(verdict_of_time("iat", "1", 0), ERR_OK);
    assert_int_equal(verdict_of_time("iat", "1700000001", 0), ERR_RANGE);
    assert_int_equal(verdict_of_time("iat", "1700000030", 30), ERR_OK);
    assert_int_equal(verdict_of_time("iat", "1700000031", 30), ERR_RANGE);
}

static void each_end_has_its_own_leeway(void **state)
{
    struct jwt_rules rules = usual_rules();

    (void)state;
    rules.early_s = 30;
    assert_int_equal(
        verdict_with("{" ISS "," AUD ",\"exp\":1700000001,\"iat\":1700000030}", &rules), ERR_OK);
    assert_int_equal(verdict_with("{" ISS "," AUD ",\"exp\":1700000000}", &rules), ERR_EXPIRED);
    rules.early_s = 0;
    rules.late_s = 30;
    assert_int_equal(verdict_with("{" ISS "," AUD ",\"exp\":1699999971}", &rules), ERR_OK);
    assert_int_equal(verdict_with("{" ISS "," AUD "," EXP ",\"nbf\":1700000001}", &rules),
                     ERR_RANGE);
}

static void broken_seconds_are_rounded_down(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_time("exp", "1700000000.9", 0), ERR_EXPIRED);
    assert_int_equal(verdict_of_time("exp", "1700000001.0", 0), ERR_OK);
    assert_int_equal(verdict_of_time("exp", "1.700000001e9", 0), ERR_OK);
    assert_int_equal(verdict_of_time("nbf", "1700000000.9", 0), ERR_OK);
    assert_int_equal(verdict_of_time("iat", "1700000001.5", 0), ERR_RANGE);
}

static void a_time_that_is_no_number_in_range_is_malformed(void **state)
{
    static const char *const names[] = {"exp", "nbf", "iat"};
    static const char *const values[] = {"\"1700000060\"",
                                         "\"\"",
                                         "null",
                                         "true",
                                         "[]",
                                         "[1700000060]",
                                         "{}",
                                         "-1",
                                         "-0.5",
                                         "-1e3",
                                         "1e400",
                                         "-1e400",
                                         "1e308",
                                         "253402300800",
                                         "1700000000000",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "-9223372036854775808",
                                         "18446744073709551616",
                                         "NaN",
                                         "Infinity",
                                         "0x65",
                                         "01700000060",
                                         "+1",
                                         "1700000060.",
                                         ".5",
                                         "1e",
                                         "1700000060e400"};

    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++)
            assert_int_equal(verdict_of_time(names[i], values[j], 0), ERR_SYNTAX);
}

static void the_last_second_of_the_year_9999_is_in_range(void **state)
{
    (void)state;
    assert_int_equal(verdict_of_time("exp", "253402300799", 0), ERR_OK);
    assert_int_equal(verdict_of_time("exp", "253402300799", 30), ERR_OK);
    assert_int_equal(verdict_of_time("nbf", "253402300799", 30), ERR_RANGE);
}

static void an_end_is_required_where_the_rules_say_so(void **state)
{
    struct jwt_rules rules = usual_rules();

    (void)state;
    assert_int_equal(verdict_with("{" ISS "," AUD "}", &rules), ERR_DENIED);
    rules.expiry_required = false;
    assert_int_equal(verdict_with("{" ISS "," AUD "}", &rules), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_are_one_json_object),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(the_issuer_is_exact_text),
        cmocka_unit_test(without_a_wanted_issuer_nothing_passes),
        cmocka_unit_test(the_audience_is_a_text_or_a_list_with_one_of_ours),
        cmocka_unit_test(without_configured_audiences_any_well_formed_one_passes),
        cmocka_unit_test(subject_and_token_id_are_texts),
        cmocka_unit_test(a_token_ends_at_its_exp),
        cmocka_unit_test(a_token_begins_at_its_nbf),
        cmocka_unit_test(a_token_from_the_future_is_refused),
        cmocka_unit_test(each_end_has_its_own_leeway),
        cmocka_unit_test(broken_seconds_are_rounded_down),
        cmocka_unit_test(a_time_that_is_no_number_in_range_is_malformed),
        cmocka_unit_test(the_last_second_of_the_year_9999_is_in_range),
        cmocka_unit_test(an_end_is_required_where_the_rules_say_so),
    };

    return cmocka_run_group_tests(tests, make_key, free_key);
}
