#ifndef STORE_TRACKING_H
#define STORE_TRACKING_H

#include "store/dial.h"

/*
 * The invalidation link (spec/security.md 4): one dedicated connection that
 * registers for messages and receives them, so both live and die together.
 *
 *   READY -> CLIENT ID -> CLIENT TRACKING ON REDIRECT id BCAST PREFIX ... ->
 *   SUBSCRIBE __redis__:invalidate -> on_live (the owner flushes) -> LIVE
 *
 * Redis answers a PING behind the messages of everything that came before it, so a
 * PONG proves that nothing older than its PING is missing. Anything in a message
 * that is not as expected ends the connection.
 */
struct tracking;

enum { TRACKING_DEAD_MS = 2000 };

struct tracking_handler {
    void (*on_live)(void *arg);                    /* drop everything cached before */
    void (*on_name)(void *arg, struct slice name); /* this record changed */
    void (*on_flush)(void *arg);                   /* all did (FLUSHALL, FLUSHDB) */
    void (*on_lost)(void *arg);                    /* after an on_live */
};

/* prefixes: borrowed while it lives. */
struct tracking *tracking_new(struct worker *w, const struct endpoint *e,
                              const struct slice *prefixes, size_t prefix_count,
                              const struct tracking_handler *handler, void *arg);
void tracking_free(struct tracking *t);

/* Connects to this server, the one that the command link talks to (rule h). */
void tracking_start(struct tracking *t, const struct sockaddr_any *to);
/* on_lost is called when it was live. */
void tracking_stop(struct tracking *t);

/* Live, and proven so within the last TRACKING_DEAD_MS by the clock, whatever timers say. */
bool tracking_is_live(const struct tracking *t);
/* Until when (monotonic) every message is known to have arrived. 0: never. */
int64_t tracking_proven_ms(const struct tracking *t);

#endif
