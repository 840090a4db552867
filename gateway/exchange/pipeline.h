#ifndef EXCHANGE_PIPELINE_H
#define EXCHANGE_PIPELINE_H

#include "exchange/exchange.h"

typedef enum next (*phase_fn)(struct exchange *x);
typedef enum next (*filter_fn)(struct exchange *x, struct message *response);

/* The stops in order; phase/phase.def and filter/filter.def make the tables (NULL-ended). */
extern const phase_fn pipeline_phases[];
extern const filter_fn pipeline_filters[];

#endif
