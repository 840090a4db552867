#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "ctl.h"

/* --help: of everything, of a noun, of a verb; examples first. To stdout. */
void help_write(const struct ctl *c, const struct noun *noun);

#endif
