#include "http/utf8.h"

struct lead {
    unsigned char first, last;               /* of the lead byte */
    unsigned char second_first, second_last; /* what may follow it */
    size_t n;
};

/* The table of RFC 3629 §4. */
static const struct lead leads[] = {
    {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool follows(struct slice s, size_t at, const struct lead *lead)
{
    unsigned char second;

    if (lead->n == 1)
        return true;
    if (s.n - at < lead->n)
        return false;
    second = (unsigned char)s.p[at + 1];
    if (second < lead->second_first || second > lead->second_last)
        return false;
    for (size_t i = 2; i < lead->n; i++)
        if (((unsigned char)s.p[at + i] & 0xc0) != 0x80)
            return false;
    return true;
}

size_t utf8_length(struct slice s, size_t at)
{
    unsigned char c;

    if (at >= s.n)
        return 0;
    c = (unsigned char)s.p[at];
    for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++)
        if (c >= leads[i].first && c <= leads[i].last)
            return follows(s, at, &leads[i]) ? leads[i].n : 0;
    return 0;
}
