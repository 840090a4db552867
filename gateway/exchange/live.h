#ifndef EXCHANGE_LIVE_H
#define EXCHANGE_LIVE_H

#include "exchange/exchange.h"

/* The exchanges of this thread, linked by x->live, oldest first. */
struct list *exchange_live(void);

#endif
