#include "crypto/base64url.h"

/* All ones when lo <= c <= hi. Comparisons, not tables: time does not depend on the bytes. */
static inline uint8_t mask_range(uint8_t c, uint8_t lo, uint8_t hi)
{
    return (uint8_t) - (uint8_t)((uint8_t)(c - lo) <= (uint8_t)(hi - lo));
}

static inline char digit_of(uint8_t value)
{
    uint8_t c = (uint8_t)(value + 'A');

    c = (uint8_t)(c + (mask_range(value, 26, 63) & ('a' - 'Z' - 1)));
    c = (uint8_t)(c - (mask_range(value, 52, 63) & ('z' - '0' + 1)));
    c = (uint8_t)(c - (mask_range(value, 62, 63) & ('9' - '-' + 1)));
    c = (uint8_t)(c + (mask_range(value, 63, 63) & ('_' - '-' - 1)));
    return (char)c;
}

size_t base64url_encode(struct slice in, char *out)
{
    const uint8_t *p = (const uint8_t *)in.p;
    size_t i = 0, o = 0;

    for (; in.n - i >= 3; i += 3) {
        out[o++] = digit_of(p[i] >> 2);
        out[o++] = digit_of((uint8_t)((p[i] & 3) << 4 | p[i + 1] >> 4));
        out[o++] = digit_of((uint8_t)((p[i + 1] & 15) << 2 | p[i + 2] >> 6));
        out[o++] = digit_of(p[i + 2] & 63);
    }
    if (i < in.n) {
        uint8_t second = in.n - i == 2 ? p[i + 1] : 0;

        out[o++] = digit_of(p[i] >> 2);
        out[o++] = digit_of((uint8_t)((p[i] & 3) << 4 | second >> 4));
        if (in.n - i == 2)
            out[o++] = digit_of((uint8_t)((second & 15) << 2));
    }
    return o;
}

enum { BLOCK = 64 };

/* Values of a whole block; non-zero when a byte is no digit. Its fixed length lets it vectorise. */
static uint8_t values_of(const uint8_t digits[BLOCK], uint8_t values[BLOCK])
{
    uint8_t bad = 0;

    for (size_t i = 0; i < BLOCK; i++) {
        uint8_t c = digits[i];
        uint8_t upper = mask_range(c, 'A', 'Z'), lower = mask_range(c, 'a', 'z');
        uint8_t digit = mask_range(c, '0', '9'), dash = mask_range(c, '-', '-');
        uint8_t line = mask_range(c, '_', '_');

        values[i] = (uint8_t)((upper & (c - 'A')) | (lower & (c - 'a' + 26)) |
                              (digit & (c - '0' + 52)) | (dash & 62) | (line & 63));
        bad |= (uint8_t) ~(upper | lower | digit | dash | line);
    }
    return bad;
}

/* Packs n values; returns the bits left over, which must be zero, or two texts would mean the
   same bytes. */
static uint8_t pack(const uint8_t *v, size_t n, unsigned char *out, size_t *o)
{
    size_t i = 0;

    for (; n - i >= 4; i += 4) {
        out[(*o)++] = (uint8_t)(v[i] << 2 | v[i + 1] >> 4);
        out[(*o)++] = (uint8_t)(v[i + 1] << 4 | v[i + 2] >> 2);
        out[(*o)++] = (uint8_t)(v[i + 2] << 6 | v[i + 3]);
    }
    if (n - i < 2)
        return 0;
    out[(*o)++] = (uint8_t)(v[i] << 2 | v[i + 1] >> 4);
    if (n - i == 2)
        return v[i + 1] & 15;
    out[(*o)++] = (uint8_t)(v[i + 1] << 4 | v[i + 2] >> 2);
    return v[i + 2] & 3;
}

enum err base64url_decode(struct slice in, unsigned char *out, size_t *n)
{
    uint8_t digits[BLOCK], values[BLOCK], bad = 0;
    size_t o = 0;

    if (in.n % 4 == 1)
        return ERR_SYNTAX;
    for (size_t at = 0; at < in.n; at += BLOCK) {
        size_t block = in.n - at < BLOCK ? in.n - at : BLOCK;

        if (block < BLOCK)
            memset(digits, 'A', BLOCK);
        memcpy(digits, in.p + at, block);
        bad |= values_of(digits, values);
        bad |= pack(values, block, out, &o);
    }
    if (bad != 0)
        return ERR_SYNTAX;
    *n = o;
    return ERR_OK;
}
