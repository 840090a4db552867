#include "wire/h1_server.h"

#include "base/alloc.h"
#include "exchange/exchange.h"
#include "http/h1_body.h"
#include "http/h1_write.h"

#include <stdlib.h>

enum {
    DRAIN_BYTES_MAX = 64 * 1024, /* of a refused body that we read to keep the connection */
    LINGER_MS = 2000,
    LAST_HEAD_MS = 2000, /* for the first byte of a client that came just before we leave */
    LAST_IDLE_MS = 100,  /* for a next request that may be under way */
};

enum h1_state { H1_HEAD, H1_BODY, H1_DRAIN, H1_TUNNEL };

struct h1_conn {
    struct leg leg; /* first: leg_conn() casts */
    struct worker *worker;
    struct stream *stream;
    struct list link; /* worker->clients */
    struct retired retired;
    enum h1_state state;
    struct h1_scan scan;
    struct h1_body body;
    struct h1_request request;
    struct timer timer; /* of the step we are waiting in */
    uint64_t drained_bytes;
    bool is_open;
    bool is_paused;        /* the exchange does not want the body now */
    bool expects_continue; /* the client waits for 100 before it sends its body */
    bool must_close;       /* after this answer */
    bool is_chunked_answer;
    bool is_until_close; /* the answer, to HTTP/1.0: its end is the connection's */
    bool is_head_request;
    bool is_http_1_0;
    bool head_began; /* bytes of the next head have come */
};

static void set_timer(struct h1_conn *c, int64_t ms)
{
    timer_set(&c->timer, ms);
}

static void free_conn(struct retired *item)
{
    free(LIST_ITEM(item, struct h1_conn, retired));
}

static void retire(struct h1_conn *c)
{
    c->is_open = false;
    timer_fini(&c->timer);
    h1_body_fini(&c->body);
    list_remove(&c->link);
    c->worker->client_count--;
    count(c->worker->counters, METRIC_CONNECTIONS, -1);
    worker_retire(c->worker, &c->retired, free_conn);
}

/*
 * Ends the connection; in order says whether what was written shall still arrive. What breaks off
 * must not look whole, not even when it ends with the connection (G12).
 */
static void close_conn(struct h1_conn *c, bool in_order)
{
    if (!c->is_open)
        return;
    if (in_order)
        stream_finish(c->stream, LINGER_MS);
    else if (c->is_until_close)
        stream_abort(c->stream);
    else
        stream_close(c->stream);
    retire(c);
}

/* ------- what the exchange asks of us ------- */

static struct h1_conn *leg_conn(struct leg *leg)
{
    return (struct h1_conn *)leg;
}

/* The client still owes more of its body than we would read to keep the connection. */
static bool will_not_drain(const struct h1_conn *c)
{
    if (c->state != H1_BODY)
        return false;
    return c->expects_continue ||
           (c->body.framing == H1_FRAMING_LENGTH && c->body.left > DRAIN_BYTES_MAX);
}

static void send_head(struct leg *leg, const struct message *m)
{
    struct h1_conn *c = leg_conn(leg);
    enum h1_framing framing = H1_FRAMING_NONE;
    struct buf text;

    if (m->has_body && !m->length_known) {
        framing = c->is_http_1_0 ? H1_FRAMING_CLOSE : H1_FRAMING_CHUNKED;
    } else if (m->has_body || m->length_known) {
        framing = H1_FRAMING_LENGTH;
    } else if (!c->is_head_request && m->head->status != 204 && m->head->status != 304 &&
               m->head->status >= 200) {
        framing = H1_FRAMING_LENGTH; /* of 0 */
    }
    c->is_chunked_answer = framing == H1_FRAMING_CHUNKED;
    c->is_until_close = framing == H1_FRAMING_CLOSE;
    c->must_close |= (c->worker->is_draining || will_not_drain(c)) && m->head->status >= 200;
    buf_init(&text);
    h1_write_response(&text, m->head, framing, m->length, c->must_close && m->head->status >= 200);
    stream_write(c->stream, buf_slice(&text));
    buf_fini(&text);
}

static void send_body(struct leg *leg, struct slice bytes)
{
    struct h1_conn *c = leg_conn(leg);
    char size[H1_CHUNK_HEAD_MAX];

    if (bytes.n == 0)
        return;
    if (!c->is_chunked_answer) {
        stream_write(c->stream, bytes);
        return;
    }
    stream_write2(c->stream, slice_of(size, h1_write_chunk_head(size, bytes.n)), bytes);
    stream_write(c->stream, SLICE("\r\n"));
}

static void send_end(struct leg *leg, const struct head *trailers)
{
    struct h1_conn *c = leg_conn(leg);
    struct buf text;

    if (!c->is_chunked_answer)
        return;
    buf_init(&text);
    h1_write_last_chunk(&text, trailers);
    stream_write(c->stream, buf_slice(&text));
    buf_fini(&text);
}

static bool is_congested(struct leg *leg)
{
    return stream_is_congested(leg_conn(leg)->stream);
}

static void pause_body(struct leg *leg)
{
    struct h1_conn *c = leg_conn(leg);

    c->is_paused = true;
    set_timer(c, 0);
    stream_pause(c->stream);
}

static void resume_body(struct leg *leg)
{
    struct h1_conn *c = leg_conn(leg);

    if (!c->is_paused)
        return;
    c->is_paused = false;
    if (c->expects_continue) {
        c->expects_continue = false;
        stream_write(c->stream, SLICE("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    if (c->state == H1_BODY)
        set_timer(c, c->worker->policy->conf->server.body_timeout_ms);
    stream_resume(c->stream);
}

static void start_tunnel(struct leg *leg)
{
    struct h1_conn *c = leg_conn(leg);

    c->state = H1_TUNNEL;
    c->is_paused = true;
    c->is_chunked_answer = false;
    set_timer(c, 0);
}

static void await_next(struct h1_conn *c)
{
    c->state = H1_HEAD;
    c->scan = (struct h1_scan){0};
    c->head_began = false;
    c->is_paused = false;
    set_timer(c, c->worker->policy->conf->server.keepalive_timeout_ms);
    stream_resume(c->stream);
}

/* The answer is out but the body is not in: read a little of it, or close. */
static void drain_body(struct h1_conn *c)
{
    if (will_not_drain(c)) {
        close_conn(c, true);
        return;
    }
    c->state = H1_DRAIN;
    c->body.arena = NULL; /* it goes with the exchange; nobody wants the trailers */
    c->drained_bytes = 0;
    c->is_paused = false;
    set_timer(c, LINGER_MS);
    stream_resume(c->stream);
}

static void release(struct leg *leg, bool complete)
{
    struct h1_conn *c = leg_conn(leg);

    if (!complete)
        close_conn(c, false);
    else if (c->must_close || c->state == H1_TUNNEL || c->worker->is_draining)
        close_conn(c, true);
    else if (c->state == H1_BODY)
        drain_body(c);
    else
        await_next(c);
}

static const struct leg_ops client_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_end = send_end,
    .is_congested = is_congested,
    .pause = pause_body,
    .resume = resume_body,
    .tunnel = start_tunnel,
    .release = release,
};

/* ------- what the stream tells us ------- */

static enum problem problem_of(enum h1_result r)
{
    switch (r) {
    case H1_DUPLICATE:
        return PROBLEM_HEADER_DUPLICATE;
    case H1_VERSION:
        return PROBLEM_VERSION;
    case H1_TOO_LARGE:
        return PROBLEM_HEAD_TOO_LARGE;
    case H1_URI_TOO_LONG:
        return PROBLEM_URI_TOO_LONG;
    default:
        return PROBLEM_BAD_REQUEST;
    }
}

static struct exchange *new_exchange(struct h1_conn *c)
{
    c->is_chunked_answer = c->is_head_request = c->expects_continue = false;
    return exchange_new(c->worker, &c->leg, stream_peer(c->stream));
}

static void refuse(struct h1_conn *c, enum problem p)
{
    c->must_close = true;
    exchange_on_malformed(c->leg.x != NULL ? c->leg.x : new_exchange(c), p);
}

static struct message message_of(struct head *head, const struct h1_request *r)
{
    return (struct message){
        .head = head,
        .has_body = r->framing == H1_FRAMING_CHUNKED ||
                    (r->framing == H1_FRAMING_LENGTH && r->content_length > 0),
        .length_known = r->framing == H1_FRAMING_LENGTH,
        .length = r->content_length,
        .is_websocket = r->upgrade_websocket,
    };
}

/* A whole head is there: the exchange begins, with its own copy of the bytes. */
static void begin(struct h1_conn *c, struct slice head_bytes)
{
    const struct conf_server *conf = &c->worker->policy->conf->server;
    struct h1_limits limits = {.head_bytes = conf->head_max_bytes,
                               .field_count = conf->head_fields,
                               .target_bytes = conf->target_max_bytes};
    struct exchange *x = new_exchange(c);
    struct message m;
    enum h1_result r;

    set_timer(c, 0);
    r = h1_parse_request(arena_dup(&x->arena, head_bytes), &limits, &x->request_head, &c->request);
    if (r == H1_DONE && c->request.expect_other) {
        refuse(c, PROBLEM_EXPECTATION_FAILED);
        return;
    }
    if (r != H1_DONE) {
        refuse(c, problem_of(r));
        return;
    }
    m = message_of(&x->request_head, &c->request);
    c->is_head_request = slice_eq(x->request_head.method, SLICE("HEAD"));
    c->is_http_1_0 = x->request_head.version_minor == 0;
    c->must_close = !c->request.keep_alive || c->is_http_1_0;
    c->expects_continue = c->request.expect_continue && m.has_body;
    c->scan = (struct h1_scan){0};
    c->state = m.has_body ? H1_BODY : H1_HEAD;
    c->is_paused = m.has_body;
    h1_body_fini(&c->body);
    h1_body_init(&c->body, c->request.framing, c->request.content_length, &x->arena);
    exchange_on_request(x, &m);
}

static size_t take_head(struct h1_conn *c, struct slice bytes)
{
    const struct conf_server *conf = &c->worker->policy->conf->server;
    size_t head_bytes = 0;
    enum h1_result r;

    if (bytes.n == 0)
        return 0;
    r = h1_scan_head(&c->scan, bytes, conf->head_max_bytes, true, &head_bytes);
    if (r == H1_MORE) {
        if (!c->head_began)
            set_timer(c, conf->head_timeout_ms);
        c->head_began = true;
        return 0;
    }
    if (r != H1_DONE) {
        refuse(c, problem_of(r));
        return bytes.n;
    }
    begin(c, slice_to(bytes, head_bytes));
    return head_bytes;
}

static size_t take_body(struct h1_conn *c, struct slice bytes)
{
    struct slice data;
    size_t used;
    enum h1_result r = h1_body_feed(&c->body, bytes, &data, &used);

    if (r == H1_BAD) {
        refuse(c, PROBLEM_BAD_REQUEST);
        return bytes.n;
    }
    if (r == H1_DONE) {
        c->state = H1_HEAD;
        set_timer(c, 0);
    } else {
        set_timer(c, c->worker->policy->conf->server.body_timeout_ms);
    }
    if (data.n > 0)
        exchange_on_request_body(c->leg.x, data);
    if (r == H1_DONE && c->is_open && c->leg.x != NULL)
        exchange_on_request_end(c->leg.x, c->body.trailers);
    return used;
}

static size_t drop_body(struct h1_conn *c, struct slice bytes)
{
    struct slice data;
    size_t used;
    enum h1_result r = h1_body_feed(&c->body, bytes, &data, &used);

    c->drained_bytes += used;
    if (r == H1_BAD || (r == H1_MORE && c->drained_bytes > DRAIN_BYTES_MAX))
        close_conn(c, true);
    else if (r == H1_DONE)
        await_next(c);
    return used;
}

/* True while the bytes at hand may be looked at. */
static bool may_take(const struct h1_conn *c)
{
    if (!c->is_open)
        return false;
    switch (c->state) {
    case H1_HEAD: /* a client that reads no answers gets no further ones */
        return c->leg.x == NULL && !stream_is_congested(c->stream);
    case H1_BODY:
    case H1_TUNNEL:
        return !c->is_paused;
    case H1_DRAIN:
        return true;
    }
    return false;
}

static size_t on_data(void *arg, struct slice bytes)
{
    struct h1_conn *c = arg;
    size_t taken = 0;

    while (may_take(c) && taken < bytes.n) {
        struct slice rest = slice_from(bytes, taken);
        size_t used = rest.n;

        switch (c->state) {
        case H1_HEAD:
            used = take_head(c, rest);
            break;
        case H1_BODY:
            used = take_body(c, rest);
            break;
        case H1_DRAIN:
            used = drop_body(c, rest);
            break;
        case H1_TUNNEL:
            exchange_on_request_body(c->leg.x, rest);
            break;
        }
        if (used == 0)
            break;
        taken += used;
    }
    /* What we may not look at yet stays in the socket, not in memory. An ordinary request pays
     * nothing for this: reading stays armed until more than it has come. */
    if (c->is_open && !may_take(c) && (taken < bytes.n || c->state != H1_HEAD))
        stream_pause(c->stream);
    return taken;
}

static void on_drained(void *arg)
{
    struct h1_conn *c = arg;

    if (c->leg.x != NULL)
        exchange_on_client_drained(c->leg.x);
    else
        stream_resume(c->stream);
}

static void on_end(void *arg, enum err why)
{
    struct h1_conn *c = arg;
    struct exchange *x = c->leg.x;

    if (x != NULL && x->state == EXCHANGE_TUNNEL && why == ERR_CLOSED) {
        exchange_end(x, END_COMPLETE);
        return;
    }
    close_conn(c, false);
    if (x != NULL)
        exchange_on_client_gone(x, why == ERR_TIMEOUT ? END_CLIENT_TIMEOUT : END_CLIENT_GONE);
}

static void on_time(void *arg)
{
    struct h1_conn *c = arg;

    if (c->state == H1_HEAD && c->leg.x == NULL && !c->head_began)
        close_conn(c, true);
    else if (c->state == H1_DRAIN)
        close_conn(c, true);
    else
        refuse(c, PROBLEM_REQUEST_TIMEOUT);
}

static const struct stream_handler client_handler = {
    .on_data = on_data,
    .on_drained = on_drained,
    .on_end = on_end,
};

/* A request may be in the socket already: who is idle gets a moment, who is new a longer one. */
static void drain(struct h1_conn *c)
{
    c->must_close = true;
    if (c->leg.x == NULL && !c->head_began)
        set_timer(c, stream_bytes_out(c->stream) == 0 ? LAST_HEAD_MS : LAST_IDLE_MS);
}

void h1_server_start(struct worker *w, struct stream *s)
{
    struct h1_conn *c = mem_zalloc(sizeof(*c));
    const struct conf_server *conf = &w->policy->conf->server;

    c->leg.ops = &client_ops;
    c->worker = w;
    c->stream = s;
    c->is_open = true;
    timer_init(&c->timer, w, on_time, c);
    h1_body_init(&c->body, H1_FRAMING_NONE, 0, NULL);
    list_add_tail(&w->clients, &c->link);
    w->client_count++;
    count(w->counters, METRIC_CONNECTIONS_TOTAL, 1);
    count(w->counters, METRIC_CONNECTIONS, 1);
    stream_set_handler(s, &client_handler, c);
    stream_set_write_timeout(s, conf->write_timeout_ms);
    set_timer(c, conf->head_timeout_ms);
    if (w->is_draining)
        drain(c);
    stream_resume(s);
}

static void each_client(struct worker *w, void (*visit)(struct h1_conn *c))
{
    struct list *next;

    for (struct list *at = w->clients.next; at != &w->clients; at = next) {
        next = at->next;
        visit(LIST_ITEM(at, struct h1_conn, link));
    }
}

static void close_now(struct h1_conn *c)
{
    struct exchange *x = c->leg.x;

    close_conn(c, false);
    if (x != NULL)
        exchange_on_client_gone(x, END_DRAINED);
}

void h1_server_drain(struct worker *w)
{
    each_client(w, drain);
}

void h1_server_close_all(struct worker *w)
{
    each_client(w, close_now);
}
