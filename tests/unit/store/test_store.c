#include "store_test.h"

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    bench_open(b);
    make_user(b, "u1");
    make_key(b, "k1", "u1");
    store_ready(b);
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    bench_close(*state);
    free(*state);
    return 0;
}

static void finds_a_key_with_its_owner(void **state)
{
    struct bench *b = *state;
    struct asked a;

    assert_int_equal(find_key(b, "k1", &a), ERR_OK);
    assert_int_equal(a.dones, 1);
    assert_false(a.op.was_cached);
    assert_true(slice_eq(a.op.key->id, SLICE("k1")));
    assert_true(slice_eq(a.op.user->id, SLICE("u1")));
    store_op_clear(&a.op);
    assert_null(a.op.key);
}

static void answers_from_the_cache_without_asking(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "CONFIG RESETSTAT");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
        assert_true(was_cached);
    }
    assert_int_equal(count_scripts(b), 0);
}

static bool is_key_gone(void *arg)
{
    return ask_key(arg, "k1", NULL) == ERR_NOT_FOUND;
}

static void r6_revoked_key_is_refused_within_100_ms(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "DEL postern:key:k1");
    assert_true(turn_until(b, is_key_gone, b, 100));
}

static bool is_owner_disabled(void *arg)
{
    struct asked a;
    bool is_disabled = find_key(arg, "k1", &a) == ERR_OK && !a.op.user->is_active;

    store_op_clear(&a.op);
    return is_disabled;
}

static void change_of_the_owner_is_seen_within_100_ms(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "HSET postern:user:u1 is_active 0");
    assert_true(turn_until(b, is_owner_disabled, b, 100));
}

static void change_in_a_transaction_is_seen(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "MULTI");
    admin(b, "HSET postern:user:u1 is_active 0");
    admin(b, "DEL postern:key:k1");
    admin(b, "EXEC");
    assert_true(turn_until(b, is_key_gone, b, 100));
}

static bool is_key_there(void *arg)
{
    return ask_key(arg, "k2", NULL) == ERR_OK;
}

static void absent_key_is_remembered_until_it_is_made(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    assert_int_equal(ask_key(b, "k2", NULL), ERR_NOT_FOUND);
    assert_int_equal(ask_key(b, "k2", &was_cached), ERR_NOT_FOUND);
    assert_true(was_cached);
    make_key(b, "k2", "u1");
    assert_true(turn_until(b, is_key_there, b, 100));
}

static void key_without_its_owner_is_not_found(void **state)
{
    struct bench *b = *state;

    make_key(b, "k3", "nobody");
    assert_int_equal(ask_key(b, "k3", NULL), ERR_NOT_FOUND);
    assert_int_equal(ask_key(b, "k3", NULL), ERR_NOT_FOUND);
}

static void malformed_record_is_unavailable_not_refused(void **state)
{
    struct bench *b = *state;

    admin(b, "HDEL postern:key:k1 mac");
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    admin(b, "DEL postern:key:k1");
    admin(b, "SET postern:key:k1 text");
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
}

static void finds_a_session_with_its_user(void **state)
{
    struct bench *b = *state;
    struct asked a;

    admin(b, "HSET postern:sess:s1 id s1 user u1 kind login token_ver 1 created_at 1 expires_at "
             "99999999999");
    for (int i = 0; i < 2; i++) {
        asked_init(&a);
        if (!store_find_session(b->store, SLICE("s1"), &a.op))
            assert_true(turn_until(b, is_done, &a, SOON_MS));
        assert_int_equal(a.op.e, ERR_OK);
        assert_int_equal(a.op.was_cached, i == 1);
        assert_true(slice_eq(a.op.session->id, SLICE("s1")));
        assert_true(slice_eq(a.op.user->id, SLICE("u1")));
        store_op_clear(&a.op);
    }
}

static void session_past_its_end_is_not_served_from_the_cache(void **state)
{
    struct bench *b = *state;
    struct asked a;

    admin(b, "HSET postern:sess:s2 id s2 user u1 kind login token_ver 1 created_at 1 expires_at 2");
    for (int i = 0; i < 2; i++) {
        asked_init(&a);
        assert_false(store_find_session(b->store, SLICE("s2"), &a.op));
        assert_true(turn_until(b, is_done, &a, SOON_MS));
        store_op_clear(&a.op);
    }
}

static void finds_an_opaque_token_with_scopes_session_and_user(void **state)
{
    struct bench *b = *state;
    unsigned char mac[32];
    struct asked a;

    for (size_t i = 0; i < 32; i++)
        mac[i] = (unsigned char)((i % 16) * 0x11);
    admin(b, "HSET postern:sess:s1 id s1 user u1 kind cli token_ver 1 created_at 1 expires_at "
             "99999999999");
    admin(b, "HSET postern:tok:" MAC " session s1 scopes read expires_at 99999999999");
    for (int i = 0; i < 2; i++) {
        asked_init(&a);
        if (store_find_token(b->store, mac, &a.op))
            on_done(&a.op);
        else
            assert_true(turn_until(b, is_done, &a, SOON_MS));
        assert_int_equal(a.op.e, ERR_OK);
        assert_int_equal(a.op.was_cached, i == 1);
        assert_string_equal(a.scopes, "read");
        assert_true(slice_eq(a.op.session->id, SLICE("s1")));
        assert_true(slice_eq(a.op.user->id, SLICE("u1")));
        store_op_clear(&a.op);
    }
    admin(b, "DEL postern:sess:s1");
    turn_until(b, NULL, NULL, 50);
    asked_init(&a);
    if (!store_find_token(b->store, mac, &a.op))
        assert_true(turn_until(b, is_done, &a, SOON_MS));
    assert_int_equal(a.op.e, ERR_NOT_FOUND);
    assert_null(a.op.user);
}

static bool are_done(void *arg)
{
    struct asked *a = arg;

    for (int i = 0; i < 10; i++) {
        if (!is_done(&a[i]))
            return false;
    }
    return true;
}

static void concurrent_questions_share_one_command(void **state)
{
    struct bench *b = *state;
    struct asked a[10];

    ask_key(b, "warm-up", NULL);
    admin(b, "CONFIG RESETSTAT");
    for (int i = 0; i < 10; i++) {
        asked_init(&a[i]);
        assert_false(store_find_key(b->store, SLICE("k1"), &a[i].op));
    }
    assert_true(turn_until(b, are_done, a, SOON_MS));
    assert_int_equal(count_scripts(b), 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(a[i].op.e, ERR_OK);
        assert_int_equal(a[i].dones, 1);
        store_op_clear(&a[i].op);
    }
}

static void cancelled_question_is_not_answered(void **state)
{
    struct bench *b = *state;
    struct asked a, other;

    asked_init(&a);
    asked_init(&other);
    store_cancel(&a.op); /* idle */
    assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
    assert_false(store_find_key(b->store, SLICE("k1"), &other.op));
    store_cancel(&a.op);
    store_cancel(&a.op);
    assert_true(turn_until(b, is_done, &other, SOON_MS));
    turn_until(b, NULL, NULL, 20);
    assert_int_equal(a.dones, 0);
    store_op_clear(&other.op);
}

static void store_goes_while_questions_wait(void **state)
{
    struct bench *b = *state;
    struct asked a;

    asked_init(&a);
    assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
    store_free(b->store);
    b->store = NULL;
    store_cancel(&a.op);
    turn_until(b, NULL, NULL, 20);
    assert_int_equal(a.dones, 0);
}

static void flushall_empties_the_cache(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "FLUSHALL");
    assert_true(turn_until(b, is_key_gone, b, 100));
}

static void scripts_come_back_after_script_flush(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "SCRIPT FLUSH");
    admin(b, "HSET postern:user:u1 token_ver 2");
    turn_until(b, NULL, NULL, 50);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
}

static void expired_key_in_redis_leaves_the_cache(void **state)
{
    struct bench *b = *state;

    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    admin(b, "PEXPIRE postern:key:k1 50");
    assert_true(turn_until(b, is_key_gone, b, 2000));
}

static bool is_use_counted(void *arg)
{
    struct bench *b = arg;
    redisReply *reply = redisCommand(b->admin, "HGET postern:used:k1 usage_count");
    bool is_counted = reply->type == REDIS_REPLY_STRING && atoi(reply->str) == 1;

    freeReplyObject(reply);
    return is_counted;
}

static void first_use_of_a_key_is_reported_at_once_and_no_other_within_the_minute(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 50; i++)
        store_key_used(b->store, SLICE("k1"));
    assert_true(turn_until(b, is_use_counted, b, 1000));
    turn_until(b, NULL, NULL, 50);
    assert_true(is_use_counted(b));
    assert_int_equal(admin(b, "EXISTS postern:used:k1"), 1);
}

static void url_that_does_not_parse_gives_no_store(void **state)
{
    struct bench *b = *state;
    struct store_conf conf = b->conf;

    conf.url = SLICE("http://127.0.0.1:1");
    assert_null(store_new(b->w, &conf));
    conf.url = SLICE("rediss://127.0.0.1:1"); /* without a tls_client */
    assert_null(store_new(b->w, &conf));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_a_key_with_its_owner),
        TEST(answers_from_the_cache_without_asking),
        TEST(r6_revoked_key_is_refused_within_100_ms),
        TEST(change_of_the_owner_is_seen_within_100_ms),
        TEST(change_in_a_transaction_is_seen),
        TEST(absent_key_is_remembered_until_it_is_made),
        TEST(key_without_its_owner_is_not_found),
        TEST(malformed_record_is_unavailable_not_refused),
        TEST(finds_a_session_with_its_user),
        TEST(session_past_its_end_is_not_served_from_the_cache),
        TEST(finds_an_opaque_token_with_scopes_session_and_user),
        TEST(concurrent_questions_share_one_command),
        TEST(cancelled_question_is_not_answered),
        TEST(store_goes_while_questions_wait),
        TEST(flushall_empties_the_cache),
        TEST(scripts_come_back_after_script_flush),
        TEST(expired_key_in_redis_leaves_the_cache),
        TEST(first_use_of_a_key_is_reported_at_once_and_no_other_within_the_minute),
        TEST(url_that_does_not_parse_gives_no_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
