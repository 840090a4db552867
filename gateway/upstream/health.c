#include "upstream/health.h"

bool health_is_ejected(const struct health *h, int64_t now_ms)
{
    return atomic_load_explicit(&h->ejected_until_ms, memory_order_relaxed) > now_ms;
}

bool health_may_ask(const struct health *h, int64_t now_ms)
{
    return !atomic_load_explicit(&h->is_down, memory_order_relaxed) &&
           !health_is_ejected(h, now_ms);
}

bool health_begin(struct health *h, const struct health_rules *rules, int64_t now_ms)
{
    int64_t until = atomic_load_explicit(&h->ejected_until_ms, memory_order_relaxed);

    if (until == 0)
        return true;
    return until <= now_ms &&
           atomic_compare_exchange_strong(&h->ejected_until_ms, &until, now_ms + rules->eject_ms);
}

bool health_request_succeeded(struct health *h)
{
    if (atomic_load_explicit(&h->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&h->failures, 0, memory_order_relaxed);
    if (atomic_load_explicit(&h->ejected_until_ms, memory_order_relaxed) == 0)
        return false;
    return atomic_exchange(&h->ejected_until_ms, 0) != 0;
}

bool health_request_failed(struct health *h, const struct health_rules *rules, int64_t now_ms)
{
    unsigned failures = atomic_fetch_add_explicit(&h->failures, 1, memory_order_relaxed) + 1;

    if (failures < rules->fall || rules->eject_ms == 0)
        return false;
    return atomic_exchange(&h->ejected_until_ms, now_ms + rules->eject_ms) == 0;
}

static bool set_up(struct health *h)
{
    bool was_down = atomic_exchange(&h->is_down, false);

    atomic_store_explicit(&h->failures, 0, memory_order_relaxed);
    return atomic_exchange(&h->ejected_until_ms, 0) != 0 || was_down;
}

bool health_check_result(struct health *h, struct health_check *check,
                         const struct health_rules *rules, bool is_good, int64_t now_ms)
{
    if (!is_good) {
        check->successes = 0;
        if (++check->failures < rules->fall)
            return false;
        return !atomic_exchange(&h->is_down, true);
    }
    check->failures = 0;
    if (health_may_ask(h, now_ms)) {
        check->successes = 0;
        return false;
    }
    if (++check->successes < rules->rise)
        return false;
    check->successes = 0;
    return set_up(h);
}
