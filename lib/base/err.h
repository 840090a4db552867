#ifndef BASE_ERR_H
#define BASE_ERR_H

/* The result of a function that can fail; rows in err.def. ERR_OK is 0. */
enum err {
#define ERR(name, text) ERR_##name,
#include "base/err.def"
#undef ERR
};

#define MUST_USE __attribute__((warn_unused_result))

const char *err_text(enum err e);

/* A broken invariant: says where, and stops the process in every build. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(#condition, __FILE__, __LINE__);                                          \
    } while (0)

__attribute__((noreturn, cold)) void check_failed(const char *what, const char *file, int line);

#endif
