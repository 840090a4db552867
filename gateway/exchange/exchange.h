#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include "auth/authenticate.h"
#include "exchange/leg.h"
#include "net/stream.h"
#include "observe/access_log.h"
#include "observe/audit.h"
#include "observe/metrics.h"
#include "policy/policy.h"

/*
 * One request and its answer, whatever carried them.
 *
 *   PHASES ──► FORWARD ──► DONE
 *     │           │  └──► TUNNEL ──► DONE
 *     └► REPLY ───┘ (our own answer)
 *
 * The phases run on the head alone; the body is taken only when one of them wants
 * it. Both directions then flow at once, each paused while the other side's buffer
 * is full. An exchange ends exactly once, in exchange_end(), which records it.
 * Thread: its worker's. Memory: x->arena, reset when the exchange goes.
 */
enum exchange_state {
    EXCHANGE_PHASES,
    EXCHANGE_FORWARD,
    EXCHANGE_REPLY,
    EXCHANGE_TUNNEL,
    EXCHANGE_DONE
};

/* What a phase or filter says: go on, an answer will come (x->wait), or the reply is chosen. */
enum next { NEXT_GO, NEXT_WAIT, NEXT_REPLIED };

/* How an exchange ended, when not by a complete answer. */
enum end_reason {
    END_COMPLETE,
    END_CLIENT_GONE,
    END_CLIENT_TIMEOUT,
    END_CLIENT_MALFORMED,
    END_UPSTREAM_BROKE,
    END_BODY_TOO_LARGE,
    END_REVOKED,
    END_DRAINED,
};
const char *end_reason_text(enum end_reason r);

struct exchange {
    struct worker *worker;
    struct arena arena;
    struct list live; /* in worker's exchanges */
    struct retired retired;
    enum exchange_state state;
    struct policy *policy; /* a reference: the one it began with */

    struct leg *client;             /* NULL once released */
    struct leg *upstream;           /* NULL before serve and once released */
    const struct stream_peer *peer; /* of the connection; valid while client is not NULL */

    /* the request */
    struct message request;
    struct head request_head;
    struct path path;        /* set by phase receive */
    struct slice host;       /* lower case, without port */
    struct addr client_addr; /* after trusted proxies */
    bool peer_is_trusted, is_secure;
    struct slice request_id, trace_id;
    bool request_complete;  /* the whole body was received */
    uint64_t request_bytes; /* of the body, so far */

    /* what the phases found; each writes its own */
    unsigned phase; /* index of the next one */
    struct {
        void (*cancel)(struct exchange *x);
    } wait; /* cancel NULL: not waiting */
    struct route_match match;
    const struct route *route;       /* NULL until routed */
    const struct endpoint *endpoint; /* one of our own answers, or NULL */
    struct auth_op auth;
    struct identity *who; /* a reference, or NULL: nobody */
    struct credential credential;
    struct store_op limit_op;
    struct limit_rule *limit_rules;
    struct limit_verdict limit;
    bool has_limit;
    struct head upstream_head; /* set by phase upstream_head */
    struct slice upstream_target;

    /* the answer */
    struct message response;
    struct head response_head;
    struct head extra_head; /* fields that reply_add() put by for the answer */
    bool response_started;  /* a final head went to the client */
    bool response_complete; /* the upstream's whole answer was received */
    bool is_head_request;
    uint64_t response_bytes;
    enum problem problem; /* meaningful when has_problem */
    bool has_problem;
    const char *reason; /* why refused; for the logs */

    bool is_detached;       /* the client left, the upstream may finish */
    struct timer expiry;    /* of the credential, while it streams */
    struct auth_op recheck; /* after an invalidation */
    bool is_rechecking;
    bool recheck_due; /* an invalidation came while it could not be heeded */

    /* for the access log: monotonic microseconds, 0: not reached */
    int64_t began_us, auth_us, limit_us, upstream_us, first_byte_us;
    struct slice upstream_name;
    unsigned attempts;
};

/* ------- for client codecs (gateway/wire) ------- */

/* A new exchange on leg; arena is ready for the head that exchange_on_request() will bring. */
struct exchange *exchange_new(struct worker *w, struct leg *client, const struct stream_peer *peer);
/* The head has arrived: m.head is &x->request_head. Runs the phases. A body is not
 * delivered before the exchange resumes the leg. */
void exchange_on_request(struct exchange *x, const struct message *m);
/* Head or body cannot be understood, or did not come in time. The codec closes the connection
 * after the answer, if there still can be one. */
void exchange_on_malformed(struct exchange *x, enum problem p);
/* The body, if there is one: pieces, then the end. */
void exchange_on_request_body(struct exchange *x, struct slice bytes);
void exchange_on_request_end(struct exchange *x, const struct head *trailers);
/* The client's buffer fell under its low mark. */
void exchange_on_client_drained(struct exchange *x);
/* The client left, stalled or sent nonsense in its body; the leg is gone after this. */
void exchange_on_client_gone(struct exchange *x, enum end_reason why);

/* ------- for upstream codecs (gateway/upstream) ------- */

/* The request head was sent; the body may follow. */
void exchange_on_upstream_ready(struct exchange *x);
/*
 * A final response head; exchange_on_response_end() follows, also when there is no body. Or 101 for
 * a websocket request (then both sides are raw).
 */
void exchange_on_response(struct exchange *x, const struct message *m);
/* 103, RFC 8297; other interim responses are dropped by the codec. */
void exchange_on_early_hints(struct exchange *x, struct head *head);
void exchange_on_response_body(struct exchange *x, struct slice bytes);
void exchange_on_response_end(struct exchange *x, const struct head *trailers);
void exchange_on_upstream_drained(struct exchange *x);
/*
 * No answer, or a broken one; the leg is gone after this. why: ERR_REFUSED (could not
 * connect), ERR_UNAVAILABLE (no healthy server, or all full), ERR_TIMEOUT, ERR_CLOSED, ERR_SYNTAX,
 * ERR_TLS. reason: for the logs, lives as long as x.
 */
void exchange_on_upstream_failed(struct exchange *x, enum err why, const char *reason);

/* ------- for phases ------- */

/* After a wait: go on with the phase after the one that waited. */
void pipeline_resume(struct exchange *x);

/* Chooses a refusal as the answer; always NEXT_REPLIED. detail may be SLICE_NONE. reason is for the
 * logs. */
enum next reply_problem(struct exchange *x, enum problem p, const char *reason,
                        struct slice detail);
/* Chooses a small answer of our own. */
enum next reply_content(struct exchange *x, unsigned status, struct slice content_type,
                        struct slice body);
/* An extra field for the answer to come, ours or the upstream's. */
void reply_add(struct exchange *x, struct slice name, struct slice value);

/* Starts the forwarding on leg. Called by phase serve. */
void exchange_forward(struct exchange *x, struct leg *upstream);

/* Ends it now, whatever its state: cancels waits, releases both legs, records, retires. */
void exchange_end(struct exchange *x, enum end_reason why);

/* Ends every exchange of this thread. */
void exchange_end_all(enum end_reason why);

/* Runs for every exchange at its end, exactly once: phase/record.c. */
void phase_record(struct exchange *x, enum end_reason why);

/* Frees what finished exchanges left for reuse; at the end of a worker's thread. */
void exchange_pool_fini(void);

/* The exchanges of this worker whose credential depends on redis_key (SLICE_NONE: all) prove it
 * again. */
void exchange_recheck_all(struct slice redis_key);

/* What an invalidation during the phases left to do, once it is forwarded. */
void exchange_recheck_due(struct exchange *x);

/* Lets a stream live no longer than its credential; for tunnels and event streams. */
void exchange_watch_expiry(struct exchange *x);

#endif
