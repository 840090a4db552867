#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include "base/buf.h"

#include <stdatomic.h>

enum metric {
#define METRIC(name, type, text, labels, help) METRIC_##name,
#include "observe/metric.def"
#undef METRIC
    METRIC_COUNT
};

enum { HISTOGRAM_BUCKETS = 14, STATUS_CLASSES = 6 };

/* Requests of one route: by status class, with durations in classic buckets (5 ms ... 10 min). */
struct route_counters {
    atomic_ulong by_class[STATUS_CLASSES]; /* [4] is 4xx; [0]: no answer was sent */
    atomic_ulong buckets[HISTOGRAM_BUCKETS + 1];
    atomic_ulong sum_us;
};

/* One worker's counts: written by it alone (relaxed), summed by the control thread. */
struct counters {
    atomic_long values[METRIC_COUNT];
    struct route_counters *_Atomic routes; /* by slot, room for every slot there can be */
    atomic_uint route_count;               /* slots in use */
};

struct counters *counters_new(void);
void counters_free(struct counters *c);
static inline void count(struct counters *c, enum metric m, long by)
{
    long now = atomic_load_explicit(&c->values[m], memory_order_relaxed);

    atomic_store_explicit(&c->values[m], now + by, memory_order_relaxed);
}
static inline void gauge_set(struct counters *c, enum metric m, long value)
{
    atomic_store_explicit(&c->values[m], value, memory_order_relaxed);
}
/*
 * One finished request. route is a slot of metrics_route_slot(), or ROUTE_SLOT_NONE when no
 * route was found; status 0: no answer was sent.
 */
void count_request(struct counters *c, unsigned route, unsigned status, int64_t duration_us);

enum { ROUTE_SLOTS_MAX = 1000, ROUTE_SLOT_NONE = 0 };
/*
 * Route names and their slots outlive reloads: a name gets one slot for ever. Over
 * ROUTE_SLOTS_MAX names share the last slot, "other". Control thread only; returns the slot.
 */
unsigned metrics_route_slot(struct slice name);
/* Lives as long as the process. */
struct slice metrics_route_name(unsigned slot);
/* Makes room in c for every slot handed out so far; before c's worker uses a new slot. */
void counters_make_room(struct counters *c);

/* The Prometheus text format 0.0.4 over all workers. */
void metrics_write(struct counters *const *all, size_t count, struct buf *out);
/* "counters":{name: sum, ...},"requests":{"2xx": number, ...}: two members of an object. */
void metrics_write_json(struct counters *const *all, size_t count, struct buf *out);

#endif
