#include "h1_case.h"

static void finds_the_end_and_nothing_behind_it(void **state)
{
    struct slice bytes = SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\n\r\n");
    size_t head_bytes = 0;

    (void)state;
    assert_int_equal(scan_in_pieces(bytes, 8192, true, bytes.n, 1, &head_bytes), H1_DONE);
    assert_int_equal(head_bytes, 27);
}

static void splits_do_not_move_the_end(void **state)
{
    struct slice bytes =
        SLICE("\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Long: 0123456789abcdef\tx\r\n\r\nrest");

    (void)state;
    for (size_t first = 0; first < bytes.n; first++) {
        for (size_t step = 1; step < 9; step++) {
            size_t head_bytes = 0;

            assert_int_equal(scan_in_pieces(bytes, 8192, true, first, step, &head_bytes), H1_DONE);
            assert_int_equal(head_bytes, bytes.n - 4);
        }
    }
}

static void refuses_as_soon_as_it_sees(void **state)
{
    static const struct slice bad[] = {
        {"\x16", 1},       {"{", 1},     {" ", 1},          {"\n", 1},
        {"\rG", 2},        {"GE\0", 3},  {"GET /\n", 6},    {"GET /\rx", 7},
        {"GET / \x01", 7}, {"G\x7f", 2}, {"\r\n\r\n\r", 5}, {"\0", 1},
    };
    size_t head_bytes;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct slice before = slice_to(bad[i], bad[i].n - 1);

        assert_int_equal(scan_in_pieces(before, 8192, true, before.n, 1, &head_bytes), H1_MORE);
        assert_int_equal(scan_in_pieces(bad[i], 8192, true, bad[i].n, 1, &head_bytes), H1_BAD);
        assert_int_equal(scan_in_pieces(bad[i], 8192, true, 0, 1, &head_bytes), H1_BAD);
    }
}

static void an_answer_may_not_start_with_an_empty_line(void **state)
{
    size_t head_bytes;

    (void)state;
    assert_int_equal(
        scan_in_pieces(SLICE("\r\nHTTP/1.1 200 OK\r\n\r\n"), 8192, false, 1, 1, &head_bytes),
        H1_BAD);
}

static void holds_to_its_limit_however_split(void **state)
{
    struct slice bytes = SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

    (void)state;
    for (size_t limit = 1; limit <= bytes.n; limit++) {
        enum h1_result expected = limit == bytes.n ? H1_DONE
                                  : limit < 4      ? H1_TOO_LARGE
                                  : limit < 16     ? H1_URI_TOO_LONG
                                                   : H1_TOO_LARGE;

        for (size_t first = 0; first <= bytes.n; first++) {
            size_t head_bytes = 0;

            assert_int_equal(scan_in_pieces(bytes, limit, true, first, 1, &head_bytes), expected);
        }
    }
}

static void what_lies_behind_the_limit_is_not_judged(void **state)
{
    struct slice bytes = SLICE("GET / HTTP/1.1\r\nHost: a\r\nX: \0\0\0\0\0\0\0\0\0\0\r\n\r\n");
    size_t head_bytes;

    (void)state;
    for (size_t first = 0; first <= bytes.n; first++)
        assert_int_equal(scan_in_pieces(bytes, 28, true, first, 1, &head_bytes), H1_TOO_LARGE);
}

static void a_reload_may_shrink_the_limit(void **state)
{
    struct slice bytes = SLICE("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n");
    struct h1_scan scan = {0};
    size_t head_bytes;

    (void)state;
    assert_int_equal(h1_scan_head(&scan, bytes, 8192, true, &head_bytes), H1_MORE);
    assert_int_equal(h1_scan_head(&scan, bytes, 20, true, &head_bytes), H1_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_end_and_nothing_behind_it),
        cmocka_unit_test(splits_do_not_move_the_end),
        cmocka_unit_test(refuses_as_soon_as_it_sees),
        cmocka_unit_test(an_answer_may_not_start_with_an_empty_line),
        cmocka_unit_test(holds_to_its_limit_however_split),
        cmocka_unit_test(what_lies_behind_the_limit_is_not_judged),
        cmocka_unit_test(a_reload_may_shrink_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
