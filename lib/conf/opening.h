#ifndef CONF_OPENING_H
#define CONF_OPENING_H

#include "conf/option.h"

/* Does a change of this option from base a to base b let more in? As opening.def says. */
bool opening_is(const struct option *o, const void *a, const void *b);

#endif
