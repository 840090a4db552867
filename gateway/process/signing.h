#ifndef PROCESS_SIGNING_H
#define PROCESS_SIGNING_H

#include "process/gateway.h"

/*
 * Our own signing keys. At the very first start there is none yet: one is made, so that tokens can
 * be issued; while Redis is away, as soon as it answers, on a thread of its own, one try at a time.
 * All of this is called on the control thread.
 */
/* At start, before the workers: asks at once, and waits for the answer, two seconds a step at most.
 */
void signing_ensure(struct gateway *g);
/* From time to time: asks again in the background if it has to be. Does not block. */
void signing_ensure_later(struct gateway *g);
/* Waits for a try under way, some seconds at most. */
void signing_close(struct gateway *g);

/* Follows their record in Redis and hands each change to every worker. */
void signing_follow(struct gateway *g);

#endif
