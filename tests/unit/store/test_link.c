/* The command link in outages and against a server that talks nonsense. */
#include "store_test.h"

#include "store/link.h"

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    bench_open(b);
    make_user(b, "u1");
    make_key(b, "k1", "u1");
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    bench_close(*state);
    free(*state);
    return 0;
}

static bool is_key_ok(void *arg)
{
    return ask_key(arg, "k1", NULL) == ERR_OK;
}

static void r17_stopped_redis_is_unavailable_within_the_deadline_and_back_within_3_s(void **state)
{
    struct bench *b = *state;
    int64_t since;

    store_ready(b);
    kill(b->redis, SIGSTOP);
    since = clock_mono_ms();
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    assert_true(clock_mono_ms() - since <= TIMEOUT_MS + 100);
    for (int i = 0; i < 200; i++) { /* then nobody waits any more */
        since = clock_mono_ms();
        assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
        assert_true(clock_mono_ms() - since <= 50);
        turn_until(b, NULL, NULL, 5);
    }
    kill(b->redis, SIGCONT);
    assert_true(turn_until(b, is_key_ok, b, 3000));
    assert_true(turn_until(b, is_store_up, b->store, 3000));
}

static void client_pause_is_an_outage_too(void **state)
{
    struct bench *b = *state;

    store_ready(b);
    admin(b, "CLIENT PAUSE 1200 ALL");
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    assert_true(turn_until(b, is_key_ok, b, 1200 + 3000));
}

static void r17_idle_store_notices_a_stopped_redis(void **state)
{
    struct bench *b = *state;

    store_ready(b);
    kill(b->redis, SIGSTOP);
    assert_true(turn_until(b, is_store_down, b->store, 2000));
}

static void every_question_on_a_link_that_is_dropped_is_answered(void **state)
{
    struct bench *b = *state;
    struct asked a[10];

    store_ready(b);
    kill(b->redis, SIGSTOP);
    for (int i = 0; i < 10; i++) {
        char id[16];

        snprintf(id, sizeof(id), "k%d", i);
        asked_init(&a[i]);
        assert_false(store_find_key(b->store, slice_str(id), &a[i].op));
    }
    store_cancel(&a[5].op);
    assert_true(turn_until(b, is_done, &a[9], TIMEOUT_MS + 200));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(a[i].dones, i == 5 ? 0 : 1);
        if (i != 5)
            assert_int_equal(a[i].op.e, ERR_UNAVAILABLE);
    }
}

static void restarted_redis_is_found_again_within_3_s(void **state)
{
    struct bench *b = *state;
    int status;

    store_ready(b);
    kill(b->redis, SIGKILL);
    waitpid(b->redis, &status, 0);
    assert_true(turn_until(b, is_store_down, b->store, 500));
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    turn_until(b, NULL, NULL, 1500); /* long enough for the back-off to have grown */
    redisFree(b->admin);
    b->redis = redis_run(b->dir, b->socket, NULL);
    b->admin = redis_admin(b->socket);
    make_user(b, "u1");
    make_key(b, "k1", "u1");
    assert_true(turn_until(b, is_key_ok, b, 3000));
}

static void killed_link_costs_no_question_after_it(void **state)
{
    struct bench *b = *state;

    store_ready(b);
    turn_until(b, NULL, NULL, 1100); /* a good connection, not one that flaps */
    admin(b, "CLIENT KILL TYPE normal SKIPME yes");
    assert_true(turn_until(b, is_store_down, b->store, 500));
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK); /* held until the link is back */
}

static void first_question_waits_for_the_first_connection(void **state)
{
    struct bench *b = *state;

    b->conf.url = slice_str(b->url);
    b->store = store_new(b->w, &b->conf);
    assert_int_equal(store_health(b->store), STORE_DOWN);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
}

static void question_without_any_server_is_answered_soon(void **state)
{
    struct bench *b = *state;
    int64_t since = clock_mono_ms();

    b->conf.url = SLICE("redis://127.0.0.1:1");
    b->store = store_new(b->w, &b->conf);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    assert_true(clock_mono_ms() - since <= 100);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
}

/* Answers to a question that cannot be right. */
static void garbage_for_an_answer_is_unavailable(void **state)
{
    static const char *const garbage[] = {
        "hello\r\n",
        "\r\n",
        "*1000000000\r\n",
        "*-2\r\n",
        "$-2\r\n",
        "$99999999999999999999\r\n",
        ":notanumber\r\n",
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n*1\r\n$2\r\nid\r\n*0\r\n",
        "*2\r\n*2\r\n$2\r\nid\r\n:7\r\n*0\r\n",
        "*2\r\n*2\r\n:1\r\n$2\r\nid\r\n*0\r\n",
        "*3\r\n*0\r\n*0\r\n*0\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-READONLY You can't write against a read only replica.\r\n",
        "-MOVED 1 127.0.0.1:1\r\n",
        "-NOSCRIPT no\r\n-NOSCRIPT again\r\n",
        "-ERR internal\r\n",
        "-\r\n",
    };
    struct bench *b = *state;

    relay_open(b);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct asked a;

        store_free(b->store);
        turn(b);
        for (size_t k = 0; k < b->relay_count; k++)
            relay_cut(&b->relays[k]);
        b->relay_count = 0;
        store_ready(b);
        asked_init(&a);
        b->relays[0].held = true;
        assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
        turn_until(b, NULL, NULL, 5);
        buf_clear(&b->relays[0].waiting);
        buf_add(&b->relays[0].waiting, slice_str(garbage[i]));
        b->relays[0].held = false;
        if (!turn_until(b, is_done, &a, TIMEOUT_MS + 200))
            fail_msg("no answer: %s", garbage[i]);
        if (a.op.e != ERR_UNAVAILABLE)
            fail_msg("%s: %s", err_text(a.op.e), garbage[i]);
        assert_null(a.op.user);
        assert_null(a.op.key);
    }
}

/* During a failover the link may lead to the wrong server: it is made anew, and tracking with it.
 */
static void errors_of_a_failover_end_the_link(void **state)
{
    static const char *const errors[] = {"-READONLY no\r\n", "-LOADING wait\r\n",
                                         "-MOVED 1 a:1\r\n", "-MASTERDOWN no\r\n"};
    struct bench *b = *state;

    relay_open(b);
    store_ready(b);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct relay *r = &b->relays[b->relay_count - 2]; /* commands; the last is messages */
        struct asked a;

        asked_init(&a);
        r->held = true;
        admin(b, "HSET postern:key:k1 name n%zu", i); /* nothing is cached */
        turn_until(b, NULL, NULL, 20);
        assert_false(store_find_key(b->store, SLICE("k1"), &a.op));
        turn_until(b, NULL, NULL, 5);
        buf_clear(&r->waiting);
        buf_add(&r->waiting, slice_str(errors[i]));
        r->held = false;
        assert_true(turn_until(b, is_done, &a, TIMEOUT_MS));
        assert_int_equal(a.op.e, ERR_UNAVAILABLE);
        assert_int_equal(store_health(b->store), STORE_DOWN);
        assert_true(turn_until(b, is_store_up, b->store, 3000));
    }
}

static void answer_that_nobody_asked_for_ends_the_link(void **state)
{
    struct bench *b = *state;

    relay_open(b);
    store_ready(b);
    buf_add(&b->relays[0].waiting, SLICE("+OK\r\n"));
    assert_true(turn_until(b, is_store_down, b->store, 200));
    assert_true(turn_until(b, is_store_up, b->store, 3000));
}

static void greeting_without_pong_is_no_link(void **state)
{
    struct bench *b = *state;

    admin(b, "CONFIG SET requirepass secret");
    b->conf.url = slice_str(b->url);
    b->store = store_new(b->w, &b->conf);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_UNAVAILABLE);
    assert_int_equal(store_health(b->store), STORE_DOWN);
}

static void password_user_and_database_are_used(void **state)
{
    struct bench *b = *state;
    struct secret *password = secret_copy(SLICE("p w\r\n$d"));
    redisReply *reply = redisCommand(b->admin, "ACL SETUSER gate on ~* &* +@all %s", ">p w\r\n$d");

    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    reply = redisCommand(b->admin, "ACL SETUSER default off");
    freeReplyObject(reply);
    admin(b, "SELECT 3");
    make_user(b, "u3");
    make_key(b, "k3", "u3");
    snprintf(b->url, sizeof(b->url), "unix:%s?db=3", b->socket);
    b->conf.username = SLICE("gate");
    b->conf.password = password;
    store_ready(b);
    assert_int_equal(ask_key(b, "k3", NULL), ERR_OK);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_NOT_FOUND);
    store_free(b->store);
    b->store = NULL;
    secret_free(password);
}

/* The narrow ACL user of spec/security.md is enough for all that the store does. */
static void narrow_acl_user_is_enough(void **state)
{
    struct bench *b = *state;
    struct secret *password = secret_copy(SLICE("pw"));
    bool was_cached;

    admin(b, "ACL SETUSER gate on >pw resetchannels ~postern:* &__redis__:invalidate -@all +@read "
             "+@write +@scripting +@transaction +subscribe +client|id +client|tracking "
             "+client|setname +ping -@dangerous -@admin -keys -flushall +select");
    b->conf.username = SLICE("gate");
    b->conf.password = password;
    store_ready(b);
    assert_int_equal(ask_key(b, "k1", NULL), ERR_OK);
    assert_int_equal(ask_key(b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
    store_free(b->store);
    b->store = NULL;
    secret_free(password);
}

static int answers, failures;

static void on_echo(void *arg, const struct redisReply *reply)
{
    if (reply == NULL) {
        failures++;
        return;
    }
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_int_equal(atoi(reply->str), (int)(intptr_t)arg);
    answers++;
}

static bool are_all_answered(void *arg)
{
    (void)arg;
    return answers + failures == 20000;
}

static void ignore(void *arg)
{
    (void)arg;
}

static void pipelined_answers_reach_their_questions_in_order(void **state)
{
    static const struct link_handler events = {.on_up = ignore, .on_down = ignore};
    struct bench *b = *state;
    struct endpoint e = {.connect_ms = CONNECT_MS};
    struct link *l;

    assert_int_equal(endpoint_init(&e, b->w, slice_str(b->url), SLICE_NONE), ERR_OK);
    l = link_new(b->w, &e, SOON_MS, &events, NULL);
    answers = failures = 0;
    for (intptr_t i = 0; i < 20000; i++) {
        char text[16];
        const struct slice args[] = {
            SLICE("ECHO"), slice_of(text, (size_t)snprintf(text, sizeof(text), "%d", (int)i))};

        assert_true(link_command(l, args, 2, on_echo, (void *)i));
        if (i == 10000)
            turn_until(b, NULL, NULL, 20);
    }
    assert_true(turn_until(b, are_all_answered, NULL, SOON_MS));
    assert_int_equal(answers, 20000);
    link_free(l);
    endpoint_fini(&e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(r17_stopped_redis_is_unavailable_within_the_deadline_and_back_within_3_s),
        TEST(client_pause_is_an_outage_too),
        TEST(r17_idle_store_notices_a_stopped_redis),
        TEST(every_question_on_a_link_that_is_dropped_is_answered),
        TEST(restarted_redis_is_found_again_within_3_s),
        TEST(killed_link_costs_no_question_after_it),
        TEST(first_question_waits_for_the_first_connection),
        TEST(question_without_any_server_is_answered_soon),
        TEST(garbage_for_an_answer_is_unavailable),
        TEST(errors_of_a_failover_end_the_link),
        TEST(answer_that_nobody_asked_for_ends_the_link),
        TEST(greeting_without_pong_is_no_link),
        TEST(password_user_and_database_are_used),
        TEST(narrow_acl_user_is_enough),
        TEST(pipelined_answers_reach_their_questions_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
