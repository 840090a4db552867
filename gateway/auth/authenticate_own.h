#ifndef AUTH_AUTHENTICATE_OWN_H
#define AUTH_AUTHENTICATE_OWN_H

#include "auth/authenticate.h"

#include "auth/verified.h"
#include "crypto/jwt.h"

/*
 * The ways a credential is proved, one file each. Within this room only. Every way
 * ends in exactly one of auth_grant(), auth_refuse() and auth_unavailable(); true means
 * that it has ended, false that op->store waits.
 */
struct authenticator {
    struct worker *worker;
    const struct master *master;
    struct issuers *issuers;
    struct verified_cache *verified;
};

/* Answers; each returns true. Takes who over. */
bool auth_grant(struct auth_op *op, struct identity *who);
bool auth_refuse(struct auth_op *op, const char *reason);
bool auth_unavailable(struct auth_op *op, const char *reason);
/* The earlier of two ends; 0 is none. */
int64_t auth_earlier(int64_t a_s, int64_t b_s);

bool authenticate_key(struct auth_op *op) MUST_USE;   /* an API key */
bool authenticate_jwt(struct auth_op *op) MUST_USE;   /* a JWT, ours or another issuer's */
bool authenticate_token(struct auth_op *op) MUST_USE; /* an opaque token */

/*
 * When find says that it answered, judges now and returns true; otherwise on_found will be
 * called, judges and tells the exchange.
 */
typedef bool (*judge_fn)(struct auth_op *op);
bool auth_judge(struct auth_op *op, bool is_known, judge_fn judge) MUST_USE;

/* What a credential says about itself beyond its session. Slices are borrowed. */
struct claim {
    enum method method;
    struct slice scopes;
    bool scopes_limited;
    int64_t expires_s; /* 0: as long as the session; never longer */
};
/* From the session and user in op->store, both alive and of one token version. */
bool authenticate_session(struct auth_op *op, const struct claim *claim) MUST_USE;

/*
 * The scopes of the list that an identity with these roles may hold (space separated, in
 * arena): the scope admin needs the role (api.md 7.13); what is no scope-token of RFC 6749
 * §3.3 is dropped.
 */
struct slice scopes_of_roles(struct slice scopes, struct slice roles, struct arena *arena);

/*
 * Who a verified token of another issuer names, by the issuer's claims settings.
 * errors  ERR_DENIED, with *reason
 */
enum err foreign_identity(const json_t *claims, const struct conf_issuer *issuer, int64_t expires_s,
                          struct arena *arena, struct identity **out, const char **reason) MUST_USE;

#endif
