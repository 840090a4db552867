#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include "ctl.h"

/* What was typed, judged before the store is asked, so that the message can say what is wrong. */
enum outcome check_username(const struct ctl *c, const char *name) MUST_USE;
enum outcome check_email(const struct ctl *c, const char *email /* or NULL */) MUST_USE;
enum outcome check_roles(const struct ctl *c, struct slice roles /* comma separated */) MUST_USE;
enum outcome check_scopes(const struct ctl *c, struct slice scopes /* space separated */) MUST_USE;
enum outcome check_addresses(const struct ctl *c,
                             struct slice blocks /* comma separated */) MUST_USE;

#endif
