#include "model/reply.h"

#include "fixture.h"

#include <hiredis/hiredis.h>

enum { PAIRS = 4 };

/* The tree that the reader makes of these bytes. */
static struct redisReply *read_reply(struct slice bytes)
{
    redisReader *reader = redisReaderCreate();
    struct slice copy = exact(bytes);
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, copy.p, copy.n), REDIS_OK);
    exact_free(copy);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

static void text_is_taken_from_strings_only(void **state)
{
    static const struct slice none[] = {
        {":5\r\n", 4}, {"$-1\r\n", 5}, {"-ERR x\r\n", 8}, {"*0\r\n", 4}};
    struct redisReply *r = read_reply(SLICE("$4\r\na\0\r\n\r\n"));

    (void)state;
    assert_true(slice_eq(reply_text(r), SLICE("a\0\r\n")));
    freeReplyObject(r);
    r = read_reply(SLICE("+OK\r\n"));
    assert_slice(reply_text(r), "OK");
    freeReplyObject(r);
    r = read_reply(SLICE("$0\r\n\r\n"));
    assert_non_null(reply_text(r).p);
    freeReplyObject(r);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        r = read_reply(none[i]);
        assert_null(reply_text(r).p);
        freeReplyObject(r);
    }
    assert_null(reply_text(NULL).p);
}

static bool number_of(struct slice bytes, int64_t *n)
{
    struct redisReply *r = read_reply(bytes);
    bool is_number = reply_number(r, n);

    freeReplyObject(r);
    return is_number;
}

static void numbers_are_integers_or_digits(void **state)
{
    int64_t n = 0;

    (void)state;
    assert_true(number_of(SLICE(":-5\r\n"), &n));
    assert_int_equal(n, -5);
    assert_true(number_of(SLICE("$2\r\n42\r\n"), &n));
    assert_int_equal(n, 42);
    assert_true(number_of(SLICE("$19\r\n9223372036854775807\r\n"), &n));
    assert_true(n == INT64_MAX);
    assert_false(number_of(SLICE("$19\r\n9223372036854775808\r\n"), &n));
    assert_false(number_of(SLICE("$2\r\n4x\r\n"), &n));
    assert_false(number_of(SLICE("$0\r\n\r\n"), &n));
    assert_false(number_of(SLICE("$-1\r\n"), &n));
    assert_false(number_of(SLICE("*1\r\n:1\r\n"), &n));
    assert_false(reply_number(NULL, &n));
    assert_true(n == INT64_MAX);
}

static void an_error_is_known_by_its_first_word(void **state)
{
    struct redisReply *r = read_reply(SLICE("-NOSCRIPT No matching script\r\n"));
    struct redisReply *string = read_reply(SLICE("$8\r\nNOSCRIPT\r\n"));

    (void)state;
    assert_true(reply_is_error(r, SLICE("NOSCRIPT")));
    assert_true(reply_is_error(r, SLICE_NONE));
    assert_false(reply_is_error(r, SLICE("ERR")));
    assert_false(reply_is_error(string, SLICE_NONE));
    assert_false(reply_is_error(NULL, SLICE_NONE));
    freeReplyObject(r);
    freeReplyObject(string);
}

static enum err pairs_of(struct slice bytes, struct pair *pairs, size_t *count)
{
    struct redisReply *r = read_reply(bytes);
    enum err e = reply_pairs(r, pairs, PAIRS, count);

    freeReplyObject(r);
    return e;
}

static void pairs_need_an_even_array_of_strings(void **state)
{
    struct pair pairs[PAIRS];
    struct redisReply *r = read_reply(SLICE("*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$0\r\n\r\n"));
    size_t n = 77;

    (void)state;
    assert_int_equal(reply_pairs(r, pairs, PAIRS, &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_slice(pairs[0].name, "a");
    assert_slice(pairs[0].value, "1");
    assert_slice(pairs[1].name, "b");
    assert_int_equal(pairs[1].value.n, 0);
    assert_int_equal(reply_pairs(r, pairs, 1, &n), ERR_SYNTAX);
    freeReplyObject(r);
    assert_int_equal(pairs_of(SLICE("*0\r\n"), pairs, &n), ERR_NOT_FOUND);
    assert_int_equal(pairs_of(SLICE("*1\r\n$1\r\na\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(pairs_of(SLICE("*2\r\n$1\r\na\r\n:1\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(pairs_of(SLICE("*2\r\n$1\r\na\r\n$-1\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(pairs_of(SLICE("*2\r\n$1\r\na\r\n*1\r\n:1\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(pairs_of(SLICE("*-1\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(pairs_of(SLICE(":1\r\n"), pairs, &n), ERR_SYNTAX);
    assert_int_equal(reply_pairs(NULL, pairs, PAIRS, &n), ERR_SYNTAX);
    assert_int_equal(n, 2);
}

static void elements_beyond_the_end_are_null(void **state)
{
    struct redisReply *r = read_reply(SLICE("*1\r\n:1\r\n"));
    struct redisReply *string = read_reply(SLICE("$1\r\na\r\n"));

    (void)state;
    assert_int_equal(reply_count(r), 1);
    assert_non_null(reply_at(r, 0));
    assert_null(reply_at(r, 1));
    assert_int_equal(reply_count(string), 0);
    assert_null(reply_at(string, 0));
    assert_null(reply_at(NULL, 0));
    freeReplyObject(r);
    freeReplyObject(string);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_taken_from_strings_only),
        cmocka_unit_test(numbers_are_integers_or_digits),
        cmocka_unit_test(an_error_is_known_by_its_first_word),
        cmocka_unit_test(pairs_need_an_even_array_of_strings),
        cmocka_unit_test(elements_beyond_the_end_are_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
