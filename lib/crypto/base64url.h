#ifndef CRYPTO_BASE64URL_H
#define CRYPTO_BASE64URL_H

#include "base/err.h"
#include "base/slice.h"

/* RFC 4648 §5 without padding; the strict reading: no other byte, no stray bits (G5). */
#define BASE64URL_CHARS(bytes) (((bytes)*4 + 2) / 3)
#define BASE64URL_BYTES(chars) ((chars)*3 / 4)

/* out has BASE64URL_CHARS(in.n) bytes; returns that. No table look-up by secret bits. */
size_t base64url_encode(struct slice in, char *out);
/* out has BASE64URL_BYTES(in.n) bytes; *n is set. ERR_SYNTAX. */
enum err base64url_decode(struct slice in, unsigned char *out, size_t *n) MUST_USE;

#endif
