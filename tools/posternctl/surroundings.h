#ifndef CTL_SURROUNDINGS_H
#define CTL_SURROUNDINGS_H

#include "conf/conf.h"

/*
 * What a configuration refers to outside itself: files of certificates and keys must be there and
 * fit; names of hosts should resolve (a warning: the gateway asks again later).
 */
void surroundings_check(const struct conf *conf, struct complaints *c);

#endif
