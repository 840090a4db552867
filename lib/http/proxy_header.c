#include "http/proxy_header.h"

enum { V1_BYTES_MAX = 107, V2_FIXED_BYTES = 16, V2_LOCAL = 0x20, V2_PROXY = 0x21 };

static const struct slice v1_start = {"PROXY ", 6};
static const struct slice v2_start = {"\r\n\r\n\0\r\nQUIT\n", 12};

/* Do bytes begin with start, as far as they go? */
static bool may_start(struct slice bytes, struct slice start)
{
    return slice_eq(slice_to(bytes, start.n), slice_to(start, bytes.n));
}

static bool parse_port(struct slice s, uint16_t *port)
{
    uint64_t n;

    if (!slice_u64(s, UINT16_MAX, &n) || (s.n > 1 && s.p[0] == '0'))
        return false;
    *port = (uint16_t)n;
    return true;
}

static bool parse_family_addr(struct slice s, bool v6, struct addr *a)
{
    return (slice_find(s, ':', 0) < s.n) == v6 && addr_parse(s, a) == ERR_OK;
}

/* "TCP4 src dst sport dport" or "TCP6 ...", single spaces. */
static enum err parse_v1_line(struct slice line, struct addr *client, bool *is_local)
{
    struct slice rest = line, family = slice_cut(&rest, ' ');
    struct slice src = slice_cut(&rest, ' '), dst = slice_cut(&rest, ' ');
    struct slice sport = slice_cut(&rest, ' '), dport = slice_cut(&rest, ' ');
    bool v6 = slice_eq(family, SLICE("TCP6"));
    struct addr from = {0}, to;
    uint16_t to_port;

    if (slice_eq(family, SLICE("UNKNOWN"))) {
        *is_local = true;
        return ERR_OK;
    }
    if ((!v6 && !slice_eq(family, SLICE("TCP4"))) || rest.p != NULL ||
        !parse_family_addr(src, v6, &from) || !parse_family_addr(dst, v6, &to) ||
        !parse_port(sport, &from.port) || !parse_port(dport, &to_port))
        return ERR_SYNTAX;
    *client = from;
    *is_local = false;
    return ERR_OK;
}

static enum err parse_v1(struct slice bytes, struct addr *client, bool *is_local, size_t *used)
{
    struct slice head = slice_to(bytes, V1_BYTES_MAX);
    size_t end = slice_find(head, '\n', 0);
    enum err e;

    if (end == head.n)
        return head.n < V1_BYTES_MAX ? ERR_AGAIN : ERR_SYNTAX;
    if (end <= v1_start.n || bytes.p[end - 1] != '\r')
        return ERR_SYNTAX;
    e = parse_v1_line(slice_from(slice_to(bytes, end - 1), v1_start.n), client, is_local);
    if (e == ERR_OK)
        *used = end + 1;
    return e;
}

static unsigned byte_at(struct slice s, size_t at)
{
    return (unsigned char)s.p[at];
}

static unsigned short_at(struct slice s, size_t at)
{
    return byte_at(s, at) << 8 | byte_at(s, at + 1);
}

/* Every TLV must end where the header ends or before (incidents F12). */
static bool are_tlvs(struct slice s)
{
    size_t at = 0;

    while (at < s.n) {
        if (s.n - at < 3 || short_at(s, at + 1) > s.n - at - 3)
            return false;
        at += 3 + short_at(s, at + 1);
    }
    return true;
}

/* rest: what follows the fixed part. TCP over IPv4 or IPv6 only. */
static enum err parse_v2_addr(unsigned family, struct slice rest, struct addr *client)
{
    size_t one = family == 0x11 ? 4 : 16, all = 2 * one + 4;
    struct addr a = {.bytes = {[10] = 0xff, [11] = 0xff}};

    if (rest.n < all || !are_tlvs(slice_from(rest, all)))
        return ERR_SYNTAX;
    memcpy(a.bytes + 16 - one, rest.p, one);
    a.port = (uint16_t)short_at(rest, 2 * one);
    *client = a;
    return ERR_OK;
}

static enum err parse_v2(struct slice bytes, struct addr *client, bool *is_local, size_t *used)
{
    unsigned command, family;
    size_t all;
    enum err e;

    if (bytes.n < V2_FIXED_BYTES)
        return ERR_AGAIN;
    command = byte_at(bytes, 12);
    family = byte_at(bytes, 13);
    all = V2_FIXED_BYTES + short_at(bytes, 14);
    if ((command != V2_LOCAL && command != V2_PROXY) || all > PROXY_HEADER_BYTES_MAX)
        return ERR_SYNTAX;
    if (command == V2_PROXY && family != 0x11 && family != 0x21 && family != 0x00)
        return ERR_SYNTAX;
    if (bytes.n < all)
        return ERR_AGAIN;
    if (command == V2_PROXY && family != 0x00) {
        e = parse_v2_addr(family, slice_from(slice_to(bytes, all), V2_FIXED_BYTES), client);
        if (e != ERR_OK)
            return e;
    }
    *is_local = command == V2_LOCAL || family == 0x00;
    *used = all;
    return ERR_OK;
}

enum err proxy_header_parse(struct slice bytes, struct addr *client, bool *is_local, size_t *used)
{
    if (!may_start(bytes, v1_start) && !may_start(bytes, v2_start))
        return ERR_SYNTAX;
    if (slice_starts(bytes, v1_start))
        return parse_v1(bytes, client, is_local, used);
    return slice_starts(bytes, v2_start) ? parse_v2(bytes, client, is_local, used) : ERR_AGAIN;
}
