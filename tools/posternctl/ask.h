#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "ctl.h"

/*
 * Questions to a person: only on a terminal, on stderr, and never with --no-input.
 */

/* Before anything else of a destructive verb: without terminal and --yes it ends here (USAGE). */
enum outcome ask_possible(const struct ctl *c) MUST_USE;
/* "... [y/N]". A no is FAILED. --yes answers. */
enum outcome ask_confirm(const struct ctl *c, const char *question, ...) MUST_USE
    __attribute__((format(printf, 2, 3)));
/* The name must be typed. --yes answers. */
enum outcome ask_name(const struct ctl *c, const char *question, const char *name) MUST_USE;

/*
 * A new password from --password-stdin, --password-file or, twice, the terminal.
 * is_optional: without those flags *out becomes NULL and nothing is asked.
 * spec  api.md 7.1: 15 code points to 1024 bytes
 */
enum outcome ask_password(const struct ctl *c, bool is_optional, struct secret **out) MUST_USE;
/* One line of standard input, without its line break. */
enum outcome ask_line(const struct ctl *c, const char *what, size_t max,
                      struct secret **out) MUST_USE;

#endif
