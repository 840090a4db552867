#ifndef PHASE_PHASE_H
#define PHASE_PHASE_H

#include "exchange/pipeline.h"

#define PHASE(name, help) enum next phase_##name(struct exchange *x);
#include "phase/phase.def"
#undef PHASE

/*
 * A security event of x: who, which key, from where, on which route, as far as that is known.
 * outcome: "refused" or what became of it; detail may be SLICE_NONE.
 */
void phase_audit(const struct exchange *x, enum audit_event event, const char *outcome,
                 struct slice detail);

/* True for a method that may be repeated without harm (RFC 9110 §9.2.2). */
bool method_is_idempotent(struct slice method);

#endif
