#include "http/header.h"

#include <pthread.h>

struct row {
    struct slice name;
    unsigned flags;
};

#define HOP HEADER_FLAG_HOP
#define FRAMING HEADER_FLAG_FRAMING
#define OURS HEADER_FLAG_OURS
#define FORWARDED HEADER_FLAG_FORWARDED
#define CREDENTIAL HEADER_FLAG_CREDENTIAL
#define ONCE HEADER_FLAG_ONCE

static const struct row rows[HEADER_COUNT] = {
    [HEADER_OTHER] = {{"", 0}, 0},
#define HEADER(name, wire, flags, help) [HEADER_##name] = {{wire, sizeof(wire) - 1}, flags},
#include "http/header.def"
#undef HEADER
};

#undef HOP
#undef FRAMING
#undef OURS
#undef FORWARDED
#undef CREDENTIAL
#undef ONCE

/* Name to row: open addressing, at most a quarter full, built at the first look-up. */
enum { SLOTS = 512 };
static uint16_t slots[SLOTS];
static unsigned char lower[256], folded[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

_Static_assert(HEADER_COUNT < SLOTS / 4, "SLOTS is too small for header.def");

static inline size_t slot_of(struct slice name, const unsigned char fold[256])
{
    size_t h = name.n * 31 + fold[(unsigned char)name.p[0]];

    h = h * 31 + fold[(unsigned char)name.p[name.n / 2]];
    h = h * 31 + fold[(unsigned char)name.p[name.n - 1]];
    return (h ^ (h >> 9)) & (SLOTS - 1);
}

static bool is_alnum(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static void build(void)
{
    for (int c = 0; c < 256; c++) {
        lower[c] = (unsigned char)ascii_lower((char)c);
        folded[c] = is_alnum(lower[c]) ? lower[c] : '-';
    }
    for (unsigned id = 1; id < HEADER_COUNT; id++) {
        size_t at = slot_of(rows[id].name, lower);

        while (slots[at] != 0)
            at = (at + 1) & (SLOTS - 1);
        slots[at] = (uint16_t)id;
    }
}

static bool equals(struct slice name, struct slice wire, const unsigned char fold[256])
{
    if (name.n != wire.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (fold[(unsigned char)name.p[i]] != (unsigned char)wire.p[i])
            return false;
    return true;
}

static enum header find(struct slice name, const unsigned char fold[256])
{
    if (name.n == 0)
        return HEADER_OTHER;
    pthread_once(&once, build);
    for (size_t at = slot_of(name, fold); slots[at] != 0; at = (at + 1) & (SLOTS - 1))
        if (equals(name, rows[slots[at]].name, fold))
            return (enum header)slots[at];
    return HEADER_OTHER;
}

enum header header_find(struct slice name)
{
    return find(name, lower);
}

enum header header_find_folded(struct slice name)
{
    return find(name, folded);
}

struct slice header_name(enum header id)
{
    return rows[id].name;
}

unsigned header_flags(enum header id)
{
    return rows[id].flags;
}

static bool is_in_family(struct slice name, struct slice family)
{
    return name.n >= family.n && equals(slice_to(name, family.n), family, folded);
}

bool header_is_reserved(struct slice name)
{
    static const struct slice families[] = {
        {"x-forwarded-", 12}, {"x-original-", 11}, {"x-envoy-", 8},    {"x-rewrite-", 10},
        {"x-user-", 7},       {"x-auth-", 7},      {"x-postern-", 10},
    };
    enum header id = header_find_folded(name);

    if (header_flags(id) & (HEADER_FLAG_OURS | HEADER_FLAG_FORWARDED))
        return true;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        if (is_in_family(name, families[i]))
            return true;
    return false;
}
