#ifndef NET_RESOLVE_OWN_H
#define NET_RESOLVE_OWN_H

#include "net/resolve.h"

/* Answers for literal addresses and localhost; false: a name, out is untouched. */
bool resolve_literal(const char *host, uint16_t port, struct resolved *out);
/* Adds an IPv4 or IPv6 address that is not there yet, while there is room. */
void resolved_add(struct resolved *r, const struct sockaddr *sa, uint16_t port);

#endif
