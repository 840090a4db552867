#ifndef UPSTREAM_HEALTH_H
#define UPSTREAM_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Whether a server is asked. Two sources say no: the active check (down: never asked), and
 * requests that failed in a row (ejected: rests; asked as a last resort when no server of its
 * group is in order, since refusing for certain is worse than trying).
 *
 * After its rest an ejected server gets one request as a trial; only when that succeeds do the
 * others follow, so that a dead one costs one request a rest, not a burst.
 * All functions: any thread.
 */
struct health {
    atomic_bool is_down;              /* by the active check */
    atomic_uint failures;             /* of requests, in a row */
    _Atomic int64_t ejected_until_ms; /* monotonic; 0: not ejected */
};

struct health_rules {
    unsigned fall, rise;
    int64_t eject_ms; /* 0: requests never eject, only checks count */
};

/* In order, or due for a trial. */
bool health_may_ask(const struct health *h, int64_t now_ms);
/* Before a request on a server that may be asked; false: another took the trial. */
bool health_begin(struct health *h, const struct health_rules *rules, int64_t now_ms);
bool health_is_ejected(const struct health *h, int64_t now_ms);

/* A request got an answer's head. True when that ended an ejection. */
bool health_request_succeeded(struct health *h);
/* No connection or no answer. True when that ejected the server. */
bool health_request_failed(struct health *h, const struct health_rules *rules, int64_t now_ms);

/* Of the active check; one per server, control thread. */
struct health_check {
    unsigned successes, failures; /* in a row */
};
/* True when the server went down, or came back: from down, or early from an ejection. */
bool health_check_result(struct health *h, struct health_check *check,
                         const struct health_rules *rules, bool is_good, int64_t now_ms);

#endif
