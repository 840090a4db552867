#include "phase/phase.h"

#include "base/clock.h"
#include "crypto/digest.h"

enum { SDK_PATIENCE_MS = 60 * 1000 };

/* Length before each part, so that no two keys share a text (incidents K6). */
static void add_part(struct buf *b, struct slice part)
{
    buf_add_u64(b, part.n);
    buf_add_char(b, ':');
    buf_add(b, part);
}

/* What the limit counts, or false when the request has no such thing. */
static bool write_key(struct exchange *x, const struct policy_limit *limit, struct buf *b)
{
    char ip[ADDR_TEXT_MAX + 1];
    enum word key = limit->key;

    add_part(b, limit->name);
    if (key == CONF_limit_key_PRINCIPAL)
        key = x->who == NULL         ? CONF_limit_key_ADDRESS
              : x->who->key_id.n > 0 ? CONF_limit_key_API_KEY
                                     : CONF_limit_key_USER;
    add_part(b, slice_str(word_text(key)));
    switch (key) {
    case CONF_limit_key_USER:
        if (x->who == NULL)
            return false;
        add_part(b, x->who->user_id);
        return true;
    case CONF_limit_key_API_KEY:
        if (x->who == NULL || x->who->key_id.n == 0)
            return false;
        add_part(b, x->who->key_id);
        return true;
    case CONF_limit_key_ADDRESS:
        add_part(b, addr_write(&x->client_addr, ip));
        return true;
    case CONF_limit_key_ROUTE:
        add_part(b, x->route->name);
        return true;
    default:
        return true; /* global: one for all */
    }
}

static bool make_rule(struct exchange *x, const struct policy_limit *limit, struct limit_rule *rule)
{
    struct buf key;
    bool applies;

    buf_init(&key);
    applies = write_key(x, limit, &key);
    if (applies) {
        sha256(buf_slice(&key), rule->digest);
        rule->cost = limit->cost;
        rule->window_count = limit->window_count;
        for (size_t i = 0; i < limit->window_count; i++)
            rule->windows[i] = (struct limit_window){.units = limit->windows[i].units,
                                                     .burst = limit->windows[i].burst,
                                                     .period_ms = limit->windows[i].period_ms,
                                                     .is_sliding = limit->windows[i].is_sliding};
    }
    buf_fini(&key);
    return applies;
}

static int64_t whole_seconds(int64_t ms)
{
    return ms <= 1000 ? 1 : (ms + 999) / 1000;
}

/* "default";<first>=<n>;<second>=<m> */
static struct slice two_numbers(struct exchange *x, struct slice first, uint64_t n,
                                struct slice second, uint64_t m)
{
    char n_room[U64_DIGITS], m_room[U64_DIGITS];
    const struct slice parts[] = {SLICE("\"default\";"), first, slice_from_u64(n, n_room), second,
                                  slice_from_u64(m, m_room)};

    return arena_join(&x->arena, parts, sizeof(parts) / sizeof(parts[0]));
}

/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10), and the older family.
 */
static void add_headers(struct exchange *x)
{
    const struct limit_verdict *v = &x->limit;
    const struct limit_window *window = &x->limit_rules[v->rule].windows[v->window];
    uint64_t reset_s = (uint64_t)(v->reset_ms + 999) / 1000;

    reply_add(x, SLICE("RateLimit-Policy"),
              two_numbers(x, SLICE("q="), window->units, SLICE(";w="),
                          (uint64_t)window->period_ms / 1000));
    reply_add(x, SLICE("RateLimit"),
              two_numbers(x, SLICE("r="), v->remaining, SLICE(";t="), reset_s));
    reply_add(x, SLICE("X-RateLimit-Limit"), arena_number(&x->arena, v->limit));
    reply_add(x, SLICE("X-RateLimit-Remaining"), arena_number(&x->arena, v->remaining));
    reply_add(x, SLICE("X-RateLimit-Reset"),
              arena_number(&x->arena, (uint64_t)clock_wall_s() + reset_s));
}

static enum next refuse(struct exchange *x)
{
    count(x->worker->counters, METRIC_RATE_LIMITED, 1);
    phase_audit(x, AUDIT_RATE_LIMITED, "refused", SLICE_NONE);
    reply_add(x, SLICE("Retry-After"),
              arena_number(&x->arena, (uint64_t)whole_seconds(x->limit.retry_ms)));
    /* SDKs try again by themselves, after a second when told to wait for long: better not. */
    if (x->limit.retry_ms > SDK_PATIENCE_MS)
        reply_add(x, SLICE("X-Should-Retry"), SLICE("false"));
    return reply_problem(x, PROBLEM_RATE_LIMITED, "rate_limited", SLICE_NONE);
}

static bool may_go_uncounted(const struct exchange *x)
{
    for (size_t i = 0; i < x->route->limit_count; i++)
        if (x->route->limits[i]->on_store_down != CONF_limit_down_OPEN)
            return false;
    return true;
}

static enum next judge(struct exchange *x)
{
    x->limit_us = clock_mono_us();
    if (x->limit_op.e != ERR_OK)
        return may_go_uncounted(x)
                   ? NEXT_GO
                   : reply_problem(x, PROBLEM_STORE_UNAVAILABLE, "limit_unavailable", SLICE_NONE);
    add_headers(x);
    return x->limit.allowed ? NEXT_GO : refuse(x);
}

static void on_taken(struct store_op *op)
{
    struct exchange *x = op->arg;

    if (judge(x) == NEXT_GO)
        pipeline_resume(x);
}

static void cancel(struct exchange *x)
{
    store_cancel(&x->limit_op);
}

/* Takes from every allowance that applies, or from none: RFC 6585 §4. */
enum next phase_ratelimit(struct exchange *x)
{
    size_t n = 0;

    if (x->endpoint != NULL || x->route->limit_count == 0)
        return NEXT_GO;
    x->limit_rules = arena_zalloc(&x->arena, x->route->limit_count * sizeof(*x->limit_rules));
    for (size_t i = 0; i < x->route->limit_count; i++)
        n += make_rule(x, x->route->limits[i], &x->limit_rules[n]);
    if (n == 0)
        return NEXT_GO;
    x->limit_op = (struct store_op){.done = on_taken, .arg = x};
    x->wait.cancel = cancel;
    if (!store_take(x->worker->store, x->limit_rules, n, &x->limit, &x->limit_op))
        return NEXT_WAIT;
    x->wait.cancel = NULL;
    return judge(x);
}
