#include "upstream/balance.h"

/* The finish of splitmix64: every bit of the sum reaches every bit of the result. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t z = a ^ (b + 0x9e3779b97f4a7c15U);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* How many places after the one whose turn it is. */
static uint64_t distance(const struct group *g, unsigned at, unsigned turn)
{
    return (at + g->count - turn % g->count) % g->count;
}

/* The lowest is chosen. */
static uint64_t rank(const struct group *g, unsigned at, const struct balance_want *want)
{
    const struct server *s = &g->servers[at];

    switch (g->balance) {
    case CONF_balance_LEAST_INFLIGHT:
        return (uint64_t)atomic_load_explicit(&s->state->inflight, memory_order_relaxed) << 32 |
               distance(g, at, want->turn);
    case CONF_balance_HASH:
        return ~mix(want->hash, s->hash);
    default:
        return distance(g, at, want->turn);
    }
}

static bool may_ask(const struct server *s, bool last_resort, int64_t now_ms)
{
    const struct health *h = &s->state->health;

    if (!server_is_resolved(s))
        return false;
    return last_resort ? !atomic_load_explicit(&h->is_down, memory_order_relaxed)
                       : health_may_ask(h, now_ms);
}

static struct server *best(struct group *g, const struct balance_want *want, bool last_resort)
{
    struct server *found = NULL;
    uint64_t lowest = 0;

    for (unsigned i = 0; i < g->count; i++) {
        uint64_t r;

        if (want->marks[i] != 0 || !may_ask(&g->servers[i], last_resort, want->now_ms))
            continue;
        r = rank(g, i, want);
        if (found == NULL || r < lowest) {
            found = &g->servers[i];
            lowest = r;
        }
    }
    return found;
}

static bool take(struct server *s, const struct balance_want *want, bool last_resort)
{
    if (!server_slot_take(s))
        return false;
    if (last_resort || health_begin(&s->state->health, &s->group->rules, want->now_ms))
        return true;
    server_slot_release(s);
    return false;
}

static struct server *pick(struct group *g, const struct balance_want *want, bool last_resort)
{
    struct server *s;

    while ((s = best(g, want, last_resort)) != NULL) {
        bool taken = take(s, want, last_resort);

        want->marks[s - g->servers] = taken ? BALANCE_TRIED : BALANCE_FULL;
        if (taken)
            return s;
    }
    return NULL;
}

static void forget_full(struct group *g, const struct balance_want *want)
{
    for (unsigned i = 0; i < g->count; i++)
        if (want->marks[i] == BALANCE_FULL)
            want->marks[i] = 0;
}

static bool has_healthy(struct group *g, const struct balance_want *want)
{
    for (unsigned i = 0; i < g->count; i++)
        if (may_ask(&g->servers[i], false, want->now_ms))
            return true;
    return false;
}

struct server *balance_pick(struct group *g, const struct balance_want *want)
{
    struct server *s = pick(g, want, false);

    forget_full(g, want);
    /* Looked at afterwards: who loses the race for a trial finds the server ejected now. */
    if (s == NULL && !has_healthy(g, want)) {
        s = pick(g, want, true);
        forget_full(g, want);
    }
    return s;
}
