/* Limits, watches, and several stores on one Redis. */
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

static struct limit_rule rule_of(unsigned char name, uint64_t units, int64_t period_ms)
{
    struct limit_rule rule = {.window_count = 1, .cost = 1};

    memset(rule.digest, name, sizeof(rule.digest));
    rule.windows[0] = (struct limit_window){.units = units, .burst = units, .period_ms = period_ms};
    return rule;
}

static enum err take(struct bench *b, struct store *s, const struct limit_rule *rules, size_t count,
                     struct limit_verdict *v, bool *was_cached)
{
    struct asked a;

    asked_init(&a);
    memset(v, 0xee, sizeof(*v));
    if (!store_take(s, rules, count, v, &a.op))
        assert_true(turn_until(b, is_done, &a, SOON_MS));
    if (was_cached != NULL)
        *was_cached = a.op.was_cached;
    return a.op.e;
}

static void takes_until_empty_and_says_what_is_left(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(1, 3, 60000);
    struct limit_verdict v;

    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(take(b, b->store, &rule, 1, &v, NULL), ERR_OK);
        assert_true(v.allowed);
        assert_int_equal(v.limit, 3);
        assert_int_equal(v.remaining, 2 - i);
    }
    assert_int_equal(take(b, b->store, &rule, 1, &v, NULL), ERR_OK);
    assert_false(v.allowed);
    assert_true(v.retry_ms > 0 && v.retry_ms <= 20000);
    assert_true(v.reset_ms > 0 && v.reset_ms <= 60000);
}

static void empty_digest_costs_no_round_trip_and_says_the_same(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(2, 1, 60000);
    struct limit_verdict v, again;
    bool was_cached;

    take(b, b->store, &rule, 1, &v, NULL);
    take(b, b->store, &rule, 1, &v, NULL);
    assert_false(v.allowed);
    admin(b, "CONFIG RESETSTAT");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(take(b, b->store, &rule, 1, &again, &was_cached), ERR_OK);
        assert_true(was_cached);
        assert_false(again.allowed);
    }
    assert_int_equal(count_scripts(b), 0);
    assert_int_equal(again.limit, v.limit);
    assert_int_equal(again.rule, 0);
    assert_true(again.retry_ms <= v.retry_ms && again.retry_ms > v.retry_ms - 2000);
    assert_true(again.reset_ms <= v.reset_ms);
}

static void remembered_refusal_ends_in_time(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(3, 1, 200);
    struct limit_verdict v;

    take(b, b->store, &rule, 1, &v, NULL);
    take(b, b->store, &rule, 1, &v, NULL);
    assert_false(v.allowed);
    turn_until(b, NULL, NULL, v.retry_ms + 2);
    assert_int_equal(take(b, b->store, &rule, 1, &v, NULL), ERR_OK);
    assert_true(v.allowed);
}

static void remembered_refusal_is_for_the_same_limit_and_cost_only(void **state)
{
    struct bench *b = *state;
    struct limit_rule rule = rule_of(4, 10, 60000);
    struct limit_verdict v;

    rule.cost = 8;
    take(b, b->store, &rule, 1, &v, NULL);
    take(b, b->store, &rule, 1, &v, NULL);
    assert_false(v.allowed);
    rule.cost = 1;
    take(b, b->store, &rule, 1, &v, NULL);
    assert_true(v.allowed);
    rule.cost = 8;
    rule.windows[0].units = rule.windows[0].burst = 100; /* the limit was raised */
    take(b, b->store, &rule, 1, &v, NULL);
    assert_true(v.allowed);
}

static void refusal_of_one_rule_takes_from_none(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rules[] = {rule_of(5, 10, 60000), rule_of(6, 1, 60000)};
    struct limit_verdict v;

    take(b, b->store, rules, 2, &v, NULL);
    assert_true(v.allowed);
    for (int i = 0; i < 5; i++) {
        take(b, b->store, rules, 2, &v, NULL);
        assert_false(v.allowed);
        assert_int_equal(v.rule, 1);
    }
    take(b, b->store, rules, 1, &v, NULL);
    assert_true(v.allowed);
    assert_int_equal(v.remaining, 8);
}

enum { STORES = 3, TAKES = 60 };

static int count_done(const struct asked *a)
{
    int n = 0;

    for (int i = 0; i < STORES * TAKES; i++)
        n += a[i].dones;
    return n;
}

static bool are_takes_done(void *arg)
{
    return count_done(arg) == STORES * TAKES;
}

static void r5_several_gateways_admit_no_more_than_the_limit(void **state)
{
    struct bench *b = *state;
    struct store *stores[STORES];
    struct asked *asked = mem_zalloc(STORES * TAKES * sizeof(*asked));
    struct limit_verdict *verdicts = mem_zalloc(STORES * TAKES * sizeof(*verdicts));
    const struct limit_rule rule = rule_of(7, 50, 3600000);
    int admitted = 0;

    for (int i = 0; i < STORES; i++)
        stores[i] = store_new(b->w, &b->conf);
    for (int i = 0; i < STORES * TAKES; i++) {
        asked_init(&asked[i]);
        if (store_take(stores[i % STORES], &rule, 1, &verdicts[i], &asked[i].op))
            asked[i].dones = 1;
        if (i % 20 == 0)
            turn(b);
    }
    assert_true(turn_until(b, are_takes_done, asked, SOON_MS));
    for (int i = 0; i < STORES * TAKES; i++) {
        assert_int_equal(asked[i].op.e, ERR_OK);
        admitted += verdicts[i].allowed;
    }
    assert_int_equal(admitted, 50);
    for (int i = 0; i < STORES; i++)
        store_free(stores[i]);
    free(asked);
    free(verdicts);
}

enum { EQUALS = 64 };

static bool are_equals_done(void *arg)
{
    const struct asked *asked = arg;

    for (int i = 0; i < EQUALS; i++)
        if (asked[i].dones == 0)
            return false;
    return true;
}

static void equal_questions_share_round_trips_and_each_is_counted(void **state)
{
    struct bench *b = *state;
    struct asked asked[EQUALS];
    struct limit_verdict verdicts[EQUALS];
    const struct limit_rule rule = rule_of(20, EQUALS - 4, 3600000);
    int admitted = 0;

    for (int i = 0; i < EQUALS; i++) {
        asked_init(&asked[i]);
        assert_false(store_take(b->store, &rule, 1, &verdicts[i], &asked[i].op));
    }
    assert_true(turn_until(b, are_equals_done, asked, SOON_MS));
    for (int i = 0; i < EQUALS; i++) {
        assert_int_equal(asked[i].op.e, ERR_OK);
        assert_int_equal(asked[i].dones, 1);
        admitted += verdicts[i].allowed;
        if (verdicts[i].allowed)
            assert_int_equal(verdicts[i].remaining, EQUALS - 5 - i);
    }
    assert_int_equal(admitted, EQUALS - 4);
}

static void a_busy_key_is_taken_ahead_and_what_is_left_is_forfeited(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(21, 1000000, 30LL * 86400 * 1000);
    struct limit_verdict v;
    uint64_t taken = 0, before;
    int cached = 0;
    bool was_cached;

    for (int i = 0; i < 3000; i++, taken++) {
        assert_int_equal(take(b, b->store, &rule, 1, &v, &was_cached), ERR_OK);
        assert_true(v.allowed);
        cached += was_cached;
        assert_true(v.remaining <= 1000000 - taken - 1);
    }
    assert_true(cached > 2000);
    before = v.remaining;
    assert_false(turn_until(b, NULL, NULL, 100));
    assert_int_equal(take(b, b->store, &rule, 1, &v, &was_cached), ERR_OK);
    assert_false(was_cached); /* its time has passed */
    assert_true(v.remaining < before);
}

static void a_changed_limit_ends_what_was_taken_ahead(void **state)
{
    struct bench *b = *state;
    struct limit_rule rule = rule_of(22, 1000000, 3600000);
    struct limit_verdict v;
    bool was_cached = false;

    for (int i = 0; i < 1000 && !was_cached; i++)
        assert_int_equal(take(b, b->store, &rule, 1, &v, &was_cached), ERR_OK);
    assert_true(was_cached);
    rule.windows[0].units = rule.windows[0].burst = 1;
    assert_int_equal(take(b, b->store, &rule, 1, &v, &was_cached), ERR_OK);
    assert_false(was_cached);
    assert_int_equal(v.limit, 1);
}

static void cancelled_take_leaves_the_verdict_alone(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(8, 3, 60000);
    struct limit_verdict *v = mem_alloc(sizeof(*v));
    struct asked a;

    asked_init(&a);
    assert_false(store_take(b->store, &rule, 1, v, &a.op));
    store_cancel(&a.op);
    free(v);
    turn_until(b, NULL, NULL, 30);
    assert_int_equal(a.dones, 0);
}

static void take_without_redis_is_unavailable(void **state)
{
    struct bench *b = *state;
    const struct limit_rule rule = rule_of(9, 3, 60000);
    struct limit_verdict v;

    kill(b->redis, SIGSTOP);
    assert_int_equal(take(b, b->store, &rule, 1, &v, NULL), ERR_UNAVAILABLE);
    assert_int_equal(take(b, b->store, &rule, 1, &v, NULL), ERR_UNAVAILABLE);
}

/* What a watcher heard. */
struct heard {
    int calls, flushes;
    size_t count;
    char last[64];
};

static void on_pairs(void *arg, const struct pair *pairs, size_t count)
{
    struct heard *h = arg;

    h->calls++;
    h->count = count;
    h->last[0] = '\0';
    if (count > 0)
        snprintf(h->last, sizeof(h->last), "%.*s", SLICE_FMT(pairs[0].value));
}

static void on_change(void *arg, struct slice name)
{
    struct heard *h = arg;

    if (name.p == NULL) {
        h->flushes++;
        return;
    }
    h->calls++;
    snprintf(h->last, sizeof(h->last), "%.*s", SLICE_FMT(name));
}

static bool has_heard(void *arg)
{
    return ((struct heard *)arg)->calls > 0;
}

static bool has_flushed(void *arg)
{
    return ((struct heard *)arg)->flushes > 0;
}

static void signing_keys_are_told_at_first_and_after_each_change(void **state)
{
    struct bench *b = *state;
    struct heard h = {0};

    store_watch_signing(b->store, on_pairs, &h);
    assert_true(turn_until(b, has_heard, &h, 1000));
    assert_int_equal(h.count, 0);
    h.calls = 0;
    admin(b, "HSET postern:signing kid1 one");
    assert_true(turn_until(b, has_heard, &h, 1000));
    assert_int_equal(h.count, 1);
    assert_string_equal(h.last, "one");
    h.calls = 0;
    admin(b, "HSET postern:signing kid1 two");
    assert_true(turn_until(b, has_heard, &h, 1000));
    assert_string_equal(h.last, "two");
    turn_until(b, NULL, NULL, 30);
    assert_int_equal(h.calls, 1);
    h.calls = 0;
    admin(b, "FLUSHALL");
    assert_true(turn_until(b, has_heard, &h, 1000));
    assert_int_equal(h.count, 0);
}

static void signing_keys_are_told_again_after_an_outage_that_changed_them(void **state)
{
    struct bench *b = *state;
    struct heard h = {0};

    admin(b, "HSET postern:signing kid1 one");
    store_watch_signing(b->store, on_pairs, &h);
    assert_true(turn_until(b, has_heard, &h, 1000));
    h.calls = 0;
    admin(b, "CLIENT KILL TYPE pubsub");
    admin(b, "HSET postern:signing kid1 two");
    assert_true(turn_until(b, has_heard, &h, 3000));
    assert_string_equal(h.last, "two");
}

static void changes_of_grants_are_told_by_name_and_flushes_without(void **state)
{
    struct bench *b = *state;
    struct heard h = {0};

    store_watch_grants(b->store, on_change, &h);
    admin(b, "DEL postern:key:k1");
    assert_true(turn_until(b, has_heard, &h, 100));
    assert_string_equal(h.last, "postern:key:k1");
    h.calls = 0;
    admin(b, "HSET postern:used:k1 last_used 1");
    admin(b, "SET postern:rl:x 1");
    turn_until(b, NULL, NULL, 50);
    assert_int_equal(h.calls, 0);
    admin(b, "FLUSHALL");
    assert_true(turn_until(b, has_flushed, &h, 100));
    h.flushes = 0;
    admin(b, "CLIENT KILL TYPE pubsub");
    assert_true(turn_until(b, has_flushed, &h, 3000)); /* what was missed may be anything */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(takes_until_empty_and_says_what_is_left),
        TEST(empty_digest_costs_no_round_trip_and_says_the_same),
        TEST(remembered_refusal_ends_in_time),
        TEST(remembered_refusal_is_for_the_same_limit_and_cost_only),
        TEST(refusal_of_one_rule_takes_from_none),
        TEST(equal_questions_share_round_trips_and_each_is_counted),
        TEST(a_busy_key_is_taken_ahead_and_what_is_left_is_forfeited),
        TEST(a_changed_limit_ends_what_was_taken_ahead),
        TEST(r5_several_gateways_admit_no_more_than_the_limit),
        TEST(cancelled_take_leaves_the_verdict_alone),
        TEST(take_without_redis_is_unavailable),
        TEST(signing_keys_are_told_at_first_and_after_each_change),
        TEST(signing_keys_are_told_again_after_an_outage_that_changed_them),
        TEST(changes_of_grants_are_told_by_name_and_flushes_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
