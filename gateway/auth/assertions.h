#ifndef AUTH_ASSERTIONS_H
#define AUTH_ASSERTIONS_H

#include "base/slice.h"
#include "crypto/digest.h"

/*
 * Assertions signed a moment ago, by the SHA-256 of all that they say: bounded, one
 * place a digest, the newer one stays. Within this room only. Thread: its worker's.
 */
struct assertions;
struct assertions *assertions_new(void);
void assertions_free(struct assertions *a);

/* SLICE_NONE unless it was put under the same generation and until_s is not reached. */
struct slice assertions_find(const struct assertions *a, const unsigned char digest[SHA256_BYTES],
                             uint64_t generation, int64_t now_s);
/* Copies text. */
void assertions_put(struct assertions *a, const unsigned char digest[SHA256_BYTES],
                    uint64_t generation, int64_t until_s, struct slice text);

#endif
