#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "base/buf.h"
#include "base/secret.h"

/*
 * AES-256-GCM with a fresh 96-bit nonce: "v1." + base64url(nonce | ciphertext | tag).
 * context  what the record is and whose (length-prefixed by us); opening with another
 *          context fails
 * errors   ERR_RANGE (a key of another length), ERR_TOO_LARGE (from 1 GiB)
 */
enum err seal(struct slice key32, struct slice context, struct slice plain,
              struct buf *out) MUST_USE;
/* ERR_SYNTAX, ERR_DENIED (key, context or bytes differ). Caller secret_free()s. */
enum err seal_open(struct slice key32, struct slice context, struct slice sealed,
                   struct secret **out) MUST_USE;

#endif
