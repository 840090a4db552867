#ifndef CRYPTO_DIGEST_H
#define CRYPTO_DIGEST_H

#include "base/slice.h"

enum { SHA256_BYTES = 32 };

/* Contexts are fetched once per thread (OpenSSL 3.0 is slow otherwise). */
void sha256(struct slice in, unsigned char out[SHA256_BYTES]);
void hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_BYTES]);

/* HKDF-SHA256 (RFC 5869) of a master key: one purpose, one key (incidents K3). */
void derive_key(struct slice master, const char *purpose, unsigned char *out, size_t n);

/* 2n lower-case digits and a NUL. */
void hex_encode(struct slice in, char *out);

#endif
