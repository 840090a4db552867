#ifndef EXCHANGE_LEG_H
#define EXCHANGE_LEG_H

#include "http/head.h"

/*
 * One side of an exchange, as a wire codec offers it: HTTP/1 or HTTP/2, client or
 * upstream. The exchange never sees framing; a codec never sees auth. A codec turns
 * bytes into the exchange_on_...() calls of exchange.h and these functions into bytes.
 *
 * No function here calls back into the exchange before it returns.
 */
struct leg;

/* A message as both sides understand it. Framing fields are never in head. */
struct message {
    struct head *head;
    bool has_body;
    bool length_known;
    uint64_t length;   /* bytes, when known */
    bool is_websocket; /* request: asks for, response (101): accepts the upgrade */
};

struct leg_ops {
    /* A request (upstream leg), or a final or interim response (client leg). */
    void (*send_head)(struct leg *leg, const struct message *m);
    /* Everything is accepted; ask is_congested afterwards. */
    void (*send_body)(struct leg *leg, struct slice bytes);
    /* The message is complete. trailers may be NULL. */
    void (*send_end)(struct leg *leg, const struct head *trailers);
    bool (*is_congested)(struct leg *leg);
    /* Stops and restarts the delivery of this side's body; the peer leaving is still noticed. */
    void (*pause)(struct leg *leg);
    /* The first resume of a client leg sends 100 Continue when the client waits for it. */
    void (*resume)(struct leg *leg);
    /* From now on both directions are raw bytes (after a 101). */
    void (*tunnel)(struct leg *leg);
    /*
     * The exchange has nothing more to say here. complete: the message we were sending
     * was ended; false: it breaks off, and the peer must be able to tell. The leg is not touched
     * again.
     */
    void (*release)(struct leg *leg, bool complete);
};

struct leg {
    const struct leg_ops *ops;
    struct exchange *x; /* NULL after release */
};

#endif
