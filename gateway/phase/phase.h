#ifndef PHASE_PHASE_H
#define PHASE_PHASE_H

#include "exchange/pipeline.h"

#define PHASE(name, help) enum next phase_##name(struct exchange *x);
#include "phase/phase.def"
#undef PHASE

/* True for a method that may be repeated without harm (RFC 9110 §9.2.2). */
bool method_is_idempotent(struct slice method);

#endif
