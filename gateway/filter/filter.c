#include "filter/filter.h"

const filter_fn pipeline_filters[] = {
#define FILTER(name, help) filter_##name,
#include "filter/filter.def"
#undef FILTER
    NULL,
};
