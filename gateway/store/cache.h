#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "base/list.h"
#include "base/map.h"
#include "model/record.h"

/*
 * Records by the name of their key in Redis, as one worker remembers them.
 *
 * Two bounded lists, least recently used last: what exists, and names known to be
 * absent, so that a million wrong keys neither push out a right one nor grow
 * memory (incidents 6 row 1). The cache does not know whether it may be served:
 * that is the invalidation link's to say (store_own.h).
 *
 * The fill race (rule d): a change may overtake the reply that was read before it.
 * cache_mark() before the question and cache_is_unmoved() after it tell whether a
 * name was invalidated, or everything was, in between. Names share CACHE_SLOTS
 * counters by hash; a collision only ever asks once more.
 */
enum { CACHE_TTL_MS = 30000, CACHE_SLOTS = 4096 };

enum record_kind { RECORD_USER, RECORD_KEY, RECORD_SESSION, RECORD_TOKEN };

/* An opaque token: what it stands for. Counted like the records of lib/model. */
struct token_record {
    unsigned refs;
    struct slice session_id, scopes; /* scopes empty: not limited */
    int64_t expires_at;
};
enum err token_decode(const struct pair *pairs, size_t count, struct token_record **out) MUST_USE;
void token_unref(struct token_record *r);

void *record_ref(enum record_kind kind, void *record);
void record_unref(enum record_kind kind, void *record);

struct cache_list {
    struct list order; /* most recently used first */
    size_t count, max;
};

struct cache {
    struct map map; /* name -> struct cache_entry */
    struct cache_list present, absent;
    uint64_t epoch;              /* everything was invalidated so many times */
    uint64_t turn;               /* some name was invalidated so many times */
    uint64_t slots[CACHE_SLOTS]; /* the turn at which a name of this hash last was */
};

void cache_init(struct cache *c, size_t max);
void cache_fini(struct cache *c);
/* A smaller bound drops what was used longest ago. */
void cache_set_max(struct cache *c, size_t max);

enum cached { CACHED_NOT, CACHED_ABSENT, CACHED_RECORD };
/* *record is borrowed until the next call. Entries past their time are not found. */
enum cached cache_get(struct cache *c, struct slice name, enum record_kind kind, int64_t now_ms,
                      void **record);
/* Takes a reference of its own; record NULL: known to be absent. ends_s: UTC, the record's own end
 * or 0. */
void cache_put(struct cache *c, struct slice name, enum record_kind kind, void *record,
               int64_t ends_s, int64_t now_ms);
void cache_invalidate(struct cache *c, struct slice name);
void cache_flush(struct cache *c);

struct cache_mark {
    uint64_t epoch, turn;
};
struct cache_mark cache_mark(const struct cache *c);
bool cache_is_unmoved(const struct cache *c, struct cache_mark since, struct slice name);

#endif
