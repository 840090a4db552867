#ifndef CRYPTO_JWT_CLAIMS_H
#define CRYPTO_JWT_CLAIMS_H

#include "crypto/jose.h"
#include "crypto/jwt.h"

/* Rules against a verified header and its claims. Within this room only. */

/* ERR_DENIED for a type that the rules do not take (RFC 8725 §3.11). */
enum err jwt_check_type(const struct jose_header *header, const struct jwt_rules *rules) MUST_USE;
/* ERR_SYNTAX, ERR_DENIED, ERR_EXPIRED as jwt_verify(). */
enum err jwt_check_claims(const json_t *claims, const struct jwt_rules *rules) MUST_USE;

#endif
