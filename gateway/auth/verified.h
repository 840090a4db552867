#ifndef AUTH_VERIFIED_H
#define AUTH_VERIFIED_H

#include "crypto/digest.h"
#include "model/identity.h"

/*
 * JWTs whose signature and claims held, by the SHA-256 of the whole token (K10): a
 * bounded table, one a worker. An entry counts only under the keys and the
 * configuration it was verified with, and until its token ends.
 */
struct verified {
    unsigned refs; /* plain: one thread */
    /* another issuer's token: who it names; NULL for ours */
    struct identity *who;
    /* our token: what to compare with the live session; in one block with this */
    struct slice user_id, session_id, scopes;
    bool scopes_limited;
    uint64_t token_version;
    int64_t expires_s; /* of the token */
};

/* A copy of from with its slices, and a reference of its own to from->who. */
struct verified *verified_new(const struct verified *from);
struct verified *verified_ref(struct verified *v);
void verified_unref(struct verified *v);

/* Under what an entry counts. */
struct verified_terms {
    uint64_t keys;       /* keyring_generation() */
    const void *policy;  /* compared, never followed */
    uint64_t generation; /* the policy's */
};

struct verified_cache;
struct verified_cache *verified_cache_new(void);
void verified_cache_free(struct verified_cache *c);

/* Borrowed until the next put; NULL when absent. */
struct verified *verified_find(struct verified_cache *c, const unsigned char digest[SHA256_BYTES],
                               const struct verified_terms *terms, int64_t now_s);
/* Takes a reference. until_s: when the proof ends, at the latest with the token or its key. */
void verified_put(struct verified_cache *c, const unsigned char digest[SHA256_BYTES],
                  const struct verified_terms *terms, int64_t until_s, struct verified *v);

#endif
