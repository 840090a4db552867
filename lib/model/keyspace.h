#ifndef MODEL_KEYSPACE_H
#define MODEL_KEYSPACE_H

#include "base/arena.h"

/*
 * Every key name in Redis, built here and nowhere else (api.md 4.9). Nothing that a
 * user chose is part of a name except as a SHA-256. Results are in the arena.
 *
 * Tracked (cached under client tracking): user:, key:, sess:, tok:, signing.
 * Never tracked: rl:, used:, users, user-keys:, user-sess: (rule (i) of spec/security.md 4).
 */
struct keyspace {
    struct slice prefix; /* "postern:" */
};

struct slice keyspace_user(const struct keyspace *k, struct arena *a, struct slice user_id);
struct slice keyspace_user_name(const struct keyspace *k, struct arena *a,
                                struct slice name); /* folded and hashed */
struct slice keyspace_user_email(const struct keyspace *k, struct arena *a, struct slice email);
struct slice keyspace_users(const struct keyspace *k, struct arena *a);
struct slice keyspace_user_keys(const struct keyspace *k, struct arena *a, struct slice user_id);
struct slice keyspace_user_sessions(const struct keyspace *k, struct arena *a,
                                    struct slice user_id);
struct slice keyspace_key(const struct keyspace *k, struct arena *a, struct slice key_id);
struct slice keyspace_session(const struct keyspace *k, struct arena *a, struct slice session_id);
struct slice keyspace_token(const struct keyspace *k, struct arena *a, const unsigned char mac[32]);
struct slice keyspace_signing(const struct keyspace *k,
                              struct arena *a); /* hash: kid -> sealed record */
struct slice keyspace_limit(const struct keyspace *k, struct arena *a,
                            const unsigned char digest[32]);
struct slice keyspace_used(const struct keyspace *k, struct arena *a,
                           struct slice key_id); /* last_used, usage_count */
struct slice keyspace_meta(const struct keyspace *k, struct arena *a);
/* The tracked prefixes for CLIENT TRACKING ... BCAST PREFIX, none overlapping. */
enum { KEYSPACE_TRACKED = 5 };
void keyspace_tracked(const struct keyspace *k, struct arena *a,
                      struct slice out[KEYSPACE_TRACKED]);

#endif
