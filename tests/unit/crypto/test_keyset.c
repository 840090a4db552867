#include "fixture.h"

#define EC_A(kid, more)                                                                            \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"" kid                                             \
    "\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","                                    \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"" more "}"
#define ED_A(kid)                                                                                  \
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" kid                                          \
    "\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define OCT                                                                                        \
    "{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"hs\","                                           \
    "\"k\":\"hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg\"}"

static struct jwk *key_named(enum alg alg, const char *kid)
{
    struct jwk *k = NULL;

    assert_int_equal(jwk_generate(alg, slice_str(kid), &k), ERR_OK);
    return k;
}

static enum err from_text(const char *text, unsigned allowed, struct keyset **out, size_t *skipped)
{
    struct slice copy = exact(slice_str(text));
    enum err e = keyset_from_jwks(copy, allowed, out, skipped);

    exact_free(copy);
    return e;
}

static void finds_by_kid_and_algorithm(void **state)
{
    struct keyset *set = keyset_new();
    struct jwk *a = key_named(ALG_ES256, "a"), *b = key_named(ALG_ES256, "b");

    (void)state;
    assert_int_equal(keyset_add(set, a), ERR_OK);
    assert_int_equal(keyset_add(set, b), ERR_OK);
    assert_ptr_equal(keyset_find(set, SLICE("a"), ALG_ES256), a);
    assert_ptr_equal(keyset_find(set, SLICE("b"), ALG_ES256), b);
    assert_null(keyset_find(set, SLICE("c"), ALG_ES256));
    assert_null(keyset_find(set, SLICE("A"), ALG_ES256));
    assert_null(keyset_find(set, SLICE("a"), ALG_NONE));
    keyset_unref(set);
}

static void k1_the_key_of_a_kid_is_not_found_for_another_algorithm(void **state)
{
    struct keyset *set = keyset_new();

    (void)state;
    assert_int_equal(keyset_add(set, key_named(ALG_RS256, "a")), ERR_OK);
    for (int a = ALG_NONE; a < ALG_COUNT; a++)
        assert_int_equal(keyset_find(set, SLICE("a"), (enum alg)a) != NULL, a == ALG_RS256);
    keyset_unref(set);
}

static void without_kid_the_only_key_of_the_algorithm_is_found(void **state)
{
    struct keyset *set = keyset_new();
    struct jwk *es = key_named(ALG_ES256, "a"), *ed = key_named(ALG_EDDSA, "b");

    (void)state;
    assert_null(keyset_find(set, SLICE_NONE, ALG_ES256));
    assert_int_equal(keyset_add(set, es), ERR_OK);
    assert_int_equal(keyset_add(set, ed), ERR_OK);
    assert_ptr_equal(keyset_find(set, SLICE_NONE, ALG_ES256), es);
    assert_ptr_equal(keyset_find(set, SLICE_NONE, ALG_EDDSA), ed);
    assert_null(keyset_find(set, SLICE_NONE, ALG_RS256));
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "c")), ERR_OK);
    assert_null(keyset_find(set, SLICE_NONE, ALG_ES256));
    keyset_unref(set);
}

static void a_kid_twice_conflicts(void **state)
{
    struct keyset *set = keyset_new();

    (void)state;
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "a")), ERR_OK);
    assert_int_equal(keyset_add(set, key_named(ALG_ES384, "a")), ERR_CONFLICT);
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "")), ERR_OK);
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "")), ERR_OK);
    assert_int_equal(set->count, 3);
    keyset_unref(set);
}

static void k1_symmetric_and_asymmetric_keys_never_share_a_set(void **state)
{
    struct keyset *set = keyset_new();

    (void)state;
    assert_int_equal(keyset_add(set, key_named(ALG_RS256, "a")), ERR_OK);
    assert_int_equal(keyset_add(set, key_named(ALG_HS256, "b")), ERR_CONFLICT);
    keyset_unref(set);
    set = keyset_new();
    assert_int_equal(keyset_add(set, key_named(ALG_HS256, "a")), ERR_OK);
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "b")), ERR_CONFLICT);
    assert_int_equal(keyset_add(set, key_named(ALG_HS512, "c")), ERR_OK);
    keyset_unref(set);
}

static void a_set_lives_until_the_last_reference_goes(void **state)
{
    struct keyset *set = keyset_new();

    (void)state;
    assert_int_equal(keyset_add(set, key_named(ALG_ES256, "a")), ERR_OK);
    assert_ptr_equal(keyset_ref(set), set);
    keyset_unref(set);
    assert_non_null(keyset_find(set, SLICE("a"), ALG_ES256));
    keyset_unref(set);
    keyset_unref(NULL);
}

static void a_document_gives_its_usable_keys_and_counts_the_others(void **state)
{
    struct keyset *set = NULL;
    size_t skipped = 0;

    (void)state;
    assert_int_equal(from_text("{\"keys\":[" EC_A("a", "") "," ED_A("b") "," EC_A(
                                   "c", ",\"use\":\"enc\"") ",{\"kty\":\"RSA\"},7,null," OCT
                                                            "],\"extra\":1}",
                               ~0u, &set, &skipped),
                     ERR_OK);
    assert_int_equal(set->count, 2);
    assert_int_equal(skipped, 5);
    assert_non_null(keyset_find(set, SLICE("a"), ALG_ES256));
    assert_non_null(keyset_find(set, SLICE("b"), ALG_EDDSA));
    assert_null(keyset_find(set, SLICE("hs"), ALG_HS256));
    keyset_unref(set);
}

static void keys_for_algorithms_that_are_not_allowed_are_skipped(void **state)
{
    struct keyset *set = NULL;
    size_t skipped = 0;

    (void)state;
    assert_int_equal(
        from_text("{\"keys\":[" EC_A("a", "") "," ED_A("b") "]}", 1u << ALG_EDDSA, &set, &skipped),
        ERR_OK);
    assert_int_equal(set->count, 1);
    assert_int_equal(skipped, 1);
    assert_null(keyset_find(set, SLICE("a"), ALG_ES256));
    keyset_unref(set);
}

static void keys_that_share_a_kid_are_all_skipped(void **state)
{
    struct keyset *set = NULL;
    size_t skipped = 0;

    (void)state;
    assert_int_equal(
        from_text("{\"keys\":[" EC_A("a", "") "," ED_A("a") "," EC_A("a", "") "," ED_A("b") "]}",
                  ~0u, &set, &skipped),
        ERR_OK);
    assert_int_equal(set->count, 1);
    assert_int_equal(skipped, 3);
    assert_null(keyset_find(set, SLICE("a"), ALG_ES256));
    keyset_unref(set);
}

/* A key for encryption may share its kid with one for signatures: it was never a candidate. */
static void an_unusable_key_does_not_make_a_kid_ambiguous(void **state)
{
    struct keyset *set = NULL;
    size_t skipped = 0;

    (void)state;
    assert_int_equal(from_text("{\"keys\":[" EC_A("a", ",\"use\":\"enc\"") "," EC_A("a", "") "]}",
                               ~0u, &set, &skipped),
                     ERR_OK);
    assert_int_equal(skipped, 1);
    assert_non_null(keyset_find(set, SLICE("a"), ALG_ES256));
    keyset_unref(set);
}

static void a_document_without_usable_keys_is_malformed(void **state)
{
    static const char *const rows[] = {"",
                                       "{",
                                       "[]",
                                       "{}",
                                       "{\"keys\":null}",
                                       "{\"keys\":{}}",
                                       "{\"keys\":[]}",
                                       "{\"keys\":[{}]}",
                                       "{\"keys\":[" OCT "]}",
                                       "[" EC_A("a", "") "]",
                                       EC_A("a", ""),
                                       "{\"keys\":[" EC_A("a", ",\"kid\":\"b\"") "]}",
                                       "{\"keys\":[" EC_A("a", "") "]} x",
                                       "{\"keys\":[" EC_A("a", "") "],\"keys\":[]}"};
    struct keyset *set = NULL;
    size_t skipped = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(from_text(rows[i], ~0u, &set, &skipped), ERR_SYNTAX);
    assert_null(set);
}

static void a_document_beyond_its_bounds_is_refused(void **state)
{
    struct keyset *set = NULL;
    size_t skipped = 0;
    struct buf b;

    (void)state;
    buf_init(&b);
    buf_add(&b, SLICE("{\"keys\":["));
    for (int i = 0; i < 257; i++)
        buf_printf(&b, "%s{\"kid\":\"%d\"}", i > 0 ? "," : "", i);
    buf_add(&b, SLICE("]}"));
    assert_int_equal(keyset_from_jwks(buf_slice(&b), ~0u, &set, &skipped), ERR_SYNTAX);
    memset(buf_room(&b, 1024 * 1024), ' ', 1024 * 1024);
    buf_commit(&b, 1024 * 1024);
    assert_int_equal(keyset_from_jwks(buf_slice(&b), ~0u, &set, &skipped), ERR_TOO_LARGE);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_kid_and_algorithm),
        cmocka_unit_test(k1_the_key_of_a_kid_is_not_found_for_another_algorithm),
        cmocka_unit_test(without_kid_the_only_key_of_the_algorithm_is_found),
        cmocka_unit_test(a_kid_twice_conflicts),
        cmocka_unit_test(k1_symmetric_and_asymmetric_keys_never_share_a_set),
        cmocka_unit_test(a_set_lives_until_the_last_reference_goes),
        cmocka_unit_test(a_document_gives_its_usable_keys_and_counts_the_others),
        cmocka_unit_test(keys_for_algorithms_that_are_not_allowed_are_skipped),
        cmocka_unit_test(keys_that_share_a_kid_are_all_skipped),
        cmocka_unit_test(an_unusable_key_does_not_make_a_kid_ambiguous),
        cmocka_unit_test(a_document_without_usable_keys_is_malformed),
        cmocka_unit_test(a_document_beyond_its_bounds_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
