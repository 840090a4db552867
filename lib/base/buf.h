#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

/*
 * A growing run of bytes that is appended at the end and consumed at the
 * front. Empty, it may own no memory at all. Never fails (mem_alloc); its owner
 * bounds what a peer can make it hold.
 */
struct buf {
    char *p;    /* owned */
    size_t off; /* consumed bytes at the front */
    size_t n;   /* bytes held, after off */
    size_t cap; /* bytes allocated */
};

void buf_init(struct buf *b);
void buf_fini(struct buf *b);

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){b->p != NULL ? b->p + b->off : NULL, b->n};
}

/* Room for at least n bytes after the end; follow with buf_commit. Moves the bytes. */
char *buf_room(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);

void buf_add(struct buf *b, struct slice s);
void buf_add_char(struct buf *b, char c);
/* n in decimal. */
void buf_add_u64(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops n bytes at the front, at most all. Keeps the memory. */
void buf_consume(struct buf *b, size_t n);

/* Forgets the bytes, keeps the memory. */
void buf_clear(struct buf *b);

/* Gives memory back when the buffer is empty. */
void buf_trim(struct buf *b);

/* Ends the bytes with a NUL that is not counted; valid until the next change. */
const char *buf_cstr(struct buf *b);

#endif
