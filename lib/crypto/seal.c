#include "crypto/seal.h"

#include "base/random.h"
#include "crypto/base64url.h"
#include "crypto/context.h"

#include <limits.h>

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16 };

static const struct slice version = {"v1.", 3};

/* Feeds "v1.", the length of the context and the context: no two pairs give the same bytes (K6). */
static void add_context(EVP_CIPHER_CTX *ctx, struct slice context)
{
    unsigned char head[3 + 8];
    int n;

    memcpy(head, version.p, version.n);
    for (int i = 0; i < 8; i++)
        head[3 + i] = (unsigned char)((uint64_t)context.n >> (56 - 8 * i));
    CHECK(EVP_CipherUpdate(ctx, NULL, &n, head, sizeof(head)) == 1);
    if (context.n > 0)
        CHECK(EVP_CipherUpdate(ctx, NULL, &n, (const unsigned char *)context.p, (int)context.n) ==
              1);
}

static void start(EVP_CIPHER_CTX *ctx, struct slice key32, const unsigned char *nonce,
                  struct slice context, bool encrypt)
{
    CHECK(EVP_CipherInit_ex2(ctx, crypto_gcm(), (const unsigned char *)key32.p, nonce, encrypt,
                             NULL) == 1);
    add_context(ctx, context);
}

/* out: plain.n bytes of ciphertext, then the tag. */
static void encrypt(EVP_CIPHER_CTX *ctx, struct slice plain, unsigned char *out)
{
    int n = 0, rest = 0;

    if (plain.n > 0)
        CHECK(EVP_CipherUpdate(ctx, out, &n, (const unsigned char *)plain.p, (int)plain.n) == 1);
    CHECK(EVP_CipherFinal_ex(ctx, out + n, &rest) == 1 && (size_t)n + (size_t)rest == plain.n);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + plain.n) == 1);
}

enum err seal(struct slice key32, struct slice context, struct slice plain, struct buf *out)
{
    size_t n = NONCE_BYTES + plain.n + TAG_BYTES;
    EVP_CIPHER_CTX *ctx = crypto_context()->gcm;
    struct buf bytes;
    unsigned char *at;

    if (key32.n != KEY_BYTES)
        return ERR_RANGE;
    if (plain.n > INT_MAX / 2 || context.n > INT_MAX / 2)
        return ERR_TOO_LARGE;
    buf_init(&bytes);
    at = (unsigned char *)buf_room(&bytes, n);
    random_bytes(at, NONCE_BYTES);
    start(ctx, key32, at, context, true);
    encrypt(ctx, plain, at + NONCE_BYTES);
    EVP_CIPHER_CTX_reset(ctx); /* wipes the key schedule */
    buf_commit(&bytes, n);
    buf_add(out, version);
    buf_commit(out, base64url_encode(buf_slice(&bytes), buf_room(out, BASE64URL_CHARS(n))));
    buf_fini(&bytes);
    return ERR_OK;
}

/* bytes: nonce | ciphertext | tag. The plain text counts only once the tag has been found right. */
static bool decrypt(EVP_CIPHER_CTX *ctx, struct slice key32, struct slice context,
                    unsigned char *bytes, struct secret *plain)
{
    unsigned char *at = (unsigned char *)plain->p, *text = bytes + NONCE_BYTES;
    int n = 0, rest = 0;

    start(ctx, key32, bytes, context, false);
    if (plain->n > 0)
        CHECK(EVP_CipherUpdate(ctx, at, &n, text, (int)plain->n) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, text + plain->n) == 1);
    return EVP_CipherFinal_ex(ctx, at + n, &rest) == 1;
}

enum err seal_open(struct slice key32, struct slice context, struct slice sealed,
                   struct secret **out)
{
    struct slice text = slice_from(sealed, version.n);
    EVP_CIPHER_CTX *ctx = crypto_context()->gcm;
    struct secret *plain = NULL;
    enum err e = ERR_SYNTAX;
    struct buf bytes;
    size_t n;

    if (!slice_starts(sealed, version) || text.n > INT_MAX / 2 || context.n > INT_MAX / 2)
        return ERR_SYNTAX;
    if (key32.n != KEY_BYTES)
        return ERR_DENIED;
    buf_init(&bytes);
    if (base64url_decode(text, (unsigned char *)buf_room(&bytes, BASE64URL_BYTES(text.n)), &n) !=
            ERR_OK ||
        n < NONCE_BYTES + TAG_BYTES)
        goto out;
    plain = secret_new(n - NONCE_BYTES - TAG_BYTES);
    e = ERR_DENIED;
    if (!decrypt(ctx, key32, context, (unsigned char *)bytes.p, plain))
        goto out;
    *out = plain;
    plain = NULL;
    e = ERR_OK;
out:
    EVP_CIPHER_CTX_reset(ctx);
    secret_free(plain);
    buf_fini(&bytes);
    return e;
}
