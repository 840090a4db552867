#ifndef CTL_OUTCOME_H
#define CTL_OUTCOME_H

#include "base/err.h"

/* How an invocation ends: the exit code. Rows in outcome.def. */
enum outcome {
#define OUTCOME(name, code, text) OUTCOME_##name = (code),
#include "outcome.def"
#undef OUTCOME
};

enum outcome outcome_of(enum err e);

#endif
