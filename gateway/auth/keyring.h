#ifndef AUTH_KEYRING_H
#define AUTH_KEYRING_H

#include "crypto/jwk.h"
#include "net/worker.h"
#include "policy/policy.h"

/*
 * The verification keys of every issuer as one worker knows them. Keysets are counted
 * and immutable; the control thread posts new ones (keyring_post), so no lock guards
 * a request. Issuer 0 is ourselves; issuer i+1 is conf->issuers[i], matched by name after a reload.
 */
struct keyring;
struct keyring *keyring_new(void);
void keyring_free(struct keyring *k);

/* Any thread: hands set (a reference is taken) to w for the issuer. signing may be NULL; it is a key of set. */
void keyring_post(struct worker *w, struct slice issuer, struct keyset *set, const struct jwk *signing);

/* NULL: nothing known about that issuer (yet). */
struct keyset *keyring_find(struct keyring *k, struct slice issuer);
/* Our own signing key for assertions, or NULL. The empty issuer name stands for ourselves. */
const struct jwk *keyring_signing(struct keyring *k);
/* Our public keys as a JWKS document; lives until the next keyring change. */
struct slice keyring_jwks(struct keyring *k);

/*
 * Control thread: loads key files and JWKS, refreshes URLs in the background: one
 * fetch in flight per issuer, cool-down, stale-if-error, a miss never evicts (K8, K9).
 */
struct issuers;
struct fetcher;
struct issuers *issuers_new(struct worker *control, struct worker *const *workers, size_t worker_count,
                            struct fetcher *fetcher);
void issuers_free(struct issuers *i);
/* At start and after a reload. File problems are complaints in why (free()) and ERR_SYNTAX; old keys stay. */
enum err issuers_apply(struct issuers *i, struct policy *p, char **why) MUST_USE;
/* A worker met an unknown kid: asks for an early refresh (from a worker; posts to control). */
void issuers_unknown_kid(struct issuers *i, struct slice issuer);

#endif
