#include "http/octet.h"

#define VISIBLE (OCTET_VALUE | OCTET_TARGET)
#define ALNUM (VISIBLE | OCTET_TOKEN | OCTET_UNRESERVED | OCTET_REG_NAME)

const uint8_t octet_class[256] = {
    ['\t'] = OCTET_VALUE,
    [' '] = OCTET_VALUE,
    ['!'] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    ['"'] = VISIBLE,
    ['#'] = OCTET_VALUE | OCTET_TOKEN,
    ['$'] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    ['%'] = VISIBLE | OCTET_TOKEN,
    ['&'] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    ['\''] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    ['('] = VISIBLE | OCTET_REG_NAME,
    [')'] = VISIBLE | OCTET_REG_NAME,
    ['*'] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    ['+'] = VISIBLE | OCTET_TOKEN | OCTET_REG_NAME,
    [','] = VISIBLE | OCTET_REG_NAME,
    ['-'] = ALNUM,
    ['.'] = ALNUM,
    ['/'] = VISIBLE,
    ['0' ... '9'] = ALNUM | OCTET_HEX | OCTET_DIGIT,
    [':'] = VISIBLE,
    [';'] = VISIBLE | OCTET_REG_NAME,
    ['<'] = VISIBLE,
    ['='] = VISIBLE | OCTET_REG_NAME,
    ['>'] = VISIBLE,
    ['?'] = VISIBLE,
    ['@'] = VISIBLE,
    ['A' ... 'F'] = ALNUM | OCTET_HEX,
    ['G' ... 'Z'] = ALNUM,
    ['['] = VISIBLE,
    ['\\'] = VISIBLE,
    [']'] = VISIBLE,
    ['^'] = VISIBLE | OCTET_TOKEN,
    ['_'] = ALNUM,
    ['`'] = VISIBLE | OCTET_TOKEN,
    ['a' ... 'f'] = ALNUM | OCTET_HEX,
    ['g' ... 'z'] = ALNUM,
    ['{'] = VISIBLE,
    ['|'] = VISIBLE | OCTET_TOKEN,
    ['}'] = VISIBLE,
    ['~'] = ALNUM,
    [0x80 ... 0xff] = OCTET_VALUE,
};

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* True when one of the eight bytes is below 0x20 or is DEL: borrows reach a byte's top bit. */
static bool has_control(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t del = word ^ (ones * 0x7f);

    return ((((word - ones * 0x20) & ~word) | ((del - ones) & ~del)) & tops) != 0;
}

size_t octet_find_control(struct slice s, size_t at)
{
    uint64_t word;

    while (s.n - at >= sizeof(word)) {
        memcpy(&word, s.p + at, sizeof(word));
        if (has_control(word))
            break;
        at += sizeof(word);
    }
    while (at < s.n && !is_control(s.p[at]))
        at++;
    return at;
}
