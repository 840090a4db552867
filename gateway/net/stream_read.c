#include "net/stream_own.h"

#include "base/alloc.h"

#include <openssl/ssl.h>

enum { ROUNDS_MAX = 4 }; /* scratch buffers a turn; then other streams come first */

bool stream_can_read(const struct stream *s)
{
    return s->state == STREAM_OPEN && !s->is_paused && !s->is_ended && s->kept.n < STREAM_KEEP_MAX;
}

void stream_want_offer(struct stream *s)
{
    list_remove(&s->todo);
    list_add_tail(&s->worker->ready, &s->todo);
    worker_want_turn(s->worker);
}

static void want_go_on(struct stream *s)
{
    const struct timeval now = {0};

    list_remove(&s->todo);
    list_add_tail(&s->worker->again, &s->todo);
    CHECK(event_add(s->worker->next, &now) == 0);
}

static void offer_kept(struct stream *s)
{
    const size_t taken = s->handler->on_data(s->arg, buf_slice(&s->kept));

    if (s->state != STREAM_OPEN)
        return;
    buf_consume(&s->kept, taken);
    buf_trim(&s->kept);
}

static void offer_new(struct stream *s, struct slice bytes)
{
    size_t taken;

    if (s->kept.n > 0) {
        buf_add(&s->kept, bytes);
        offer_kept(s);
        return;
    }
    taken = s->handler->on_data(s->arg, bytes);
    CHECK(taken <= bytes.n);
    if (s->state == STREAM_OPEN)
        buf_add(&s->kept, slice_from(bytes, taken));
}

static void set_ended(struct stream *s, enum err why)
{
    if (!s->is_ended && !s->is_broken)
        s->end_why = why;
    s->is_ended = true;
    stream_watch(s, WATCH_OFF);
}

/* Tells the handler of the end, once, when it may know. */
static void settle(struct stream *s)
{
    if (s->state != STREAM_OPEN || !s->is_ended || s->is_end_told)
        return;
    if (s->is_paused && s->is_connected && s->end_why == ERR_CLOSED)
        return;
    s->is_end_told = true;
    s->handler->on_end(s->arg, s->end_why);
}

static void read_rounds(struct stream *s)
{
    struct worker *w = s->worker;

    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        size_t got;
        enum err e = stream_io_read(s, w->scratch, sizeof(w->scratch), &got);

        if (s->read_wants_write)
            stream_watch_write(s, true);
        if (e != ERR_OK && (e != ERR_AGAIN || s->is_broken))
            set_ended(s, e);
        if (got > 0)
            offer_new(s, slice_of(w->scratch, got));
        if (e == ERR_AGAIN || !stream_can_read(s))
            return;
    }
    if (s->is_broken || (s->ssl != NULL && SSL_has_pending(s->ssl) != 0))
        want_go_on(s);
}

void stream_read(struct stream *s)
{
    read_rounds(s);
    settle(s);
}

void stream_peek_end(struct stream *s, short what)
{
    if ((what & EV_READ) != 0 && stream_io_error(s) != 0) {
        set_ended(s, ERR_SYSTEM);
        settle(s);
    } else if ((what & EV_CLOSED) != 0 && !s->is_connected) {
        stream_watch(s, WATCH_OFF); /* resume may still read what came before */
        s->handler->on_end(s->arg, ERR_CLOSED);
    } else {
        stream_watch(s, WATCH_EDGE);
    }
}

void stream_end(struct stream *s, enum err why)
{
    stream_unwatch(s);
    timer_set(&s->timer, 0);
    buf_fini(&s->waiting);
    s->is_ended = s->is_broken = s->is_end_told = true;
    s->end_why = why;
    s->handler->on_end(s->arg, why);
}

/* The turn's part for a stream that was resumed, broke, or has more inside OpenSSL. */
static void offer(struct stream *s)
{
    if (s->state == STREAM_CONNECTING) {
        stream_end(s, s->end_why);
        return;
    }
    if (s->state == STREAM_OPEN && s->is_resumed && !s->is_paused) {
        s->is_resumed = false;
        if (s->kept.n > 0)
            offer_kept(s);
    }
    if (stream_can_read(s)) {
        stream_watch(s, WATCH_READ);
        if (s->is_broken || (s->ssl != NULL && SSL_has_pending(s->ssl) != 0))
            read_rounds(s);
    } else if (s->state == STREAM_OPEN && s->is_broken && !s->is_connected) {
        set_ended(s, s->end_why);
    }
    settle(s);
}

void streams_offer(struct worker *w)
{
    struct list mine;

    if (list_is_empty(&w->ready))
        return;
    /* Those that are ready now; who becomes ready meanwhile comes after the flush. */
    mine = w->ready;
    mine.next->prev = &mine;
    mine.prev->next = &mine;
    list_init(&w->ready);
    while (!list_is_empty(&mine)) {
        struct stream *s = LIST_ITEM(mine.next, struct stream, todo);

        list_remove(&s->todo);
        offer(s);
    }
}

void streams_go_on(struct worker *w)
{
    while (!list_is_empty(&w->again))
        stream_want_offer(LIST_ITEM(w->again.next, struct stream, todo));
}

void stream_pause(struct stream *s)
{
    s->is_paused = true;
}

void stream_resume(struct stream *s)
{
    s->is_paused = false;
    s->is_resumed = true;
    if (s->state == STREAM_OPEN)
        stream_want_offer(s);
}

struct slice stream_kept(const struct stream *s)
{
    return buf_slice(&s->kept);
}
