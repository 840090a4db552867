#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "model/keyspace.h"
#include "model/record.h"
#include "net/tls.h"
#include "net/worker.h"

/*
 * Redis asked by meaning, one store a worker: a command link (pipelined, one write
 * a turn), an invalidation link, and the caches that live only while that link does
 * (D6; rules (a)-(i) of spec/security.md 4).
 *
 * Every question works the same way: it returns true when the answer is known (from
 * the cache, or because Redis is away) and is in op; otherwise op->done is called
 * later, exactly once, unless store_cancel(op) came first. Never blocks.
 * Errors: ERR_NOT_FOUND; ERR_UNAVAILABLE (no link, deadline passed, an error reply,
 * a reply we do not understand): which the caller turns into 503, never 401 (D16).
 */
struct store;

struct store_conf {
    struct slice url, username; /* borrowed until store_free */
    const struct secret *password;
    struct tls_client *tls; /* for rediss://, or NULL */
    struct slice prefix;
    int64_t connect_ms, timeout_ms, max_stale_ms;
    size_t cache_entries;
};

/* NULL: the URL does not parse, or is rediss:// without conf->tls. */
struct store *store_new(struct worker *w, const struct store_conf *conf);
/* Takes over the deadlines and bounds of a new conf; the rest of it needs a restart. */
void store_follow(struct store *s, const struct store_conf *conf);
/* Ops that still wait are let go: done is not called, store_cancel() stays safe. */
void store_free(struct store *s);

struct limit_verdict;

struct store_op {
    void (*done)(struct store_op *op); /* set by the caller */
    void *arg;                         /* the caller's */
    enum err e;
    /* answers; references that the caller takes over or drops with store_op_clear() */
    struct user_record *user;
    struct key_record *key;
    struct session_record *session;
    struct slice token_scopes; /* of an opaque token; valid during done, or until the next
                                  call when the answer was known at once */
    bool was_cached;
    /* store's own */
    struct store *store;
    struct list link;
    void *pending;
    struct limit_verdict *verdict; /* of store_take */
};
void store_cancel(struct store_op *op);   /* safe at any time, also when idle */
void store_op_clear(struct store_op *op); /* drops the references */

/* An API key by its public id, with its owner. op->key, op->user. */
bool store_find_key(struct store *s, struct slice key_id, struct store_op *op) MUST_USE;
/* A session with its user. op->session, op->user. */
bool store_find_session(struct store *s, struct slice session_id, struct store_op *op) MUST_USE;
/* An opaque token by its keyed hash, with its session and user. */
bool store_find_token(struct store *s, const unsigned char mac[32], struct store_op *op) MUST_USE;

/* Fire and forget: last use of a key; the first at once, then at most once a minute. */
void store_key_used(struct store *s, struct slice key_id);

enum { LIMIT_RULES_MAX = 8, LIMIT_WINDOWS_MAX = 4 };
struct limit_window {
    uint64_t units; /* allowed in a period */
    uint64_t burst; /* at once; GCRA only */
    int64_t period_ms;
    bool is_sliding;
};
/* One rule with its key (a digest over length-prefixed parts, made by the caller). */
struct limit_rule {
    unsigned char digest[32];
    struct limit_window windows[LIMIT_WINDOWS_MAX];
    size_t window_count;
    uint64_t cost;
};
struct limit_verdict {
    bool allowed;
    size_t rule, window; /* the one that refuses, or the one with least left */
    uint64_t limit, remaining;
    int64_t reset_ms; /* until the allowance is whole again */
    int64_t retry_ms; /* until one such request fits; when refused */
};
/*
 * Takes cost from every window of every rule, or from none: one script, Redis time. True
 * when known at once: a window remembered as empty until T, a unit left of what a busy set of
 * rules took a moment ahead, or Redis away (op->e ERR_UNAVAILABLE). Equal questions share a round
 * trip. Whatever is admitted was handed out by Redis before: the bound holds over all gateways. The
 * verdict lives in *verdict, owned by the caller.
 */
bool store_take(struct store *s, const struct limit_rule *rules, size_t count,
                struct limit_verdict *verdict, struct store_op *op) MUST_USE;

/* The hash of signing keys: pairs are valid during on_pairs; runs again after each change. */
void store_watch_signing(struct store *s,
                         void (*on_pairs)(void *arg, const struct pair *pairs, size_t count),
                         void *arg);

/* Called after each invalidation of a user, key or session record (id), and with SLICE_NONE after
 * a flush: open streams ask again whether their credential still lives. */
void store_watch_grants(struct store *s, void (*on_change)(void *arg, struct slice redis_key),
                        void *arg);

enum store_health { STORE_DOWN, STORE_UP_UNTRACKED, STORE_UP };
enum store_health store_health(const struct store *s);
const struct keyspace *store_keyspace(const struct store *s);

#endif
