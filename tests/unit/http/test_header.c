#include "case.h"

#include "http/header.h"

/* The name in upper case with each '-' replaced by with. */
static size_t respell(struct slice name, char with, char *out)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        out[i] = c == '-' ? with : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    return name.n;
}

static void finds_every_row_in_any_case(void **state)
{
    char text[64];

    (void)state;
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        struct slice name = header_name((enum header)id);

        assert_int_equal(header_find(name), id);
        assert_int_equal(header_find(slice_of(text, respell(name, '-', text))), id);
        assert_int_equal(header_find_folded(slice_of(text, respell(name, '-', text))), id);
    }
}

static void knows_no_other_name(void **state)
{
    static const char *const names[] = {"",           "x",    "hos",    "host2",
                                        "x-user-idx", "-",    "x-user", "Sec-Fetch-Mode",
                                        "x-user_id",  "hosu", "xhost"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(header_find(slice_str(names[i])), HEADER_OTHER);
    assert_int_equal(header_name(HEADER_OTHER).n, 0);
    assert_int_equal(header_flags(HEADER_OTHER), 0);
}

static void reads_no_byte_past_a_name(void **state)
{
    struct slice name = exact(SLICE("X-User-I"));

    (void)state;
    assert_int_equal(header_find(name), HEADER_OTHER);
    assert_true(header_is_reserved(name)); /* of the family X-User-* */
    exact_free(name);
}

static void h2_underscore_is_a_dash(void **state)
{
    char text[64];

    (void)state;
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        struct slice name = slice_of(text, respell(header_name((enum header)id), '_', text));
        unsigned flags = header_flags((enum header)id);

        assert_int_equal(header_find_folded(name), id);
        if (flags & (HEADER_FLAG_OURS | HEADER_FLAG_FORWARDED))
            assert_true(header_is_reserved(name));
    }
}

static void h3_dot_and_space_are_dashes_too(void **state)
{
    (void)state;
    assert_int_equal(header_find_folded(SLICE("X_User.ID")), HEADER_X_USER_ID);
    assert_int_equal(header_find_folded(SLICE("x user id")), HEADER_X_USER_ID);
    assert_true(header_is_reserved(SLICE("X.User.Id")));
    assert_true(header_is_reserved(SLICE("X.Authenticated-User")) == false);
}

static void h2_every_mark_is_a_dash(void **state)
{
    static const char marks[] = "!#$%&'*+.^_`|~ ";
    char text[] = "X-User-Id";

    (void)state;
    for (size_t i = 0; marks[i] != '\0'; i++) {
        text[1] = text[6] = marks[i];
        assert_int_equal(header_find_folded(slice_str(text)), HEADER_X_USER_ID);
        assert_true(header_is_reserved(slice_str(text)));
        text[6] = '-';
        assert_int_equal(header_find_folded(slice_str(text)), HEADER_X_USER_ID);
    }
    assert_int_equal(header_find_folded(SLICE("SCRIPT_NAME")), HEADER_SCRIPT_NAME);
    assert_false(header_is_reserved(SLICE("XaUser-Id")));
}

static void h5_whole_families_are_reserved(void **state)
{
    static const char *const reserved[] = {
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Anything",
        "x_forwarded_uri",
        "X-Original-URL",
        "X-Original.Path",
        "X-Envoy-Original-Path",
        "X-Rewrite-Url",
        "X-User-Email",
        "x_user_",
        "X-Auth-Whatever",
        "X-Postern-Mode",
        "X-Real_IP",
        "X-HTTP-Method-Override",
        "X-Request-Id",
    };
    static const char *const free_names[] = {"X-Userid", "Authorization", "Cookie", "X-Originally",
                                             "Accept",   "X-Custom",      "X",      "XX-User-Id"};

    (void)state;
    for (size_t i = 0; i < COUNT(reserved); i++)
        if (!header_is_reserved(slice_str(reserved[i])))
            fail_msg("%s", reserved[i]);
    for (size_t i = 0; i < COUNT(free_names); i++)
        if (header_is_reserved(slice_str(free_names[i])))
            fail_msg("%s", free_names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_row_in_any_case),
        cmocka_unit_test(knows_no_other_name),
        cmocka_unit_test(reads_no_byte_past_a_name),
        cmocka_unit_test(h2_underscore_is_a_dash),
        cmocka_unit_test(h3_dot_and_space_are_dashes_too),
        cmocka_unit_test(h2_every_mark_is_a_dash),
        cmocka_unit_test(h5_whole_families_are_reserved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
