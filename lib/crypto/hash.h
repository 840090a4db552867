#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/slice.h"

enum hash { HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_COUNT };
enum { HASH_BYTES_MAX = 64 };

size_t hash_bytes(enum hash h);
/* Writes hash_bytes(h). */
void hash_digest(enum hash h, struct slice in, unsigned char out[HASH_BYTES_MAX]);
void hash_hmac(enum hash h, struct slice key, struct slice in, unsigned char out[HASH_BYTES_MAX]);

#endif
