#include "upstream/upstream.h"

#include "base/alloc.h"
#include "upstream/check.h"

#include <stdlib.h>

enum { SOON_MS = 1, ASK_AGAIN_MS = 5000, TTL_MAX_S = 3600 };

/* A question to the resolver, which cannot be cancelled: it may outlive its watch. */
struct ask {
    struct list link;    /* in monitor->asks */
    struct watch *watch; /* NULL: nobody wants the answer any more */
};

/* What the monitor does for one server. */
struct watch {
    struct upstream_monitor *monitor;
    struct server *server;
    struct timer check_timer, resolve_timer;
    struct check *check; /* running, or NULL */
    struct health_check seen;
    unsigned addr_at; /* moves on when a check fails */
    struct ask *ask;  /* running, or NULL */
    bool is_failing;  /* the name could not be resolved; logged once */
};

struct upstream_monitor {
    struct worker *control;
    struct resolver *resolver;
    struct upstream_set *set; /* a reference, or NULL */
    struct watch *watches;    /* set->server_count */
    struct list asks;
};

/* ------- active checks ------- */

static void log_state(struct watch *w, const char *trouble)
{
    struct log *log = w->monitor->control->log;
    const struct server *s = w->server;

    if (atomic_load(&s->state->health.is_down))
        log_warn(log, "upstream.server_down", LOG_SLICE("group", s->group->name),
                 LOG_SLICE("server", s->label), LOG_STR("cause", trouble));
    else
        log_info(log, "upstream.server_up", LOG_SLICE("group", s->group->name),
                 LOG_SLICE("server", s->label));
}

static void on_checked(void *arg, const char *trouble)
{
    struct watch *w = arg;
    const struct group *g = w->server->group;

    w->check = NULL;
    if (trouble != NULL)
        w->addr_at++;
    if (health_check_result(&w->server->state->health, &w->seen, &g->rules, trouble == NULL,
                            w->monitor->control->now_ms))
        log_state(w, trouble);
    timer_set(&w->check_timer, g->health_interval_ms);
}

static void on_check_time(void *arg)
{
    struct watch *w = arg;

    w->check = check_start(w->monitor->control, w->server, w->addr_at, on_checked, w);
}

/* ------- names ------- */

static void drop_ask(struct ask *a)
{
    list_remove(&a->link);
    free(a);
}

static void log_resolved(struct watch *w, const struct resolved *found)
{
    log_info(w->monitor->control->log, "upstream.resolved",
             LOG_SLICE("group", w->server->group->name), LOG_SLICE("server", w->server->label),
             LOG_INT("addresses", found->count));
}

/* The old addresses stay. */
static void resolve_failed(struct watch *w, enum err e)
{
    if (!w->is_failing)
        log_warn(w->monitor->control->log, "upstream.resolve_failed",
                 LOG_SLICE("group", w->server->group->name), LOG_SLICE("server", w->server->label),
                 LOG_ERR("cause", e));
    w->is_failing = true;
    timer_set(&w->resolve_timer, ASK_AGAIN_MS);
}

static void on_resolved(void *arg, enum err e, const struct resolved *found)
{
    struct ask *a = arg;
    struct watch *w = a->watch;

    drop_ask(a);
    if (w == NULL)
        return;
    w->ask = NULL;
    if (e != ERR_OK) {
        resolve_failed(w, e);
        return;
    }
    w->is_failing = false;
    if (server_set_addrs(w->server, found))
        log_resolved(w, found);
    if (found->ttl_s > 0)
        timer_set(&w->resolve_timer, 1000 * (found->ttl_s < TTL_MAX_S ? found->ttl_s : TTL_MAX_S));
}

static void on_resolve_time(void *arg)
{
    struct watch *w = arg;
    struct upstream_monitor *m = w->monitor;

    w->ask = mem_zalloc(sizeof(*w->ask));
    w->ask->watch = w;
    list_add_tail(&m->asks, &w->ask->link);
    resolver_ask(m->resolver, w->server->host.p, w->server->port, on_resolved, w->ask);
}

/* ------- all servers of a set ------- */

static void watch_start(struct watch *w, struct upstream_monitor *m, struct server *s)
{
    w->monitor = m;
    w->server = s;
    timer_init(&w->check_timer, m->control, on_check_time, w);
    timer_init(&w->resolve_timer, m->control, on_resolve_time, w);
    if (s->group->health_path.n > 0)
        timer_set(&w->check_timer, SOON_MS);
    if (s->is_named && m->resolver != NULL)
        timer_set(&w->resolve_timer, SOON_MS);
}

static void watch_stop(struct watch *w)
{
    check_cancel(w->check);
    if (w->ask != NULL)
        w->ask->watch = NULL;
    timer_fini(&w->check_timer);
    timer_fini(&w->resolve_timer);
}

static void stop_all(struct upstream_monitor *m)
{
    for (unsigned i = 0; m->set != NULL && i < m->set->server_count; i++)
        watch_stop(&m->watches[i]);
    free(m->watches);
    m->watches = NULL;
    upstream_set_unref(m->set);
    m->set = NULL;
}

/* A server that is no longer checked is not down either. */
static void forget_down(struct upstream_set *set)
{
    for (unsigned i = 0; i < set->server_count; i++)
        if (set->servers[i].group->health_path.n == 0)
            atomic_store(&set->servers[i].state->health.is_down, false);
}

struct upstream_monitor *upstream_monitor_new(struct worker *control, struct resolver *resolver)
{
    struct upstream_monitor *m = mem_zalloc(sizeof(*m));

    m->control = control;
    m->resolver = resolver;
    list_init(&m->asks);
    return m;
}

void upstream_monitor_follow(struct upstream_monitor *m, struct upstream_set *set)
{
    upstream_set_ref(set);
    stop_all(m);
    m->set = set;
    m->watches = mem_zalloc((set->server_count + 1) * sizeof(*m->watches));
    forget_down(set);
    for (unsigned i = 0; i < set->server_count; i++)
        watch_start(&m->watches[i], m, &set->servers[i]);
}

void upstream_monitor_free(struct upstream_monitor *m)
{
    if (m == NULL)
        return;
    stop_all(m);
    while (!list_is_empty(&m->asks))
        drop_ask(LIST_ITEM(m->asks.next, struct ask, link));
    free(m);
}
