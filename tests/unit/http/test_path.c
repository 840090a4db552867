#include "case.h"

#include "http/path.h"

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static struct path path;

static enum err normalise(struct slice target, bool keep)
{
    struct slice block = exact(target);
    enum err e = path_normalise(block, keep, &arena, &path);

    /* The query is a slice of the target: move it to where it outlives the block. */
    if (e == ERR_OK && path.query.p != NULL)
        path.query = arena_dup(&arena, path.query);
    exact_free(block);
    return e;
}

static void assert_path(const char *target, const char *expected)
{
    if (normalise(slice_str(target), false) != ERR_OK)
        fail_msg("%s is refused", target);
    assert_slice(path.text, slice_str(expected));
    /* The form is stable: normalising it again changes nothing. */
    assert_int_equal(normalise(slice_str(expected), false), ERR_OK);
    assert_slice(path.text, slice_str(expected));
}

static void assert_refused(const char *target)
{
    if (normalise(slice_str(target), false) != ERR_SYNTAX)
        fail_msg("%s is taken", target);
}

static void p1_dot_segments_are_resolved_before_any_decision(void **state)
{
    (void)state;
    assert_path("/public/../admin", "/admin");
    assert_path("/public/%2e%2e/admin", "/admin");
    assert_path("/public/.%2E/admin", "/admin");
    assert_path("/a/./b/%2e/c", "/a/b/c");
    assert_path("/a/b/..", "/a/");
    assert_path("/a/b/.", "/a/b/");
    assert_path("/a/..", "/");
    assert_path("/a/b/../../c", "/c");
    assert_path("/...", "/...");
    assert_path("/a/..b/.c", "/a/..b/.c");
    assert_refused("/..");
    assert_refused("/../a");
    assert_refused("/a/../../b");
    assert_refused("/%2e%2e");
    assert_refused("//..");
}

static void p2_the_query_takes_no_part(void **state)
{
    (void)state;
    assert_int_equal(normalise(SLICE("/a?b=/../c%2f&d=?"), false), ERR_OK);
    assert_slice(path.text, SLICE("/a"));
    assert_slice(path.query, SLICE("b=/../c%2f&d=?"));
    assert_int_equal(normalise(SLICE("/a?"), false), ERR_OK);
    assert_non_null(path.query.p);
    assert_int_equal(path.query.n, 0);
    assert_int_equal(normalise(SLICE("/a"), false), ERR_OK);
    assert_null(path.query.p);
}

static void p3_a_fragment_is_refused(void **state)
{
    (void)state;
    assert_refused("/admin#/public");
    assert_refused("/a?b#c");
    assert_path("/a%23b", "/a%23b");
}

static void p9_what_upstreams_may_read_otherwise_is_refused(void **state)
{
    static const char *const bad[] = {
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a%0ab",
        "/a%7fb",
        "/a%1fb",
        "/a%",
        "/a%2",
        "/a%2g",
        "/a%%20",
        "/a%u0041",
        "/a%c0%af",
        "/a%c0%ae",
        "/a%e0%80%af",
        "/a%f0%80%80%af",
        "/a%c3",
        "/a%c3a9",
        "/a%80",
        "/a%ed%a0%80",
        "/a%f5%80%80%80",
        "/a%f4%90%80%80",
        "/a%c3%c3",
        "/a%e2%82",
        "/a%e2%82%41",
        "/a%e2%82/%ac",
        "/a\xc3\xa9",
        "/a b",
        "/a\tb",
        "",
        "a",
        "http://a/",
        "?a",
        "*a",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i]);
    assert_int_equal(normalise(SLICE("/a\0b"), false), ERR_SYNTAX);
    assert_int_equal(normalise(SLICE("/a?b\0"), false), ERR_SYNTAX);
    assert_path("/caf%c3%a9/%e2%82%ac/%F0%9f%98%80", "/caf%C3%A9/%E2%82%AC/%F0%9F%98%80");
}

static void p9_the_bytes_have_one_form(void **state)
{
    (void)state;
    assert_path("/%61%2Db%5f%7E%30", "/a-b_~0");
    assert_path("/a%3ab%3f%25%20%2b", "/a%3Ab%3F%25%20%2B");
    assert_path("/%2561dmin", "/%2561dmin");
    assert_path("/A/a", "/A/a");
}

static void p10_parameters_are_literal(void **state)
{
    static const char *const bad[] = {"/a/..;/b", "/a/..;x=1/b", "/a/.;/b", "/a/..%3b/b",
                                      "/%2e%2e;/b"};

    (void)state;
    assert_path("/a;v=1/b;c", "/a;v=1/b;c");
    assert_path("/a/..x;/b", "/a/..x;/b");
    assert_path("/a/x;../b", "/a/x;../b");
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refused(bad[i]);
}

static void p11_empty_segments_collapse(void **state)
{
    (void)state;
    assert_path("//protected", "/protected");
    assert_path("///a////b//", "/a/b/");
    assert_path("/", "/");
    assert_path("//", "/");
    assert_path("/a//../b", "/b");
}

static void an_encoded_slash_stays_inside_its_segment_when_kept(void **state)
{
    (void)state;
    assert_int_equal(normalise(SLICE("/repo/a%2fb/c"), true), ERR_OK);
    assert_slice(path.text, SLICE("/repo/a%2Fb/c"));
    assert_true(path.has_encoded_slash);
    assert_int_equal(normalise(SLICE("/repo/a/c"), true), ERR_OK);
    assert_false(path.has_encoded_slash);
    assert_int_equal(normalise(SLICE("/a%2f../b"), true), ERR_SYNTAX);
    assert_int_equal(normalise(SLICE("/..%2fb"), true), ERR_SYNTAX);
    assert_int_equal(normalise(SLICE("/a%2f%2e%2e%2fb"), true), ERR_SYNTAX);
    assert_int_equal(normalise(SLICE("/a%2f..;x%2fb"), true), ERR_SYNTAX);
    assert_int_equal(normalise(SLICE("/a%2f...%2f..b"), true), ERR_OK);
}

static void star_is_itself(void **state)
{
    (void)state;
    assert_int_equal(normalise(SLICE("*"), false), ERR_OK);
    assert_slice(path.text, SLICE("*"));
}

static void segments_come_one_by_one(void **state)
{
    struct slice rest = SLICE("/a/bc/"), segment;

    (void)state;
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, SLICE("a"));
    assert_true(path_next(&rest, &segment));
    assert_slice(segment, SLICE("bc"));
    assert_true(path_next(&rest, &segment));
    assert_int_equal(segment.n, 0);
    assert_false(path_next(&rest, &segment));
    rest = SLICE("a/b");
    assert_false(path_next(&rest, &segment));
}

static void p16_a_parameter_given_twice_is_seen(void **state)
{
    struct slice query = SLICE("model=a&x=1&%6dodel=b&mode=c&model");
    size_t count = 99;

    (void)state;
    assert_slice(query_find(query, SLICE("model"), &count), SLICE("a"));
    assert_int_equal(count, 3);
    assert_slice(query_find(query, SLICE("x"), &count), SLICE("1"));
    assert_int_equal(count, 1);
    assert_null(query_find(query, SLICE("y"), &count).p);
    assert_int_equal(count, 0);
    assert_null(query_find(SLICE_NONE, SLICE("y"), &count).p);
}

static void names_are_compared_after_decoding(void **state)
{
    size_t count;

    (void)state;
    assert_slice(query_find(SLICE("a+b=1"), SLICE("a b"), &count), SLICE("1"));
    assert_slice(query_find(SLICE("a%20b=1%2B"), SLICE("a b"), NULL), SLICE("1%2B"));
    assert_slice(query_find(SLICE("a%=1"), SLICE("a%"), &count), SLICE("1"));
    assert_null(query_find(SLICE("&&"), SLICE(""), &count).p);
    assert_int_equal(count, 0);
    assert_non_null(query_find(SLICE("flag&x"), SLICE("flag"), &count).p);
    assert_slice(query_find(SLICE("k=a=b"), SLICE("k"), &count), SLICE("a=b"));
    assert_null(query_find(SLICE("ab=1&%61%62c=2"), SLICE("abc?"), &count).p);
    assert_null(query_find(SLICE("abc=1"), SLICE("ab"), &count).p);
    assert_slice(query_find(SLICE("=x&a"), SLICE(""), &count), SLICE("x"));
}

static void percent_decoding_refuses_nul_and_bad_escapes(void **state)
{
    struct slice out;

    (void)state;
    assert_int_equal(percent_decode(SLICE("a%20b+c%c3%A9"), false, &arena, &out), ERR_OK);
    assert_slice(out, SLICE("a b+c\xc3\xa9"));
    assert_int_equal(percent_decode(SLICE("a+b"), true, &arena, &out), ERR_OK);
    assert_slice(out, SLICE("a b"));
    assert_int_equal(percent_decode(SLICE_NONE, true, &arena, &out), ERR_OK);
    assert_int_equal(out.n, 0);
    assert_int_equal(percent_decode(SLICE("%"), false, &arena, &out), ERR_SYNTAX);
    assert_int_equal(percent_decode(SLICE("%4"), false, &arena, &out), ERR_SYNTAX);
    assert_int_equal(percent_decode(SLICE("%zz"), false, &arena, &out), ERR_SYNTAX);
    assert_int_equal(percent_decode(SLICE("%4z"), false, &arena, &out), ERR_SYNTAX);
    assert_int_equal(percent_decode(SLICE("a%00"), false, &arena, &out), ERR_SYNTAX);
    assert_int_equal(percent_decode(SLICE("a\0"), false, &arena, &out), ERR_SYNTAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(p1_dot_segments_are_resolved_before_any_decision),
        TEST(p2_the_query_takes_no_part),
        TEST(p3_a_fragment_is_refused),
        TEST(p9_what_upstreams_may_read_otherwise_is_refused),
        TEST(p9_the_bytes_have_one_form),
        TEST(p10_parameters_are_literal),
        TEST(p11_empty_segments_collapse),
        TEST(an_encoded_slash_stays_inside_its_segment_when_kept),
        TEST(star_is_itself),
        TEST(segments_come_one_by_one),
        TEST(p16_a_parameter_given_twice_is_seen),
        TEST(names_are_compared_after_decoding),
        TEST(percent_decoding_refuses_nul_and_bad_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
