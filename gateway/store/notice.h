#ifndef STORE_NOTICE_H
#define STORE_NOTICE_H

#include "net/worker.h"

/*
 * One log line a change of state, though every worker sees the change: the same
 * notice within a second of another worker's goes to the debug level.
 */
enum notice {
    NOTICE_LINK_UP,
    NOTICE_LINK_LOST,
    NOTICE_TRACKING_LIVE,
    NOTICE_TRACKING_LOST,
    NOTICE_COUNT
};

void notice(const struct worker *w, enum log_level level, enum notice what, enum err cause);

#endif
