#include "net/worker.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "net/mailbox.h"
#include "net/stream_own.h"

#include <signal.h>
#include <stdlib.h>

static void reap(struct worker *w)
{
    while (!list_is_empty(&w->retired)) {
        struct retired *item = LIST_ITEM(w->retired.next, struct retired, link);

        list_remove(&item->link);
        item->free(item);
    }
}

/*
 * The end of a turn. libevent's queue is first in, first out and worker_enter()
 * put this behind everything that was active, so all callbacks have run. What it
 * causes itself (an answer to kept bytes) gets another turn before the loop
 * sleeps; that ends, because no new bytes are read meanwhile.
 */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    w->is_turn_due = false;
    w->now_ms = clock_mono_ms();
    streams_offer(w);
    streams_flush(w);
    reap(w);
    if (!list_is_empty(&w->ready) || !list_is_empty(&w->dirty))
        worker_want_turn(w);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd;
    (void)what;
    worker_enter(w);
    streams_go_on(w);
}

struct worker *worker_new(int index, struct log *log)
{
    struct worker *w = mem_zalloc(sizeof(*w));
    struct event_config *config = event_config_new();

    CHECK(config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    w->index = index;
    w->log = log;
    w->base = event_base_new_with_config(config);
    CHECK(w->base != NULL);
    event_config_free(config);
    list_init(&w->ready);
    list_init(&w->again);
    list_init(&w->dirty);
    list_init(&w->retired);
    list_init(&w->lingering);
    list_init(&w->clients);
    w->turn = event_new(w->base, -1, 0, on_turn, w);
    w->next = event_new(w->base, -1, 0, on_next, w);
    CHECK(w->turn != NULL && w->next != NULL);
    w->mailbox = mailbox_new(w);
    w->now_ms = clock_mono_ms();
    return w;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    streams_drop_lingering(w);
    reap(w);
    mailbox_free(w->mailbox);
    event_free(w->turn);
    event_free(w->next);
    event_base_free(w->base);
    free(w);
}

void worker_want_turn(struct worker *w)
{
    if (w->is_turn_due)
        return;
    w->is_turn_due = true;
    event_active(w->turn, 0, 0);
}

void worker_enter(struct worker *w)
{
    w->now_ms = clock_mono_ms();
    worker_want_turn(w);
}

void worker_post(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg)
{
    mailbox_put(w->mailbox, fn, arg);
}

void worker_retire(struct worker *w, struct retired *item, void (*free_item)(struct retired *item))
{
    item->free = free_item;
    list_init(&item->link);
    list_add_tail(&w->retired, &item->link);
    worker_want_turn(w);
}

void worker_run(struct worker *w)
{
    CHECK(event_base_dispatch(w->base) >= 0);
    on_turn(-1, 0, w);
}

void worker_stop(struct worker *w)
{
    CHECK(event_base_loopexit(w->base, NULL) == 0);
}
