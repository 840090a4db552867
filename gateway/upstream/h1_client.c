#include "upstream/h1_client.h"

#include "http/h1_write.h"

/* ------- the answer ------- */

void h1_client_tell_end(struct call *c)
{
    c->owes_end = false;
    exchange_on_response_end(c->leg.x, c->body.trailers);
}

static void answer_ended(struct call *c, bool left_over)
{
    if (left_over)
        c->is_reusable = false;
    c->state = CALL_ANSWERED;
    c->owes_end = true;
    if (!c->is_paused)
        h1_client_tell_end(c);
}

static bool is_framing(const struct field *f, void *arg)
{
    (void)arg;
    return (header_flags(f->id) & HEADER_FLAG_FRAMING) != 0;
}

static struct message describe(struct head *head, const struct h1_response *r)
{
    struct message m = {.head = head, .length = r->content_length};

    m.length_known =
        r->framing == H1_FRAMING_LENGTH || (r->framing == H1_FRAMING_NONE && head->status >= 200 &&
                                            head_find(head, HEADER_CONTENT_LENGTH) != NULL);
    m.has_body = r->framing == H1_FRAMING_CHUNKED || r->framing == H1_FRAMING_CLOSE ||
                 (r->framing == H1_FRAMING_LENGTH && r->content_length > 0);
    if (!m.length_known)
        m.length = 0;
    head_remove_if(head, is_framing, NULL);
    return m;
}

/* 101: only when we asked, and only for what we asked (incidents F6). */
static void take_upgrade(struct call *c, struct head *head)
{
    const struct message m = {.head = head, .is_websocket = true};

    if (!c->want.request->is_websocket ||
        !head_has_token(head, HEADER_UPGRADE, SLICE("websocket"))) {
        call_attempt_failed(c, ERR_SYNTAX);
        return;
    }
    call_server_answered(c);
    c->is_reusable = false;
    c->state = CALL_TUNNEL;
    exchange_on_response(c->leg.x, &m);
}

static void take_final(struct call *c, struct head *head, const struct h1_response *r,
                       bool more_follows)
{
    const struct message m = describe(head, r);

    call_server_answered(c);
    c->is_reusable = r->keep_alive && !c->want.request->is_websocket;
    c->state = CALL_ANSWERING;
    h1_body_init(&c->body, r->framing, r->content_length, &c->leg.x->arena);
    exchange_on_response(c->leg.x, &m);
    if (!call_is_gone(c) && !m.has_body)
        answer_ended(c, more_follows);
}

/* The head outlives the bytes it came in. NULL: malformed. */
static struct head *parse_head(struct call *c, struct slice bytes, struct h1_response *r)
{
    static const struct h1_limits limits = {.head_bytes = RESPONSE_HEAD_BYTES_MAX,
                                            .field_count = RESPONSE_FIELDS_MAX};
    struct arena *arena = &c->leg.x->arena;
    struct head *head = arena_alloc(arena, sizeof(*head));
    const struct slice method = c->want.request->head->method;

    head_init(head, arena);
    if (h1_parse_response(arena_dup(arena, bytes), &limits, method, head, r) != H1_DONE)
        return NULL;
    return head;
}

/* Returns the bytes of a complete head, or 0: not complete, or the attempt has failed. */
static size_t take_head(struct call *c, struct slice bytes)
{
    size_t n;
    enum h1_result scanned = h1_scan_head(&c->scan, bytes, RESPONSE_HEAD_BYTES_MAX, false, &n);
    struct h1_response r;
    struct head *head;

    if (scanned == H1_MORE)
        return 0;
    head = scanned == H1_DONE ? parse_head(c, slice_to(bytes, n), &r) : NULL;
    if (head == NULL) {
        call_attempt_failed(c, ERR_SYNTAX);
        return 0;
    }
    c->scan = (struct h1_scan){0};
    if (head->status == 101)
        take_upgrade(c, head);
    else if (head->status >= 200)
        take_final(c, head, &r, n < bytes.n);
    else if (++c->interim > RESPONSE_INTERIM_MAX)
        call_attempt_failed(c, ERR_SYNTAX);
    else if (head->status == 103)
        exchange_on_early_hints(c->leg.x, head);
    return n;
}

static size_t take_body(struct call *c, struct slice bytes)
{
    struct slice data;
    size_t n;
    enum h1_result r = h1_body_feed(&c->body, bytes, &data, &n);

    if (r != H1_MORE && r != H1_DONE) {
        call_attempt_failed(c, ERR_SYNTAX);
        return 0;
    }
    CHECK(n > 0);
    if (data.n > 0)
        exchange_on_response_body(c->leg.x, data);
    if (!call_is_gone(c) && r == H1_DONE)
        answer_ended(c, n < bytes.n);
    return n;
}

static size_t take_raw(struct call *c, struct slice bytes)
{
    exchange_on_response_body(c->leg.x, bytes);
    return bytes.n;
}

static size_t take(struct call *c, struct slice bytes)
{
    switch (c->state) {
    case CALL_WAITING:
        return take_head(c, bytes);
    case CALL_ANSWERING:
        return take_body(c, bytes);
    case CALL_TUNNEL:
        return take_raw(c, bytes);
    default: /* after the answer's end: nobody asked for this */
        c->is_reusable = false;
        return bytes.n;
    }
}

size_t h1_client_feed(struct call *c, struct slice bytes)
{
    size_t used = 0;

    c->has_begun = true;
    while (used < bytes.n && !c->is_paused) {
        size_t n = take(c, slice_from(bytes, used));

        /* Released, or on to another server: the rest is nobody's, and so is c maybe. */
        if (call_is_gone(c) || c->state < CALL_WAITING)
            return bytes.n;
        used += n;
        if (n == 0)
            break;
    }
    if (c->state != CALL_WAITING)
        call_set_deadline(c);
    return used;
}

void h1_client_end(struct call *c, enum err why)
{
    const bool is_whole =
        why == ERR_CLOSED && (c->state == CALL_TUNNEL ||
                              (c->state == CALL_ANSWERING && h1_body_eof(&c->body) == H1_DONE));

    if (c->state != CALL_ANSWERED && !is_whole) {
        call_attempt_failed(c, why);
        return;
    }
    c->is_reusable = false;
    conn_close(c->conn);
    c->conn = NULL;
    if (is_whole)
        answer_ended(c, false);
}

/* ------- the request ------- */

/* Nothing follows the head of an upgrade before it is accepted (incidents F6). */
static bool can_send(const struct call *c)
{
    if (c->conn == NULL || c->state < CALL_WAITING)
        return false;
    return c->state == CALL_TUNNEL || !c->want.request->is_websocket;
}

static void write_chunk(struct call *c, struct slice bytes)
{
    char head[H1_CHUNK_HEAD_MAX];
    const size_t n = h1_write_chunk_head(head, bytes.n);

    stream_write2(c->conn->stream, slice_of(head, n), bytes);
    stream_write(c->conn->stream, SLICE("\r\n"));
}

static void write_body(struct call *c, struct slice bytes)
{
    if (c->state != CALL_TUNNEL && c->framing == H1_FRAMING_LENGTH) {
        bytes = slice_to(bytes, c->body_left < bytes.n ? (size_t)c->body_left : bytes.n);
        c->body_left -= bytes.n;
    }
    if (bytes.n == 0)
        return;
    c->body_begun = true;
    if (c->state == CALL_TUNNEL) {
        stream_write(c->conn->stream, bytes);
        call_set_deadline(c); /* idle is when both sides are silent */
    } else if (c->framing == H1_FRAMING_CHUNKED) {
        write_chunk(c, bytes);
    } else if (c->framing == H1_FRAMING_LENGTH) {
        stream_write(c->conn->stream, bytes);
    }
}

static void write_end(struct call *c)
{
    struct buf *scratch = &c->pools->scratch;

    if (c->is_request_sent || c->state == CALL_TUNNEL || c->body_left > 0)
        return; /* a body cut short never looks whole: the connection will be closed */
    if (c->framing == H1_FRAMING_CHUNKED) {
        buf_clear(scratch);
        h1_write_last_chunk(scratch, c->trailers);
        stream_write(c->conn->stream, buf_slice(scratch));
    }
    c->is_request_sent = true;
    call_set_deadline(c);
}

static void write_held(struct call *c)
{
    if (!can_send(c))
        return;
    write_body(c, buf_slice(&c->held));
    buf_clear(&c->held);
    buf_trim(&c->held);
    if (c->is_end_asked || c->framing == H1_FRAMING_NONE)
        write_end(c);
}

static void write_head(struct call *c)
{
    const struct message *m = c->want.request;
    struct buf *scratch = &c->pools->scratch;

    buf_clear(scratch);
    h1_write_request(scratch, m->head, c->framing, m->length, m->is_websocket);
    stream_write(c->conn->stream, buf_slice(scratch));
    if (m->is_websocket)
        c->is_request_sent = true;
}

void h1_client_begin(struct call *c)
{
    write_head(c);
    write_held(c);
    call_set_deadline(c);
    if (c->is_paused)
        stream_pause(c->conn->stream);
}

/* ------- what the exchange asks for ------- */

static struct call *call_from(struct leg *leg)
{
    CHECK(leg->ops == &h1_client_ops);
    return (struct call *)leg;
}

/* upstream_start() sends the head: it must be able to do so again on another server. */
static void op_send_head(struct leg *leg, const struct message *m)
{
    (void)leg;
    (void)m;
}

static void op_send_body(struct leg *leg, struct slice bytes)
{
    struct call *c = call_from(leg);

    if (can_send(c))
        write_body(c, bytes);
    else if (c->state < CALL_ANSWERING)
        buf_add(&c->held, bytes);
}

static void op_send_end(struct leg *leg, const struct head *trailers)
{
    struct call *c = call_from(leg);

    c->is_end_asked = true;
    c->trailers = trailers;
    if (can_send(c))
        write_end(c);
}

static bool op_is_congested(struct leg *leg)
{
    struct call *c = call_from(leg);

    if (c->held.n > 0)
        c->owes_drained = true;
    return c->held.n > 0 || (c->conn != NULL && stream_is_congested(c->conn->stream));
}

static void op_pause(struct leg *leg)
{
    struct call *c = call_from(leg);

    c->is_paused = true;
    if (c->conn != NULL)
        stream_pause(c->conn->stream);
    call_set_deadline(c);
}

static void op_resume(struct leg *leg)
{
    struct call *c = call_from(leg);

    if (!c->is_paused)
        return;
    c->is_paused = false;
    if (c->owes_end)
        pools_want_due(c->pools, &c->due);
    if (c->conn != NULL)
        stream_resume(c->conn->stream);
    call_set_deadline(c);
}

static void op_tunnel(struct leg *leg)
{
    struct call *c = call_from(leg);

    CHECK(c->state == CALL_TUNNEL);
    write_held(c);
    call_set_deadline(c);
}

static void op_release(struct leg *leg, bool complete)
{
    call_release(call_from(leg), complete);
}

const struct leg_ops h1_client_ops = {
    .send_head = op_send_head,
    .send_body = op_send_body,
    .send_end = op_send_end,
    .is_congested = op_is_congested,
    .pause = op_pause,
    .resume = op_resume,
    .tunnel = op_tunnel,
    .release = op_release,
};
