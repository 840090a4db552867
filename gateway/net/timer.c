#include "net/timer.h"

static void arm(struct timer *t, int64_t after_ms)
{
    const struct timeval after = {.tv_sec = after_ms / 1000, .tv_usec = (after_ms % 1000) * 1000};

    CHECK(event_add(t->event, &after) == 0);
    t->armed_ms = t->worker->now_ms + after_ms;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct timer *t = arg;

    (void)fd;
    (void)what;
    worker_enter(t->worker);
    t->armed_ms = 0;
    if (t->deadline_ms == 0)
        return;
    if (t->deadline_ms > t->worker->now_ms) {
        arm(t, t->deadline_ms - t->worker->now_ms);
        return;
    }
    t->deadline_ms = 0;
    t->on_time(t->arg);
}

void timer_init(struct timer *t, struct worker *w, void (*on_time)(void *arg), void *arg)
{
    *t = (struct timer){.worker = w, .on_time = on_time, .arg = arg};
}

void timer_fini(struct timer *t)
{
    if (t->event != NULL)
        event_free(t->event);
    t->event = NULL;
    t->deadline_ms = t->armed_ms = 0;
}

void timer_set(struct timer *t, int64_t after_ms)
{
    if (after_ms <= 0) {
        t->deadline_ms = 0; /* the event may still fire, once, and finds nothing */
        return;
    }
    t->deadline_ms = t->worker->now_ms + after_ms;
    if (t->armed_ms != 0 && t->armed_ms <= t->deadline_ms)
        return;
    if (t->event == NULL) {
        t->event = event_new(t->worker->base, -1, 0, on_event, t);
        CHECK(t->event != NULL);
    }
    arm(t, after_ms);
}
