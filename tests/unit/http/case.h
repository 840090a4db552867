#ifndef TEST_HTTP_CASE_H
#define TEST_HTTP_CASE_H

/* What the tests of this room share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/slice.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A heap block of exactly these bytes, so that a read past the end is seen. */
static inline struct slice exact(struct slice s)
{
    char *p = malloc(s.n);

    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

static inline void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_ = (actual), expected_ = (expected);                                   \
        if (!slice_eq(actual_, expected_))                                                         \
            fail_msg("\"%.*s\" is not \"%.*s\"", SLICE_FMT(actual_), SLICE_FMT(expected_));        \
    } while (0)

#endif
