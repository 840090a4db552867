#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include "net/stream.h"
#include "upstream/set.h"

struct call;

/* A worker's idle connections to one server, newest first. */
struct pool {
    struct server *server;
    struct list idle; /* of struct conn */
    size_t count;
    unsigned next_addr; /* connections take the addresses in turn */
    unsigned version;   /* of the addresses that were last chosen from, and bad speaks of */
    uint32_t bad;       /* a bit for each address that lately refused */
    int64_t bad_until_ms;
};

/*
 * A set as one worker uses it. Counted by its calls, without atomics: only the worker's
 * pools hold a reference to the set itself.
 */
struct view {
    unsigned refs;
    bool is_current; /* otherwise connections are closed after use */
    struct upstream_set *set;
    struct pool *pools; /* by server->index */
    unsigned *turns;    /* by group->index: the server to begin with, for round robin */
};

struct pools {
    struct worker *worker;
    struct view *view; /* the current one; NULL before pools_follow() */
    struct list due;   /* calls that have something to say later in this turn */
    struct event *due_event;
    struct buf scratch; /* heads are written here */
};

/*
 * A connection to a server. Busy: it belongs to call. Idle: it is in its pool, and a byte or an
 * end from the server closes it.
 */
struct conn {
    struct list link; /* in pool->idle */
    struct pool *pool;
    struct call *call;     /* NULL: idle */
    struct stream *stream; /* NULL once closed */
    struct timer timer;    /* busy: the call's; idle: keepalive_idle */
    uint64_t sent_before;  /* stream_bytes_out when call took it */
    unsigned version;      /* of the server's addresses, when the connection's was among them */
    bool is_reused;
    struct retired retired;
};

struct view *view_ref(struct view *v);
void view_unref(struct view *v);

/* The newest idle connection to an address that the server still has, now c's, or NULL. */
struct conn *conn_take(struct pool *pool, struct call *c);
/* A new one, c's: call_on_open() or call_on_end() follow, never in this call. */
struct conn *conn_open(struct worker *w, struct pool *pool, const struct sockaddr_any *to,
                       struct call *c);
/* Idle from now on; closes the oldest when there are too many. */
void conn_give_back(struct conn *conn, struct view *v);
/* Now: drops what waits. */
void conn_close(struct conn *conn);
/* Sends what waits, then closes. */
void conn_finish(struct conn *conn);

/* Calls call_on_due(c) later in this turn. */
void pools_want_due(struct pools *p, struct list *due);

#endif
