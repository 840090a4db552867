#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include "base/buf.h"
#include "base/err.h"

/* argon2id as a PHC string. Slow by design: only on a hasher thread or in a tool. */
struct password_cost {
    uint32_t memory_kib, iterations, lanes;
};
#define PASSWORD_COST_DEFAULT ((struct password_cost){64 * 1024, 3, 1})

enum err password_hash(struct slice password, const struct password_cost *cost,
                       struct buf *out) MUST_USE;
/* ERR_DENIED when it does not match, ERR_SYNTAX for a hash that is none. */
enum err password_verify(struct slice password, struct slice hash) MUST_USE;

#endif
