#ifndef CTL_PARSE_H
#define CTL_PARSE_H

#include "ctl.h"

/*
 * The command line: options anywhere, --name=value or --name value, letters together (-qy),
 * "--" ends options. What is unknown is refused with the nearest that exists.
 *
 * Leaves c->command NULL when only a noun or nothing was typed; *noun is then the noun or NULL.
 */
enum outcome parse_line(struct ctl *c, int argc, char **argv, const struct noun **noun) MUST_USE;

#endif
