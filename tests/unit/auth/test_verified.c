#include "auth/verified.h"

#include "auth_test.h"

static const struct verified_terms terms = {1, &terms, 7};

static void digest_of(unsigned n, unsigned char out[SHA256_BYTES])
{
    memset(out, 0, SHA256_BYTES);
    memcpy(out + 8, &n, sizeof(n)); /* all in one set of the table */
}

static void put(struct verified_cache *c, unsigned n, int64_t until_s)
{
    unsigned char digest[SHA256_BYTES];
    struct verified *v =
        verified_new(&(struct verified){.user_id = SLICE("usr_1"), .session_id = SLICE("ses_1")});

    digest_of(n, digest);
    verified_put(c, digest, &terms, until_s, v);
    verified_unref(v);
}

static struct verified *get(struct verified_cache *c, unsigned n, const struct verified_terms *t,
                            int64_t now_s)
{
    unsigned char digest[SHA256_BYTES];

    digest_of(n, digest);
    return verified_find(c, digest, t, now_s);
}

static void finds_until_the_proof_ends(void **state)
{
    struct verified_cache *c = verified_cache_new();

    (void)state;
    put(c, 1, 100);
    assert_slice(get(c, 1, &terms, 99)->session_id, "ses_1");
    assert_null(get(c, 1, &terms, 100));
    assert_null(get(c, 1, &terms, 99)); /* gone for good */
    verified_cache_free(c);
}

static void counts_only_under_the_same_keys_and_policy(void **state)
{
    const struct verified_terms other_keys = {2, &terms, 7}, other_policy = {1, &terms, 8};
    struct verified_cache *c = verified_cache_new();

    (void)state;
    put(c, 1, 100);
    assert_null(get(c, 1, &other_keys, 1));
    put(c, 1, 100);
    assert_null(get(c, 1, &other_policy, 1));
    verified_cache_free(c);
}

static void k10_one_other_bit_of_the_digest_is_another_token(void **state)
{
    struct verified_cache *c = verified_cache_new();
    unsigned char digest[SHA256_BYTES];

    (void)state;
    put(c, 1, 100);
    digest_of(1, digest);
    digest[31] ^= 1;
    assert_null(verified_find(c, digest, &terms, 1));
    verified_cache_free(c);
}

static void is_bounded_and_drops_what_was_used_longest_ago(void **state)
{
    struct verified_cache *c = verified_cache_new();
    unsigned held = 0;

    (void)state;
    for (unsigned n = 0; n < 100; n++) {
        put(c, n, 100);
        assert_non_null(get(c, 0, &terms, 1)); /* used all the time */
    }
    for (unsigned n = 0; n < 100; n++)
        held += get(c, n, &terms, 1) != NULL;
    assert_int_equal(held, 4);
    verified_cache_free(c);
}

static void an_entry_outlives_its_place_while_it_is_held(void **state)
{
    struct verified_cache *c = verified_cache_new();
    struct verified *v;

    (void)state;
    put(c, 1, 100);
    v = verified_ref(get(c, 1, &terms, 1));
    verified_cache_free(c);
    assert_slice(v->user_id, "usr_1");
    verified_unref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_until_the_proof_ends),
        cmocka_unit_test(counts_only_under_the_same_keys_and_policy),
        cmocka_unit_test(k10_one_other_bit_of_the_digest_is_another_token),
        cmocka_unit_test(is_bounded_and_drops_what_was_used_longest_ago),
        cmocka_unit_test(an_entry_outlives_its_place_while_it_is_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
