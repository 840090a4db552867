#include "store/store_own.h"

#include "base/alloc.h"

#include <stdlib.h>

/*
 * A window that refused is remembered until it can admit the same cost again, so a
 * hammered one costs no round trip. Time only makes a window fuller at the moment Redis
 * named, and nobody else can, so remembering never admits and refuses a little longer at most.
 */
enum { SPENT_MAX = 4096, SPENT_MS_MAX = 10000 };

struct spent {
    struct list link; /* in store->spent_order, newest first */
    unsigned char digest[32];
    struct limit_window window; /* as it was asked: a changed limit is asked again */
    size_t index;
    uint64_t cost, limit, remaining;
    int64_t believed_until_ms, retry_at_ms, whole_at_ms; /* monotonic */
};

static struct slice digest_of(const unsigned char digest[32])
{
    return slice_of(digest, 32);
}

static void spent_drop(struct store *s, struct spent *m)
{
    map_remove(&s->spent, digest_of(m->digest));
    list_remove(&m->link);
    free(m);
}

bool is_same_window(const struct limit_window *a, const struct limit_window *b)
{
    return a->units == b->units && a->burst == b->burst && a->period_ms == b->period_ms &&
           a->is_sliding == b->is_sliding;
}

void spent_put(struct store *s, const struct limit_rule *rule, const struct limit_verdict *v)
{
    struct spent *m = map_get(&s->spent, digest_of(rule->digest));
    int64_t now = s->worker->now_ms;
    int64_t believed = v->retry_ms < SPENT_MS_MAX ? v->retry_ms : SPENT_MS_MAX;

    if (v->retry_ms <= 0)
        return;
    if (m != NULL)
        spent_drop(s, m);
    if (s->spent.count >= SPENT_MAX)
        spent_drop(s, LIST_ITEM(s->spent_order.prev, struct spent, link));
    m = mem_zalloc(sizeof(*m));
    *m = (struct spent){.window = rule->windows[v->window],
                        .index = v->window,
                        .cost = rule->cost,
                        .limit = v->limit,
                        .remaining = v->remaining,
                        .believed_until_ms = now + believed,
                        .retry_at_ms = now + v->retry_ms,
                        .whole_at_ms = now + v->reset_ms};
    memcpy(m->digest, rule->digest, sizeof(m->digest));
    list_add_head(&s->spent_order, &m->link);
    map_put(&s->spent, digest_of(m->digest), m);
}

bool is_spent(struct store *s, const struct limit_rule *rule, size_t index, struct limit_verdict *v)
{
    struct spent *m = s->spent.count > 0 ? map_get(&s->spent, digest_of(rule->digest)) : NULL;
    int64_t now = s->worker->now_ms;

    if (m == NULL)
        return false;
    if (now >= m->believed_until_ms) {
        spent_drop(s, m);
        return false;
    }
    if (rule->cost < m->cost || m->index >= rule->window_count ||
        !is_same_window(&rule->windows[m->index], &m->window))
        return false;
    *v = (struct limit_verdict){.allowed = false,
                                .rule = index,
                                .window = m->index,
                                .limit = m->limit,
                                .remaining = m->remaining,
                                .reset_ms = m->whole_at_ms > now ? m->whole_at_ms - now : 0,
                                .retry_ms = m->retry_at_ms - now};
    return true;
}

void spent_init(struct store *s)
{
    map_init(&s->spent);
    list_init(&s->spent_order);
}

void spent_fini(struct store *s)
{
    while (!list_is_empty(&s->spent_order))
        spent_drop(s, LIST_ITEM(s->spent_order.next, struct spent, link));
    map_fini(&s->spent);
}
