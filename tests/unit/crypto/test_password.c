#include "crypto/password.h"

#include "fixture.h"

#include <sys/resource.h>

/* Far below any real cost, so that the tests take no time. */
static const struct password_cost cheap = {64, 1, 1};

static struct buf hashed(struct slice password)
{
    struct buf b;

    buf_init(&b);
    assert_int_equal(password_hash(password, &cheap, &b), ERR_OK);
    return b;
}

static enum err verify_copy(struct slice password, struct slice hash)
{
    struct slice p = exact(password), h = exact(hash);
    enum err e = password_verify(p, h);

    exact_free(p);
    exact_free(h);
    return e;
}

static void the_password_verifies_and_others_do_not(void **state)
{
    struct buf b = hashed(SLICE("correct horse"));

    (void)state;
    assert_int_equal(verify_copy(SLICE("correct horse"), buf_slice(&b)), ERR_OK);
    assert_int_equal(verify_copy(SLICE("correct horsf"), buf_slice(&b)), ERR_DENIED);
    assert_int_equal(verify_copy(SLICE("correct horse "), buf_slice(&b)), ERR_DENIED);
    assert_int_equal(verify_copy(SLICE("Correct horse"), buf_slice(&b)), ERR_DENIED);
    assert_int_equal(verify_copy(SLICE_NONE, buf_slice(&b)), ERR_DENIED);
    buf_fini(&b);
}

static void every_byte_counts_even_after_nul(void **state)
{
    struct buf b = hashed(slice_of("a\0b", 3));

    (void)state;
    assert_int_equal(verify_copy(slice_of("a\0b", 3), buf_slice(&b)), ERR_OK);
    assert_int_equal(verify_copy(slice_of("a\0c", 3), buf_slice(&b)), ERR_DENIED);
    assert_int_equal(verify_copy(SLICE("a"), buf_slice(&b)), ERR_DENIED);
    buf_fini(&b);
}

static void the_hash_is_a_phc_string_with_its_cost(void **state)
{
    struct buf b = hashed(SLICE("x"));

    (void)state;
    assert_true(slice_starts(buf_slice(&b), SLICE("$argon2id$v=19$m=64,t=1,p=1$")));
    buf_fini(&b);
}

static void the_salt_is_fresh_each_time(void **state)
{
    struct buf a = hashed(SLICE("x")), b = hashed(SLICE("x"));

    (void)state;
    assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_fini(&a);
    buf_fini(&b);
}

/* Made by the reference tool of Argon2: password "password", salt "somesalt". */
static void verifies_a_hash_made_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(
        verify_copy(SLICE("password"), SLICE("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
                                             "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4")),
        ERR_OK);
}

static void text_that_is_no_hash_is_malformed(void **state)
{
    static const char *const rows[] = {
        "",
        "password",
        "$argon2id$",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=256,t=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=0,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$",
        "$argon2id$v=19$x=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,x=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=-1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$2b$12$abcdefghijklmnopqrstuu",
    };
    static const char good[] = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$"
                               "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    char long_text[600];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(verify_copy(SLICE("password"), slice_str(rows[i])), ERR_SYNTAX);
    /* libargon2 would stop at the NUL, and look no further than its own buffers. */
    assert_int_equal(verify_copy(SLICE("password"), slice_of(good, sizeof(good))), ERR_SYNTAX);
    memset(long_text, 'A', sizeof(long_text));
    memcpy(long_text, good, sizeof(good) - 1);
    assert_int_equal(verify_copy(SLICE("password"), slice_of(long_text, sizeof(long_text))),
                     ERR_SYNTAX);
}

static void a_record_cannot_ask_for_any_cost(void **state)
{
    static const char *const rows[] = {
        "$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/"
        "4",
        "$argon2id$v=19$m=256,t=1000000,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/"
        "4",
        "$argon2id$v=19$m=256,t=2,p=1000$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(verify_copy(SLICE("password"), slice_str(rows[i])), ERR_SYNTAX);
}

static void a_cost_out_of_bounds_is_refused(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(password_hash(SLICE("x"), &(struct password_cost){0, 1, 1}, &b), ERR_RANGE);
    assert_int_equal(password_hash(SLICE("x"), &(struct password_cost){64, 0, 1}, &b), ERR_RANGE);
    assert_int_equal(password_hash(SLICE("x"), &(struct password_cost){64, 1, 1000}, &b),
                     ERR_RANGE);
    assert_int_equal(password_hash(SLICE("x"), &(struct password_cost){1 << 21, 1, 1}, &b),
                     ERR_RANGE);
    assert_int_equal(password_hash(SLICE("x"), &(struct password_cost){64, 65, 1}, &b), ERR_RANGE);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

/* libargon2 counts in 32 bits: of this password it would see one byte. */
static void a_password_that_argon2_cannot_count_is_refused(void **state)
{
    struct slice huge = slice_of("x", (size_t)UINT32_MAX + 2);
    struct buf good = hashed(SLICE("x")), b;

    (void)state;
    buf_init(&b);
    assert_int_equal(password_hash(huge, &cheap, &b), ERR_RANGE);
    assert_int_equal(password_verify(huge, buf_slice(&good)), ERR_SYNTAX);
    buf_fini(&b);
    buf_fini(&good);
}

/* Trouble of ours, not of the password: 503, not 401. */
static void no_memory_for_the_cost_is_unavailable(void **state)
{
    static const char hash[] = "$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHQ$"
                               "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    struct rlimit before, little;
    enum err hashing, verifying;
    struct buf b;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    buf_init(&b);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    little = (struct rlimit){(rlim_t)512 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    hashing = password_hash(SLICE("x"), &(struct password_cost){1 << 20, 1, 1}, &b);
    verifying = password_verify(SLICE("x"), slice_str(hash));
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(hashing, ERR_UNAVAILABLE);
    assert_int_equal(verifying, ERR_UNAVAILABLE);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_password_verifies_and_others_do_not),
        cmocka_unit_test(every_byte_counts_even_after_nul),
        cmocka_unit_test(the_hash_is_a_phc_string_with_its_cost),
        cmocka_unit_test(the_salt_is_fresh_each_time),
        cmocka_unit_test(verifies_a_hash_made_elsewhere),
        cmocka_unit_test(text_that_is_no_hash_is_malformed),
        cmocka_unit_test(a_record_cannot_ask_for_any_cost),
        cmocka_unit_test(a_cost_out_of_bounds_is_refused),
        cmocka_unit_test(a_password_that_argon2_cannot_count_is_refused),
        cmocka_unit_test(no_memory_for_the_cost_is_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
