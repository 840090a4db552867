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

/* Deadlines and bounds are of the policy given; where Redis is and as whom we come, of the first.
 */
static struct store_conf store_conf_of(struct gateway *g, const struct conf *conf)
{
    const struct conf_redis *boot = &g->boot_policy->conf->redis;
    const bool may_serve_stale = conf->auth.on_store_down == CONF_on_store_down_CACHED;

    return (struct store_conf){.url = slice_str(g->redis_url),
                               .username = boot->username,
                               .password = boot->password,
                               .tls = g->redis_tls,
                               .prefix = boot->prefix,
                               .connect_ms = conf->redis.connect_timeout_ms,
                               .timeout_ms = conf->redis.timeout_ms,
                               .max_stale_ms = may_serve_stale ? conf->redis.max_stale_ms : 0,
                               .cache_entries = (size_t)conf->redis.cache_entries};
}

void crew_equip(struct gateway *g, struct worker *w)
{
    const struct store_conf conf = store_conf_of(g, g->policy->conf);

    w->policy = policy_ref(g->policy);
    w->counters = counters_new();
    counters_make_room(w->counters);
    w->access_log = access_log_new(g->access_fd);
    w->store = store_new(w, &conf);
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
    struct store_conf store;
    struct tls_server **tls; /* one a listener that is open; NULL: it stays as it is */
    size_t tls_count;
};

static void take_order(struct worker *w, void *arg)
{
    struct order *o = arg;
    const struct conf_server *server = &o->policy->conf->server;

    counters_make_room(w->counters);
    policy_unref(w->policy);
    w->policy = o->policy;
    pools_follow(w->pools, o->upstreams);
    upstream_set_unref(o->upstreams);
    store_follow(w->store, &o->store);
    for (size_t i = 0; i < o->tls_count; i++) {
        listener_follow(o->crew->listeners[i],
                        &(struct listener_conf){.tls = o->tls[i],
                                                .trusted = server->trusted_proxies.items,
                                                .trusted_count = server->trusted_proxies.count,
                                                .handshake_ms = server->handshake_timeout_ms});
        tls_server_unref(o->tls[i]);
    }
    free(o->tls);
    free(o);
}

/* Entries may have changed places since the sockets were opened: the address tells. */
static struct tls_server *tls_of(const struct gateway *g, struct slice address)
{
    const struct conf *conf = g->policy->conf;

    for (size_t i = 0; i < conf->listen_count; i++)
        if (slice_eq(conf->listen[i].address, address))
            return tls_server_ref(g->tls[i]);
    return NULL;
}

void crew_equip_again(struct gateway *g, struct worker *w)
{
    const struct store_conf conf = store_conf_of(g, g->policy->conf);

    policy_unref(w->policy);
    w->policy = policy_ref(g->policy);
    store_follow(w->store, &conf);
}

void crew_follow(struct gateway *g, struct crew *c)
{
    struct order *o = mem_alloc(sizeof(*o));

    *o = (struct order){.crew = c,
                        .policy = policy_ref(g->policy),
                        .upstreams = upstream_set_ref(g->upstreams),
                        .store = store_conf_of(g, g->policy->conf),
                        .tls = mem_zalloc((c->listener_count + 1) * sizeof(struct tls_server *)),
                        .tls_count = c->listener_count};
    for (size_t i = 0; i < c->listener_count; i++)
        o->tls[i] = tls_of(g, g->boot_policy->conf->listen[i].address);
    worker_post(c->worker, take_order, o);
}

/* ------- drain ------- */

enum { DRAIN_LOOK_MS = 20 };

static bool are_settled(const struct crew *c)
{
    for (size_t i = 0; i < c->listener_count; i++)
        if (!listener_is_settled(c->listeners[i]))
            return false;
    return true;
}

static void look_whether_done(void *arg)
{
    struct crew *c = arg;
    struct worker *w = c->worker;

    if (w->client_count == 0 && w->exchange_count == 0 && w->lingering_count == 0 &&
        are_settled(c)) {
        worker_stop(w);
        return;
    }
    if (clock_mono_ms() >= c->drain_until_ms) {
        h1_server_close_all(w);
        exchange_end_all(END_DRAINED);
        for (size_t i = 0; i < c->listener_count; i++)
            listener_drop_arrivals(c->listeners[i]);
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
    h1_server_drain(w);
    for (size_t i = 0; i < c->listener_count; i++)
        listener_stop(c->listeners[i]); /* who was in the backlog gets an answer yet */
    c->drain_until_ms = clock_mono_ms() + w->policy->conf->server.drain_timeout_ms;
    timer_init(&c->drain_timer, w, look_whether_done, c);
    timer_set(&c->drain_timer, DRAIN_LOOK_MS);
}

void crew_drain(struct gateway *g, struct crew *c)
{
    (void)g;
    worker_post(c->worker, begin_drain, c);
}
