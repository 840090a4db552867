#ifndef MODEL_SCRIPT_H
#define MODEL_SCRIPT_H

#include "base/slice.h"

enum script {
#define SCRIPT(name, file) SCRIPT_##name,
#include "model/script.def"
#undef SCRIPT
    SCRIPT_COUNT
};

struct slice script_text(enum script s);
/* 40 hex digits, as EVALSHA wants them. */
struct slice script_sha1(enum script s);

#endif
