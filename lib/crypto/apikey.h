#ifndef CRYPTO_APIKEY_H
#define CRYPTO_APIKEY_H

#include "base/err.h"
#include "base/slice.h"
#include "crypto/digest.h"

/*
 * An API key as users hold it (D9):
 *   sk_ + 8 public characters + _ + 43 base64url characters (256 bits) + 6 checksum characters
 * The checksum (CRC-32 in base62 of what precedes it) lets junk be refused without a
 * look-up; only hmac(pepper, whole key) is stored.
 */
enum {
    APIKEY_ID_CHARS = 8,
    APIKEY_SECRET_CHARS = 43,
    APIKEY_SUM_CHARS = 6,
    APIKEY_CHARS = 3 + APIKEY_ID_CHARS + 1 + APIKEY_SECRET_CHARS + APIKEY_SUM_CHARS
};

/* out gets a NUL; wipe it after showing it once. */
void apikey_generate(char out[APIKEY_CHARS + 1]);
/* A new secret under the public id that a key has already: rotation. ERR_SYNTAX for an id that is
 * none. */
enum err apikey_renew(struct slice id, char out[APIKEY_CHARS + 1]) MUST_USE;

/* True when text starts as an API key does ("sk_"). */
bool apikey_has_prefix(struct slice text);
/* Form and checksum; *id points into text. ERR_SYNTAX. */
enum err apikey_parse(struct slice text, struct slice *id) MUST_USE;
/* The keyed hash that is stored and compared. */
void apikey_mac(struct slice pepper, struct slice text, unsigned char out[SHA256_BYTES]);

/* An opaque token: 43 base64url characters, 256 bits. out gets a NUL. */
enum { TOKEN_CHARS = 43 };
void token_generate(char out[TOKEN_CHARS + 1]);

#endif
