#include "crypto/digest.h"

#include "fixture.h"

static void expect_hex(const unsigned char *bytes, size_t n, const char *wanted)
{
    char text[256];

    hex_encode(slice_of(bytes, n), text);
    assert_string_equal(text, wanted);
}

/* FIPS 180-4 examples. */
static void sha256_gives_the_published_digests(void **state)
{
    unsigned char out[SHA256_BYTES];

    (void)state;
    sha256(SLICE("abc"), out);
    expect_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(SLICE_NONE, out);
    expect_hex(out, sizeof(out),
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231 §4.2, §4.3. */
static void hmac_gives_the_digests_of_rfc_4231(void **state)
{
    unsigned char out[SHA256_BYTES];
    char key[20];

    (void)state;
    memset(key, 0x0b, sizeof(key));
    hmac_sha256(slice_of(key, sizeof(key)), SLICE("Hi There"), out);
    expect_hex(out, sizeof(out),
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    expect_hex(out, sizeof(out),
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* The context is kept: an empty key must not mean the one before. */
static void an_empty_key_is_not_the_key_before(void **state)
{
    unsigned char first[SHA256_BYTES], second[SHA256_BYTES];

    (void)state;
    hmac_sha256(SLICE("key"), SLICE("text"), first);
    hmac_sha256(SLICE_NONE, SLICE("text"), second);
    assert_memory_not_equal(first, second, SHA256_BYTES);
    hmac_sha256(SLICE(""), SLICE_NONE, second);
    expect_hex(second, sizeof(second),
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869 A.3: no salt, no info. */
static void derive_key_is_hkdf(void **state)
{
    unsigned char out[42];
    char master[22];

    (void)state;
    memset(master, 0x0b, sizeof(master));
    derive_key(slice_of(master, sizeof(master)), "", out, sizeof(out));
    expect_hex(out, sizeof(out),
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

static void another_purpose_is_another_key(void **state)
{
    unsigned char a[32], b[32];

    (void)state;
    derive_key(SLICE("0123456789abcdef"), "api key pepper", a, sizeof(a));
    derive_key(SLICE("0123456789abcdef"), "seal", b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(hmac_gives_the_digests_of_rfc_4231),
        cmocka_unit_test(an_empty_key_is_not_the_key_before),
        cmocka_unit_test(derive_key_is_hkdf),
        cmocka_unit_test(another_purpose_is_another_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
