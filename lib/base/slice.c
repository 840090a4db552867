#include "base/slice.h"

bool slice_eq_ci(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq(slice_to(s, prefix.n), prefix);
}

bool slice_starts_ci(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && slice_eq_ci(slice_to(s, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && slice_eq(slice_from(s, s.n - suffix.n), suffix);
}

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);

    if (order != 0)
        return order;
    return a.n < b.n ? -1 : a.n > b.n;
}

struct slice slice_trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = (struct slice){s.p + 1, s.n - 1};
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

size_t slice_find(struct slice s, char c, size_t from)
{
    const char *at;

    if (from >= s.n)
        return s.n;
    at = memchr(s.p + from, c, s.n - from);
    return at != NULL ? (size_t)(at - s.p) : s.n;
}

struct slice slice_cut(struct slice *rest, char c)
{
    struct slice whole = *rest;
    size_t at = slice_find(whole, c, 0);

    *rest = at < whole.n ? slice_from(whole, at + 1) : SLICE_NONE;
    if (at < whole.n && rest->p == NULL)
        rest->p = whole.p + at + 1;
    return slice_to(whole, at);
}

bool slice_u64(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

        if (digit > 9 || value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

struct slice slice_from_u64(uint64_t n, char room[U64_DIGITS])
{
    size_t at = U64_DIGITS;

    do {
        room[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return slice_of(room + at, U64_DIGITS - at);
}
