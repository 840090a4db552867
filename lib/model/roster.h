#ifndef MODEL_ROSTER_H
#define MODEL_ROSTER_H

#include "base/json.h"
#include "crypto/jwk.h"
#include "model/keyspace.h"
#include "model/master.h"
#include "model/record.h"
#include "model/redis_client.h"

/*
 * Users, API keys, sessions and signing keys as an administrator changes them:
 * blocking, each change one script. posternctl and `postern quick` use it; every
 * gateway sees the change at once through its invalidation link.
 * Results are JSON objects in the shape of the HTTP API (times RFC 3339, ids with
 * prefix); the caller json_decref()s them.
 * errors  ERR_NOT_FOUND, ERR_CONFLICT (name taken, last admin), ERR_SYNTAX (name, role, scope,
 * address), ERR_DENIED (scope wider than the owner's), ERR_UNAVAILABLE
 */
struct roster {
    struct redis_client *redis;
    struct keyspace keys;
    const struct master *master;
};

struct user_new {
    struct slice username, email; /* email may be empty */
    struct slice roles;           /* comma separated; empty: user */
    struct slice password;        /* empty: none; hashed here with argon2id */
};
enum err roster_user_create(struct roster *r, const struct user_new *u, json_t **out) MUST_USE;
/* who: an id (usr_...) or a name. */
enum err roster_user_show(struct roster *r, struct slice who, json_t **out) MUST_USE;
enum err roster_user_list(struct roster *r, json_t **out) MUST_USE;
enum err roster_user_set_roles(struct roster *r, struct slice who, struct slice roles,
                               json_t **out) MUST_USE;
/* Disabling deletes the sessions and stops the keys; enabling revives no session. */
enum err roster_user_set_active(struct roster *r, struct slice who, bool active,
                                json_t **out) MUST_USE;
enum err roster_user_set_password(struct roster *r, struct slice who, struct slice password,
                                  json_t **out) MUST_USE;
enum err roster_user_delete(struct roster *r, struct slice who) MUST_USE;

struct key_new {
    struct slice owner, name;
    struct slice scopes;      /* space separated; empty: read write */
    int64_t expires_in_s;     /* 0: never */
    struct slice allowed_ips; /* comma separated CIDR; empty: any */
    bool is_trial;            /* everything is checked, nothing is made; out and secret stay */
};
/* secret: the whole key, shown once; secret_free(). */
enum err roster_key_create(struct roster *r, const struct key_new *k, json_t **out,
                           struct secret **secret) MUST_USE;
enum err roster_key_list(struct roster *r, struct slice owner /* empty: all */,
                         json_t **out) MUST_USE;
enum err roster_key_show(struct roster *r, struct slice id, json_t **out) MUST_USE;
enum err roster_key_rotate(struct roster *r, struct slice id, int64_t grace_s, json_t **out,
                           struct secret **secret) MUST_USE;
enum err roster_key_revoke(struct roster *r, struct slice id) MUST_USE;

enum err roster_session_list(struct roster *r, struct slice owner, json_t **out) MUST_USE;
enum err roster_session_revoke(struct roster *r, struct slice id) MUST_USE;
/* Ends all of a user's sessions; *count how many. */
enum err roster_session_revoke_all(struct roster *r, struct slice owner, size_t *count) MUST_USE;

/* Signing keys: newest active signs; older ones verify until retired. States: active, retiring,
 * retired. */
enum err roster_signing_rotate(struct roster *r, enum alg alg, json_t **out) MUST_USE;
/* Makes the first signing key unless there is an active one; gateways that start together make one.
 */
enum err roster_signing_ensure(struct roster *r, enum alg alg) MUST_USE;
enum err roster_signing_list(struct roster *r, json_t **out) MUST_USE;
enum err roster_signing_retire(struct roster *r, struct slice kid) MUST_USE;

struct token_new {
    struct slice owner, issuer;
    const struct slice *audiences;
    size_t audience_count;
    struct slice scopes; /* empty: all of the owner's */
    int64_t ttl_s;
    bool opaque; /* an opaque token instead of a JWT */
};
/*
 * Makes a session and a token for it; the caller shows it once. A JWT is signed by the
 * newest active key, which is made (ES256) when there is none. Of an opaque token only
 * apikey_mac() with the pepper is stored.
 */
enum err roster_token_issue(struct roster *r, const struct token_new *t, json_t **out,
                            struct secret **token) MUST_USE;

/*
 * All signing keys with their private halves from the hash that Redis returned
 * (name: kid, value: sealed record). *signing points into the set: the newest active.
 * Records that do not open are skipped and counted.
 */
enum err signing_decode(const struct master *m, const struct pair *pairs, size_t count,
                        struct keyset **set, const struct jwk **signing, size_t *skipped) MUST_USE;

#endif
