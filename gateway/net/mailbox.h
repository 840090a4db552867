#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include "net/worker.h"

/*
 * Work for a worker from other threads: a locked list and an eventfd that wakes
 * the loop. Only worker.c uses it; everyone else calls worker_post().
 */
struct mailbox;

struct mailbox *mailbox_new(struct worker *w);
/* Drops what was not run. */
void mailbox_free(struct mailbox *m);
/* Any thread. */
void mailbox_put(struct mailbox *m, void (*fn)(struct worker *w, void *arg), void *arg);

#endif
