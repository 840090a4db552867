#include "crypto/apikey.h"

#include "base/random.h"
#include "base/secret.h"
#include "crypto/base64url.h"

enum {
    SECRET_BYTES = 32,
    SECRET_AT = 3 + APIKEY_ID_CHARS + 1,
    SUM_AT = SECRET_AT + APIKEY_SECRET_CHARS
};

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool is_base62(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* CRC-32 of ISO 3309, bit by bit: a table would be indexed by the secret. */
static uint32_t crc32_of(struct slice s)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < s.n; i++) {
        crc ^= (unsigned char)s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xedb88320 & (uint32_t) - (crc & 1));
    }
    return ~crc;
}

static void write_sum(struct slice text, char out[APIKEY_SUM_CHARS])
{
    uint32_t crc = crc32_of(text);

    for (int i = APIKEY_SUM_CHARS - 1; i >= 0; i--) {
        out[i] = base62[crc % 62];
        crc /= 62;
    }
}

/* Bytes over the last multiple of 62 are drawn again, so that no digit is likelier. */
static void random_base62(char *out, size_t n)
{
    while (n > 0) {
        unsigned char byte;

        random_bytes(&byte, 1);
        if (byte >= 4 * 62)
            continue;
        *out++ = base62[byte % 62];
        n--;
    }
}

void token_generate(char out[TOKEN_CHARS + 1])
{
    unsigned char bytes[SECRET_BYTES];

    random_bytes(bytes, sizeof(bytes));
    out[base64url_encode(slice_of(bytes, sizeof(bytes)), out)] = '\0';
    secret_wipe(bytes, sizeof(bytes));
}

/* Everything but the id, which stands. */
static void complete(char out[APIKEY_CHARS + 1])
{
    memcpy(out, "sk_", 3);
    out[SECRET_AT - 1] = '_';
    token_generate(out + SECRET_AT);
    write_sum(slice_of(out, SUM_AT), out + SUM_AT);
    out[APIKEY_CHARS] = '\0';
}

void apikey_generate(char out[APIKEY_CHARS + 1])
{
    random_base62(out + 3, APIKEY_ID_CHARS);
    complete(out);
}

static bool is_id(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_base62(text.p[i]))
            return false;
    return text.n == APIKEY_ID_CHARS;
}

enum err apikey_renew(struct slice id, char out[APIKEY_CHARS + 1])
{
    if (!is_id(id))
        return ERR_SYNTAX;
    memcpy(out + 3, id.p, id.n);
    complete(out);
    return ERR_OK;
}

bool apikey_has_prefix(struct slice text)
{
    return slice_starts(text, SLICE("sk_"));
}

enum err apikey_parse(struct slice text, struct slice *id)
{
    unsigned char bytes[SECRET_BYTES];
    char sum[APIKEY_SUM_CHARS];
    size_t n;
    enum err e;

    if (text.n != APIKEY_CHARS || !apikey_has_prefix(text) || text.p[SECRET_AT - 1] != '_')
        return ERR_SYNTAX;
    if (!is_id(slice_of(text.p + 3, APIKEY_ID_CHARS)))
        return ERR_SYNTAX;
    e = base64url_decode(slice_of(text.p + SECRET_AT, APIKEY_SECRET_CHARS), bytes, &n);
    secret_wipe(bytes, sizeof(bytes));
    if (e != ERR_OK)
        return e;
    write_sum(slice_to(text, SUM_AT), sum);
    if (!slice_eq(slice_of(sum, sizeof(sum)), slice_from(text, SUM_AT)))
        return ERR_SYNTAX;
    *id = slice_of(text.p + 3, APIKEY_ID_CHARS);
    return ERR_OK;
}

void apikey_mac(struct slice pepper, struct slice text, unsigned char out[SHA256_BYTES])
{
    hmac_sha256(pepper, text, out);
}
