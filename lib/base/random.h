#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/slice.h"

/* Fills p with n bytes fit for keys (getrandom(2)); ends the process if the kernel has none. */
void random_bytes(void *p, size_t n);

enum { UUID_CHARS = 36, ID_CHARS = 26 };

/* A UUID version 7 (RFC 9562 §5.7): sortable by time, 74 random bits. out gets a NUL too. */
void random_uuid7(char out[UUID_CHARS + 1]);

/* 26 characters of Crockford base32 (lower case): 48 bits of time, 82 random. out gets a NUL too.
 */
void random_id(char out[ID_CHARS + 1]);

/* Tests only: the bytes come from fill until it is set to NULL again. */
void random_set_source(void (*fill)(void *p, size_t n));

#endif
