#ifndef PHASE_CORS_H
#define PHASE_CORS_H

#include "exchange/exchange.h"

/* True for an OPTIONS that asks leave for another method (Fetch §3.2.2). */
bool cors_is_preflight(const struct exchange *x);
/* Answers a preflight for x->route's rules; always NEXT_REPLIED. */
enum next cors_reply_preflight(struct exchange *x);
/* Puts by what an actual answer needs, when the route has CORS and the origin is allowed. */
void cors_add(struct exchange *x);

#endif
