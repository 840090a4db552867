#include "phase/phase.h"

const phase_fn pipeline_phases[] = {
#define PHASE(name, help) phase_##name,
#include "phase/phase.def"
#undef PHASE
    NULL,
};
