#ifndef FILTER_FILTER_H
#define FILTER_FILTER_H

#include "exchange/pipeline.h"

#define FILTER(name, help) enum next filter_##name(struct exchange *x, struct message *response);
#include "filter/filter.def"
#undef FILTER

#endif
