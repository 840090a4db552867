#ifndef PROCESS_CREW_H
#define PROCESS_CREW_H

#include "process/gateway.h"

/* Gives c->worker its store, pools, keys, logs and listeners. why: free(). */
enum err crew_open(struct gateway *g, struct crew *c, char **why) MUST_USE;
void crew_close(struct crew *c);
void crew_start(struct gateway *g, struct crew *c);
void crew_join(struct crew *c);

/* The parts that the control thread has too. */
void crew_equip(struct gateway *g, struct worker *w);
void crew_strip(struct worker *w);
/* The control thread's share of a new configuration. */
void crew_equip_again(struct gateway *g, struct worker *w);

/* Hands a worker the current policy, upstreams and certificates. */
void crew_follow(struct gateway *g, struct crew *c);
/* Starts the drain on the worker's thread; it stops when its last exchange has ended. */
void crew_drain(struct gateway *g, struct crew *c);

#endif
