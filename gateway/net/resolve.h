#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "http/addr.h"
#include "net/worker.h"

/*
 * Names to addresses on the control loop by c-ares, with their TTL (D18). Literal
 * addresses and localhost (127.0.0.1) answer without DNS; /etc/hosts is honoured.
 */
struct resolver;
struct resolver *resolver_new(struct worker *control);
/* Cancels what is asked; done is not called. */
void resolver_free(struct resolver *r);
/* Asks these servers, "address:port,address:port", instead of the system's. */
enum err resolver_set_servers(struct resolver *r, const char *servers) MUST_USE;

struct resolved {
    struct addr addrs[16];
    size_t count;
    int64_t ttl_s; /* at least 1; 0: never changes */
};
/*
 * done runs later on the control thread; e is ERR_OK, ERR_NOT_FOUND, ERR_TIMEOUT or
 * ERR_UNAVAILABLE (the servers fail); found is NULL unless ERR_OK.
 */
void resolver_ask(struct resolver *r, const char *host, uint16_t port,
                  void (*done)(void *arg, enum err e, const struct resolved *found), void *arg);
/* Blocks for wait_ms at most, then ERR_TIMEOUT: getaddrinfo, with ttl_s 0 for literals and 1 for
 * names. */
enum err resolve_now(const char *host, uint16_t port, int64_t wait_ms,
                     struct resolved *out) MUST_USE;

#endif
