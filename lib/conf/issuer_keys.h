#ifndef CONF_ISSUER_KEYS_H
#define CONF_ISSUER_KEYS_H

#include "conf/conf.h"
#include "crypto/jwk.h"

enum { JWKS_BYTES_MAX = 1024 * 1024 };

/* What the configuration of one issuer says about its keys: for gateway/auth, and for checks. */

/* Bit mask of the algorithms; names are known, conf_read() has seen to it. */
unsigned issuer_algorithms(const struct conf_issuer *c);

/* The keys of jwks_file, key_file or secret. ERR_SYNTAX, with a sentence appended to why. */
enum err issuer_load(const struct conf_issuer *c, struct keyset **out, struct buf *why) MUST_USE;

#endif
