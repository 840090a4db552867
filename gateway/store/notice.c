#include "store/notice.h"

static const char *const names[NOTICE_COUNT] = {
    [NOTICE_LINK_UP] = "redis.link_up",
    [NOTICE_LINK_LOST] = "redis.link_lost",
    [NOTICE_TRACKING_LIVE] = "redis.tracking_live",
    [NOTICE_TRACKING_LOST] = "redis.tracking_lost",
};

static _Atomic int64_t last_ms[NOTICE_COUNT];

void notice(const struct worker *w, enum log_level level, enum notice what, enum err cause)
{
    int64_t last = atomic_exchange(&last_ms[what], w->now_ms);

    if (last != 0 && w->now_ms - last < 1000)
        level = LOG_DEBUG;
    if (cause == ERR_OK)
        LOG_AT(w->log, level, names[what], LOG_INT("worker", w->index));
    else
        LOG_AT(w->log, level, names[what], LOG_INT("worker", w->index), LOG_ERR("cause", cause));
}
