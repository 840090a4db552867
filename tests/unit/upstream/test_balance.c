#include "fixture.h"

#include "upstream/balance.h"

enum { SERVERS = 4 };

struct stage {
    struct bench *b;
    struct group *g;
    uint8_t marks[SERVERS];
    struct balance_want want;
};

static int set_stage(void **state)
{
    static const char *const urls[SERVERS] = {"http://10.0.0.1:1", "http://10.0.0.2:1",
                                              "http://10.0.0.3:1", "http://10.0.0.4:1"};
    struct stage *s = mem_zalloc(sizeof(*s));

    s->b = bench_new();
    for (unsigned i = 0; i < SERVERS; i++)
        bench_serve(s->b, 0, urls[i]);
    bench_load(s->b);
    s->g = &s->b->set->groups[0];
    s->want = (struct balance_want){.marks = s->marks, .now_ms = 1000};
    *state = s;
    return 0;
}

static int clear_stage(void **state)
{
    struct stage *s = *state;

    bench_free(s->b);
    free(s);
    return 0;
}

/* The index chosen for a request of its own, or -1. The slot stays taken. */
static int pick(struct stage *s)
{
    struct server *found;

    memset(s->marks, 0, sizeof(s->marks));
    found = balance_pick(s->g, &s->want);
    s->want.turn++;
    return found != NULL ? (int)(found - s->g->servers) : -1;
}

static int pick_briefly(struct stage *s)
{
    int at = pick(s);

    if (at >= 0)
        server_slot_release(&s->g->servers[at]);
    return at;
}

static struct health *health(struct stage *s, unsigned at)
{
    return &s->g->servers[at].state->health;
}

static void round_robin_takes_turns(void **state)
{
    struct stage *s = *state;

    for (int i = 0; i < 3 * SERVERS; i++)
        assert_int_equal(pick(s), i % SERVERS);
}

static void least_inflight_takes_the_idlest(void **state)
{
    struct stage *s = *state;

    s->g->balance = CONF_balance_LEAST_INFLIGHT;
    atomic_store(&s->g->servers[0].state->inflight, 5);
    atomic_store(&s->g->servers[1].state->inflight, 2);
    atomic_store(&s->g->servers[2].state->inflight, 1);
    atomic_store(&s->g->servers[3].state->inflight, 9);
    assert_int_equal(pick(s), 2);
    assert_int_not_equal(pick(s), 0);
    assert_int_not_equal(pick(s), 3);
}

static void least_inflight_spreads_when_all_are_equal(void **state)
{
    struct stage *s = *state;
    unsigned seen = 0;

    s->g->balance = CONF_balance_LEAST_INFLIGHT;
    for (int i = 0; i < SERVERS; i++)
        seen |= 1U << pick_briefly(s);
    assert_int_equal(seen, 15);
}

static void hash_sticks_and_spreads(void **state)
{
    struct stage *s = *state;
    unsigned share[SERVERS] = {0};

    s->g->balance = CONF_balance_HASH;
    for (uint64_t user = 0; user < 4000; user++) {
        int first;

        s->want.hash = user;
        first = pick_briefly(s);
        assert_int_equal(pick_briefly(s), first);
        share[first]++;
    }
    for (unsigned i = 0; i < SERVERS; i++)
        assert_in_range(share[i], 800, 1200);
}

static void hash_moves_only_the_share_of_a_server_that_leaves(void **state)
{
    struct stage *s = *state;

    s->g->balance = CONF_balance_HASH;
    for (uint64_t user = 0; user < 500; user++) {
        int before, after;

        s->want.hash = user;
        before = pick_briefly(s);
        atomic_store(&health(s, 1)->is_down, true);
        after = pick_briefly(s);
        atomic_store(&health(s, 1)->is_down, false);
        assert_int_not_equal(after, 1);
        if (before != 1)
            assert_int_equal(after, before);
    }
}

static void full_servers_are_passed_over(void **state)
{
    struct stage *s = *state;

    s->g->max_inflight = 2;
    for (int i = 0; i < 2 * SERVERS; i++)
        assert_in_range(pick(s), 0, SERVERS - 1);
    for (unsigned i = 0; i < SERVERS; i++)
        assert_int_equal(atomic_load(&s->g->servers[i].state->inflight), 2);
    assert_int_equal(pick(s), -1);
    server_slot_release(&s->g->servers[3]);
    assert_int_equal(pick(s), 3);
}

static void a_tried_server_is_not_chosen_again(void **state)
{
    struct stage *s = *state;
    unsigned seen = 0;

    for (unsigned i = 0; i < SERVERS; i++)
        seen |= 1U << (balance_pick(s->g, &s->want) - s->g->servers);
    assert_int_equal(seen, 15);
    assert_null(balance_pick(s->g, &s->want));
}

static void ejected_servers_rest_while_others_are_in_order(void **state)
{
    struct stage *s = *state;

    atomic_store(&health(s, 0)->ejected_until_ms, 2000);
    atomic_store(&health(s, 2)->ejected_until_ms, 2000);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pick(s) % 2, 1);
}

static void ejected_servers_are_the_last_resort(void **state)
{
    struct stage *s = *state;

    for (unsigned i = 0; i < SERVERS; i++)
        atomic_store(&health(s, i)->ejected_until_ms, 2000);
    atomic_store(&health(s, 0)->is_down, true);
    for (unsigned i = 0; i < 8; i++)
        assert_in_range(pick(s), 1, SERVERS - 1);
}

static void a_full_group_does_not_fall_back_on_ejected_servers(void **state)
{
    struct stage *s = *state;

    s->g->max_inflight = 1;
    atomic_store(&health(s, 0)->ejected_until_ms, 2000);
    for (unsigned i = 1; i < SERVERS; i++)
        assert_in_range(pick(s), 1, SERVERS - 1);
    assert_int_equal(pick(s), -1);
}

static void one_request_tries_a_server_after_its_rest(void **state)
{
    struct stage *s = *state;
    unsigned trials = 0;

    atomic_store(&health(s, 0)->ejected_until_ms, 900);
    for (unsigned i = 0; i < 16; i++)
        trials += pick(s) == 0;
    assert_int_equal(trials, 1);
}

#define ON_STAGE(name) cmocka_unit_test_setup_teardown(name, set_stage, clear_stage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STAGE(round_robin_takes_turns),
        ON_STAGE(least_inflight_takes_the_idlest),
        ON_STAGE(least_inflight_spreads_when_all_are_equal),
        ON_STAGE(hash_sticks_and_spreads),
        ON_STAGE(hash_moves_only_the_share_of_a_server_that_leaves),
        ON_STAGE(full_servers_are_passed_over),
        ON_STAGE(a_tried_server_is_not_chosen_again),
        ON_STAGE(ejected_servers_rest_while_others_are_in_order),
        ON_STAGE(ejected_servers_are_the_last_resort),
        ON_STAGE(a_full_group_does_not_fall_back_on_ejected_servers),
        ON_STAGE(one_request_tries_a_server_after_its_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
