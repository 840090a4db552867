#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

/*
 * Memory for one request: many small pieces, freed in one step. The first
 * block is kept by arena_reset(), so a keep-alive connection does not allocate
 * per request. Never fails (mem_alloc). Thread: one at a time.
 */
struct arena {
    struct arena_block *blocks; /* newest first */
    char *at, *end;             /* free room of the newest block */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);

/* Forgets every piece; keeps the oldest block for the next request. */
void arena_reset(struct arena *a);

/* n bytes aligned for any type, uninitialised. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
void *arena_zalloc(struct arena *a, size_t n) __attribute__((returns_nonnull));

/* A copy of s, followed by a NUL that is not counted. */
struct slice arena_dup(struct arena *a, struct slice s);

/* The parts in a row, followed by a NUL that is not counted. */
struct slice arena_join(struct arena *a, const struct slice *parts, size_t count);
/* As printf, the result followed by a NUL that is not counted. */
struct slice arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* n in decimal digits. */
struct slice arena_number(struct arena *a, uint64_t n);

#endif
