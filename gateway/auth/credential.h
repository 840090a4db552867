#ifndef AUTH_CREDENTIAL_H
#define AUTH_CREDENTIAL_H

#include "http/head.h"

enum credential_kind { CREDENTIAL_NONE, CREDENTIAL_API_KEY, CREDENTIAL_JWT, CREDENTIAL_TOKEN };

struct credential {
    enum credential_kind kind;
    struct slice text; /* points into the head; never logged */
};

/*
 * Exactly one credential per request (DESIGN "Credentials", H6, H7): X-API-Key, or
 * Authorization: Bearer (scheme any case). sk_... is an API key; the form of a JWT a JWT;
 * anything else of token68 form an opaque token.
 * errors  ERR_NOT_FOUND (none), ERR_CONFLICT (two), ERR_SYNTAX (malformed or another scheme)
 */
enum err credential_find(const struct head *head, struct credential *out) MUST_USE;

#endif
