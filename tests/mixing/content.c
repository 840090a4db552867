/* What an exchange looks like, and each of its bytes, from its nonce and its user. */
#include "mixing.h"

#include <stdio.h>
#include <string.h>

enum { EVENT_BYTES = 24 }; /* "data: " 16 digits LF LF */

uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t draw(uint64_t *state, uint64_t bound)
{
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state) % bound;
}

bool is_small(uint64_t nonce)
{
    return (nonce & 1) == 0;
}

/* Mostly short, as answers are; a few longer than any buffer on the way. */
static size_t some_length(uint64_t *r, bool small)
{
    switch (draw(r, small ? 8 : 10)) {
    case 0:
        return 0;
    case 1:
    case 2:
    case 3:
        return draw(r, 200);
    case 4:
    case 5:
    case 6:
    case 7:
        return draw(r, 6000);
    case 8:
        return draw(r, 70000);
    default:
        return 65536 + draw(r, 200000);
    }
}

static unsigned some_status(uint64_t *r)
{
    static const unsigned statuses[] = {201, 204, 404, 422, 500};

    return draw(r, 8) > 0 ? 200 : statuses[draw(r, 5)];
}

static enum quirk some_quirk(uint64_t *r)
{
    switch (draw(r, 100)) {
    case 0:
        return QUIRK_BREAKS;
    case 1:
    case 2:
        return QUIRK_LEFT_OVER;
    case 3:
    case 4:
        return QUIRK_CLOSES;
    case 5:
    case 6:
        return QUIRK_INTERIM;
    case 7:
    case 8:
        return QUIRK_SLOW;
    default:
        return QUIRK_NONE;
    }
}

void shape_of(uint64_t nonce, unsigned user, struct shape *out)
{
    uint64_t r = mix(nonce ^ mix(user));
    const bool small = is_small(nonce);
    bool asks_with_body;

    out->method = (enum method)draw(&r, 4);
    if (out->method == METHOD_HEAD && draw(&r, 2) == 0)
        out->method = METHOD_GET;
    asks_with_body = out->method >= METHOD_POST;
    out->ask_bytes = asks_with_body ? some_length(&r, small) : 0;
    if (small)
        out->ask_bytes %= 2000;
    out->is_ask_chunked = asks_with_body && draw(&r, 3) == 0;
    out->status = some_status(&r);
    out->framing = draw(&r, 12) == 0 ? FRAMING_CLOSE : (enum framing)draw(&r, 3);
    out->answer_bytes = some_length(&r, false);
    out->quirk = some_quirk(&r);
    out->break_at = draw(&r, 2) == 0 ? 0 : draw(&r, out->answer_bytes + 1);
    if (out->framing == FRAMING_EVENTS)
        out->answer_bytes -= out->answer_bytes % EVENT_BYTES;
    /* An answer ended by close cannot be told from a broken one, nor have anything after it. */
    if (out->framing == FRAMING_CLOSE && out->quirk != QUIRK_SLOW)
        out->quirk = QUIRK_NONE;
    /* Never whole: a whole answer's connection may be used again, and that race has no loser. */
    if (out->break_at >= out->answer_bytes || has_no_body(out))
        out->break_at = 0;
}

bool has_no_body(const struct shape *s)
{
    return s->method == METHOD_HEAD || s->status == 204;
}

static void noise(uint64_t seed, size_t offset, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n;) {
        const uint64_t block = mix(seed + (offset + i) / 8);
        const size_t skip = (offset + i) % 8, most = 8 - skip;
        const size_t take = n - i < most ? n - i : most;

        memcpy(out + i, (const unsigned char *)&block + skip, take);
        i += take;
    }
}

static void events(uint64_t seed, size_t offset, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n;) {
        char event[EVENT_BYTES + 1];
        const size_t skip = (offset + i) % EVENT_BYTES, most = EVENT_BYTES - skip;
        const size_t take = n - i < most ? n - i : most;

        snprintf(event, sizeof(event), "data: %016llx\n\n",
                 (unsigned long long)mix(seed + (offset + i) / EVENT_BYTES));
        memcpy(out + i, event + skip, take);
        i += take;
    }
}

void content_fill(uint64_t nonce, unsigned user, enum way way, bool is_events, size_t offset,
                  unsigned char *out, size_t n)
{
    const uint64_t seed = mix(nonce ^ mix((uint64_t)user << 8 | (unsigned)way));

    if (is_events)
        events(seed, offset, out, n);
    else
        noise(seed, offset, out, n);
}

void content_check(const char *who, uint64_t nonce, unsigned user, enum way way, bool is_events,
                   size_t offset, const unsigned char *p, size_t n)
{
    unsigned char wanted[4096];

    for (size_t done = 0; done < n;) {
        const size_t take = n - done < sizeof(wanted) ? n - done : sizeof(wanted);

        content_fill(nonce, user, way, is_events, offset + done, wanted, take);
        for (size_t i = 0; i < take && memcmp(wanted, p + done, take) != 0; i++)
            if (wanted[i] != p[done + i])
                mismatch("%s: nonce %016llx user %u stream %d: byte %zu is %02x, must be %02x", who,
                         (unsigned long long)nonce, user, (int)way, offset + done + i, p[done + i],
                         wanted[i]);
        done += take;
    }
}
