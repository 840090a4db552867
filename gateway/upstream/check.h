#ifndef UPSTREAM_CHECK_H
#define UPSTREAM_CHECK_H

#include "upstream/set.h"

/*
 * One active check: a GET of the group's health path on a connection of its own. Good is a
 * status from 200 to 399 within health_timeout. Control thread.
 */
struct check;

/* addr: which of the server's addresses, taken modulo their number. done follows later, once;
 * trouble: NULL when good, else for the log and only within the call. */
struct check *check_start(struct worker *control, struct server *s, unsigned addr,
                          void (*done)(void *arg, const char *trouble), void *arg);
/* done is not called. */
void check_cancel(struct check *k);

#endif
