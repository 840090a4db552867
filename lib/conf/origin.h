#ifndef CONF_ORIGIN_H
#define CONF_ORIGIN_H

#include "base/map.h"
#include "conf/conf.h"

/* What conf_read() really returns: the values, and where each of them was written. */
struct conf_owned {
    struct conf conf;
    struct map origins; /* address of a field to its struct place, in the arena */
};

struct conf_owned *conf_owned_new(void);

void origin_set(struct conf *conf, const void *field, struct place at);
/* NULL when the default holds. */
const struct place *origin_find(const struct conf *conf, const void *field);
/* Where field was written, or else whole, the place of what it is part of. */
struct place origin_or(const struct conf *conf, const void *field, struct place whole);

#endif
