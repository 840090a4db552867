#include "net/stream_own.h"

enum { LINGER_FLUSH_MS = 30000 };

void stream_want_flush(struct stream *s)
{
    if (!list_is_empty(&s->dirty))
        return;
    list_add_tail(&s->worker->dirty, &s->dirty);
    worker_want_turn(s->worker);
}

/* The next turn reads what the peer sent before it broke, then tells the handler. */
static void set_broken(struct stream *s, enum err why)
{
    s->is_broken = true;
    if (!s->is_ended)
        s->end_why = why;
    stream_watch_write(s, false);
    timer_set(&s->timer, 0);
    buf_fini(&s->waiting);
    stream_want_offer(s);
}

static int64_t stall_ms(const struct stream *s)
{
    if (s->write_ms > 0 || s->state != STREAM_LINGER)
        return s->write_ms;
    return s->linger_ms > 0 ? s->linger_ms : LINGER_FLUSH_MS;
}

/* After an attempt to write: watches for room, and for a peer that takes nothing. */
static void set_progress(struct stream *s, bool took_some)
{
    if (s->waiting.n == 0) {
        buf_trim(&s->waiting);
        stream_watch_write(s, s->read_wants_write);
        timer_set(&s->timer, 0);
        return;
    }
    if (took_some || !s->is_writing_watched)
        timer_set(&s->timer, stall_ms(s));
    stream_watch_write(s, true);
}

static void set_congested(struct stream *s)
{
    if (s->waiting.n > STREAM_HIGH_MARK)
        s->is_congested = true;
}

void stream_flush(struct stream *s)
{
    const struct slice bytes = buf_slice(&s->waiting);
    size_t sent = 0;
    enum err e = bytes.n > 0 ? stream_io_write(s, &bytes, 1, &sent) : ERR_OK;

    buf_consume(&s->waiting, sent);
    if (e != ERR_OK && e != ERR_AGAIN) {
        if (s->state == STREAM_LINGER)
            stream_drop(s);
        else
            set_broken(s, e);
        return;
    }
    set_progress(s, sent > 0);
    if (s->state == STREAM_LINGER) {
        if (s->waiting.n == 0)
            stream_linger_flushed(s);
    } else if (s->is_congested && s->waiting.n < STREAM_LOW_MARK) {
        s->is_congested = false;
        if (s->handler->on_drained != NULL)
            s->handler->on_drained(s->arg);
    }
}

void streams_flush(struct worker *w)
{
    while (!list_is_empty(&w->dirty)) {
        struct stream *s = LIST_ITEM(w->dirty.next, struct stream, dirty);

        list_remove(&s->dirty);
        stream_flush(s);
    }
}

/* Appends what is left of two pieces after their first skip bytes. */
static void keep_rest(struct stream *s, struct slice a, struct slice b, size_t skip)
{
    const size_t from_b = skip > a.n ? skip - a.n : 0;

    a = slice_from(a, skip);
    b = slice_from(b, from_b);
    if (a.n + b.n > 0)
        buf_room(&s->waiting, a.n + b.n);
    buf_add(&s->waiting, a);
    buf_add(&s->waiting, b);
    set_congested(s);
}

static void write_plain(struct stream *s, struct slice a, struct slice b)
{
    const struct slice pieces[] = {buf_slice(&s->waiting), a, b};
    const size_t waiting = s->waiting.n;
    size_t sent;
    enum err e = stream_io_write(s, pieces, 3, &sent);

    buf_consume(&s->waiting, sent < waiting ? sent : waiting);
    if (e != ERR_OK && e != ERR_AGAIN) {
        set_broken(s, e);
        return;
    }
    keep_rest(s, a, b, sent < waiting ? 0 : sent - waiting);
    set_progress(s, sent > 0);
}

/* Full records leave now; less than one waits for company until the turn ends. */
static void write_tls(struct stream *s, struct slice a, struct slice b)
{
    enum err e = ERR_OK;
    size_t sent;

    keep_rest(s, a, SLICE_NONE, 0);
    while (e == ERR_OK && s->waiting.n + b.n >= TLS_RECORD_BYTES) {
        struct slice record = slice_to(b, TLS_RECORD_BYTES);

        if (s->waiting.n > 0) {
            const size_t room =
                s->waiting.n < TLS_RECORD_BYTES ? TLS_RECORD_BYTES - s->waiting.n : 0;

            buf_add(&s->waiting, slice_to(b, room));
            b = slice_from(b, room < b.n ? room : b.n);
            record = slice_to(buf_slice(&s->waiting), TLS_RECORD_BYTES);
            e = stream_io_write(s, &record, 1, &sent);
            buf_consume(&s->waiting, sent);
        } else {
            e = stream_io_write(s, &record, 1, &sent);
            b = slice_from(b, sent);
        }
    }
    if (e != ERR_OK && e != ERR_AGAIN) {
        set_broken(s, e);
        return;
    }
    keep_rest(s, SLICE_NONE, b, 0);
    if (e == ERR_AGAIN)
        set_progress(s, true);
    else if (s->waiting.n > 0)
        stream_want_flush(s);
    else
        buf_trim(&s->waiting);
}

void stream_write2(struct stream *s, struct slice a, struct slice b)
{
    if (s->state >= STREAM_LINGER || s->is_broken)
        return;
    if (s->state == STREAM_OPEN && !s->is_writing_watched &&
        s->waiting.n + a.n + b.n >= DIRECT_BYTES) {
        if (s->ssl != NULL)
            write_tls(s, a, b);
        else
            write_plain(s, a, b);
        return;
    }
    keep_rest(s, a, b, 0);
    if (s->state == STREAM_OPEN && !s->is_writing_watched && s->waiting.n > 0)
        stream_want_flush(s);
}

void stream_write(struct stream *s, struct slice bytes)
{
    stream_write2(s, bytes, SLICE_NONE);
}

bool stream_is_congested(const struct stream *s)
{
    return s->is_congested;
}

size_t stream_waiting_bytes(const struct stream *s)
{
    return s->waiting.n;
}

void stream_set_write_timeout(struct stream *s, int64_t ms)
{
    s->write_ms = ms;
    if (s->state == STREAM_OPEN && s->is_writing_watched && s->waiting.n > 0)
        timer_set(&s->timer, ms);
}
