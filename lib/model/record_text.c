#include "model/record_text.h"

#include "base/alloc.h"

struct slice record_find(const struct pair *pairs, size_t count, const char *name)
{
    struct slice wanted = slice_str(name);

    for (size_t i = 0; i < count; i++)
        if (slice_eq(pairs[i].name, wanted))
            return slice_of(pairs[i].value.p != NULL ? pairs[i].value.p : "", pairs[i].value.n);
    return SLICE_NONE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool record_mac(struct slice hex, unsigned char out[32])
{
    if (hex.n != 64)
        return false;
    for (size_t i = 0; i < 32; i++) {
        int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

void *record_new(size_t size, const struct pair *pairs, size_t count, char **at)
{
    size_t n = size;
    char *block;

    for (size_t i = 0; i < count; i++)
        n += pairs[i].value.n;
    block = mem_zalloc(n);
    *at = block + size;
    return block;
}

struct slice record_keep(char **at, struct slice s)
{
    char *p = *at;

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return slice_of(p, s.n);
}

struct slice record_need_text(struct record_reader *r, const char *name, size_t least)
{
    struct slice s = record_find(r->pairs, r->count, name);

    if (s.p == NULL || s.n < least) {
        r->is_bad = true;
        return SLICE_NONE;
    }
    return record_keep(&r->at, s);
}

struct slice record_text(struct record_reader *r, const char *name)
{
    return record_keep(&r->at, record_find(r->pairs, r->count, name));
}

static int64_t number(struct record_reader *r, struct slice s)
{
    uint64_t n = 0;

    if (!slice_u64(s, INT64_MAX, &n))
        r->is_bad = true;
    return (int64_t)n;
}

int64_t record_need_number(struct record_reader *r, const char *name)
{
    return number(r, record_find(r->pairs, r->count, name));
}

int64_t record_number(struct record_reader *r, const char *name)
{
    struct slice s = record_find(r->pairs, r->count, name);

    return s.p == NULL ? 0 : number(r, s);
}

bool record_need_bool(struct record_reader *r, const char *name)
{
    struct slice s = record_find(r->pairs, r->count, name);

    if (!slice_eq(s, SLICE("0")) && !slice_eq(s, SLICE("1")))
        r->is_bad = true;
    return slice_eq(s, SLICE("1"));
}
