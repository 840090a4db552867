#include "limit_case.h"

#include <pthread.h>

#define START_US ((int64_t)1795580000 * 1000000)
#define SECOND_US ((int64_t)1000000)

static char *timed; /* the script with our clock */

static const struct rule sixty_sliding = {"t:rl:s", 1, 1, {{true, 60, 0, 60000}}};
static const struct rule sixty_gcra = {"t:rl:g", 1, 1, {{false, 60, 0, 60000}}};

static void the_61st_in_any_sliding_minute_is_refused(void **state)
{
    struct world *w = *state;
    struct verdict v;

    /* One each second from 0 to 59, all fit. */
    for (int64_t i = 0; i < 60; i++) {
        v = take_at(w->redis, timed, &sixty_sliding, 1, START_US + i * SECOND_US);
        assert_int_equal(v.allowed, 1);
        assert_int_equal(v.limit, 60);
        assert_int_equal(v.remaining, 59 - i);
        assert_int_equal(v.reset_ms, 60000);
        assert_int_equal(v.retry_ms, 0);
    }
    v = take_at(w->redis, timed, &sixty_sliding, 1, START_US + 59 * SECOND_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.retry_ms, 1000);
    v = take_at(w->redis, timed, &sixty_sliding, 1, START_US + 60 * SECOND_US - 1);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.retry_ms, 1);
    v = take_at(w->redis, timed, &sixty_sliding, 1, START_US + 60 * SECOND_US);
    assert_int_equal(v.allowed, 1);
    v = take_at(w->redis, timed, &sixty_sliding, 1, START_US + 60 * SECOND_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.retry_ms, 1000);
}

static void gcra_refills_one_by_one(void **state)
{
    struct world *w = *state;
    struct verdict v;

    for (int64_t i = 0; i < 60; i++) {
        v = take_at(w->redis, timed, &sixty_gcra, 1, START_US);
        assert_int_equal(v.allowed, 1);
        assert_int_equal(v.remaining, 59 - i);
        assert_int_equal(v.reset_ms, (i + 1) * 1000);
    }
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.retry_ms, 1000);
    assert_int_equal(v.reset_ms, 60000);
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US + SECOND_US - 1);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.retry_ms, 1);
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US + SECOND_US);
    assert_int_equal(v.allowed, 1);
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US + SECOND_US);
    assert_int_equal(v.allowed, 0);
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US + 3600 * SECOND_US);
    assert_int_equal(v.allowed, 1);
    assert_int_equal(v.remaining, 59);
}

static void burst_bounds_what_is_taken_at_once(void **state)
{
    const struct rule rule = {"t:rl:b", 2, 1, {{false, 60, 5, 60000}}};
    struct world *w = *state;
    struct verdict v = take_at(w->redis, timed, &rule, 1, START_US);

    assert_int_equal(v.allowed, 1);
    assert_int_equal(v.limit, 5);
    assert_int_equal(v.remaining, 3);
    v = take_at(w->redis, timed, &rule, 1, START_US);
    assert_int_equal(v.remaining, 1);
    v = take_at(w->redis, timed, &rule, 1, START_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.remaining, 1);
    assert_int_equal(v.retry_ms, 1000);
}

static void a_cost_above_the_limit_never_fits(void **state)
{
    const struct rule rules[] = {{"t:rl:a", 6, 1, {{false, 60, 5, 60000}}},
                                 {"t:rl:b", 61, 1, {{true, 60, 0, 60000}}}};
    struct world *w = *state;

    for (size_t i = 0; i < 2; i++) {
        struct verdict v = take_at(w->redis, timed, &rules[i], 1, START_US);

        assert_int_equal(v.allowed, 0);
        assert_int_equal(v.retry_ms, 60000);
    }
}

static void all_windows_are_taken_or_none(void **state)
{
    struct rule rules[] = {{"t:rl:a", 1, 2, {{false, 10, 0, 60000}, {true, 3, 0, 3600000}}},
                           {"t:rl:b", 2, 1, {{false, 100, 0, 60000}}}};
    struct world *w = *state;
    struct verdict v;

    for (int i = 0; i < 3; i++)
        assert_int_equal(take_at(w->redis, timed, rules, 2, START_US).allowed, 1);
    for (int i = 0; i < 5; i++) {
        v = take_at(w->redis, timed, rules, 2, START_US + SECOND_US);
        assert_int_equal(v.allowed, 0);
        assert_int_equal(v.rule, 0);
        assert_int_equal(v.window, 1);
        assert_int_equal(v.limit, 3);
        assert_int_equal(v.retry_ms, 3599000);
    }
    /* The refusals took nothing of the other windows. */
    rules[1].cost = 1;
    v = take_at(w->redis, timed, &rules[1], 1, START_US + SECOND_US);
    assert_int_equal(v.remaining, 94); /* 6 less 1.67 refilled, and this one: 5.33 */
    rules[0].window_count = 1;
    v = take_at(w->redis, timed, &rules[0], 1, START_US + SECOND_US);
    assert_int_equal(v.remaining, 6);
}

static void the_refusal_that_waits_longest_is_named(void **state)
{
    const struct rule rules[] = {{"t:rl:a", 1, 1, {{true, 1, 0, 1000}}},
                                 {"t:rl:b", 1, 1, {{true, 1, 0, 9000}}},
                                 {"t:rl:c", 1, 1, {{true, 1, 0, 5000}}}};
    struct world *w = *state;
    struct verdict v = take_at(w->redis, timed, rules, 3, START_US);

    assert_int_equal(v.allowed, 1);
    v = take_at(w->redis, timed, rules, 3, START_US + 500000);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.rule, 1);
    assert_int_equal(v.retry_ms, 8500);
}

static void the_same_window_twice_counts_twice(void **state)
{
    const struct rule rules[] = {{"t:rl:x", 1, 1, {{true, 3, 0, 60000}}},
                                 {"t:rl:x", 1, 1, {{true, 3, 0, 60000}}}};
    const struct rule gcra[] = {{"t:rl:y", 1, 1, {{false, 3, 0, 60000}}},
                                {"t:rl:y", 1, 1, {{false, 3, 0, 60000}}}};
    struct world *w = *state;

    assert_int_equal(take_at(w->redis, timed, rules, 2, START_US).remaining, 1);
    assert_int_equal(take_at(w->redis, timed, rules, 2, START_US).allowed, 0);
    assert_int_equal(take_at(w->redis, timed, rules, 1, START_US).allowed, 1);
    assert_int_equal(take_at(w->redis, timed, gcra, 2, START_US).remaining, 1);
    assert_int_equal(take_at(w->redis, timed, gcra, 2, START_US).allowed, 0);
    assert_int_equal(take_at(w->redis, timed, gcra, 1, START_US).allowed, 1);
}

static void a_clock_set_back_neither_refills_nor_locks_out(void **state)
{
    struct world *w = *state;
    int64_t back_us = START_US - 86400 * SECOND_US;
    struct verdict v;

    for (int i = 0; i < 60; i++) {
        assert_int_equal(take_at(w->redis, timed, &sixty_gcra, 1, START_US).allowed, 1);
        assert_int_equal(take_at(w->redis, timed, &sixty_sliding, 1, START_US).allowed, 1);
    }
    v = take_at(w->redis, timed, &sixty_gcra, 1, START_US - 30 * SECOND_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.retry_ms, 31000);
    assert_int_equal(take_at(w->redis, timed, &sixty_gcra, 1, START_US + SECOND_US).allowed, 1);
    assert_int_equal(take_at(w->redis, timed, &sixty_gcra, 1, back_us).remaining, 59);
    assert_int_equal(take_at(w->redis, timed, &sixty_sliding, 1, START_US - 30 * SECOND_US).allowed,
                     0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(
            take_at(w->redis, timed, &sixty_sliding, 1, START_US + 60 * SECOND_US).allowed, 1);
    assert_int_equal(take_at(w->redis, timed, &sixty_sliding, 1, back_us).allowed, 1);
}

static void every_key_ends_by_itself(void **state)
{
    const struct rule rules[] = {sixty_sliding, sixty_gcra};
    struct world *w = *state;
    struct redisReply *keys;

    assert_int_equal(take(w->redis, rules, 2).allowed, 1);
    keys = ask(w->redis, "KEYS *");
    assert_int_equal(reply_count(keys), 2);
    for (size_t i = 0; i < 2; i++) {
        char words[128];
        int64_t ttl_ms;

        assert_true(slice_starts(reply_text(reply_at(keys, i)), SLICE("t:rl:")));
        (void)snprintf(words, sizeof(words), "PTTL %s", reply_at(keys, i)->str);
        ttl_ms = ask_number(w->redis, words);
        assert_true(ttl_ms > 0 && ttl_ms <= 60001);
    }
    freeReplyObject(keys);
}

static void what_a_double_cannot_hold_exactly_is_refused(void **state)
{
    const struct rule bad[] = {
        {"t:rl:a", 1, 1, {{false, 1000003, 1000003, (int64_t)31 * 86400000}}},
        {"t:rl:a", 1, 1, {{false, 60, 0, (int64_t)1 << 60}}},
        {"t:rl:a", 1, 1, {{false, (int64_t)1 << 60, 0, 1000}}},
        {"t:rl:a", 0, 1, {{false, 60, 0, 1000}}},
        {"t:rl:a", -1, 1, {{false, 60, 0, 1000}}},
        {"t:rl:a", 1, 1, {{false, 0, 0, 1000}}},
        {"t:rl:a", 1, 1, {{true, 60, 0, 0}}},
        {"t:rl:a", 1, 0, {{0}}}};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct redisReply *reply =
            take_raw(w->redis, timed, &bad[i], 1, (struct many){1, 0, 0}, START_US);

        assert_true(reply_is_error(reply, SLICE("ERR limit")));
        freeReplyObject(reply);
    }
    assert_int_equal(ask_number(w->redis, "DBSIZE"), 0);
}

/* An independent reading of both kinds, in 128-bit integers. */
enum { EVENTS_MAX = 4096 };
struct model {
    struct window w;
    __int128 level; /* GCRA: units times period */
    int64_t at_us;
    int64_t times[EVENTS_MAX]; /* sliding: when each unit was taken */
    size_t taken;
};

static int64_t model_limit(const struct model *m)
{
    return m->w.burst > 0 && !m->w.is_sliding ? m->w.burst : m->w.units;
}

static int64_t model_left(struct model *m, int64_t now_us)
{
    int64_t period_us = m->w.period_ms * 1000, used = 0;
    __int128 level = m->level - (__int128)(now_us - m->at_us) * m->w.units;

    if (!m->w.is_sliding) {
        level = level < 0 ? 0 : level;
        return (int64_t)(((__int128)model_limit(m) * period_us - level) / period_us);
    }
    for (size_t i = 0; i < m->taken; i++)
        used += m->times[i] > now_us - period_us;
    return m->w.units - used;
}

static void model_take(struct model *m, int64_t cost, int64_t now_us)
{
    __int128 level = m->level - (__int128)(now_us - m->at_us) * m->w.units;

    m->level = (level < 0 ? 0 : level) + (__int128)cost * m->w.period_ms * 1000;
    m->at_us = now_us;
    for (int64_t i = 0; i < cost && m->w.is_sliding; i++) {
        assert_true(m->taken < EVENTS_MAX);
        m->times[m->taken++] = now_us;
    }
}

static uint32_t seed = 20261125;
static int64_t draw(int64_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (int64_t)(((uint64_t)seed * (uint64_t)below) >> 32);
}

static bool model_fits(struct model *m, size_t n, const int64_t *costs, int64_t now_us)
{
    for (size_t i = 0; i < n; i++)
        if (model_left(&m[i], now_us) < costs[i])
            return false;
    return true;
}

static void it_decides_as_exact_arithmetic_does(void **state)
{
    struct rule rules[] = {{"t:rl:m1", 1, 2, {{false, 7, 5, 60000}, {true, 11, 0, 100000}}},
                           {"t:rl:m2", 1, 2, {{true, 23, 0, 311000}, {false, 1000, 3, 86399999}}}};
    struct model *models = mem_zalloc(4 * sizeof(*models));
    struct world *w = *state;
    int64_t now_us = START_US;
    int allowed = 0;

    for (size_t i = 0; i < 4; i++) {
        models[i].w = rules[i / 2].windows[i % 2];
        models[i].at_us = START_US;
    }
    for (int i = 0; i < 3000; i++) {
        struct verdict v;
        bool fits;

        now_us += draw(3) == 0 ? 0 : draw(12 * SECOND_US);
        rules[0].cost = 1 + draw(2);
        rules[1].cost = 1 + draw(3);
        const int64_t costs[] = {rules[0].cost, rules[0].cost, rules[1].cost, rules[1].cost};
        fits = model_fits(models, 4, costs, now_us);
        v = take_at(w->redis, timed, rules, 2, now_us);
        assert_int_equal(v.allowed, fits);
        allowed += fits;
        if (fits) {
            int64_t least = INT64_MAX;

            for (size_t k = 0; k < 4; k++) {
                model_take(&models[k], costs[k], now_us);
                if (model_left(&models[k], now_us) < least)
                    least = model_left(&models[k], now_us);
            }
            assert_int_equal(v.remaining, least);
            assert_int_equal(model_left(&models[v.rule * 2 + v.window], now_us), least);
        } else {
            struct model *named = &models[v.rule * 2 + v.window];

            /* Its wait is right to the millisecond, and suffices for all. */
            assert_true(v.retry_ms > 0);
            assert_true(model_fits(models, 4, costs, now_us + v.retry_ms * 1000));
            assert_false(model_left(named, now_us + (v.retry_ms - 1) * 1000) >= costs[v.rule * 2]);
        }
    }
    assert_in_range(allowed, 100, 2900);
    free(models);
}

static void several_at_once_get_what_fits(void **state)
{
    const struct rule rule = {"t:rl:a", 2, 1, {{true, 11, 0, 60000}}};
    const struct many three = {3, 0, 0};
    struct world *w = *state;
    struct verdict v = take_many_at(w->redis, timed, &rule, 1, three, START_US);

    assert_int_equal(v.allowed, 3);
    assert_int_equal(v.remaining, 5);
    v = take_many_at(w->redis, timed, &rule, 1, three, START_US);
    assert_int_equal(v.allowed, 2);
    assert_int_equal(v.remaining, 1);
    v = take_many_at(w->redis, timed, &rule, 1, three, START_US);
    assert_int_equal(v.allowed, 0);
    assert_int_equal(v.remaining, 1);
}

static void only_from_plenty_is_taken_ahead(void **state)
{
    const struct many many = {1, 10, 50000};
    const struct rule scarce = {"t:rl:s", 1, 1, {{false, 60, 0, 60000}}},
                      plenty = {"t:rl:p", 1, 1, {{false, 6000, 0, 60000}}},
                      brief = {"t:rl:b", 1, 1, {{true, 6000, 0, 50}}};
    struct world *w = *state;

    assert_int_equal(take_many_at(w->redis, timed, &scarce, 1, many, START_US).allowed, 1);
    assert_int_equal(take_many_at(w->redis, timed, &plenty, 1, many, START_US).allowed, 11);
    assert_int_equal(take_many_at(w->redis, timed, &brief, 1, many, START_US).allowed, 1);
}

static int by_time(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Whenever within ahead_us it is used that was taken ahead, in whatever order. */
static void o7_what_is_taken_ahead_overfills_no_interval(void **state)
{
    enum { AHEAD_US = 50000, ASKS = 1500, USES_MAX = 40000, UNITS = 2000, PERIOD_MS = 10000 };
    const struct rule rule = {
        "t:rl:a", 1, 2, {{true, UNITS, 0, PERIOD_MS}, {false, UNITS, 600, PERIOD_MS}}};
    struct model model = {.w = rule.windows[1], .at_us = START_US};
    int64_t *uses = mem_zalloc(USES_MAX * sizeof(*uses)), now_us = START_US;
    struct world *w = *state;
    size_t n = 0, refusals = 0, leases = 0;

    for (int i = 0; i < ASKS; i++) {
        const struct many many = {1 + draw(3), draw(30), AHEAD_US};
        struct verdict v = take_many_at(w->redis, timed, &rule, 1, many, now_us);

        refusals += v.allowed == 0;
        leases += v.allowed > many.need;
        for (int64_t k = 0; k < v.allowed && n < USES_MAX; k++)
            uses[n++] = now_us + (v.allowed > many.need ? draw(AHEAD_US + 1) : 0);
        now_us += draw(24000);
    }
    assert_in_range(refusals, 50, ASKS - 200);
    assert_in_range(leases, 50, ASKS);
    qsort(uses, n, sizeof(*uses), by_time);
    for (size_t i = 0; i < n; i++) {
        assert_true(i < UNITS || uses[i] - uses[i - UNITS] >= PERIOD_MS * 1000);
        assert_true(model_left(&model, uses[i]) >= 1);
        model_take(&model, 1, uses[i]);
    }
    free(uses);
}

enum { CLIENTS = 50, TAKES_EACH = 8 };

struct racer {
    pthread_t thread;
    struct redis_client *c;
    pthread_barrier_t *start;
    const struct rule *rules;
    size_t rule_count;
    int allowed;
};

static void *race(void *arg)
{
    struct racer *r = arg;

    (void)pthread_barrier_wait(r->start);
    for (int i = 0; i < TAKES_EACH; i++)
        r->allowed += take(r->c, r->rules, r->rule_count).allowed == 1;
    return NULL;
}

static int race_all(struct world *w, const struct rule *rules, size_t count)
{
    struct racer racers[CLIENTS];
    pthread_barrier_t start;
    int allowed = 0;

    assert_int_equal(pthread_barrier_init(&start, NULL, CLIENTS), 0);
    for (int i = 0; i < CLIENTS; i++) {
        racers[i] = (struct racer){
            .c = client_open(&w->server), .start = &start, .rules = rules, .rule_count = count};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        allowed += racers[i].allowed;
        redis_client_free(racers[i].c);
    }
    (void)pthread_barrier_destroy(&start);
    return allowed;
}

/* 400 tries by 50 clients; the periods are so long that nothing comes back meanwhile. */
static void o7_fifty_clients_take_exactly_the_limit(void **state)
{
    const struct rule sliding = {"t:rl:s", 1, 1, {{true, 60, 0, 3600000}}};
    const struct rule gcra = {"t:rl:g", 1, 1, {{false, 120, 60, 86400000}}};
    const struct rule both[] = {{"t:rl:a", 1, 1, {{false, 90, 0, 86400000}}},
                                {"t:rl:b", 2, 1, {{true, 60, 0, 3600000}}}};
    struct world *w = *state;

    assert_int_equal(race_all(w, &sliding, 1), 60);
    assert_int_equal(race_all(w, &gcra, 1), 60);
    assert_int_equal(race_all(w, both, 2), 30);
    /* The other rule gave 30 of 90, not one more. */
    assert_int_equal(race_all(w, &both[0], 1), 60);
}

static int limit_open(void **state)
{
    timed = script_with_clock();
    return world_open(state);
}

static int limit_close(void **state)
{
    free(timed);
    return world_close(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(the_61st_in_any_sliding_minute_is_refused),
        WORLD_TEST(gcra_refills_one_by_one),
        WORLD_TEST(burst_bounds_what_is_taken_at_once),
        WORLD_TEST(a_cost_above_the_limit_never_fits),
        WORLD_TEST(all_windows_are_taken_or_none),
        WORLD_TEST(the_refusal_that_waits_longest_is_named),
        WORLD_TEST(the_same_window_twice_counts_twice),
        WORLD_TEST(a_clock_set_back_neither_refills_nor_locks_out),
        WORLD_TEST(every_key_ends_by_itself),
        WORLD_TEST(what_a_double_cannot_hold_exactly_is_refused),
        WORLD_TEST(it_decides_as_exact_arithmetic_does),
        WORLD_TEST(several_at_once_get_what_fits),
        WORLD_TEST(only_from_plenty_is_taken_ahead),
        WORLD_TEST(o7_what_is_taken_ahead_overfills_no_interval),
        WORLD_TEST(o7_fifty_clients_take_exactly_the_limit),
    };

    return cmocka_run_group_tests(tests, limit_open, limit_close);
}
