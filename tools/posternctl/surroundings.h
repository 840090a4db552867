#ifndef CTL_SURROUNDINGS_H
#define CTL_SURROUNDINGS_H

#include "conf/conf.h"

/* Names of hosts should resolve: a warning, for the gateway asks again later. */
void surroundings_check(const struct conf *conf, struct complaints *c);

#endif
