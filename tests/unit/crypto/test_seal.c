#include "crypto/seal.h"

#include "fixture.h"

#include <limits.h>

static const struct slice key = {"0123456789abcdef0123456789abcdef", 32};
static const struct slice other_key = {"0123456789abcdef0123456789abcdeF", 32};

static struct buf sealed(struct slice context, struct slice plain)
{
    struct buf b;

    buf_init(&b);
    assert_int_equal(seal(key, context, plain, &b), ERR_OK);
    return b;
}

static enum err open_copy(struct slice k, struct slice context, struct slice text,
                          struct slice wanted)
{
    struct slice copy = exact(text);
    struct secret *plain = NULL;
    enum err e = seal_open(k, context, copy, &plain);

    assert_int_equal(plain != NULL, e == ERR_OK);
    if (e == ERR_OK)
        assert_true(slice_eq(secret_slice(plain), wanted));
    secret_free(plain);
    exact_free(copy);
    return e;
}

static void what_was_sealed_opens_again(void **state)
{
    char big[5000];

    (void)state;
    memset(big, 'x', sizeof(big));
    for (size_t n = 0; n <= sizeof(big); n += n < 70 ? 1 : 986) {
        struct buf b = sealed(SLICE("totp user_1"), slice_of(big, n));

        assert_true(slice_starts(buf_slice(&b), SLICE("v1.")));
        assert_int_equal(b.n, 3 + BASE64URL_CHARS(12 + n + 16));
        assert_int_equal(open_copy(key, SLICE("totp user_1"), buf_slice(&b), slice_of(big, n)),
                         ERR_OK);
        buf_fini(&b);
    }
}

/* Made by another AES-GCM from the description in seal.h: the framing must never change. */
static void a_record_sealed_by_an_earlier_version_still_opens(void **state)
{
    (void)state;
    assert_int_equal(open_copy(key, SLICE("ctx"),
                               SLICE("v1.AAECAwQFBgcICQoLRYDXELZZSz2S3uhkbiXp3AY-FNra"),
                               SLICE("hello")),
                     ERR_OK);
}

static void the_nonce_is_fresh_each_time(void **state)
{
    struct buf a = sealed(SLICE("c"), SLICE("same")), b = sealed(SLICE("c"), SLICE("same"));

    (void)state;
    assert_memory_not_equal(a.p + 3, b.p + 3, 16);
    buf_fini(&a);
    buf_fini(&b);
}

static void another_key_does_not_open(void **state)
{
    struct buf b = sealed(SLICE("c"), SLICE("secret"));

    (void)state;
    assert_int_equal(open_copy(other_key, SLICE("c"), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    buf_fini(&b);
}

static void another_context_does_not_open(void **state)
{
    struct buf b = sealed(SLICE("user_1 openai"), SLICE("secret"));

    (void)state;
    assert_int_equal(open_copy(key, SLICE("user_2 openai"), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    assert_int_equal(open_copy(key, SLICE("user_1 opena"), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    assert_int_equal(open_copy(key, SLICE_NONE, buf_slice(&b), SLICE_NONE), ERR_DENIED);
    buf_fini(&b);
}

/* K6: the context is length-prefixed, so it cannot run into what surrounds it. */
static void k6_a_context_is_not_the_beginning_of_a_longer_one(void **state)
{
    struct buf b = sealed(SLICE("ab"), SLICE("secret"));

    (void)state;
    assert_int_equal(open_copy(key, slice_of("ab\0", 3), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    assert_int_equal(open_copy(key, SLICE("a"), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    buf_fini(&b);
}

static void any_changed_bit_is_found(void **state)
{
    struct buf b = sealed(SLICE("c"), SLICE("secret"));
    unsigned char bytes[64];
    size_t n;

    (void)state;
    assert_int_equal(base64url_decode(slice_from(buf_slice(&b), 3), bytes, &n), ERR_OK);
    for (size_t bit = 0; bit < n * 8; bit++) {
        char text[3 + BASE64URL_CHARS(64)] = "v1.";

        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        n = 12 + 6 + 16;
        assert_int_equal(
            open_copy(key, SLICE("c"),
                      slice_of(text, 3 + base64url_encode(slice_of(bytes, n), text + 3)),
                      SLICE_NONE),
            ERR_DENIED);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    buf_fini(&b);
}

static void a_cut_record_does_not_open(void **state)
{
    struct buf b = sealed(SLICE("c"), SLICE("secret"));

    (void)state;
    for (size_t n = 0; n < b.n; n++)
        assert_int_not_equal(open_copy(key, SLICE("c"), slice_to(buf_slice(&b), n), SLICE_NONE),
                             ERR_OK);
    buf_fini(&b);
}

static void refuses_another_version_and_other_text(void **state)
{
    (void)state;
    assert_int_equal(open_copy(key, SLICE("c"), SLICE("v2.AAAA"), SLICE_NONE), ERR_SYNTAX);
    assert_int_equal(open_copy(key, SLICE("c"), SLICE("v1."), SLICE_NONE), ERR_SYNTAX);
    assert_int_equal(open_copy(key, SLICE("c"), SLICE("v1.===="), SLICE_NONE), ERR_SYNTAX);
    assert_int_equal(open_copy(key, SLICE("c"), SLICE_NONE, SLICE_NONE), ERR_SYNTAX);
}

static void refuses_a_key_of_another_length(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(seal(SLICE("short"), SLICE("c"), SLICE("x"), &b), ERR_RANGE);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
    b = sealed(SLICE("c"), SLICE("x"));
    assert_int_equal(open_copy(slice_to(key, 31), SLICE("c"), buf_slice(&b), SLICE_NONE),
                     ERR_DENIED);
    assert_int_equal(open_copy(SLICE_NONE, SLICE("c"), buf_slice(&b), SLICE_NONE), ERR_DENIED);
    buf_fini(&b);
}

/* OpenSSL counts in int. Only the length is looked at: no such memory is there. */
static void refuses_what_is_longer_than_openssl_can_count(void **state)
{
    struct slice huge = slice_of("v1.AAAA", (size_t)INT_MAX + 1);
    struct secret *plain = NULL;
    struct buf b;

    (void)state;
    buf_init(&b);
    assert_int_equal(seal(key, SLICE("c"), huge, &b), ERR_TOO_LARGE);
    assert_int_equal(seal(key, huge, SLICE("x"), &b), ERR_TOO_LARGE);
    assert_int_equal(b.n, 0);
    assert_int_equal(seal_open(key, SLICE("c"), huge, &plain), ERR_SYNTAX);
    assert_int_equal(seal_open(key, huge, SLICE("v1.AAAA"), &plain), ERR_SYNTAX);
    assert_null(plain);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_sealed_opens_again),
        cmocka_unit_test(a_record_sealed_by_an_earlier_version_still_opens),
        cmocka_unit_test(the_nonce_is_fresh_each_time),
        cmocka_unit_test(another_key_does_not_open),
        cmocka_unit_test(another_context_does_not_open),
        cmocka_unit_test(k6_a_context_is_not_the_beginning_of_a_longer_one),
        cmocka_unit_test(any_changed_bit_is_found),
        cmocka_unit_test(a_cut_record_does_not_open),
        cmocka_unit_test(refuses_another_version_and_other_text),
        cmocka_unit_test(refuses_a_key_of_another_length),
        cmocka_unit_test(refuses_what_is_longer_than_openssl_can_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
