#ifndef AUTH_AUTHENTICATE_H
#define AUTH_AUTHENTICATE_H

#include "auth/credential.h"
#include "auth/keyring.h"
#include "model/identity.h"
#include "model/master.h"
#include "store/store.h"

/*
 * From a credential to an identity. Verified JWTs are remembered by the SHA-256 of
 * the whole token until exp (bounded, per worker), so the signature is checked once;
 * our own tokens still need their live session on every request, API keys their
 * live record and active owner. Roles always come from the live record.
 *
 * Scopes never exceed the roles: admin is dropped without the role admin. A token that has a
 * scopes claim is held to it, whatever words it uses; without one, the roles alone decide.
 */
struct authenticator; /* one a worker */
struct authenticator *authenticator_new(struct worker *w, const struct master *master,
                                        struct issuers *issuers);
void authenticator_free(struct authenticator *a);

struct auth_op {
    void (*done)(struct auth_op *op); /* set by the caller */
    void *arg;
    /* the answer */
    enum err e;           /* ERR_OK; ERR_DENIED: 401; ERR_UNAVAILABLE: 503 */
    struct identity *who; /* a reference for the caller; only with ERR_OK */
    const char *reason;   /* why not: a stable word for log and audit, never for the client */
    struct slice refused_key_id; /* public id of the refused key; arena of the exchange */
    /* own */
    struct authenticator *a;
    struct policy *policy;
    struct arena *arena;
    struct addr client;
    struct store_op store;
    struct credential credential;
    bool (*judge)(struct auth_op *op); /* what to do with the store's answer */
    void *state;                       /* struct verified, a reference, while it waits */
};

/*
 * True: known at once, answer in op, done is not called. False: done follows.
 * client   the address for allow-lists
 * arena    the exchange's
 */
bool authenticate(struct authenticator *a, const struct credential *credential,
                  struct policy *policy, const struct addr *client, struct arena *arena,
                  struct auth_op *op) MUST_USE;
void authenticate_cancel(struct auth_op *op); /* safe at any time */

/* mTLS: who a verified client certificate names, by auth.mtls_user; the user is looked up by no
 * store. ERR_NOT_FOUND when the certificate has no such part. NUL inside a name is ERR_SYNTAX
 * (H14). ERR_EXPIRED: the certificate ended while its connection stayed (T2). ERR_DENIED: the name
 * has the form of our own users' ids. */
enum err authenticate_certificate(X509 *certificate, enum word mtls_user, struct arena *arena,
                                  struct identity **out) MUST_USE;
/* Whether its common name or any of its alternative names is wanted, and it has not ended. */
bool certificate_has_name(X509 *certificate, const struct texts *wanted, struct arena *arena);

/*
 * The identity assertion for the upstream: a JWT of our signing key, typ "postern-assertion+jwt",
 * aud the upstream's name. Signed anew at most every few seconds for the same identity.
 * errors  ERR_UNAVAILABLE (no signing key yet), ERR_UNSUPPORTED (a symmetric one)
 */
enum err assertion_write(struct keyring *k, const struct identity *who, struct slice issuer,
                         struct slice audience, int64_t ttl_ms, struct arena *arena,
                         struct slice *out) MUST_USE;

#endif
