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

/*
 * Any thread: hands set (a reference is taken) to w for the issuer. signing may be NULL; it
 * is a key of set. Without a set the issuer is forgotten. Only the empty issuer signs.
 */
void keyring_post(struct worker *w, struct slice issuer, struct keyset *set,
                  const struct jwk *signing);

/* NULL: nothing known about that issuer (yet). */
struct keyset *keyring_find(struct keyring *k, struct slice issuer);
/* Another number after every change: what was verified under another one is verified again. */
uint64_t keyring_generation(const struct keyring *k);
/* Our own signing key for assertions, or NULL. The empty issuer name stands for ourselves. */
const struct jwk *keyring_signing(struct keyring *k);
/* Our public keys as a JWKS document; lives until the next keyring change. */
struct slice keyring_jwks(struct keyring *k);
/* A place in k for signed assertions, so that each is signed once in a few seconds. */
struct assertions;
struct assertions *keyring_assertions(struct keyring *k);

/*
 * Control thread: loads key files and JWKS, refreshes URLs in the background: one
 * fetch in flight per issuer, cool-down, stale-if-error, a miss never evicts (K8, K9).
 * The list of workers is copied.
 */
struct issuers;
struct fetcher;
struct issuers *issuers_new(struct worker *control, struct worker *const *workers,
                            size_t worker_count, struct fetcher *fetcher);
/* Before or after fetcher_free(), but in the same turn: what is still fetched would answer here. */
void issuers_free(struct issuers *i);
/* At start and after a reload. File problems are complaints in why (free()) and ERR_SYNTAX; old
 * keys stay. */
enum err issuers_apply(struct issuers *i, struct policy *p, char **why) MUST_USE;
/*
 * A worker met an unknown kid, or has no keys yet: asks for an early refresh. From any worker,
 * bounded: a flood of junk costs one message a second. Workers end before issuers_free().
 */
void issuers_unknown_kid(struct issuers *i, struct slice issuer);

#endif
