#include "http/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool is_v4(const struct addr *a)
{
    return memcmp(a->bytes, mapped, sizeof(mapped)) == 0;
}

static void set_v4(struct addr *a, const void *four)
{
    memcpy(a->bytes, mapped, sizeof(mapped));
    memcpy(a->bytes + sizeof(mapped), four, 4);
}

enum err addr_parse(struct slice text, struct addr *out)
{
    char z[ADDR_TEXT_MAX + 1];
    unsigned char four[4];
    struct addr a = {0};

    if (text.n == 0 || text.n > ADDR_TEXT_MAX || memchr(text.p, '\0', text.n) != NULL)
        return ERR_SYNTAX;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    if (inet_pton(AF_INET, z, four) == 1)
        set_v4(&a, four);
    else if (inet_pton(AF_INET6, z, a.bytes) != 1)
        return ERR_SYNTAX;
    *out = a;
    return ERR_OK;
}

/* The longest run of at least two zero groups, the first of equals (RFC 5952 §4.2). */
static void find_zeros(const uint16_t group[8], int *start, int *length)
{
    *start = *length = 0;
    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > 1 && n > *length) {
            *start = i;
            *length = n;
        }
    }
}

static size_t write_v6(const uint8_t bytes[16], char out[ADDR_TEXT_MAX + 1])
{
    uint16_t group[8];
    int zeros, zero_count;
    size_t n = 0;

    for (int i = 0; i < 8; i++)
        group[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    find_zeros(group, &zeros, &zero_count);
    for (int i = 0; i < 8; i++) {
        if (zero_count > 0 && i == zeros) {
            out[n++] = ':';
            if (i == 0)
                out[n++] = ':';
            i += zero_count - 1;
            continue;
        }
        n += (size_t)snprintf(out + n, ADDR_TEXT_MAX + 1 - n, i < 7 ? "%x:" : "%x", group[i]);
    }
    out[n] = '\0';
    return n;
}

static size_t write_v4(const uint8_t bytes[4], char *out)
{
    char room[U64_DIGITS];
    size_t n = 0;

    for (int i = 0; i < 4; i++) {
        struct slice part = slice_from_u64(bytes[i], room);

        if (i > 0)
            out[n++] = '.';
        memcpy(out + n, part.p, part.n);
        n += part.n;
    }
    out[n] = '\0';
    return n;
}

struct slice addr_write(const struct addr *a, char out[ADDR_TEXT_MAX + 1])
{
    return slice_of(out,
                    is_v4(a) ? write_v4(a->bytes + sizeof(mapped), out) : write_v6(a->bytes, out));
}

void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out)
{
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    struct addr a = {0};

    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, sa, sizeof(in));
        set_v4(&a, &in.sin_addr);
        a.port = ntohs(in.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, sa, sizeof(in6));
        memcpy(a.bytes, &in6.sin6_addr, sizeof(a.bytes));
        a.port = ntohs(in6.sin6_port);
    } else {
        set_v4(&a, loopback);
    }
    *out = a;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};

    return is_v4(a) ? a->bytes[12] == 127 : memcmp(a->bytes, one, sizeof(one)) == 0;
}

/* Do the first bits of both agree? */
static bool same_prefix(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool is_zero_after(const uint8_t bytes[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if (bytes[i / 8] & (0x80 >> i % 8))
            return false;
    return true;
}

enum err cidr_parse(struct slice text, struct cidr *out)
{
    struct slice length = text, address = slice_cut(&length, '/');
    bool v6 = slice_find(address, ':', 0) < address.n;
    struct cidr c = {.bits = 128};
    uint64_t bits;

    if (addr_parse(address, &c.base) != ERR_OK)
        return ERR_SYNTAX;
    if (length.p != NULL) {
        if (!slice_u64(length, v6 ? 128 : 32, &bits))
            return ERR_SYNTAX;
        c.bits = (uint8_t)(v6 ? bits : bits + 96);
    }
    if (!is_zero_after(c.base.bytes, c.bits))
        return ERR_SYNTAX;
    *out = c;
    return ERR_OK;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
    return same_prefix(c->base.bytes, a->bytes, c->bits);
}

bool cidrs_have(const struct cidr *list, size_t count, const struct addr *a)
{
    for (size_t i = 0; i < count; i++)
        if (cidr_has(&list[i], a))
            return true;
    return false;
}

/* Splits off the last hop of the list; *list becomes what precedes its comma, or SLICE_NONE. */
static struct slice last_hop(struct slice *list)
{
    size_t at = list->n;
    struct slice hop;

    while (at > 0 && list->p[at - 1] != ',')
        at--;
    hop = slice_from(*list, at);
    *list = at > 0 ? slice_to(*list, at - 1) : SLICE_NONE;
    return slice_trim(hop);
}

enum err addr_from_forwarded(const struct addr *peer, struct slice x_forwarded_for,
                             const struct cidr *trusted, size_t trusted_count, struct addr *out)
{
    struct slice rest = x_forwarded_for;
    struct addr hop = *peer;

    if (slice_trim(rest).n == 0)
        rest = SLICE_NONE;
    while (rest.p != NULL && cidrs_have(trusted, trusted_count, &hop))
        if (addr_parse(last_hop(&rest), &hop) != ERR_OK)
            return ERR_SYNTAX;
    *out = hop;
    return ERR_OK;
}
