#ifndef CTL_HELP_H
#define CTL_HELP_H

#include "ctl.h"

/* --help: examples first. Of all, of a noun, of a verb. */
void help_all(const struct ctl *c);
void help_noun(const struct ctl *c, const struct noun *noun);
void help_command(const struct ctl *c);

#endif
