#include "net/stream_own.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DRAIN_ROUNDS = 4 };

static void free_stream(struct retired *item)
{
    struct stream *s = LIST_ITEM(item, struct stream, retired);

    if (s->ssl != NULL) {
        /* Not a reason to forget the session: TLS ends cleanly or by its own alert. */
        if (!s->is_tls_broken)
            SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(s->ssl);
    }
    buf_fini(&s->kept);
    buf_fini(&s->waiting);
    free(s->server_name);
    free(s);
}

/* Everything stops now. OpenSSL and the buffers may be in use up the stack: they go later. */
void stream_drop(struct stream *s)
{
    if (s->state == STREAM_CLOSED)
        return;
    if (s->state == STREAM_LINGER)
        s->worker->lingering_count--;
    s->state = STREAM_CLOSED;
    list_remove(&s->todo);
    list_remove(&s->dirty);
    stream_unwatch(s);
    if (s->out != NULL)
        event_free(s->out);
    s->out = NULL;
    timer_fini(&s->timer);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (s->is_counted)
        listener_count_down();
    s->is_counted = false;
    worker_retire(s->worker, &s->retired, free_stream);
}

void stream_close(struct stream *s)
{
    if (s != NULL && s->state != STREAM_LINGER)
        stream_drop(s);
}

void stream_abort(struct stream *s)
{
    const struct linger reset = {.l_onoff = 1};

    if (s->fd >= 0)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    stream_close(s);
}

void stream_finish(struct stream *s, int64_t linger_ms)
{
    if (s->state >= STREAM_LINGER)
        return;
    if (s->state != STREAM_OPEN || s->is_broken) {
        stream_drop(s);
        return;
    }
    s->state = STREAM_LINGER;
    s->linger_ms = linger_ms;
    list_remove(&s->todo);
    list_add_tail(&s->worker->lingering, &s->todo);
    s->worker->lingering_count++;
    if (!s->is_ended)
        stream_watch(s, WATCH_READ); /* a peer that still sends must not wait for us */
    stream_want_flush(s);
}

/* All bytes are with the kernel: the orderly end, then patience. */
void stream_linger_flushed(struct stream *s)
{
    buf_fini(&s->kept);
    if (stream_io_notify(s) == ERR_AGAIN) {
        stream_watch_write(s, true);
        timer_set(&s->timer, s->linger_ms > 0 ? s->linger_ms : 1);
        return;
    }
    stream_watch_write(s, false);
    if (!s->is_fin_sent) {
        s->is_fin_sent = true;
        shutdown(s->fd, SHUT_WR);
    }
    if (s->is_ended || s->linger_ms <= 0) {
        stream_drop(s);
        return;
    }
    timer_set(&s->timer, s->linger_ms);
}

/* What comes now is not for anyone; the peer only has to get rid of it. */
void stream_linger_read(struct stream *s)
{
    struct worker *w = s->worker;
    ssize_t n = 1;

    for (int round = 0; round < DRAIN_ROUNDS && n > 0; round++) {
        n = recv(s->fd, w->scratch, sizeof(w->scratch), 0);
        if (n < 0)
            return; /* nothing there, or an error that the close will end */
    }
    if (n > 0)
        return;
    s->is_ended = true;
    stream_watch(s, WATCH_OFF);
    if (s->is_fin_sent)
        stream_drop(s);
}

void streams_drop_lingering(struct worker *w)
{
    while (!list_is_empty(&w->lingering))
        stream_drop(LIST_ITEM(w->lingering.next, struct stream, todo));
}
