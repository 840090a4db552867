#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const texts[] = {
#define ERR(name, text) text,
#include "base/err.def"
#undef ERR
};

const char *err_text(enum err e)
{
    return (size_t)e < sizeof(texts) / sizeof(texts[0]) ? texts[e] : "unknown error";
}

void check_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, what);
    abort();
}
