#include "observe/metrics.h"

#include "base/alloc.h"
#include "base/err.h"

#include <inttypes.h>
#include <stdlib.h>

/* Upper bounds: from a cached look-up to the longest inference (spec/conventions.md 5). */
static const struct {
    int64_t us;
    const char *label;
} bounds[HISTOGRAM_BUCKETS] = {
    {5000, "0.005"},  {10000, "0.01"},  {25000, "0.025"},   {50000, "0.05"},    {100000, "0.1"},
    {250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},     {2500000, "2.5"},   {5000000, "5"},
    {10000000, "10"}, {30000000, "30"}, {120000000, "120"}, {600000000, "600"},
};

static const char *const class_labels[STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/* Names by slot; the first and the last are ours. Control thread; workers read count. */
static struct {
    char *names[ROUTE_SLOTS_MAX];
    atomic_uint count;
} registry;

struct counters *counters_new(void)
{
    struct counters *c = mem_zalloc(sizeof(*c));

    /* All slots at once: they never move under a reader, and untouched pages cost nothing. */
    c->routes = mem_zalloc(ROUTE_SLOTS_MAX * sizeof(struct route_counters));
    c->route_count = ROUTE_SLOT_NONE + 1;
    return c;
}

void counters_free(struct counters *c)
{
    if (c == NULL)
        return;
    free(c->routes);
    free(c);
}

static void bump(atomic_ulong *value, unsigned long by)
{
    unsigned long now = atomic_load_explicit(value, memory_order_relaxed);

    atomic_store_explicit(value, now + by, memory_order_relaxed);
}

void count_request(struct counters *c, unsigned route, unsigned status, int64_t duration_us)
{
    struct route_counters *r = atomic_load_explicit(&c->routes, memory_order_relaxed);
    unsigned class = status / 100;
    size_t bucket = 0;

    if (route >= ROUTE_SLOTS_MAX)
        route = ROUTE_SLOTS_MAX - 1;
    if (duration_us < 0)
        duration_us = 0;
    while (bucket < HISTOGRAM_BUCKETS && duration_us > bounds[bucket].us)
        bucket++;
    r += route;
    bump(&r->by_class[class < STATUS_CLASSES ? class : 0], 1);
    bump(&r->buckets[bucket], 1);
    bump(&r->sum_us, (unsigned long)duration_us);
}

unsigned metrics_route_slot(struct slice name)
{
    if (registry.count == 0)
        registry.names[registry.count++] = mem_strdup("none");
    for (unsigned i = 0; i < registry.count; i++)
        if (slice_eq(slice_str(registry.names[i]), name))
            return i;
    if (registry.count == ROUTE_SLOTS_MAX)
        return ROUTE_SLOTS_MAX - 1;
    registry.names[registry.count] =
        registry.count == ROUTE_SLOTS_MAX - 1 ? mem_strdup("other") : mem_strndup(name.p, name.n);
    return registry.count++;
}

struct slice metrics_route_name(unsigned slot)
{
    return slot > 0 && slot < registry.count ? slice_str(registry.names[slot]) : SLICE("none");
}

void counters_make_room(struct counters *c)
{
    if (registry.count > c->route_count)
        atomic_store_explicit(&c->route_count, registry.count, memory_order_relaxed);
}

/* A label value: backslash, quote and line feed are escaped. */
static void add_label(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '\\' || value.p[i] == '"')
            buf_add_char(out, '\\');
        if (value.p[i] == '\n')
            buf_add(out, SLICE("\\n"));
        else
            buf_add_char(out, value.p[i]);
    }
}

/* One route's counts over all workers. */
struct route_sum {
    unsigned long by_class[STATUS_CLASSES], buckets[HISTOGRAM_BUCKETS + 1], sum_us, total;
};

static struct route_sum sum_route(struct counters *const *all, size_t count, unsigned slot)
{
    struct route_sum sum = {0};

    for (size_t w = 0; w < count; w++) {
        struct route_counters *r = all[w]->routes + slot;

        for (size_t i = 0; i < STATUS_CLASSES; i++)
            sum.by_class[i] += atomic_load_explicit(&r->by_class[i], memory_order_relaxed);
        for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
            sum.buckets[i] += atomic_load_explicit(&r->buckets[i], memory_order_relaxed);
        sum.sum_us += atomic_load_explicit(&r->sum_us, memory_order_relaxed);
    }
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        sum.total += sum.buckets[i];
    return sum;
}

static unsigned slots_in_use(struct counters *const *all, size_t count)
{
    unsigned most = 0;

    for (size_t w = 0; w < count; w++) {
        unsigned n = atomic_load_explicit(&all[w]->route_count, memory_order_relaxed);

        most = n > most ? n : most;
    }
    return most;
}

static void write_requests(const char *name, struct counters *const *all, size_t count,
                           struct buf *out)
{
    for (unsigned slot = 0; slot < slots_in_use(all, count); slot++) {
        struct route_sum sum = sum_route(all, count, slot);

        for (size_t i = 0; i < STATUS_CLASSES; i++) {
            if (sum.by_class[i] == 0)
                continue;
            buf_printf(out, "%s{route=\"", name);
            add_label(out, metrics_route_name(slot));
            buf_printf(out, "\",code=\"%s\"} %lu\n", class_labels[i], sum.by_class[i]);
        }
    }
}

static void write_bucket(const char *name, unsigned slot, const char *le, unsigned long value,
                         struct buf *out)
{
    buf_printf(out, "%s_bucket{route=\"", name);
    add_label(out, metrics_route_name(slot));
    buf_printf(out, "\",le=\"%s\"} %lu\n", le, value);
}

static void write_durations(const char *name, struct counters *const *all, size_t count,
                            struct buf *out)
{
    for (unsigned slot = 0; slot < slots_in_use(all, count); slot++) {
        struct route_sum sum = sum_route(all, count, slot);
        unsigned long so_far = 0;

        if (sum.total == 0)
            continue;
        for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
            so_far += sum.buckets[i];
            write_bucket(name, slot, bounds[i].label, so_far, out);
        }
        write_bucket(name, slot, "+Inf", sum.total, out);
        buf_printf(out, "%s_sum{route=\"", name);
        add_label(out, metrics_route_name(slot));
        buf_printf(out, "\"} %lu.%06lu\n%s_count{route=\"", sum.sum_us / 1000000,
                   sum.sum_us % 1000000, name);
        add_label(out, metrics_route_name(slot));
        buf_printf(out, "\"} %lu\n", sum.total);
    }
}

static long sum_value(struct counters *const *all, size_t count, enum metric m)
{
    long sum = 0;

    for (size_t w = 0; w < count; w++)
        sum += atomic_load_explicit(&all[w]->values[m], memory_order_relaxed);
    return sum;
}

#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"

static const struct {
    const char *type, *name, *help;
} rows[METRIC_COUNT] = {
#define METRIC(name, type, text, labels, help) [METRIC_##name] = {type, text, help},
#include "observe/metric.def"
#undef METRIC
};

void metrics_write(struct counters *const *all, size_t count, struct buf *out)
{
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        const char *name = rows[m].name;

        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, rows[m].help, name, rows[m].type);
        if (m == METRIC_BUILD_INFO)
            buf_printf(out, "%s{version=\"%s\"} 1\n", name, POSTERN_VERSION);
        else if (m == METRIC_REQUESTS)
            write_requests(name, all, count, out);
        else if (m == METRIC_REQUEST_DURATION)
            write_durations(name, all, count, out);
        else
            buf_printf(out, "%s %ld\n", name, sum_value(all, count, m));
    }
}

void metrics_write_json(struct counters *const *all, size_t count, struct buf *out)
{
    unsigned long by_class[STATUS_CLASSES] = {0}, requests = 0;

    for (unsigned slot = 0; slot < slots_in_use(all, count); slot++) {
        struct route_sum sum = sum_route(all, count, slot);

        requests += sum.total;
        for (size_t i = 0; i < STATUS_CLASSES; i++)
            by_class[i] += sum.by_class[i];
    }
    buf_printf(out, "\"counters\":{\"%s\":%lu", rows[METRIC_REQUESTS].name, requests);
    for (enum metric m = 0; m < METRIC_COUNT; m++)
        if (m != METRIC_BUILD_INFO && m != METRIC_REQUESTS && m != METRIC_REQUEST_DURATION)
            buf_printf(out, ",\"%s\":%ld", rows[m].name, sum_value(all, count, m));
    buf_add(out, SLICE("},\"requests\":{"));
    for (size_t i = 0; i < STATUS_CLASSES; i++)
        buf_printf(out, "%s\"%s\":%lu", i > 0 ? "," : "", class_labels[i], by_class[i]);
    buf_add_char(out, '}');
}
