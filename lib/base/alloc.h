#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/*
 * Small allocations do not fail: out of memory ends the process with a message.
 * Sizes that a peer chooses are checked against an option before they come here.
 */
void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));
char *mem_strdup(const char *z) __attribute__((malloc, returns_nonnull));
char *mem_strndup(const char *p, size_t n) __attribute__((malloc, returns_nonnull));

#endif
