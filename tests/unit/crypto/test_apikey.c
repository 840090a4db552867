#include "crypto/apikey.h"

#include "fixture.h"

static enum err parse(struct slice text, struct slice *id)
{
    struct slice copy = exact(text), found;
    enum err e = apikey_parse(copy, &found);

    if (e == ERR_OK && id != NULL)
        *id = slice_of(text.p + (found.p - copy.p), found.n);
    exact_free(copy);
    return e;
}

static void a_generated_key_has_the_form_and_is_read_back(void **state)
{
    char key[APIKEY_CHARS + 1];
    struct slice id;

    (void)state;
    for (int i = 0; i < 200; i++) {
        apikey_generate(key);
        assert_int_equal(strlen(key), APIKEY_CHARS);
        assert_true(apikey_has_prefix(slice_str(key)));
        assert_int_equal(parse(slice_str(key), &id), ERR_OK);
        assert_ptr_equal(id.p, key + 3);
        assert_int_equal(id.n, APIKEY_ID_CHARS);
        assert_int_equal(key[11], '_');
    }
}

static void two_keys_differ_in_id_and_secret(void **state)
{
    char a[APIKEY_CHARS + 1], b[APIKEY_CHARS + 1];

    (void)state;
    apikey_generate(a);
    apikey_generate(b);
    assert_memory_not_equal(a + 3, b + 3, APIKEY_ID_CHARS);
    assert_memory_not_equal(a + 12, b + 12, APIKEY_SECRET_CHARS);
}

/* K10: no shortened or nearly right key gets as far as a look-up. */
static void k10_any_changed_character_breaks_the_checksum(void **state)
{
    char key[APIKEY_CHARS + 1], changed[APIKEY_CHARS + 1];

    (void)state;
    apikey_generate(key);
    for (size_t i = 0; i < APIKEY_CHARS; i++) {
        strcpy(changed, key);
        changed[i] = key[i] == 'A' ? 'B' : 'A';
        assert_int_equal(parse(slice_str(changed), NULL), ERR_SYNTAX);
    }
}

static void k10_refuses_every_other_length(void **state)
{
    char key[APIKEY_CHARS + 3];

    (void)state;
    apikey_generate(key);
    for (size_t n = 0; n < APIKEY_CHARS; n++)
        assert_int_equal(parse(slice_of(key, n), NULL), ERR_SYNTAX);
    strcpy(key + APIKEY_CHARS, "0");
    assert_int_equal(parse(slice_str(key), NULL), ERR_SYNTAX);
}

/* K10: what is stored and compared covers the whole key. */
static void k10_the_mac_depends_on_pepper_and_whole_key(void **state)
{
    unsigned char a[SHA256_BYTES], b[SHA256_BYTES];
    char key[APIKEY_CHARS + 1];

    (void)state;
    apikey_generate(key);
    apikey_mac(SLICE("pepper"), slice_str(key), a);
    apikey_mac(SLICE("Pepper"), slice_str(key), b);
    assert_memory_not_equal(a, b, sizeof(a));
    key[APIKEY_CHARS - 1] = key[APIKEY_CHARS - 1] == '0' ? '1' : '0';
    apikey_mac(SLICE("pepper"), slice_str(key), b);
    assert_memory_not_equal(a, b, sizeof(a));
    apikey_mac(SLICE("pepper"), slice_of(key, APIKEY_CHARS - 1), b);
    assert_memory_not_equal(a, b, sizeof(a));
}

/* A fixed key and its CRC-32 in base62 of the first 55 characters. */
static void the_checksum_is_crc32_in_base62(void **state)
{
    (void)state;
    assert_int_equal(
        parse(SLICE("sk_AAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3GYsBO"), NULL),
        ERR_OK);
}

/* CRC-32 bit by bit, written down once more; six digits of base62. */
static void put_sum(char key[APIKEY_CHARS + 1])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < APIKEY_CHARS - APIKEY_SUM_CHARS; i++) {
        crc ^= (unsigned char)key[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    crc = ~crc;
    for (size_t i = APIKEY_CHARS - 1; i >= APIKEY_CHARS - APIKEY_SUM_CHARS; i--) {
        key[i] = digits[crc % 62];
        crc /= 62;
    }
}

/* What is looked up in Redis is the id: it never holds what its name could be built of. */
static void a_checksum_that_fits_excuses_no_other_form(void **state)
{
    static const char no_id[] = "-./:@[_`{ *\x80", no_secret[] = "+/=. \x80";
    char key[APIKEY_CHARS + 1], whole[APIKEY_CHARS + 1];

    (void)state;
    apikey_generate(whole);
    memcpy(key, whole, sizeof(key));
    put_sum(key);
    assert_string_equal(key, whole);
    for (size_t i = 0; i < sizeof(no_id); i++) {
        memcpy(key, whole, sizeof(key));
        key[5] = no_id[i];
        put_sum(key);
        assert_int_equal(parse(slice_of(key, APIKEY_CHARS), NULL), ERR_SYNTAX);
    }
    for (size_t i = 0; i < sizeof(no_secret); i++) {
        memcpy(key, whole, sizeof(key));
        key[20] = no_secret[i];
        put_sum(key);
        assert_int_equal(parse(slice_of(key, APIKEY_CHARS), NULL), ERR_SYNTAX);
    }
}

static void a_renewed_key_keeps_its_id_and_nothing_else(void **state)
{
    char old[APIKEY_CHARS + 1], renewed[APIKEY_CHARS + 1];
    struct slice id;

    (void)state;
    apikey_generate(old);
    assert_int_equal(apikey_renew(slice_of(old + 3, APIKEY_ID_CHARS), renewed), ERR_OK);
    assert_int_equal(parse(slice_str(renewed), &id), ERR_OK);
    assert_memory_equal(id.p, old + 3, APIKEY_ID_CHARS);
    assert_memory_not_equal(renewed + 12, old + 12, APIKEY_SECRET_CHARS);
    assert_int_equal(apikey_renew(SLICE("AAAAAAA"), renewed), ERR_SYNTAX);
    assert_int_equal(apikey_renew(SLICE("AAAAAAAAA"), renewed), ERR_SYNTAX);
    assert_int_equal(apikey_renew(SLICE("AAAA_AAA"), renewed), ERR_SYNTAX);
}

static void the_prefix_is_exact(void **state)
{
    (void)state;
    assert_true(apikey_has_prefix(SLICE("sk_")));
    assert_false(apikey_has_prefix(SLICE("SK_x")));
    assert_false(apikey_has_prefix(SLICE("sk")));
    assert_false(apikey_has_prefix(SLICE_NONE));
}

static void a_token_is_256_random_bits_in_base64url(void **state)
{
    char a[TOKEN_CHARS + 1], b[TOKEN_CHARS + 1];
    unsigned char bytes[32];
    size_t n;

    (void)state;
    token_generate(a);
    token_generate(b);
    assert_int_equal(strlen(a), TOKEN_CHARS);
    assert_int_equal(base64url_decode(slice_str(a), bytes, &n), ERR_OK);
    assert_int_equal(n, sizeof(bytes));
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generated_key_has_the_form_and_is_read_back),
        cmocka_unit_test(two_keys_differ_in_id_and_secret),
        cmocka_unit_test(k10_any_changed_character_breaks_the_checksum),
        cmocka_unit_test(k10_refuses_every_other_length),
        cmocka_unit_test(k10_the_mac_depends_on_pepper_and_whole_key),
        cmocka_unit_test(the_checksum_is_crc32_in_base62),
        cmocka_unit_test(a_checksum_that_fits_excuses_no_other_form),
        cmocka_unit_test(a_renewed_key_keeps_its_id_and_nothing_else),
        cmocka_unit_test(the_prefix_is_exact),
        cmocka_unit_test(a_token_is_256_random_bits_in_base64url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
