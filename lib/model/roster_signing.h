#ifndef MODEL_ROSTER_SIGNING_H
#define MODEL_ROSTER_SIGNING_H

#include "model/roster_call.h"

/* The hash of signing keys; pairs live until the call's next command. Within this room only. */
enum err roster_signing_read(struct call *c, struct pair **pairs, size_t *count) MUST_USE;

#endif
