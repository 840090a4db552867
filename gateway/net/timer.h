#ifndef NET_TIMER_H
#define NET_TIMER_H

#include "net/worker.h"

/*
 * A deadline. Moving it later costs an assignment: the event fires at the old
 * time, sees the new one and sleeps again, so a busy connection pays nothing per
 * request. Embedded in its owner; timer_fini before the owner goes.
 */
struct timer {
    struct worker *worker;
    struct event *event; /* made at first use */
    int64_t deadline_ms; /* monotonic; 0: off */
    int64_t armed_ms;    /* when the event will fire; 0: not armed */
    void (*on_time)(void *arg);
    void *arg;
};

void timer_init(struct timer *t, struct worker *w, void (*on_time)(void *arg), void *arg);
void timer_fini(struct timer *t);
/* From now on in after_ms; 0 switches it off. Replaces what was set. */
void timer_set(struct timer *t, int64_t after_ms);

#endif
