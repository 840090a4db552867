#ifndef HTTP_OCTET_H
#define HTTP_OCTET_H

#include "base/slice.h"

/* What a byte may be part of. One table, so that every grammar here agrees. */
enum octet {
    OCTET_TOKEN = 1,       /* tchar, RFC 9110 §5.6.2 */
    OCTET_VALUE = 2,       /* of a field value: HTAB, SP, VCHAR, obs-text */
    OCTET_TARGET = 4,      /* visible ASCII without '#' */
    OCTET_HEX = 8,         /* either case */
    OCTET_UNRESERVED = 16, /* RFC 3986 §2.3 */
    OCTET_REG_NAME = 32,   /* unreserved and sub-delims, RFC 3986 §3.2.2, without '%' */
    OCTET_DIGIT = 64,
};

extern const uint8_t octet_class[256];

static inline bool octet_is(char c, unsigned classes)
{
    return (octet_class[(unsigned char)c] & classes) != 0;
}

/* The value of a digit that is OCTET_HEX. */
static inline unsigned octet_hex(char c)
{
    return octet_is(c, OCTET_DIGIT) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* Index of the first byte at or after at that is not of these classes, or s.n. */
static inline size_t octet_span(struct slice s, size_t at, unsigned classes)
{
    while (at < s.n && octet_is(s.p[at], classes))
        at++;
    return at;
}

/* Index of the first byte below 0x20 or equal to DEL at or after at, or s.n; eight at a time. */
size_t octet_find_control(struct slice s, size_t at);

#endif
