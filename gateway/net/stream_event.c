#include "net/stream_own.h"

/* libevent wants one trigger mode for all events of a descriptor. */
static short edge(const struct stream *s)
{
    return s->watching == WATCH_EDGE ? EV_ET : 0;
}

static void add_in(struct stream *s)
{
    const short what = (short)(EV_READ | EV_CLOSED | EV_PERSIST | edge(s));

    CHECK(event_assign(&s->in, s->worker->base, s->fd, what, stream_on_readable, s) == 0);
    CHECK(event_add(&s->in, NULL) == 0);
}

static void add_out(struct stream *s)
{
    const short what = (short)(EV_WRITE | EV_PERSIST | edge(s));

    if (s->out == NULL)
        s->out = event_new(s->worker->base, s->fd, what, stream_on_writable, s);
    else
        CHECK(event_assign(s->out, s->worker->base, s->fd, what, stream_on_writable, s) == 0);
    CHECK(s->out != NULL && event_add(s->out, NULL) == 0);
}

void stream_watch(struct stream *s, enum stream_watch want)
{
    bool move_out;

    if (s->watching == want)
        return;
    move_out = s->is_writing_watched && (want == WATCH_EDGE || s->watching == WATCH_EDGE);
    if (s->watching != WATCH_OFF)
        event_del(&s->in);
    if (move_out)
        event_del(s->out);
    s->watching = want;
    if (want != WATCH_OFF)
        add_in(s);
    if (move_out)
        add_out(s);
}

void stream_watch_write(struct stream *s, bool on)
{
    if (s->is_writing_watched == on)
        return;
    s->is_writing_watched = on;
    if (on)
        add_out(s);
    else
        event_del(s->out);
}

void stream_unwatch(struct stream *s)
{
    stream_watch(s, WATCH_OFF);
    stream_watch_write(s, false);
}
