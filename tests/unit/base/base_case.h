#ifndef TEST_BASE_CASE_H
#define TEST_BASE_CASE_H

/* What the tests of this room share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define assert_slice(actual, expected)                                                             \
    do {                                                                                           \
        struct slice actual_ = (actual), expected_ = (expected);                                   \
        if (!slice_eq(actual_, expected_))                                                         \
            fail_msg("\"%.*s\" is not \"%.*s\"", SLICE_FMT(actual_), SLICE_FMT(expected_));        \
    } while (0)

#endif
