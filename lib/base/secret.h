#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/err.h"
#include "base/slice.h"

/*
 * A key, a password or a token: in locked memory that stays out of core dumps,
 * wiped when freed. There is no way to print one; compare with secret_equal().
 */
struct secret {
    size_t n; /* bytes */
    char *p;  /* followed by a NUL that is not counted */
};

struct secret *secret_new(size_t n);
struct secret *secret_copy(struct slice s);
void secret_free(struct secret *s);

static inline struct slice secret_slice(const struct secret *s)
{
    return (struct slice){s->p, s->n};
}

/* Takes time that depends on the lengths only. Different lengths are unequal. */
bool secret_equal(struct slice a, struct slice b);

/* Overwrites n bytes in a way that the compiler keeps. */
void secret_wipe(void *p, size_t n);

/*
 * Reads a secret from a file, without one trailing line break. At most max bytes.
 * errors  ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_SYNTAX (empty), ERR_SYSTEM
 */
enum err secret_read_file(const char *path, size_t max, struct secret **out) MUST_USE;

#endif
