#ifndef STORE_DIAL_H
#define STORE_DIAL_H

#include "base/secret.h"
#include "model/redis_client.h"
#include "net/resolve.h"
#include "net/sockaddr.h"
#include "net/stream.h"
#include "net/tls.h"

/*
 * A connection to Redis that comes back by itself:
 *
 *   IDLE -start-> RESOLVING -> CONNECTING -> GREETING (AUTH, SELECT, PING) -> READY
 *                     ^                                  | any failure         |
 *                     +---- WAITING (jittered back-off) <+---------------------+
 *
 * The first retry after a good connection comes within milliseconds, later ones
 * double up to a second. connect_ms covers everything from CONNECTING to READY.
 * Callbacks never run inside a call to this interface.
 */

/* Where Redis is and as whom we come; one a store. */
struct endpoint {
    struct redis_url url;
    char *host;                 /* name or socket path; owned */
    struct sockaddr_any socket; /* of a path */
    char *username;             /* owned; empty: none */
    const struct secret *password;
    struct tls_client *tls;
    struct resolver *resolver; /* owned */
    int64_t connect_ms;
};
enum err endpoint_init(struct endpoint *e, struct worker *w, struct slice url,
                       struct slice username) MUST_USE;
void endpoint_fini(struct endpoint *e);

enum dial_state {
    DIAL_IDLE,
    DIAL_WAITING,
    DIAL_RESOLVING,
    DIAL_CONNECTING,
    DIAL_GREETING,
    DIAL_READY
};

struct dial_handler {
    void (*on_ready)(void *arg);
    /* False: we cannot make sense of it; the connection is dropped (on_lost follows). */
    bool (*on_reply)(void *arg, const struct redisReply *reply);
    /* A connection or an attempt ended; the next attempt is already arranged. */
    void (*on_lost)(void *arg, enum err why);
};

struct dial {
    struct worker *worker;
    const struct endpoint *endpoint;
    const struct dial_handler *handler;
    void *arg;
    struct stream *stream; /* NULL unless CONNECTING, GREETING or READY */
    struct resp *resp;
    struct timer timer; /* back-off, then the connect deadline */
    enum dial_state state;
    struct sockaddr_any at, fixed; /* at: where we are connected or connecting to */
    unsigned failures;             /* attempts in a row that came to nothing */
    unsigned greetings_left;
    unsigned next_addr; /* turns through what a name resolves to */
    uint64_t attempt;   /* changes whenever the connection goes */
    int64_t ready_ms;
    bool refusal_is_logged;
    bool is_asking;       /* the resolver owes us an answer */
    struct resp *reading; /* while its replies are handed out */
};

void dial_init(struct dial *d, struct worker *w, const struct endpoint *e,
               const struct dial_handler *handler, void *arg);
void dial_fini(struct dial *d);

/* Begins; to: this very server instead of what the name resolves to, or NULL. */
void dial_start(struct dial *d, const struct sockaddr_any *to);
/* Closes and stays closed until dial_start; no callback. */
void dial_stop(struct dial *d);
/* Closes and retries with back-off; no callback. */
void dial_drop(struct dial *d);
static inline bool dial_is_ready(const struct dial *d)
{
    return d->state == DIAL_READY;
}
/* GREETING or READY only: appended to what leaves at the end of the turn. */
void dial_send(struct dial *d, struct slice bytes);
void dial_command(struct dial *d, const struct slice *args, size_t count);

#endif
