#ifndef NET_SOCKADDR_H
#define NET_SOCKADDR_H

#include "http/addr.h"

#include <sys/socket.h>

/* What bind(2) and stream_connect() want. IPv4-mapped addresses become AF_INET. */
struct sockaddr_any {
    struct sockaddr_storage storage;
    socklen_t n; /* bytes used */
};

static inline const struct sockaddr *sockaddr_of(const struct sockaddr_any *a)
{
    return (const struct sockaddr *)&a->storage;
}

void sockaddr_from_addr(const struct addr *a, struct sockaddr_any *out);
/* ERR_TOO_LARGE when path does not fit into sun_path. */
enum err sockaddr_from_path(const char *path, struct sockaddr_any *out) MUST_USE;

#endif
