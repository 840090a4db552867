#include "auth_test.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>

/* The alternative name is given as bytes, so that it can hold what no tool would write. */
static X509 *certificate_of(struct slice cn, int san_type, struct slice san, long life_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();

    X509_gmtime_adj(X509_getm_notBefore(x), -100);
    X509_gmtime_adj(X509_getm_notAfter(x), life_s);
    if (cn.p != NULL)
        X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, V_ASN1_UTF8STRING,
                                   (const unsigned char *)cn.p, (int)cn.n, -1, 0);
    if (san.p != NULL) {
        GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        ASN1_STRING_set(text, san.p, (int)san.n);
        GENERAL_NAME_set0_value(name, san_type, text);
        sk_GENERAL_NAME_push(names, name);
        X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
        GENERAL_NAMES_free(names);
    }
    X509_set_pubkey(x, key);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    EVP_PKEY_free(key);
    return x;
}

static enum err name_of(X509 *x, enum word part, const char *expected)
{
    struct arena arena;
    struct identity *who = NULL;
    enum err e;

    arena_init(&arena);
    e = authenticate_certificate(x, part, &arena, &who);
    if (e == ERR_OK) {
        assert_slice(who->user_id, expected);
        assert_int_equal(who->method, METHOD_MTLS);
        assert_int_not_equal(who->expires_s, 0);
    } else {
        assert_null(who);
    }
    identity_unref(who);
    arena_fini(&arena);
    return e;
}

static void each_part_names_the_user(void **state)
{
    X509 *x = certificate_of(SLICE("alice"), GEN_URI, SLICE("spiffe://x/alice"), 100);

    (void)state;
    assert_int_equal(name_of(x, CONF_mtls_user_CN, "alice"), ERR_OK);
    assert_int_equal(name_of(x, CONF_mtls_user_SAN_URI, "spiffe://x/alice"), ERR_OK);
    assert_int_equal(name_of(x, CONF_mtls_user_SAN_DNS, ""), ERR_NOT_FOUND);
    assert_int_equal(name_of(x, CONF_mtls_user_SAN_EMAIL, ""), ERR_NOT_FOUND);
    assert_int_equal(name_of(x, CONF_mtls_user_NONE, ""), ERR_NOT_FOUND);
    X509_free(x);
    x = certificate_of(SLICE_NONE, GEN_EMAIL, SLICE("alice@x.example"), 100);
    assert_int_equal(name_of(x, CONF_mtls_user_SAN_EMAIL, "alice@x.example"), ERR_OK);
    assert_int_equal(name_of(x, CONF_mtls_user_CN, ""), ERR_NOT_FOUND);
    X509_free(x);
}

static void h14_refuses_a_nul_or_a_line_break_in_a_name(void **state)
{
    static const struct slice names[] = {SLICE("alice\0.evil"), SLICE("alice\nX-Role: admin"),
                                         SLICE(" alice"), SLICE("alice\xc2\x85root")};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        X509 *x = certificate_of(names[i], GEN_DNS, names[i], 100);

        assert_int_equal(name_of(x, CONF_mtls_user_CN, ""), ERR_SYNTAX);
        assert_int_equal(name_of(x, CONF_mtls_user_SAN_DNS, ""), ERR_SYNTAX);
        X509_free(x);
    }
}

static void two_common_names_name_nobody(void **state)
{
    X509 *x = certificate_of(SLICE("alice"), GEN_DNS, SLICE_NONE, 100);

    (void)state;
    X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, V_ASN1_UTF8STRING,
                               (const unsigned char *)"bob", 3, -1, 0);
    assert_int_equal(name_of(x, CONF_mtls_user_CN, ""), ERR_SYNTAX);
    X509_free(x);
}

static void a_name_of_the_form_of_our_ids_names_nobody(void **state)
{
    static const struct slice names[] = {SLICE("usr_01hv7m0s3c5kq2w8xbn4f6d9ra"), SLICE("USR_1")};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        X509 *x = certificate_of(names[i], GEN_DNS, names[i], 100);

        assert_int_equal(name_of(x, CONF_mtls_user_CN, ""), ERR_DENIED);
        assert_int_equal(name_of(x, CONF_mtls_user_SAN_DNS, ""), ERR_DENIED);
        X509_free(x);
    }
}

static bool has_one_of(X509 *x, struct slice a, struct slice b)
{
    struct slice items[] = {a, b};
    struct arena arena;
    bool has;

    arena_init(&arena);
    has = certificate_has_name(x, &(struct texts){.items = items, .count = 2}, &arena);
    arena_fini(&arena);
    return has;
}

static void add_dns(X509 *x, const char *first, const char *second)
{
    const char *texts[] = {first, second};
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

    for (size_t i = 0; i < 2; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();

        ASN1_STRING_set(text, texts[i], -1);
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        sk_GENERAL_NAME_push(names, name);
    }
    X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
    GENERAL_NAMES_free(names);
}

static void any_of_its_names_is_found_and_only_whole(void **state)
{
    X509 *x = certificate_of(SLICE("robot"), GEN_DNS, SLICE_NONE, 100);

    (void)state;
    add_dns(x, "a.example", "b.example");
    assert_true(has_one_of(x, SLICE("other"), SLICE("robot")));
    assert_true(has_one_of(x, SLICE("a.example"), SLICE("other")));
    assert_true(has_one_of(x, SLICE("other"), SLICE("b.example")));
    assert_false(has_one_of(x, SLICE("other"), SLICE("robo")));
    assert_false(has_one_of(x, SLICE("b.example.com"), SLICE("ROBOT")));
    shift_wall(101000);
    assert_false(has_one_of(x, SLICE("other"), SLICE("robot")));
    shift_wall(0);
    X509_free(x);
    x = certificate_of(SLICE_NONE, GEN_DNS, SLICE_NONE, 100);
    add_dns(x, "a.example", "b.example\n"); /* one that is not clean spoils its type */
    assert_false(has_one_of(x, SLICE("a.example"), SLICE("b.example")));
    X509_free(x);
}

static void t2_a_connection_does_not_outlive_its_certificate(void **state)
{
    X509 *x = certificate_of(SLICE("alice"), GEN_DNS, SLICE_NONE, 100);

    (void)state;
    shift_wall(101000);
    assert_int_equal(name_of(x, CONF_mtls_user_CN, ""), ERR_EXPIRED);
    shift_wall(0);
    assert_int_equal(name_of(x, CONF_mtls_user_CN, "alice"), ERR_OK);
    X509_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_names_the_user),
        cmocka_unit_test(h14_refuses_a_nul_or_a_line_break_in_a_name),
        cmocka_unit_test(two_common_names_name_nobody),
        cmocka_unit_test(a_name_of_the_form_of_our_ids_names_nobody),
        cmocka_unit_test(any_of_its_names_is_found_and_only_whole),
        cmocka_unit_test(t2_a_connection_does_not_outlive_its_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
