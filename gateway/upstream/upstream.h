#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "exchange/exchange.h"
#include "net/resolve.h"

/*
 * Named groups of servers. What is shared by all workers (health, requests in flight,
 * resolved addresses) is in struct upstream_set, counted and with atomics; connections
 * are a worker's own.
 */
struct upstream_set;

/* Control thread. TLS clients are made here; why: free(). from: the set in use, whose health is
 * carried over, or NULL. */
enum err upstream_set_new(const struct conf *conf, struct upstream_set *from,
                          struct upstream_set **out, char **why) MUST_USE;
struct upstream_set *upstream_set_ref(struct upstream_set *s);
void upstream_set_unref(struct upstream_set *s);

/* Control thread: active checks, re-resolution by TTL. One at a time; follows a reload by set. */
struct upstream_monitor;
struct upstream_monitor *upstream_monitor_new(struct worker *control, struct resolver *resolver);
void upstream_monitor_follow(struct upstream_monitor *m, struct upstream_set *set);
/* After the resolver was freed or its loop has ended: a question to it cannot be taken back. */
void upstream_monitor_free(struct upstream_monitor *m);

/* For `posternctl stats`: a JSON array of groups with servers, state, inflight. */
void upstream_set_write(struct upstream_set *s, struct buf *out);

/* A worker's connections. */
struct pools *pools_new(struct worker *w);
void pools_free(struct pools *p);
/* The worker's current set; requests in progress keep the one they began with. */
void pools_follow(struct pools *p, struct upstream_set *set);
struct upstream_set *pools_set(struct pools *p);

/* For upstream_want.hash: the same in every process, so that gateways side by side agree. */
uint64_t upstream_hash(struct slice s);

struct upstream_want {
    struct slice group;            /* name; unknown after a reload: fails with ERR_UNAVAILABLE */
    const struct message *request; /* head and body plan; lives as long as the exchange */
    uint64_t hash;                 /* for balance: hash */
    int64_t first_byte_ms, idle_ms, total_ms; /* 0: the group's */
    bool is_idempotent;
};

/*
 * Picks a server, takes a kept connection or connects, sends the head, and tells x by
 * exchange_on_upstream_ready(), or exchange_on_upstream_failed() after trying others
 * where that is safe: nothing was sent, or the method is idempotent, no body was sent and
 * no byte of an answer came. Never calls x before it returns. x->upstream_name and x->attempts are
 * kept up to date. The leg lives in x->arena; after ops->release(complete = true) with the answer
 * read to its end and nothing left over, the connection goes back to the pool, else it is closed.
 */
struct leg *upstream_start(struct pools *p, const struct upstream_want *want, struct exchange *x);

#endif
