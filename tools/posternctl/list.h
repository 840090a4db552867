#ifndef CTL_LIST_H
#define CTL_LIST_H

#include "output.h"

/* Reads the things of one kind; out is an array. A failure is already told. */
typedef enum outcome (*list_fn)(struct ctl *c, json_t **out);

/*
 * What every `list` does: opens the roster, reads, shows. With --watch it goes on: once a second
 * what is new or has changed is shown again; what is gone is told on stderr, or, in the formats
 * for programs, as {"id": ..., "deleted": true}. Ends when nobody reads any more or the store is
 * away.
 */
enum outcome list_run(struct ctl *c, const struct view *v, list_fn read) MUST_USE;

/* False when stdout's reader is gone. Otherwise sleeps until the next second. */
bool list_wait(void);

#endif
