#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "store/resp.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

static enum err read_one(const char *text, struct redisReply **out)
{
    struct resp *r = resp_new();
    char *copy = mem_alloc(strlen(text));
    enum err e;

    memcpy(copy, text, strlen(text));
    e = resp_feed(r, slice_of(copy, strlen(text)));
    free(copy);
    if (e == ERR_OK)
        e = resp_next(r, out);
    resp_free(r);
    return e;
}

static void reads_a_reply_in_single_bytes(void **state)
{
    static const char text[] = "*3\r\n$3\r\nabc\r\n:7\r\n*-1\r\n";
    struct resp *r = resp_new();
    struct redisReply *reply = NULL;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text) - 1; i++) {
        assert_int_equal(resp_feed(r, slice_of(&text[i], 1)), ERR_OK);
        assert_int_equal(resp_next(r, &reply), ERR_AGAIN);
    }
    assert_int_equal(resp_feed(r, SLICE("\n")), ERR_OK);
    assert_int_equal(resp_next(r, &reply), ERR_OK);
    assert_int_equal(reply->elements, 3);
    assert_int_equal(reply->element[1]->integer, 7);
    freeReplyObject(reply);
    assert_int_equal(resp_next(r, &reply), ERR_AGAIN);
    resp_free(r);
}

static void refuses_more_elements_than_the_bound(void **state)
{
    struct redisReply *reply = NULL;

    (void)state;
    assert_int_equal(read_one("*65536\r\n", &reply), ERR_AGAIN);
    assert_int_equal(read_one("*65537\r\n", &reply), ERR_SYNTAX);
    assert_int_equal(read_one("*1\r\n*2000000000\r\n", &reply), ERR_SYNTAX);
    assert_null(reply);
}

static void refuses_what_is_no_resp(void **state)
{
    static const char *const bad[] = {"hello\r\n", "\r\n",    "*x\r\n",
                                      "$-5\r\n",   ":1x\r\n", "*-5\r\n"};
    struct redisReply *reply = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_one(bad[i], &reply) != ERR_SYNTAX)
            fail_msg("taken: %s", bad[i]);
    }
}

static void refuses_deep_nesting(void **state)
{
    struct redisReply *reply = NULL;
    char text[400] = "";

    (void)state;
    for (int i = 0; i < 50; i++)
        strcat(text, "*1\r\n");
    assert_int_equal(read_one(text, &reply), ERR_SYNTAX);
}

static void refuses_a_reply_without_end(void **state)
{
    struct resp *r = resp_new();
    char *block = mem_zalloc(65536);
    struct redisReply *reply = NULL;
    size_t fed = 0;
    enum err e = resp_feed(r, SLICE("$100000000\r\n"));

    (void)state;
    while (e == ERR_OK) {
        e = resp_feed(r, slice_of(block, 65536));
        fed += 65536;
        if (e == ERR_OK)
            assert_int_equal(resp_next(r, &reply), ERR_AGAIN);
    }
    assert_int_equal(e, ERR_TOO_LARGE);
    assert_true(fed <= RESP_REPLY_BYTES_MAX + 65536);
    free(block);
    resp_free(r);
}

static void many_replies_in_turn_are_no_large_one(void **state)
{
    struct resp *r = resp_new();
    char *block = mem_zalloc(65536);
    struct redisReply *reply = NULL;

    (void)state;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(resp_feed(r, SLICE("$65536\r\n")), ERR_OK);
        assert_int_equal(resp_feed(r, slice_of(block, 65536)), ERR_OK);
        assert_int_equal(resp_feed(r, SLICE("\r\n")), ERR_OK);
        assert_int_equal(resp_next(r, &reply), ERR_OK);
        freeReplyObject(reply);
    }
    free(block);
    resp_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_reply_in_single_bytes),
        cmocka_unit_test(refuses_more_elements_than_the_bound),
        cmocka_unit_test(refuses_what_is_no_resp),
        cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(refuses_a_reply_without_end),
        cmocka_unit_test(many_replies_in_turn_are_no_large_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
