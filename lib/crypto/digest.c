#include "crypto/digest.h"

#include "base/err.h"
#include "base/secret.h"
#include "crypto/hash.h"

enum { PURPOSE_MAX = 128 };

void sha256(struct slice in, unsigned char out[SHA256_BYTES])
{
    unsigned char digest[HASH_BYTES_MAX];

    hash_digest(HASH_SHA256, in, digest);
    memcpy(out, digest, SHA256_BYTES);
}

void hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_BYTES])
{
    unsigned char mac[HASH_BYTES_MAX];

    hash_hmac(HASH_SHA256, key, in, mac);
    memcpy(out, mac, SHA256_BYTES);
}

void derive_key(struct slice master, const char *purpose, unsigned char *out, size_t n)
{
    static const char no_salt[SHA256_BYTES];
    unsigned char prk[SHA256_BYTES], t[SHA256_BYTES] = {0};
    unsigned char block[SHA256_BYTES + PURPOSE_MAX + 1];
    size_t purpose_n = strlen(purpose), t_n = 0;

    CHECK(purpose_n <= PURPOSE_MAX && n <= 255 * SHA256_BYTES);
    hmac_sha256(slice_of(no_salt, sizeof(no_salt)), master, prk); /* extract, RFC 5869 §2.2 */
    for (unsigned i = 1; n > 0; i++) {                            /* expand, §2.3 */
        size_t take = n < SHA256_BYTES ? n : SHA256_BYTES;

        memcpy(block, t, t_n);
        memcpy(block + t_n, purpose, purpose_n);
        block[t_n + purpose_n] = (unsigned char)i;
        hmac_sha256(slice_of(prk, sizeof(prk)), slice_of(block, t_n + purpose_n + 1), t);
        t_n = SHA256_BYTES;
        memcpy(out, t, take);
        out += take;
        n -= take;
    }
    secret_wipe(prk, sizeof(prk));
    secret_wipe(t, sizeof(t));
    secret_wipe(block, sizeof(block));
}

void hex_encode(struct slice in, char *out)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)in.p[i];

        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    *out = '\0';
}
