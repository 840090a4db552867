#include "base/buf.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEAST = 256 };

void buf_init(struct buf *b)
{
    *b = (struct buf){0};
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){0};
}

char *buf_room(struct buf *b, size_t n)
{
    if (b->cap - b->off - b->n >= n)
        return b->p + b->off + b->n;
    if (b->off > 0) {
        memmove(b->p, b->p + b->off, b->n);
        b->off = 0;
    }
    if (b->cap - b->n < n) {
        size_t cap = b->cap < LEAST ? LEAST : b->cap;

        CHECK(n < SIZE_MAX / 4 && b->n < SIZE_MAX / 4);
        while (cap - b->n < n)
            cap *= 2;
        b->p = mem_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
    CHECK(n <= b->cap - b->off - b->n);
    b->n += n;
}

void buf_add(struct buf *b, struct slice s)
{
    if (s.n == 0)
        return;
    memcpy(buf_room(b, s.n), s.p, s.n);
    b->n += s.n;
}

void buf_add_char(struct buf *b, char c)
{
    *buf_room(b, 1) = c;
    b->n++;
}

void buf_add_u64(struct buf *b, uint64_t n)
{
    char room[U64_DIGITS];

    buf_add(b, slice_from_u64(n, room));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    int n;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    CHECK(n >= 0);
    vsnprintf(buf_room(b, (size_t)n + 1), (size_t)n + 1, format, again);
    b->n += (size_t)n;
    va_end(again);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    CHECK(n <= b->n);
    b->n -= n;
    b->off = b->n == 0 ? 0 : b->off + n;
}

void buf_clear(struct buf *b)
{
    b->off = b->n = 0;
}

void buf_trim(struct buf *b)
{
    if (b->n == 0)
        buf_fini(b);
}

const char *buf_cstr(struct buf *b)
{
    *buf_room(b, 1) = '\0';
    return b->p + b->off;
}
