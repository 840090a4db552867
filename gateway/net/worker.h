#ifndef NET_WORKER_H
#define NET_WORKER_H

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct policy;
struct store;
struct pools;
struct keyring;
struct authenticator;
struct counters;
struct access_log;

enum { WORKER_SCRATCH_BYTES = 64 * 1024 };

/*
 * A thread with its own event loop and everything that requests on it need, so
 * that request code has no locks (D4). The control thread is a worker too, with
 * index -1 and no listeners. Higher rooms hang their own state on the pointers.
 */
struct worker {
    int index;
    struct event_base *base; /* EVENT_BASE_FLAG_NOLOCK */
    struct log *log;
    int64_t now_ms; /* monotonic, taken at the start of each callback */

    struct policy *policy;   /* the current one, one reference held */
    struct store *store;     /* gateway/store */
    struct pools *pools;     /* gateway/upstream */
    struct keyring *keyring; /* gateway/auth: keys of every issuer as this worker knows them */
    struct authenticator *authenticator; /* gateway/auth */
    struct counters *counters;           /* gateway/observe */
    struct access_log *access_log;

    struct list ready;      /* streams that owe their handler something in this turn */
    struct list again;      /* streams that go on in the next turn, so that others come first */
    struct list dirty;      /* streams with bytes to write at the end of this turn */
    struct list retired;    /* things to free at the end of this turn */
    struct list lingering;  /* finished streams that still send or wait for the peer to read */
    size_t lingering_count; /* a drain waits for these too */
    struct list clients;    /* client connections, for drain */
    size_t client_count, exchange_count;
    bool is_draining;
    bool is_turn_due;   /* turn is active */
    struct event *turn; /* runs after the callbacks of this turn: flush, then reap */
    struct event *next; /* brings the streams of again back */
    struct mailbox *mailbox;
    char scratch[WORKER_SCRATCH_BYTES]; /* read buffer shared by this worker's streams */
};

struct worker *worker_new(int index, struct log *log);
/* After the loop has ended. Higher rooms free theirs first. */
void worker_free(struct worker *w);

/* Every event callback of ours begins with this: takes the time, and arranges the turn's end. */
void worker_enter(struct worker *w);
/* Arranges the turn's end without taking the time. */
void worker_want_turn(struct worker *w);

/*
 * Runs fn(w, arg) on w's thread, in order. The only function here for other
 * threads. What is still in the mailbox when the worker is freed is dropped.
 */
void worker_post(struct worker *w, void (*fn)(struct worker *w, void *arg), void *arg);

/*
 * Frees later: item->free(item) runs at the end of this turn, so a function may
 * always finish with its argument (STYLE "Events and waiting").
 */
struct retired {
    struct list link;
    void (*free)(struct retired *item);
};
void worker_retire(struct worker *w, struct retired *item, void (*free)(struct retired *item));

/* Returns when worker_stop() was called on w's thread. */
void worker_run(struct worker *w);
void worker_stop(struct worker *w);

#endif
