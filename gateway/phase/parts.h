#ifndef PHASE_PARTS_H
#define PHASE_PARTS_H

#include "exchange/exchange.h"

/*
 * Parts of phases that need no exchange: the phases use them, and `posternctl explain` asks the
 * very same (process/explain.c), so that it cannot say otherwise than what happens.
 */

/* receive: the host as servers compare it: lower case, no port, no '.' at its end; in arena. */
struct slice receive_host(struct slice authority, struct arena *arena);
/* receive: is the host among server.hosts? */
bool receive_is_our_host(const struct policy *p, struct slice host);

/* authenticate: does the route take this kind of credential ("api_key", ...)? */
bool authenticate_takes(const struct route *r, struct slice kind);
/* authenticate: everyone in auth.mode dev. The caller unrefs it. */
struct identity *authenticate_dev(void);

/*
 * authorize: roles, scopes and what the scopes allow of methods. who NULL: nobody.
 * returns  NULL when they may, otherwise the reason as the access log has it
 */
const char *authorize_identity(const struct policy *p, const struct route *r,
                               const struct identity *who, struct slice method);

/* upstream_head: is a client's field of this name kept from the upstream? */
bool upstream_head_strips(const struct route *r, struct slice name);
/* upstream_head: sets the fields that say who asks; who NULL: nobody. */
void upstream_head_identify(const struct policy *p, const struct identity *who, struct head *up);

#endif
