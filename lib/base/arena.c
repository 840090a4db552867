#include "base/arena.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 4096, ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t bytes;
    _Alignas(ALIGN) char room[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

static void free_until(struct arena *a, struct arena_block *keep)
{
    while (a->blocks != keep) {
        struct arena_block *older = a->blocks->older;

        free(a->blocks);
        a->blocks = older;
    }
}

void arena_fini(struct arena *a)
{
    free_until(a, NULL);
    *a = (struct arena){0};
}

void arena_reset(struct arena *a)
{
    struct arena_block *oldest = a->blocks;

    if (oldest == NULL)
        return;
    while (oldest->older != NULL)
        oldest = oldest->older;
    free_until(a, oldest);
    a->at = oldest->room;
    a->end = oldest->room + oldest->bytes;
}

static void add_block(struct arena *a, size_t least)
{
    size_t bytes = least > BLOCK_BYTES - sizeof(struct arena_block)
                       ? least
                       : BLOCK_BYTES - sizeof(struct arena_block);
    struct arena_block *block = mem_alloc(sizeof(*block) + bytes);

    block->older = a->blocks;
    block->bytes = bytes;
    a->blocks = block;
    a->at = block->room;
    a->end = block->room + bytes;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t rounded = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    void *p;

    CHECK(rounded >= n);
    if (rounded == 0)
        rounded = ALIGN;
    if ((size_t)(a->end - a->at) < rounded)
        add_block(a, rounded);
    p = a->at;
    a->at += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
    char *copy = arena_alloc(a, s.n + 1);

    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return slice_of(copy, s.n);
}

struct slice arena_join(struct arena *a, const struct slice *parts, size_t count)
{
    size_t n = 0;
    char *text, *at;

    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    at = text = arena_alloc(a, n + 1);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0)
            memcpy(at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    *at = '\0';
    return slice_of(text, n);
}

struct slice arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    int n;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    CHECK(n >= 0);
    text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return slice_of(text, (size_t)n);
}

struct slice arena_number(struct arena *a, uint64_t n)
{
    char room[U64_DIGITS];

    return arena_dup(a, slice_from_u64(n, room));
}
