#ifndef PROCESS_OPEN_H
#define PROCESS_OPEN_H

#include "process/gateway.h"

/* Reads and compiles the configuration; route names get their metric slots. why gets the
 * complaints. */
enum err policy_load(struct gateway *g, struct policy **out, struct buf *why) MUST_USE;

#endif
