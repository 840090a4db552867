#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_entry;

/*
 * From byte strings to pointers. Hashed with SipHash-1-3 under a key drawn
 * once per process, because the names are often chosen by an attacker. The map
 * copies keys and never owns values; its owner bounds how many there are.
 */
struct map {
    struct map_entry **slots;
    size_t slot_count, count;
};

void map_init(struct map *m);
/* Frees keys and table; values are the caller's. */
void map_fini(struct map *m);

/* NULL when absent. */
void *map_get(const struct map *m, struct slice key);

/* Sets key to value (not NULL); returns the former value or NULL. */
void *map_put(struct map *m, struct slice key, void *value);

/* Removes key; returns its value or NULL. */
void *map_remove(struct map *m, struct slice key);

/* Visits all, in no order. Start with *cursor = 0; false at the end. No changes meanwhile. */
bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value);

/* SipHash-1-3 of s under the process's random key. */
uint64_t hash_slice(struct slice s);

#endif
