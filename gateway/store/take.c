#include "store/store_own.h"

#include "base/alloc.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/*
 * Limits: one script takes from every window or from none. Equal requests that come
 * while it runs wait and are asked for together; those of a busy key are taken a little
 * ahead (a lease), so that a hot key does not cost a round trip a request. Redis decides how
 * much, charges it as used at the end of CHARGED_MS, and what is left when LEASE_MS have
 * passed is forfeited: never is a unit admitted that Redis has not handed out.
 */
enum { TAKES_MAX = 2048, LEASE_MS = 25, CHARGED_MS = 2 * LEASE_MS, AHEAD_MAX = 4096 };

/* A set of rules with its allowance here. Lives on between questions, to know a busy one. */
struct take {
    struct question q;
    struct list link; /* in store->take_order, last used first */
    struct store *store;
    bool is_asked;
    bool is_known; /* found in store->takes; otherwise it ends with its answer */
    uint64_t need, ahead;
    int64_t asked_ms;             /* monotonic */
    uint64_t wanted;              /* requests since then */
    uint64_t left;                /* granted and not handed out */
    struct limit_verdict verdict; /* as the last answer says, when all of it is handed out */
    size_t count;
    struct limit_rule rules[];
};

/* Digests side by side are the name. */
static struct slice name_of(const struct limit_rule *rules, size_t count,
                            char out[LIMIT_RULES_MAX * 32])
{
    for (size_t i = 0; i < count; i++)
        memcpy(out + i * 32, rules[i].digest, 32);
    return slice_of(out, count * 32);
}

static bool has_same_terms(const struct limit_rule *a, const struct limit_rule *b)
{
    if (a->cost != b->cost || a->window_count != b->window_count)
        return false;
    for (size_t i = 0; i < a->window_count; i++)
        if (!is_same_window(&a->windows[i], &b->windows[i]))
            return false;
    return true;
}

static void take_free(struct take *t)
{
    list_remove(&t->link);
    question_close(&t->q);
    free(t);
}

/* Not found any more; what still waits is answered. */
static void forget(struct take *t)
{
    char name[LIMIT_RULES_MAX * 32];

    map_remove(&t->store->takes, name_of(t->rules, t->count, name));
    list_remove(&t->link);
    t->is_known = false;
    if (!t->is_asked)
        take_free(t);
}

static struct take *take_new(struct store *s, const struct limit_rule *rules, size_t count,
                             struct slice name)
{
    struct take *t = mem_alloc(sizeof(*t) + count * sizeof(rules[0]));

    if (s->takes.count >= TAKES_MAX)
        forget(LIST_ITEM(s->take_order.prev, struct take, link));
    *t = (struct take){.store = s, .count = count, .is_known = true};
    memcpy(t->rules, rules, count * sizeof(rules[0]));
    map_put(&s->takes, name, t);
    list_add_head(&s->take_order, &t->link);
    question_open(s, &t->q);
    return t;
}

static struct take *find(struct store *s, const struct limit_rule *rules, size_t count)
{
    char room[LIMIT_RULES_MAX * 32];
    struct slice name = name_of(rules, count, room);
    struct take *t = map_get(&s->takes, name);
    bool is_same = t != NULL;

    for (size_t i = 0; is_same && i < count; i++)
        is_same = has_same_terms(&t->rules[i], &rules[i]);
    if (t != NULL && !is_same)
        forget(t); /* the limit was changed */
    if (!is_same)
        return take_new(s, rules, count, name);
    list_remove(&t->link);
    list_add_head(&s->take_order, &t->link);
    return t;
}

/* {granted, rule, window, limit, remaining, reset_ms, retry_ms}, as limit.lua says. */
static enum err read_verdict(const struct take *t, const struct redisReply *reply,
                             uint64_t *granted, struct limit_verdict *out)
{
    int64_t n[7];

    if (reply_count(reply) != 7)
        return ERR_SYNTAX;
    for (size_t i = 0; i < 7; i++) {
        if (!reply_number(reply_at(reply, i), &n[i]) || n[i] < 0)
            return ERR_SYNTAX;
    }
    if ((uint64_t)n[0] > t->need + t->ahead || (size_t)n[1] >= t->count ||
        (size_t)n[2] >= t->rules[n[1]].window_count)
        return ERR_SYNTAX;
    *granted = (uint64_t)n[0];
    *out = (struct limit_verdict){.allowed = n[0] > 0,
                                  .rule = (size_t)n[1],
                                  .window = (size_t)n[2],
                                  .limit = (uint64_t)n[3],
                                  .remaining = (uint64_t)n[4],
                                  .reset_ms = n[5],
                                  .retry_ms = n[6]};
    return ERR_OK;
}

static void hand_one(struct take *t, struct limit_verdict *out)
{
    t->left--;
    *out = t->verdict;
    out->remaining += t->left * t->rules[t->verdict.rule].cost;
}

/* To those who wait, in their order, until there is no more. */
static void hand_out(struct take *t, enum err e)
{
    while (!list_is_empty(&t->q.ops)) {
        struct store_op *op = LIST_ITEM(t->q.ops.next, struct store_op, link);

        if (e == ERR_OK && !t->verdict.allowed)
            *op->verdict = t->verdict;
        else if (e == ERR_OK && t->left > 0)
            hand_one(t, op->verdict);
        else if (e == ERR_OK)
            return;
        op_finish(op, e);
    }
}

static bool ask(struct take *t);

static void on_reply(void *arg, const struct redisReply *reply)
{
    struct take *t = arg;
    enum err e = ERR_UNAVAILABLE;

    t->left = 0;
    if (reply != NULL && read_verdict(t, reply, &t->left, &t->verdict) == ERR_OK)
        e = ERR_OK;
    if (e == ERR_OK && !t->verdict.allowed)
        spent_put(t->store, &t->rules[t->verdict.rule], &t->verdict);
    hand_out(t, e);
    if (!list_is_empty(&t->q.ops) && ask(t))
        return;
    hand_out(t, ERR_UNAVAILABLE);
    t->is_asked = false;
    if (!t->is_known)
        take_free(t);
}

enum { ARGS_MAX = 3 + LIMIT_RULES_MAX * (2 + 4 * LIMIT_WINDOWS_MAX) };

static size_t write_args(const struct take *t, struct slice *keys, struct slice *args)
{
    struct arena *a = store_names(t->store);
    size_t n = 0;

    args[n++] = arena_number(a, t->need);
    args[n++] = arena_number(a, t->ahead);
    args[n++] = arena_number(a, CHARGED_MS * 1000);
    for (size_t i = 0; i < t->count; i++) {
        const struct limit_rule *rule = &t->rules[i];

        keys[i] = keyspace_limit(&t->store->keys, a, rule->digest);
        args[n++] = arena_number(a, rule->cost);
        args[n++] = arena_number(a, rule->window_count);
        for (size_t j = 0; j < rule->window_count; j++) {
            const struct limit_window *w = &rule->windows[j];

            args[n++] = w->is_sliding ? SLICE("s") : SLICE("g");
            args[n++] = arena_number(a, w->units);
            args[n++] = arena_number(a, w->burst);
            args[n++] = arena_number(a, (uint64_t)w->period_ms);
        }
    }
    return n;
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
    return n < most ? n : most;
}

/* What three quarters of a lease would use up at the rate since the last question. */
static uint64_t guess_ahead(const struct take *t)
{
    int64_t passed = t->store->worker->now_ms - t->asked_ms;
    uint64_t twice = at_most(2 * t->wanted, AHEAD_MAX);

    if (t->asked_ms == 0 || passed > 2 * LEASE_MS)
        return 0;
    return passed > 0 ? at_most(t->wanted * LEASE_MS * 3 / 4 / (uint64_t)passed, twice) : twice;
}

/* For all that wait. */
static bool ask(struct take *t)
{
    struct slice keys[LIMIT_RULES_MAX], args[ARGS_MAX];
    size_t n;

    t->need = 0;
    for (struct list *op = t->q.ops.next; op != &t->q.ops; op = op->next)
        t->need++;
    t->ahead = guess_ahead(t);
    t->asked_ms = t->store->worker->now_ms;
    t->wanted = 0;
    n = write_args(t, keys, args);
    return link_script(t->store->link, SCRIPT_LIMIT, keys, t->count, args, n, on_reply, t);
}

static bool has_lease(const struct take *t)
{
    return !t->is_asked && t->left > 0 && t->ahead > 0 &&
           t->store->worker->now_ms < t->asked_ms + LEASE_MS;
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
    t = find(s, rules, count);
    t->wanted++;
    if (has_lease(t)) {
        hand_one(t, verdict);
        op->was_cached = true;
        return true;
    }
    op->verdict = verdict;
    op_wait(&t->q, op);
    if (t->is_asked || (t->is_asked = ask(t)))
        return false;
    store_cancel(op);
    op->e = ERR_UNAVAILABLE;
    return true;
}
