#ifndef UPSTREAM_CALL_H
#define UPSTREAM_CALL_H

#include "http/h1_body.h"
#include "upstream/pool.h"

/*
 * One request to a group of servers: the upstream leg of an exchange, over as many attempts
 * as are safe. In x->arena; nothing points to it after its end.
 *
 *   DUE ──► CONNECTING ──► WAITING ──► ANSWERING ──► ANSWERED ──► GONE
 *    └──────────(kept)───────┘  └──► TUNNEL
 *
 * DUE: a kept connection was taken, or nothing was found; later in the turn. WAITING: the head
 * was sent, no final head has come. From any state but the last two an attempt may fail; then
 * DUE or CONNECTING again, or GONE.
 */
enum call_state {
    CALL_DUE,
    CALL_CONNECTING,
    CALL_WAITING,
    CALL_ANSWERING,
    CALL_ANSWERED,
    CALL_TUNNEL,
    CALL_GONE,
};

struct call {
    struct leg leg; /* leg.x: whom to tell, until GONE */
    struct pools *pools;
    struct view *view; /* a reference */
    struct group *group;
    struct upstream_want want; /* with the group's values where it had 0 */
    enum call_state state;
    struct list due;  /* in pools->due */
    enum err failure; /* to be told when due; ERR_OK: none */

    /* attempts */
    struct server *server; /* whose slot is taken, or NULL */
    struct conn *conn;     /* NULL: none */
    uint8_t *marks;        /* balance.h */
    unsigned retries_left;
    unsigned addrs_left; /* of server, to try in this attempt */
    unsigned addr_at;    /* the address in use */
    struct timer total;

    /* the request */
    enum h1_framing framing;
    uint64_t body_left; /* when framing is LENGTH */
    struct buf held;    /* body that came while there was no connection, or no 101 */
    const struct head *trailers;
    bool is_ready_told;
    bool is_end_asked;    /* send_end was called */
    bool body_begun;      /* a byte of the body went to the stream */
    bool is_request_sent; /* head and whole body went to the stream */
    bool owes_drained;    /* congestion was shown that the stream does not know of */

    /* the answer */
    struct h1_scan scan;
    struct h1_body body;
    unsigned interim; /* 1xx so far */
    bool is_paused;
    bool has_begun;   /* a byte of it came */
    bool is_reusable; /* the connection, as far as the answer says */
    bool owes_end;    /* the answer's end came while paused */
};

/* From the worker's due list. */
void call_on_due(struct call *c);
/* From the connection. */
void call_on_open(struct call *c);
size_t call_on_data(struct call *c, struct slice bytes);
void call_on_drained(struct call *c);
void call_on_end(struct call *c, enum err why);
void call_on_time(struct call *c);

/* The exchange has no more to say; the connection goes back to its pool when all is in order. */
void call_release(struct call *c, bool complete);
/* The attempt has failed: tries another server where that is safe, else tells the exchange. */
void call_attempt_failed(struct call *c, enum err why);
/* Arms the deadline that fits the state: first byte, idle, or none. */
void call_set_deadline(struct call *c);
/* An answer's final head came: the server is well. */
void call_server_answered(struct call *c);

static inline bool call_is_gone(const struct call *c)
{
    return c->state == CALL_GONE;
}

#endif
