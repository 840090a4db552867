#ifndef PROCESS_SIGNING_H
#define PROCESS_SIGNING_H

#include "process/gateway.h"

/* Our own signing keys: follows their record in Redis and hands each change to every worker. */
void signing_follow(struct gateway *g);

#endif
