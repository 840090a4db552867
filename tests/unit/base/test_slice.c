#include "base_case.h"

static void cuts_at_each_separator(void **state)
{
    struct slice rest = SLICE("a,,b,");

    (void)state;
    assert_slice(slice_cut(&rest, ','), SLICE("a"));
    assert_slice(slice_cut(&rest, ','), SLICE(""));
    assert_slice(slice_cut(&rest, ','), SLICE("b"));
    assert_non_null(rest.p);
    assert_slice(slice_cut(&rest, ','), SLICE(""));
    assert_null(rest.p);
}

static void a_separator_is_found_from_an_index_on(void **state)
{
    (void)state;
    assert_int_equal(slice_find(SLICE("abca"), 'a', 1), 3);
    assert_int_equal(slice_find(SLICE("abca"), 'x', 0), 4);
    assert_int_equal(slice_find(SLICE("abca"), 'a', 9), 4);
    assert_int_equal(slice_find(SLICE_NONE, 'a', 0), 0);
}

static void numbers_are_digits_only(void **state)
{
    static const char *const bad[] = {"",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1e3",
                                      "18446744073709551616",
                                      "99999999999999999999999",
                                      "1_0"};
    uint64_t n = 7;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (slice_u64(slice_str(bad[i]), UINT64_MAX, &n))
            fail_msg("%s", bad[i]);
    assert_int_equal(n, 7);
    assert_true(slice_u64(SLICE("18446744073709551615"), UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    assert_true(slice_u64(SLICE("0005"), 5, &n));
    assert_int_equal(n, 5);
    assert_false(slice_u64(SLICE("6"), 5, &n));
    assert_false(slice_u64(SLICE("10"), 9, &n));
    assert_true(slice_u64(SLICE("0"), 0, &n));
    assert_false(slice_u64(SLICE("1"), 0, &n));
}

static void compares_as_unsigned_bytes(void **state)
{
    (void)state;
    assert_true(slice_cmp(SLICE("a"), SLICE("b")) < 0);
    assert_true(slice_cmp(SLICE("\xff"), SLICE("a")) > 0);
    assert_true(slice_cmp(SLICE("ab"), SLICE("a")) > 0);
    assert_true(slice_cmp(SLICE_NONE, SLICE("a")) < 0);
    assert_int_equal(slice_cmp(SLICE("a"), SLICE("a")), 0);
    assert_true(slice_eq(SLICE_NONE, SLICE("")));
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
}

static void folds_ascii_only(void **state)
{
    (void)state;
    assert_true(slice_eq_ci(SLICE("Content-TYPE"), SLICE("content-type")));
    assert_false(slice_eq_ci(SLICE("\xc4"), SLICE("\xe4")));
    assert_false(slice_eq_ci(SLICE("@[`{"), SLICE("`{@[")));
    assert_true(slice_starts_ci(SLICE("Bearer x"), SLICE("bearer ")));
    assert_false(slice_starts_ci(SLICE("Bear"), SLICE("bearer ")));
    assert_true(slice_ends(SLICE("a.json"), SLICE(".json")));
    assert_false(slice_ends(SLICE("json"), SLICE(".json")));
}

static void trims_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_slice(slice_trim(SLICE(" \t a b\t ")), SLICE("a b"));
    assert_slice(slice_trim(SLICE("\n a")), SLICE("\n a"));
    assert_slice(slice_trim(SLICE(" \t ")), SLICE(""));
}

static void parts_stay_inside(void **state)
{
    (void)state;
    assert_slice(slice_from(SLICE("abc"), 1), SLICE("bc"));
    assert_slice(slice_from(SLICE("abc"), 9), SLICE(""));
    assert_slice(slice_to(SLICE("abc"), 2), SLICE("ab"));
    assert_slice(slice_to(SLICE("abc"), 9), SLICE("abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_at_each_separator),
        cmocka_unit_test(a_separator_is_found_from_an_index_on),
        cmocka_unit_test(numbers_are_digits_only),
        cmocka_unit_test(compares_as_unsigned_bytes),
        cmocka_unit_test(folds_ascii_only),
        cmocka_unit_test(trims_spaces_and_tabs_only),
        cmocka_unit_test(parts_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
