#ifndef CRYPTO_JWT_H
#define CRYPTO_JWT_H

#include "crypto/jwk.h"

enum { JWT_BYTES_MAX = 8192 };

/* What a token must satisfy; all borrowed. */
struct jwt_rules {
    struct slice issuer;           /* exact; when empty nothing passes */
    const struct slice *audiences; /* one of them must be in aud; none configured: aud unchecked */
    size_t audience_count;
    const struct slice *types; /* accepted header typ, any case, "application/" dropped */
    size_t type_count;         /* 0: any typ but a known foreign purpose */
    bool type_required;
    int64_t now_s;
    int64_t early_s; /* how long before its nbf and iat a token counts: another's clock is ahead */
    int64_t late_s;  /* how long after its exp */
    bool expiry_required;
};

/* The unverified header and issuer: enough to choose the key, nothing more (K4). */
struct jwt_peek {
    struct slice kid; /* in scratch */
    struct slice issuer;
    enum alg alg;
    char scratch[1024];
};

/* True for three non-empty base64url parts, exactly two dots, at most JWT_BYTES_MAX (K2, K7). */
bool jwt_has_form(struct slice token);
/* ERR_SYNTAX also for jku, x5u, jwk, x5c, crit, b64, zip, duplicate members. */
enum err jwt_peek(struct slice token, struct jwt_peek *out) MUST_USE;

/*
 * Verifies signature, then form, then claims; claims are returned only if all hold.
 * key's algorithm decides; the header must name the same one.
 * claims  owned by the caller
 * errors  ERR_SYNTAX, ERR_DENIED (signature, issuer, audience, type), ERR_EXPIRED (exp),
 *         ERR_RANGE (nbf or iat in the future: a clock differs)
 * spec    RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725
 */
enum err jwt_verify(struct slice token, const struct jwk *key, const struct jwt_rules *rules,
                    json_t **claims) MUST_USE;

/*
 * Lets go of the keys that this thread has verified with: contexts are kept ready, and each
 * holds its key. To be called when keys change, so that a retired one leaves memory.
 */
void jwt_forget_keys(void);

/* Signs claims with header {alg, kid, typ}. out is appended to. */
enum err jwt_sign(const struct jwk *key, const char *typ, const json_t *claims,
                  struct buf *out) MUST_USE;

#endif
