#ifndef CRYPTO_JOSE_H
#define CRYPTO_JOSE_H

#include "crypto/jwk.h"

/* A token cut at its dots, and the header we understand. Within this room only. */
enum { JOSE_KID_BYTES = 512, JOSE_TYPE_BYTES = 64 };

struct jose_parts {
    struct slice header, payload, signature; /* base64url */
    struct slice input;                      /* what is signed: header "." payload */
};

struct jose_header {
    enum alg alg; /* never ALG_NONE */
    char kid[JOSE_KID_BYTES];
    size_t kid_n;
    bool has_kid, has_type;
    char type[JOSE_TYPE_BYTES];
    size_t type_n;
};

/* ERR_SYNTAX unless jwt_has_form(). */
enum err jose_split(struct slice token, struct jose_parts *out) MUST_USE;

/*
 * Reads a header from its base64url text. Refused: unknown alg, jku, x5u, jwk,
 * x5c, crit, b64, zip, enc, duplicate members, kid or typ that is no text.
 * returns  valid until this thread's next call; NULL when refused
 * spec     RFC 7515 §4.1, §5.2; RFC 7797; RFC 8725 §3.1, §3.10
 */
const struct jose_header *jose_header_read(struct slice text);

#endif
