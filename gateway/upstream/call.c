#include "upstream/call.h"

#include "upstream/balance.h"
#include "upstream/h1_client.h"

enum { ADDRS_A_TRY = 4, BAD_ADDR_MS = 10000 };

static struct worker *worker_of(const struct call *c)
{
    return c->pools->worker;
}

/* ------- ends ------- */

static void leave_server(struct call *c)
{
    if (c->conn != NULL)
        conn_close(c->conn);
    c->conn = NULL;
    if (c->server != NULL)
        server_slot_release(c->server);
    c->server = NULL;
}

static void fini(struct call *c)
{
    leave_server(c);
    c->state = CALL_GONE;
    c->leg.x = NULL;
    list_remove(&c->due);
    timer_fini(&c->total);
    buf_fini(&c->held);
    h1_body_fini(&c->body);
    view_unref(c->view);
    c->view = NULL;
}

static void fail(struct call *c, enum err why, const char *reason)
{
    struct exchange *x = c->leg.x;

    fini(c);
    exchange_on_upstream_failed(x, why, reason);
}

/* What exactly went wrong, for the logs. */
static const char *reason_of(const struct call *c, enum err why)
{
    switch (why) {
    case ERR_TLS:
        return arena_printf(&c->leg.x->arena, "tls: %s", stream_tls_trouble(c->conn->stream)).p;
    case ERR_TIMEOUT:
        return c->state == CALL_CONNECTING ? "connect_timeout" : "write_timeout";
    case ERR_SYNTAX:
        return "malformed_answer";
    default:
        return err_text(why);
    }
}

static bool is_reusable(const struct call *c, bool complete)
{
    return complete && c->state == CALL_ANSWERED && c->is_reusable && c->is_request_sent &&
           !c->owes_end && !c->is_paused && stream_waiting_bytes(c->conn->stream) == 0;
}

void call_release(struct call *c, bool complete)
{
    if (call_is_gone(c))
        return;
    if (c->conn != NULL && is_reusable(c, complete)) {
        conn_give_back(c->conn, c->view);
        c->conn = NULL;
    } else if (c->conn != NULL && complete && c->state == CALL_TUNNEL) {
        conn_finish(c->conn);
        c->conn = NULL;
    }
    fini(c);
}

/* ------- deadlines ------- */

static int64_t deadline_ms(const struct call *c)
{
    if (c->is_paused)
        return 0; /* we are the ones who wait */
    switch (c->state) {
    case CALL_WAITING:
        return c->is_request_sent ? c->want.first_byte_ms : 0;
    case CALL_ANSWERING:
        return c->is_request_sent ? c->want.idle_ms : 0;
    case CALL_TUNNEL:
        return c->want.idle_ms;
    default:
        return 0;
    }
}

void call_set_deadline(struct call *c)
{
    if (c->conn != NULL)
        timer_set(&c->conn->timer, deadline_ms(c));
}

static void server_failed(struct call *c, const char *reason)
{
    if (health_request_failed(&c->server->state->health, &c->group->rules, worker_of(c)->now_ms))
        log_warn(worker_of(c)->log, "upstream.server_ejected", LOG_SLICE("group", c->group->name),
                 LOG_SLICE("server", c->server->label), LOG_STR("cause", reason));
}

void call_server_answered(struct call *c)
{
    if (health_request_succeeded(&c->server->state->health))
        log_info(worker_of(c)->log, "upstream.server_back", LOG_SLICE("group", c->group->name),
                 LOG_SLICE("server", c->server->label));
}

/* The server had its time. It is not tried again elsewhere: the client has waited long enough. */
void call_on_time(struct call *c)
{
    const bool is_mute = c->state == CALL_WAITING;
    const char *reason = is_mute ? "first_byte_timeout" : "idle_timeout";

    if (is_mute)
        server_failed(c, reason);
    fail(c, ERR_TIMEOUT, reason);
}

static void on_total(void *arg)
{
    fail(arg, ERR_TIMEOUT, "total_timeout");
}

/* ------- attempts ------- */

static unsigned choose_addr(struct pool *p, size_t count, unsigned version, int64_t now_ms)
{
    if (p->version != version || p->bad_until_ms <= now_ms)
        p->bad = 0;
    p->version = version;
    for (size_t i = 0; i < count; i++) {
        unsigned at = p->next_addr++ % (unsigned)count;

        if ((p->bad >> at & 1) == 0)
            return at;
    }
    p->bad = 0;
    return p->next_addr++ % (unsigned)count;
}

static void choose_sockaddr(struct call *c, struct pool *pool, struct sockaddr_any *to)
{
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned version;
    size_t count;

    if (c->server->is_unix) {
        *to = c->server->path;
        c->addrs_left = 0;
        return;
    }
    count = server_addrs(c->server, addrs, &version);
    CHECK(count > 0);
    if (c->addrs_left > count)
        c->addrs_left = (unsigned)count;
    c->addr_at = choose_addr(pool, count, version, worker_of(c)->now_ms);
    c->addrs_left--;
    sockaddr_from_addr(&addrs[c->addr_at], to);
}

static struct pool *pool_of(const struct call *c)
{
    return &c->view->pools[c->server->index];
}

static void start_connect(struct call *c)
{
    struct sockaddr_any to;

    choose_sockaddr(c, pool_of(c), &to);
    c->state = CALL_CONNECTING;
    c->conn = conn_open(worker_of(c), pool_of(c), &to, c);
    count(worker_of(c)->counters, METRIC_UPSTREAM_CONNECTS, 1);
}

/* On c->server, whose slot is taken. */
static void start_attempt(struct call *c, bool fresh)
{
    struct exchange *x = c->leg.x;

    x->attempts++;
    x->upstream_name = arena_dup(&x->arena, c->server->label);
    c->addrs_left = ADDRS_A_TRY;
    c->is_request_sent = false;
    c->conn = fresh ? NULL : conn_take(pool_of(c), c);
    if (c->conn == NULL) {
        start_connect(c);
        return;
    }
    c->state = CALL_DUE;
    pools_want_due(c->pools, &c->due);
    count(worker_of(c)->counters, METRIC_UPSTREAM_REUSES, 1);
}

static bool pick_server(struct call *c)
{
    unsigned *turn = &c->view->turns[c->group->index];
    const struct balance_want want = {
        .hash = c->want.hash, .turn = *turn, .now_ms = worker_of(c)->now_ms, .marks = c->marks};

    c->server = balance_pick(c->group, &want);
    if (c->server == NULL)
        return false;
    /* On from the one that was taken: who is passed over gives its share to all, not to the next.
     */
    *turn = (unsigned)(c->server - c->group->servers) + 1;
    return true;
}

static bool has_sent(const struct call *c)
{
    return c->conn != NULL && stream_bytes_out(c->conn->stream) > c->conn->sent_before;
}

/* RFC 9110 §9.2.2: never twice, unless the first can have had no effect or once is as good as
 * twice. */
static bool may_repeat(const struct call *c)
{
    return !c->has_begun && !c->body_begun && (c->want.is_idempotent || !has_sent(c));
}

static bool next_addr(struct call *c, enum err why)
{
    struct pool *pool;

    if (c->state != CALL_CONNECTING || c->addrs_left == 0 || why == ERR_TLS)
        return false;
    pool = pool_of(c);
    pool->bad |= 1U << c->addr_at;
    pool->bad_until_ms = worker_of(c)->now_ms + BAD_ADDR_MS;
    conn_close(c->conn);
    start_connect(c);
    return true;
}

/* The server closed a kept connection just when we used it: its right, and no failure. */
static bool is_stale(const struct call *c)
{
    return c->conn != NULL && c->conn->is_reused && !c->has_begun;
}

static void repeat_fresh(struct call *c)
{
    conn_close(c->conn);
    start_attempt(c, true);
}

static bool repeat_elsewhere(struct call *c)
{
    if (c->retries_left == 0)
        return false;
    c->retries_left--;
    leave_server(c);
    if (!pick_server(c))
        return false;
    count(worker_of(c)->counters, METRIC_UPSTREAM_RETRIES, 1);
    count(worker_of(c)->counters, METRIC_UPSTREAM_FAILURES, 1);
    start_attempt(c, false);
    return true;
}

void call_attempt_failed(struct call *c, enum err why)
{
    const bool repeatable = may_repeat(c);
    const char *reason;

    if (next_addr(c, why))
        return;
    if (is_stale(c) && repeatable) {
        repeat_fresh(c);
        return;
    }
    reason = reason_of(c, why);
    if (c->state <= CALL_WAITING && !is_stale(c))
        server_failed(c, reason);
    if (!repeatable || !repeat_elsewhere(c))
        fail(c, why, reason);
}

/* ------- events ------- */

static void begin(struct call *c)
{
    c->state = CALL_WAITING;
    h1_client_begin(c);
    if (!c->is_ready_told) {
        c->is_ready_told = true;
        c->owes_drained = false;
        exchange_on_upstream_ready(c->leg.x);
    } else if (c->owes_drained && !stream_is_congested(c->conn->stream)) {
        c->owes_drained = false;
        exchange_on_upstream_drained(c->leg.x);
    }
}

void call_on_due(struct call *c)
{
    if (c->failure != ERR_OK)
        fail(c, c->failure, err_text(c->failure));
    else if (c->state == CALL_DUE)
        begin(c);
    else if (c->owes_end && !c->is_paused)
        h1_client_tell_end(c);
}

void call_on_open(struct call *c)
{
    begin(c);
}

size_t call_on_data(struct call *c, struct slice bytes)
{
    /* Bytes before the first of ours are not an answer to us (security.md, threat 3). */
    if (c->state <= CALL_WAITING && !has_sent(c))
        call_attempt_failed(c, ERR_SYNTAX);
    else
        return h1_client_feed(c, bytes);
    return bytes.n;
}

void call_on_drained(struct call *c)
{
    exchange_on_upstream_drained(c->leg.x);
}

void call_on_end(struct call *c, enum err why)
{
    h1_client_end(c, why);
}

/* ------- the start ------- */

static void init(struct call *c, struct pools *p, const struct upstream_want *want,
                 struct exchange *x)
{
    c->leg = (struct leg){.ops = &h1_client_ops, .x = x};
    c->pools = p;
    c->want = *want;
    c->state = CALL_DUE;
    list_init(&c->due);
    buf_init(&c->held);
    h1_body_init(&c->body, H1_FRAMING_NONE, 0, NULL);
    timer_init(&c->total, p->worker, on_total, c);
    if (want->request->has_body && want->request->length_known) {
        c->framing = H1_FRAMING_LENGTH;
        c->body_left = want->request->length;
    } else {
        c->framing = want->request->has_body ? H1_FRAMING_CHUNKED : H1_FRAMING_NONE;
    }
}

/* What the route did not say, the group does. */
static void set_group(struct call *c, struct group *g)
{
    c->group = g;
    c->view = view_ref(c->pools->view);
    c->marks = arena_zalloc(&c->leg.x->arena, g->count + 1);
    c->retries_left = g->retries;
    if (c->want.first_byte_ms == 0)
        c->want.first_byte_ms = g->first_byte_ms;
    if (c->want.idle_ms == 0)
        c->want.idle_ms = g->idle_ms;
    if (c->want.total_ms == 0)
        c->want.total_ms = g->total_ms;
    timer_set(&c->total, c->want.total_ms);
}

struct leg *upstream_start(struct pools *p, const struct upstream_want *want, struct exchange *x)
{
    struct call *c = arena_zalloc(&x->arena, sizeof(*c));
    struct group *g = p->view != NULL ? upstream_set_group(p->view->set, want->group) : NULL;

    init(c, p, want, x);
    if (g != NULL)
        set_group(c, g);
    if (g != NULL && pick_server(c)) {
        start_attempt(c, false);
    } else {
        c->failure = ERR_UNAVAILABLE;
        pools_want_due(p, &c->due);
    }
    return &c->leg;
}
