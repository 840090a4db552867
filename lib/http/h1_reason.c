#include "http/h1_write.h"

struct slice h1_reason(unsigned status)
{
    switch (status) {
#define REASON(code, phrase)                                                                       \
    case code:                                                                                     \
        return SLICE(phrase);
#include "http/reason.def"
#undef REASON
    default:
        return SLICE("Unknown");
    }
}
