#ifndef HTTP_ADDR_H
#define HTTP_ADDR_H

#include "base/err.h"
#include "base/slice.h"

/* An IP address; IPv4 is held as IPv4-mapped IPv6, so each client has one spelling. */
struct addr {
    uint8_t bytes[16];
    uint16_t port; /* host order, 0 when unknown */
};

struct cidr {
    struct addr base;
    uint8_t bits; /* of the 128 */
};

struct sockaddr;
enum { ADDR_TEXT_MAX = 46 };

/* Dotted quad or RFC 4291 text; no port, no zone, no octal. */
enum err addr_parse(struct slice text, struct addr *out) MUST_USE;
/* "1.2.3.4" or RFC 5952 text. out gets a NUL; returns the slice of it. */
struct slice addr_write(const struct addr *a, char out[ADDR_TEXT_MAX + 1]);
/* AF_INET, AF_INET6; AF_UNIX gives 127.0.0.1. */
void addr_from_sockaddr(const struct sockaddr *sa, struct addr *out);
bool addr_eq(const struct addr *a, const struct addr *b); /* without ports */
bool addr_is_loopback(const struct addr *a);

/* "10.0.0.0/8", "2001:db8::/32" or one address. Bits after the prefix must be 0. */
enum err cidr_parse(struct slice text, struct cidr *out) MUST_USE;
bool cidr_has(const struct cidr *c, const struct addr *a);
bool cidrs_have(const struct cidr *list, size_t count, const struct addr *a);

/*
 * Who the client is when the peer is a trusted proxy: walks X-Forwarded-For (all
 * its lines joined in order) right to left and stops at the first untrusted hop
 * (incidents H10, H11).
 * errors  ERR_SYNTAX: a hop that is no address was reached; refuse the request
 */
enum err addr_from_forwarded(const struct addr *peer, struct slice x_forwarded_for,
                             const struct cidr *trusted, size_t trusted_count,
                             struct addr *out) MUST_USE;

#endif
