#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p, size_t n)
{
    if (p == NULL && n > 0) {
        fprintf(stderr, "out of memory asking for %zu bytes\n", n);
        abort();
    }
    return p;
}

void *mem_alloc(size_t n)
{
    return must(malloc(n > 0 ? n : 1), n > 0 ? n : 1);
}

void *mem_zalloc(size_t n)
{
    return must(calloc(1, n > 0 ? n : 1), n > 0 ? n : 1);
}

void *mem_realloc(void *p, size_t n)
{
    return must(realloc(p, n > 0 ? n : 1), n > 0 ? n : 1);
}

char *mem_strndup(const char *p, size_t n)
{
    char *copy = mem_alloc(n + 1);

    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *mem_strdup(const char *z)
{
    return mem_strndup(z, strlen(z));
}
