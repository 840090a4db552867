#include "fixture.h"

static enum err decode(const char *text, unsigned char *out, size_t *n)
{
    struct slice copy = exact(slice_str(text));
    unsigned char *room = malloc(BASE64URL_BYTES(copy.n) + (copy.n == 0));
    enum err e = base64url_decode(copy, room, n);

    if (e == ERR_OK)
        memcpy(out, room, *n);
    free(room);
    exact_free(copy);
    return e;
}

static bool is_refused(const char *text)
{
    unsigned char out[256];
    size_t n;

    return decode(text, out, &n) == ERR_SYNTAX;
}

/* RFC 4648 §10, without the padding. */
static void encodes_and_decodes_the_vectors_of_rfc_4648(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    unsigned char plain[16];
    char text[16];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        n = base64url_encode(slice_str(rows[i][0]), text);
        assert_true(slice_eq(slice_of(text, n), slice_str(rows[i][1])));
        assert_int_equal(decode(rows[i][1], plain, &n), ERR_OK);
        assert_true(slice_eq(slice_of(plain, n), slice_str(rows[i][0])));
    }
}

static void every_byte_value_and_length_survives_the_round_trip(void **state)
{
    unsigned char in[300], out[300];
    char text[BASE64URL_CHARS(300) + 1];
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i * 7 + i / 256);
    for (size_t length = 0; length <= sizeof(in); length++) {
        size_t chars = base64url_encode(slice_of(in, length), text);

        assert_int_equal(chars, BASE64URL_CHARS(length));
        text[chars] = '\0';
        assert_int_equal(decode(text, out, &n), ERR_OK);
        assert_int_equal(n, length);
        assert_memory_equal(in, out, n);
    }
}

static void takes_exactly_the_64_digits(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char out[3];
    size_t n;

    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[5] = {'A', 'A', 'A', (char)c, '\0'};
        const char *at = strchr(digits, c);

        assert_int_equal(decode(text, out, &n), at != NULL ? ERR_OK : ERR_SYNTAX);
        if (at != NULL)
            assert_int_equal(out[2], at - digits);
    }
}

static void refuses_padding(void **state)
{
    (void)state;
    assert_true(is_refused("Zg=="));
    assert_true(is_refused("Zm8="));
    assert_true(is_refused("Zm9v===="));
    assert_true(is_refused("="));
}

static void refuses_space_line_breaks_and_nul(void **state)
{
    unsigned char out[8];
    size_t n;

    (void)state;
    assert_true(is_refused(" Zm9v"));
    assert_true(is_refused("Zm9v\n"));
    assert_true(is_refused("Zm\r\n9v"));
    assert_true(is_refused("Zm9v\t"));
    assert_int_equal(base64url_decode(slice_of("Zm\0v", 4), out, &n), ERR_SYNTAX);
}

static void refuses_the_other_alphabet(void **state)
{
    (void)state;
    assert_true(is_refused("++++"));
    assert_true(is_refused("////"));
}

static void refuses_bits_that_no_byte_takes(void **state)
{
    (void)state;
    assert_true(is_refused("Zh"));
    assert_true(is_refused("Zm9"));
    assert_true(is_refused("Zm9vYh"));
    assert_false(is_refused("Zg"));
    assert_false(is_refused("Zm8"));
}

static void refuses_a_single_digit_at_the_end(void **state)
{
    (void)state;
    assert_true(is_refused("A"));
    assert_true(is_refused("Zm9vA"));
}

/* The decoder works on blocks of 64: a bad byte at each place must be seen. */
static void refuses_a_bad_byte_at_every_place(void **state)
{
    char text[201];

    (void)state;
    for (size_t at = 0; at < 200; at++) {
        memset(text, 'A', 200);
        text[200] = '\0';
        text[at] = '.';
        assert_true(is_refused(text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_and_decodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(every_byte_value_and_length_survives_the_round_trip),
        cmocka_unit_test(takes_exactly_the_64_digits),
        cmocka_unit_test(refuses_padding),
        cmocka_unit_test(refuses_space_line_breaks_and_nul),
        cmocka_unit_test(refuses_the_other_alphabet),
        cmocka_unit_test(refuses_bits_that_no_byte_takes),
        cmocka_unit_test(refuses_a_single_digit_at_the_end),
        cmocka_unit_test(refuses_a_bad_byte_at_every_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
