#include "store/store_own.h"

#include "base/alloc.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/*
 * Limits: one script takes from every window or from none. A window that refused is
 * remembered until it can admit the same cost again, so a hammered one costs no
 * round trip. Time only makes a window fuller at the moment Redis named, and nobody
 * else can, so remembering never admits and refuses a little longer at most.
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

struct take {
    struct question q;
    struct store *store;
    struct limit_verdict *verdict; /* the asker's: touched only while its op waits */
    size_t count;
    struct limit_rule rules[];
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

static bool is_same_window(const struct limit_window *a, const struct limit_window *b)
{
    return a->units == b->units && a->burst == b->burst && a->period_ms == b->period_ms &&
           a->is_sliding == b->is_sliding;
}

static void spent_put(struct store *s, const struct limit_rule *rule, const struct limit_verdict *v)
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

static bool is_spent(struct store *s, const struct limit_rule *rule, size_t index,
                     struct limit_verdict *v)
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

/* {allowed, rule, window, limit, remaining, reset_ms, retry_ms}, as limit.lua says. */
static enum err read_verdict(const struct take *t, const struct redisReply *reply,
                             struct limit_verdict *out)
{
    int64_t n[7];

    if (reply_count(reply) != 7)
        return ERR_SYNTAX;
    for (size_t i = 0; i < 7; i++) {
        if (!reply_number(reply_at(reply, i), &n[i]) || n[i] < 0)
            return ERR_SYNTAX;
    }
    if (n[0] > 1 || (size_t)n[1] >= t->count || (size_t)n[2] >= t->rules[n[1]].window_count)
        return ERR_SYNTAX;
    *out = (struct limit_verdict){.allowed = n[0] == 1,
                                  .rule = (size_t)n[1],
                                  .window = (size_t)n[2],
                                  .limit = (uint64_t)n[3],
                                  .remaining = (uint64_t)n[4],
                                  .reset_ms = n[5],
                                  .retry_ms = n[6]};
    return ERR_OK;
}

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct take *t = arg;
    struct limit_verdict v;
    enum err e = reply != NULL && read_verdict(t, reply, &v) == ERR_OK ? ERR_OK : ERR_UNAVAILABLE;

    if (e == ERR_OK && !v.allowed)
        spent_put(t->store, &t->rules[v.rule], &v);
    question_close(&t->q);
    if (!list_is_empty(&t->q.ops)) {
        if (e == ERR_OK)
            *t->verdict = v;
        op_finish(LIST_ITEM(t->q.ops.next, struct store_op, link), e);
    }
    free(t);
}

static struct slice number(struct arena *a, uint64_t n)
{
    return arena_printf(a, "%llu", (unsigned long long)n);
}

enum { ARGS_MAX = LIMIT_RULES_MAX * (2 + 4 * LIMIT_WINDOWS_MAX) };

static size_t write_args(struct store *s, const struct limit_rule *rules, size_t count,
                         struct slice *keys, struct slice *args)
{
    struct arena *a = store_names(s);
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct limit_rule *rule = &rules[i];

        keys[i] = keyspace_limit(&s->keys, a, rule->digest);
        args[n++] = number(a, rule->cost);
        args[n++] = number(a, rule->window_count);
        for (size_t j = 0; j < rule->window_count; j++) {
            const struct limit_window *w = &rule->windows[j];

            args[n++] = w->is_sliding ? SLICE("s") : SLICE("g");
            args[n++] = number(a, w->units);
            args[n++] = number(a, w->burst);
            args[n++] = number(a, (uint64_t)w->period_ms);
        }
    }
    return n;
}

static bool ask(struct take *t)
{
    struct slice keys[LIMIT_RULES_MAX], args[ARGS_MAX];
    size_t n = write_args(t->store, t->rules, t->count, keys, args);

    return link_script(t->store->link, SCRIPT_LIMIT, keys, t->count, args, n, on_reply, t);
}

bool store_take(struct store *s, const struct limit_rule *rules, size_t count,
                struct limit_verdict *verdict, struct store_op *op)
{
    struct take *t;

    op_begin(s, op);
    CHECK(count >= 1 && count <= LIMIT_RULES_MAX);
    for (size_t i = 0; i < count; i++) {
        CHECK(rules[i].window_count >= 1 && rules[i].window_count <= LIMIT_WINDOWS_MAX);
        if (is_spent(s, &rules[i], i, verdict)) {
            op->was_cached = true;
            return true;
        }
    }
    t = mem_alloc(sizeof(*t) + count * sizeof(rules[0]));
    *t = (struct take){.store = s, .verdict = verdict, .count = count};
    memcpy(t->rules, rules, count * sizeof(rules[0]));
    if (!ask(t)) {
        free(t);
        op->e = ERR_UNAVAILABLE;
        return true;
    }
    question_open(s, &t->q);
    op_wait(&t->q, op);
    return false;
}

void take_init(struct store *s)
{
    map_init(&s->spent);
    list_init(&s->spent_order);
}

void take_fini(struct store *s)
{
    while (!list_is_empty(&s->spent_order))
        spent_drop(s, LIST_ITEM(s->spent_order.next, struct spent, link));
    map_fini(&s->spent);
}
