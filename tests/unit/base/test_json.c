#include "base_case.h"

#include "base/json.h"

#include <stdlib.h>

static enum err read_text(struct slice text)
{
    json_t *tree = NULL;
    char *block = malloc(text.n);
    enum err e;

    if (text.n > 0)
        memcpy(block, text.p, text.n);
    e = json_read(slice_of(block, text.n), 1 << 20, &tree);
    free(block);
    json_decref(tree);
    return e;
}

static void o8_refuses_what_readers_disagree_about(void **state)
{
    static const struct slice bad[] = {
        {"", 0},
        {"{\"a\":1,\"a\":2}", 13},
        {"{\"a\":\"x\\u0000y\"}", 16},
        {"{\"a\":\"\xff\"}", 9},
        {"{\"a\":\"\xed\xa0\x80\"}", 11},
        {"{} x", 4},
        {"{}\0", 3},
        {"{", 1},
        {"{'a':1}", 7},
        {"[1,]", 4},
        {"[1e400]", 7},
        {"[01]", 4},
        {"[NaN]", 5},
        {"\"a\nb\"", 5},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        if (read_text(bad[i]) != ERR_SYNTAX)
            fail_msg("row %zu", i);
    assert_int_equal(read_text(SLICE("{\"a\":[1,\"\xc3\xa9\",null]} \r\n")), ERR_OK);
}

static void o8_depth_is_bounded_before_the_recursion(void **state)
{
    static char text[200001];
    size_t n = 0;

    (void)state;
    for (; n < JSON_DEPTH_MAX; n++)
        text[n] = '[';
    for (; n < 2 * JSON_DEPTH_MAX; n++)
        text[n] = ']';
    assert_int_equal(read_text(slice_of(text, n)), ERR_OK);
    memset(text, '[', sizeof(text));
    assert_int_equal(read_text(slice_of(text, sizeof(text))), ERR_SYNTAX);
    /* Brackets inside strings are no nesting. */
    assert_int_equal(
        read_text(SLICE("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                        "[[[[[[[\\\"[[[[[[[[[[[[[[[[[[\"]")),
        ERR_OK);
}

static void size_is_bounded(void **state)
{
    json_t *tree = NULL;

    (void)state;
    assert_int_equal(json_read(SLICE("[1,2]"), 4, &tree), ERR_TOO_LARGE);
    assert_null(tree);
}

static void strings_are_escaped(void **state)
{
    static const struct {
        struct slice in;
        const char *out;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{NULL, 0}, "\"\""},
        {{"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
        {{"\n\0\x1f\x7f", 4}, "\"\\u000a\\u0000\\u001f\\u007f\""},
        {{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 14},
         "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {{"\xff"
          "a\xc3",
          3},
         "\"\\ufffda\\ufffd\""},
        {{"a\xc2\x85\xc2\x9b\xc2\xa0", 7}, "\"a\\u0085\\u009b\xc2\xa0\""},
        {{"\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa", 9}, "\"\\u2028\\u2029\xe2\x80\xaa\""},
        {{"\xc0\xaf", 2}, "\"\\ufffd\\ufffd\""},
        {{"\xed\xa0\x80", 3}, "\"\\ufffd\\ufffd\\ufffd\""},
    };
    struct buf b;

    (void)state;
    buf_init(&b);
    for (size_t i = 0; i < COUNT(rows); i++) {
        json_add_string(&b, rows[i].in);
        assert_string_equal(buf_cstr(&b), rows[i].out);
        buf_clear(&b);
    }
    buf_fini(&b);
}

static void member_texts_are_found(void **state)
{
    json_t *tree = NULL;

    (void)state;
    assert_int_equal(json_read(SLICE("{\"a\":\"x\",\"b\":1}"), 100, &tree), ERR_OK);
    assert_slice(json_text(tree, "a"), SLICE("x"));
    assert_null(json_text(tree, "b").p);
    assert_null(json_text(tree, "c").p);
    json_decref(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(o8_refuses_what_readers_disagree_about),
        cmocka_unit_test(o8_depth_is_bounded_before_the_recursion),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(member_texts_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
