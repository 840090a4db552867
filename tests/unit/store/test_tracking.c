/* The invalidation link: what may be cached, and when it must not be served. */
#include "store_test.h"

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    bench_open(b);
    make_user(b, "u1");
    make_key(b, "k1", "u1");
    relay_open(b);
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    bench_close(*state);
    free(*state);
    return 0;
}

/* The command link comes first, the invalidation link to the same server after it. */
enum { COMMANDS = 0, MESSAGES = 1 };

static bool is_reply_waiting(void *arg)
{
    return ((struct bench *)arg)->relays[COMMANDS].waiting.n > 0;
}

static void r6_reply_overtaken_by_its_invalidation_is_not_used(void **state)
{
    struct bench *b = *state;
    struct asked a;

    store_ready(b);
    assert_int_equal(b->relay_count, 2);
    ask_key(b, "warm-up", NULL); /* the script is known: one reply answers the next question */
    asked_init(&a);
    b->relays[COMMANDS].held = true;
    assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
    assert_true(turn_until(b, is_reply_waiting, b, 200)); /* Redis has read the record */
    admin(b, "DEL postern:key:k1");
    turn_until(b, NULL, NULL, 30); /* the message passes, the reply does not */
    b->relays[COMMANDS].held = false;
    assert_true(turn_until(b, is_done, &a, SOON_MS));
    assert_int_equal(a.op.e, ERR_NOT_FOUND); /* asked again */
    assert_int_equal(ask_key(b, "k1", NULL), ERR_NOT_FOUND);
}

static void reply_overtaken_by_a_change_of_its_owner_is_not_used(void **state)
{
    struct bench *b = *state;
    struct asked a;

    store_ready(b);
    ask_key(b, "warm-up", NULL);
    asked_init(&a);
    b->relays[COMMANDS].held = true;
    assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
    assert_true(turn_until(b, is_reply_waiting, b, 200));
    admin(b, "HSET postern:user:u1 is_active 0");
    turn_until(b, NULL, NULL, 30);
    b->relays[COMMANDS].held = false;
    assert_true(turn_until(b, is_done, &a, SOON_MS));
    assert_int_equal(a.op.e, ERR_OK);
    assert_false(a.op.user->is_active);
    store_op_clear(&a.op);
}

static void reply_overtaken_by_flushall_is_not_used(void **state)
{
    struct bench *b = *state;
    struct asked a;

    store_ready(b);
    ask_key(b, "warm-up", NULL);
    asked_init(&a);
    b->relays[COMMANDS].held = true;
    assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
    assert_true(turn_until(b, is_reply_waiting, b, 200));
    admin(b, "FLUSHALL");
    turn_until(b, NULL, NULL, 30);
    b->relays[COMMANDS].held = false;
    assert_true(turn_until(b, is_done, &a, SOON_MS));
    assert_int_equal(a.op.e, ERR_NOT_FOUND);
}

static void question_after_an_invalidation_does_not_join_one_before_it(void **state)
{
    struct bench *b = *state;
    struct asked early, late;

    store_ready(b);
    ask_key(b, "warm-up", NULL);
    asked_init(&early);
    asked_init(&late);
    b->relays[COMMANDS].held = true;
    assert_false(store_find_key(b->store, SLICE("k1"), &early.op));
    assert_true(turn_until(b, is_reply_waiting, b, 200));
    admin(b, "DEL postern:key:k1");
    turn_until(b, NULL, NULL, 30);
    admin(b, "CONFIG RESETSTAT");
    assert_false(store_find_key(b->store, SLICE("k1"), &late.op));
    assert_ptr_not_equal(early.op.pending, late.op.pending);
    b->relays[COMMANDS].held = false;
    assert_true(turn_until(b, is_done, &late, SOON_MS));
    assert_int_equal(late.op.e, ERR_NOT_FOUND);
    assert_true(turn_until(b, is_done, &early, SOON_MS));
}

static void question_after_a_flush_does_not_join_one_before_it(void **state)
{
    struct bench *b = *state;
    struct asked early, late;

    store_ready(b);
    ask_key(b, "warm-up", NULL);
    asked_init(&early);
    asked_init(&late);
    b->relays[COMMANDS].held = true;
    assert_false(store_find_key(b->store, SLICE("k1"), &early.op));
    assert_true(turn_until(b, is_reply_waiting, b, 200));
    admin(b, "FLUSHALL");
    turn_until(b, NULL, NULL, 30);
    assert_false(store_find_key(b->store, SLICE("k1"), &late.op));
    assert_ptr_not_equal(early.op.pending, late.op.pending);
    b->relays[COMMANDS].held = false;
    assert_true(turn_until(b, is_done, &late, SOON_MS));
    assert_true(turn_until(b, is_done, &early, SOON_MS));
    assert_int_equal(late.op.e, ERR_NOT_FOUND);
    assert_int_equal(early.op.e, ERR_NOT_FOUND);
}

static void nothing_cached_is_served_after_the_link_is_killed(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
    b->relays[COMMANDS].held = true; /* so that it cannot be live again unseen */
    b->hold_new = true;
    assert_int_equal(admin(b, "CLIENT KILL TYPE pubsub"), 1);
    assert_true(turn_until(b, is_store_tracked_not, b->store, SOON_MS));
    assert_int_equal(store_health(b->store), STORE_UP_UNTRACKED);
    admin(b, "DEL postern:key:k1");
    b->relays[COMMANDS].held = false;
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_NOT_FOUND);
    assert_false(was_cached);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_NOT_FOUND);
    assert_false(was_cached); /* and nothing is filled meanwhile */
}

static void link_comes_back_and_caching_with_it(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    assert_int_equal(admin(b, "CLIENT KILL TYPE pubsub"), 1);
    assert_true(turn_until(b, is_store_tracked_not, b->store, SOON_MS));
    assert_true(turn_until(b, is_store_up, b->store, 1000));
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_false(was_cached);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
}

static void silent_link_is_dead_after_two_seconds(void **state)
{
    struct bench *b = *state;
    bool was_cached;
    int64_t since;

    store_ready(b);
    turn_until(b, NULL, NULL, 1500); /* a PING has been answered */
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    b->hold_new = true;
    b->relays[MESSAGES].held = true;
    since = clock_mono_ms();
    admin(b, "DEL postern:key:k1"); /* a message that never comes */
    turn_until(b, NULL, NULL, 20);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
    assert_true(turn_until(b, is_store_tracked_not, b->store, 2100));
    assert_true(clock_mono_ms() - since <= 2100);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_NOT_FOUND);
    assert_false(was_cached);
}

/* The loop stood still (a stopped process): the clock decides, not the timers. */
static void nothing_cached_is_served_when_the_loop_slept_past_the_limit(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    nap_ms(2100);
    b->w->now_ms = clock_mono_ms();
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_false(was_cached);
}

static bool is_stale_over(void *arg)
{
    bool was_cached;

    ask_key(arg, "k1", &was_cached);
    return !was_cached;
}

static void max_stale_serves_what_was_cached_no_longer_than_it_says(void **state)
{
    struct bench *b = *state;
    bool was_cached;
    int64_t since;

    b->conf.max_stale_ms = 2500;
    store_ready(b);
    turn_until(b, NULL, NULL, 1200);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    b->hold_new = true;
    since = clock_mono_ms();
    assert_int_equal(admin(b, "CLIENT KILL TYPE pubsub"), 1);
    assert_true(turn_until(b, is_store_tracked_not, b->store, SOON_MS));
    admin(b, "DEL postern:key:k1");
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
    assert_true(turn_until(b, is_stale_over, b, 3000));
    assert_true(clock_mono_ms() - since <= 2600);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_NOT_FOUND);
}

static void max_stale_ends_when_the_link_is_live_again(void **state)
{
    struct bench *b = *state;

    b->conf.max_stale_ms = 60000;
    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    b->hold_new = true;
    assert_int_equal(admin(b, "CLIENT KILL TYPE pubsub"), 1);
    assert_true(turn_until(b, is_store_tracked_not, b->store, SOON_MS));
    admin(b, "DEL postern:key:k1");
    b->hold_new = false;
    for (size_t i = 0; i < b->relay_count; i++)
        b->relays[i].held = false;
    assert_true(turn_until(b, is_store_up, b->store, 2000));
    assert_int_equal(ask_key(b, "k1", NULL), ERR_NOT_FOUND);
}

/* What Redis never says: the link must end, and the cache with it. */
static void garbage_on_the_link_ends_it(void **state)
{
    static const char *const garbage[] = {
        "hello\r\n",
        "+PONG\r\n",
        ":1\r\n",
        "-ERR no\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1\r\n:1\r\n",
        "*3\r\n:1\r\n:2\r\n:3\r\n",
        "*2\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n",
        "*3\r\n$7\r\nmessage\r\n$5\r\nother\r\n*1\r\n$1\r\na\r\n",
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n:7\r\n",
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$1\r\na\r\n",
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*2\r\n$1\r\na\r\n:7\r\n",
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$-1\r\n",
        "*3\r\n$7\r\nmessage\r\n:1\r\n*1\r\n$1\r\na\r\n",
        "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
        "*1000000000\r\n",
        "$99999999999999999999\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
    };
    struct bench *b = *state;
    const char *only = NULL;

    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct relay *r;
        bool was_cached;

        only = garbage[i];
        store_free(b->store);
        turn(b);
        for (size_t k = 0; k < b->relay_count; k++)
            relay_cut(&b->relays[k]);
        b->relay_count = 0;
        b->hold_new = false;
        store_ready(b);
        assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
        b->hold_new = true;
        r = &b->relays[MESSAGES];
        buf_add(&r->waiting, slice_str(only));
        if (!turn_until(b, is_store_tracked_not, b->store, 500))
            fail_msg("taken: %s", only);
        assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
        assert_false(was_cached);
    }
}

static void nil_message_drops_everything(void **state)
{
    struct bench *b = *state;
    bool was_cached;

    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    buf_add(&b->relays[MESSAGES].waiting,
            SLICE("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*-1\r\n"));
    turn_until(b, NULL, NULL, 20);
    assert_int_equal(store_health(b->store), STORE_UP);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_false(was_cached);
}

static void message_in_pieces_is_understood(void **state)
{
    static const char text[] = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*2\r\n"
                               "$14\r\npostern:key:k1\r\n$15\r\npostern:user:u9\r\n";
    struct bench *b = *state;
    bool was_cached;

    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        buf_add(&b->relays[MESSAGES].waiting, slice_of(&text[i], 1));
        turn(b);
    }
    turn_until(b, NULL, NULL, 20);
    assert_int_equal(store_health(b->store), STORE_UP);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_false(was_cached);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r6_reply_overtaken_by_its_invalidation_is_not_used),
        TEST(reply_overtaken_by_a_change_of_its_owner_is_not_used),
        TEST(reply_overtaken_by_flushall_is_not_used),
        TEST(question_after_an_invalidation_does_not_join_one_before_it),
        TEST(question_after_a_flush_does_not_join_one_before_it),
        TEST(nothing_cached_is_served_after_the_link_is_killed),
        TEST(link_comes_back_and_caching_with_it),
        TEST(silent_link_is_dead_after_two_seconds),
        TEST(nothing_cached_is_served_when_the_loop_slept_past_the_limit),
        TEST(max_stale_serves_what_was_cached_no_longer_than_it_says),
        TEST(max_stale_ends_when_the_link_is_live_again),
        TEST(garbage_on_the_link_ends_it),
        TEST(nil_message_drops_everything),
        TEST(message_in_pieces_is_understood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
