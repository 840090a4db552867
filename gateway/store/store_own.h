#ifndef STORE_STORE_OWN_H
#define STORE_STORE_OWN_H

#include "store/cache.h"
#include "store/link.h"
#include "store/store.h"
#include "store/tracking.h"

/* The inside of a store, shared by store.c, find.c, take.c, spent.c, used.c and watch.c. */

/*
 * Something asked of Redis on behalf of ops; op->pending points here while op waits.
 * The first member of a block of its own, without references, so that store_free() can free it.
 */
struct question {
    struct list link; /* in store->questions: what a link may still answer */
    struct list ops;
};

/* The hash of signing keys as last reported. */
struct signing_watch {
    void (*on_pairs)(void *arg, const struct pair *pairs, size_t count);
    void *arg;
    bool is_asking, is_known;
    struct cache_mark mark;
    uint64_t digest; /* of the pairs last reported */
    struct timer timer;
};

struct store {
    struct worker *worker;
    struct endpoint endpoint;
    struct keyspace keys;
    struct arena names; /* of one call: emptied by store_names() */
    struct link *link;
    struct tracking *tracking;
    struct arena fixed; /* lives as long as the store */
    struct slice tracked[KEYSPACE_TRACKED];
    struct slice signing_name;

    struct cache cache;
    int64_t max_stale_ms;
    int64_t stale_until_ms; /* while tracking is not live: what is cached may serve; 0: may not */

    struct list questions;
    struct map flights; /* name -> struct lookup that others may join */

    struct map takes;       /* digests -> struct take */
    struct list take_order; /* last used first */
    struct map spent;       /* digest -> struct spent */
    struct list spent_order;
    struct map used; /* key id -> struct key_use */
    struct timer used_timer;

    struct signing_watch signing;
    void (*on_grant)(void *arg, struct slice redis_key);
    void *grant_arg;
};

/* An empty arena for the names of one call. */
struct arena *store_names(struct store *s);
/* Messages are known to arrive: what is read now may be cached. */
bool store_is_tracked(const struct store *s);
/* What is cached may be served (rule b). */
bool store_may_serve(const struct store *s);

/* Resets what the store answers in; the caller's fields stay. */
void op_begin(struct store *s, struct store_op *op);
void op_wait(struct question *q, struct store_op *op);
void op_finish(struct store_op *op, enum err e);
void question_open(struct store *s, struct question *q);
void question_close(struct question *q);

bool is_same_window(const struct limit_window *a, const struct limit_window *b);
void spent_init(struct store *s);
void spent_fini(struct store *s);
/* A refusal of rule; what it says lives on for a while. */
void spent_put(struct store *s, const struct limit_rule *rule, const struct limit_verdict *v);
/* True: rule, the index-th of a question, is known to refuse, as *v says. */
bool is_spent(struct store *s, const struct limit_rule *rule, size_t index,
              struct limit_verdict *v);
void used_init(struct store *s);
void used_fini(struct store *s);
void watch_init(struct store *s);
void watch_fini(struct store *s);
/* A tracked name changed. */
void watch_changed(struct store *s, struct slice name);
/* Anything may have changed. */
void watch_changed_all(struct store *s);

#endif
