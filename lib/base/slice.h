#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Bytes that somebody else owns: a pointer and a length, not terminated, any
 * byte allowed. Unless a comment says otherwise a slice that belongs to a
 * request lives as long as its exchange.
 */
struct slice {
    const char *p; /* may be NULL when n is 0 */
    size_t n;      /* bytes */
};

#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})
/* For printf: "%.*s", SLICE_FMT(s) */
#define SLICE_FMT(s) (int)(s).n, ((s).p != NULL ? (s).p : "")

static inline struct slice slice_of(const void *p, size_t n)
{
    return (struct slice){p, n};
}

static inline struct slice slice_str(const char *z)
{
    return (struct slice){z, z != NULL ? strlen(z) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline struct slice slice_from(struct slice s, size_t at)
{
    size_t skipped = at < s.n ? at : s.n;

    return (struct slice){skipped > 0 ? s.p + skipped : s.p, s.n - skipped};
}

static inline struct slice slice_to(struct slice s, size_t n)
{
    return (struct slice){s.p, n < s.n ? n : s.n};
}

/* ASCII case folding only, whatever the locale. */
static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool slice_eq_ci(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_ci(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);

/* Order of the bytes as unsigned, shorter first when one starts the other. */
int slice_cmp(struct slice a, struct slice b);

/* Without spaces and tabs at both ends (OWS, RFC 9110 §5.6.3). */
struct slice slice_trim(struct slice s);

/* Index of the first c at or after from, or s.n. */
size_t slice_find(struct slice s, char c, size_t from);

/*
 * Splits off what precedes the first c: *rest becomes what follows it, or
 * SLICE_NONE (p NULL) when there was no c. Start with *rest = the whole and
 * loop while rest.p is not NULL.
 */
struct slice slice_cut(struct slice *rest, char c);

/* Digits only, no sign, no space, at most max; otherwise false and *out is untouched. */
bool slice_u64(struct slice s, uint64_t max, uint64_t *out);

/* n in decimal, written to the end of room. */
enum { U64_DIGITS = 20 };
struct slice slice_from_u64(uint64_t n, char room[U64_DIGITS]);

#endif
