#ifndef EXCHANGE_LIVE_H
#define EXCHANGE_LIVE_H

#include "exchange/exchange.h"

/* The exchanges of this thread, linked by x->live, oldest first. */
struct list *exchange_live(void);

/* Takes back what the exchange waits for, if anything. */
void exchange_cancel_wait(struct exchange *x);
/* Lets go of the upstream, if there is one. */
void exchange_release_upstream(struct exchange *x, bool complete);

#endif
