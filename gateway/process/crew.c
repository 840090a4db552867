#include "process/crew.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "wire/h1_server.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static void on_grants_changed(void *arg, struct slice redis_key)
{
    (void)arg;
    exchange_recheck_all(redis_key);
}

void crew_equip(struct gateway *g, struct worker *w)
{
    const struct conf_redis *conf = &g->boot_policy->conf->redis;
    int64_t max_stale_ms = g->boot_policy->conf->auth.on_store_down == CONF_on_store_down_CACHED
                               ? conf->max_stale_ms
                               : 0;

    w->policy = policy_ref(g->policy);
    w->counters = counters_new();
    counters_make_room(w->counters);
    w->access_log = access_log_new(g->access_fd);
    w->store = store_new(w, &(struct store_conf){.url = slice_str(g->redis_url),
                                                 .username = conf->username,
                                                 .password = conf->password,
                                                 .tls = g->redis_tls,
                                                 .prefix = conf->prefix,
                                                 .connect_ms = conf->connect_timeout_ms,
                                                 .timeout_ms = conf->timeout_ms,
                                                 .max_stale_ms = max_stale_ms,
                                                 .cache_entries = (size_t)conf->cache_entries});
}

void crew_strip(struct worker *w)
{
    store_free(w->store);
    w->store = NULL;
    access_log_flush(w->access_log);
    access_log_free(w->access_log);
    w->access_log = NULL;
    policy_unref(w->policy);
    w->policy = NULL;
}

static void on_stream(void *arg, struct stream *s)
{
    h1_server_start(arg, s);
}

static enum err open_listener(struct gateway *g, struct crew *c, size_t i, char **why)
{
    const struct conf *conf = g->policy->conf;
    const struct conf_listen *l = &conf->listen[i];
    /* A Unix socket exists once; workers after the first share it. */
    bool is_shared = slice_starts(l->address, SLICE("unix:")) && c != &g->crews[0];
    const struct addrs *trusted = &g->boot_policy->conf->server.trusted_proxies;

    return listener_new(c->worker,
                        &(struct listener_conf){
                            .address = l->address.p,
                            .fd = is_shared ? listener_fd(g->crews[0].listeners[i]) : -1,
                            .tls = g->tls[i],
                            .proxy_protocol = l->proxy_protocol,
                            .trusted = trusted->items,
                            .trusted_count = trusted->count,
                            .handshake_ms = conf->server.handshake_timeout_ms,
                        },
                        on_stream, c->worker, &c->listeners[i], why);
}

enum err crew_open(struct gateway *g, struct crew *c, char **why)
{
    struct worker *w = c->worker;

    crew_equip(g, w);
    w->keyring = keyring_new();
    w->authenticator = authenticator_new(w, g->master, g->issuers);
    w->pools = pools_new(w);
    pools_follow(w->pools, g->upstreams);
    store_watch_grants(w->store, on_grants_changed, w);
    c->listeners = mem_zalloc(g->policy->conf->listen_count * sizeof(*c->listeners));
    for (size_t i = 0; i < g->policy->conf->listen_count; i++) {
        enum err e = open_listener(g, c, i, why);

        if (e != ERR_OK)
            return e;
        c->listener_count++;
    }
    return ERR_OK;
}

void crew_close(struct crew *c)
{
    struct worker *w = c->worker;

    if (w == NULL)
        return;
    if (c->drain_timer.worker != NULL)
        timer_fini(&c->drain_timer);
    for (size_t i = 0; i < c->listener_count; i++)
        listener_free(c->listeners[i]);
    free(c->listeners);
    if (w->pools != NULL)
        pools_free(w->pools);
    if (w->authenticator != NULL)
        authenticator_free(w->authenticator);
    if (w->keyring != NULL)
        keyring_free(w->keyring);
    if (w->policy != NULL)
        crew_strip(w);
    counters_free(w->counters);
    worker_free(w);
    c->worker = NULL;
}

enum { FLUSH_LOG_MS = 200 };

/* Access lines are gathered for a moment: one write(2) for many requests. */
static void flush_log(void *arg)
{
    struct crew *c = arg;

    access_log_flush(c->worker->access_log);
    timer_set(&c->flush_timer, FLUSH_LOG_MS);
}

static void *run(void *arg)
{
    struct crew *c = arg;

    timer_init(&c->flush_timer, c->worker, flush_log, c);
    timer_set(&c->flush_timer, FLUSH_LOG_MS);
    worker_run(c->worker);
    timer_fini(&c->flush_timer);
    exchange_pool_fini();
    return NULL;
}

void crew_start(struct gateway *g, struct crew *c)
{
    sigset_t all, before;
    char name[16];

    (void)g;
    /* Signals are the control thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&c->thread, NULL, run, c) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    snprintf(name, sizeof(name), "worker-%d", c->worker->index);
    pthread_setname_np(c->thread, name);
    c->is_running = true;
}

void crew_join(struct crew *c)
{
    if (c->is_running)
        pthread_join(c->thread, NULL);
    c->is_running = false;
}

/* ------- a new configuration ------- */

struct order {
    struct crew *crew;
    struct policy *policy;
    struct upstream_set *upstreams;
    struct tls_server **tls;
    size_t tls_count;
};

static void take_order(struct worker *w, void *arg)
{
    struct order *o = arg;

    counters_make_room(w->counters);
    policy_unref(w->policy);
    w->policy = o->policy;
    pools_follow(w->pools, o->upstreams);
    upstream_set_unref(o->upstreams);
    for (size_t i = 0; i < o->tls_count; i++) {
        if (i < o->crew->listener_count && o->tls[i] != NULL)
            listener_set_tls(o->crew->listeners[i], o->tls[i]);
        tls_server_unref(o->tls[i]);
    }
    free(o->tls);
    free(o);
}

void crew_follow(struct gateway *g, struct crew *c)
{
    struct order *o = mem_alloc(sizeof(*o));

    *o = (struct order){.crew = c,
                        .policy = policy_ref(g->policy),
                        .upstreams = upstream_set_ref(g->upstreams),
                        .tls = mem_zalloc((g->tls_count + 1) * sizeof(struct tls_server *)),
                        .tls_count = g->tls_count};
    for (size_t i = 0; i < g->tls_count; i++)
        o->tls[i] = g->tls[i] != NULL ? tls_server_ref(g->tls[i]) : NULL;
    worker_post(c->worker, take_order, o);
}

/* ------- drain ------- */

enum { DRAIN_LOOK_MS = 20 };

static void look_whether_done(void *arg)
{
    struct crew *c = arg;
    struct worker *w = c->worker;

    if (w->client_count == 0 && w->exchange_count == 0 && w->lingering_count == 0) {
        worker_stop(w);
        return;
    }
    if (clock_mono_ms() >= c->drain_until_ms) {
        h1_server_close_all(w);
        exchange_end_all(END_DRAINED);
    }
    timer_set(&c->drain_timer, DRAIN_LOOK_MS);
}

static void begin_drain(struct worker *w, void *arg)
{
    struct crew *c = arg;

    if (w->is_draining) { /* asked twice: now */
        c->drain_until_ms = 0;
        return;
    }
    w->is_draining = true;
    for (size_t i = 0; i < c->listener_count; i++)
        listener_stop(c->listeners[i]);
    h1_server_drain(w);
    c->drain_until_ms = clock_mono_ms() + w->policy->conf->server.drain_timeout_ms;
    timer_init(&c->drain_timer, w, look_whether_done, c);
    timer_set(&c->drain_timer, DRAIN_LOOK_MS);
}

void crew_drain(struct gateway *g, struct crew *c)
{
    (void)g;
    worker_post(c->worker, begin_drain, c);
}
