#include "process/gateway.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "process/admin.h"
#include "process/crew.h"
#include "process/notify.h"
#include "process/open.h"
#include "process/signing.h"
#include "process/tls_setup.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { HOUSEKEEPING_S = 1 };

/* ------- reload ------- */

static void drop_tls(struct tls_server **tls, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tls_server_unref(tls[i]);
    free(tls);
}

/* Everything that can fail, before anything changes: a bad file leaves all as it was. */
static enum err prepare(struct gateway *g, struct policy **policy, struct tls_server ***tls,
                        struct upstream_set **upstreams, struct buf *why)
{
    char *text = NULL;
    enum err e = policy_load(g, policy, why);

    if (e != ERR_OK)
        return e;
    *tls = mem_zalloc(((*policy)->conf->listen_count + 1) * sizeof(**tls));
    e = tls_setup((*policy)->conf, *tls, &text);
    if (e == ERR_OK) {
        e = upstream_set_new((*policy)->conf, g->upstreams, upstreams, &text);
        if (e != ERR_OK)
            drop_tls(*tls, (*policy)->conf->listen_count);
    } else {
        free(*tls);
    }
    if (e != ERR_OK) {
        buf_printf(why, "%s\n", text != NULL ? text : err_text(e));
        policy_unref(*policy);
    }
    free(text);
    return e;
}

static void swap(struct gateway *g, struct policy *policy, struct tls_server **tls,
                 struct upstream_set *upstreams)
{
    drop_tls(g->tls, g->tls_count);
    upstream_set_unref(g->upstreams);
    policy_unref(g->policy);
    g->policy = policy;
    g->tls = tls;
    g->tls_count = policy->conf->listen_count;
    g->upstreams = upstreams;
    for (size_t i = 0; i < g->crew_count; i++)
        crew_follow(g, &g->crews[i]);
    crew_equip_again(g, g->control);
    upstream_monitor_follow(g->monitor, upstreams);
}

static void note_reload(struct gateway *g, bool taken, struct slice detail)
{
    gauge_set(g->control->counters, METRIC_RELOAD_SUCCESS, taken);
    gauge_set(g->control->counters, METRIC_RELOAD_TIMESTAMP, (long)clock_wall_s());
    audit(&(struct audit_entry){.event = taken ? AUDIT_CONFIG_LOADED : AUDIT_CONFIG_REFUSED,
                                .outcome = taken ? "ok" : "refused",
                                .detail = detail});
    if (taken)
        log_info(g->log, "config.loaded", LOG_INT("generation", g->generation));
    else
        log_error(g->log, "config.refused", LOG_SLICE("why", detail));
}

enum err gateway_reload(struct gateway *g, struct buf *why)
{
    struct policy *policy = NULL;
    struct tls_server **tls = NULL;
    struct upstream_set *upstreams = NULL;
    char *text = NULL;
    enum err e = prepare(g, &policy, &tls, &upstreams, why);

    /* An issuer's keys that cannot be read refuse the whole file; the old keys stay. */
    if (e == ERR_OK && (e = issuers_apply(g->issuers, policy, &text)) != ERR_OK) {
        buf_printf(why, "%s\n", text != NULL ? text : "an issuer's keys cannot be read");
        drop_tls(tls, policy->conf->listen_count);
        upstream_set_unref(upstreams);
        policy_unref(policy);
    }
    free(text);
    if (e == ERR_OK) {
        struct buf changes;

        buf_init(&changes);
        if (conf_diff(g->policy->conf, policy->conf, &changes) > 0)
            log_info(g->log, "config.changes", LOG_SLICE("changes", buf_slice(&changes)));
        buf_fini(&changes);
        swap(g, policy, tls, upstreams);
    }
    note_reload(g, e == ERR_OK, buf_slice(why));
    return e;
}

/* ------- the control loop ------- */

static void crew_has_left(struct worker *w, void *arg)
{
    struct gateway *g = arg;

    (void)w;
    if (--g->workers_left == 0)
        worker_stop(g->control);
}

static void *wait_for_crew(void *arg)
{
    struct gateway *g = arg;

    for (size_t i = 0; i < g->crew_count; i++) {
        crew_join(&g->crews[i]);
        worker_post(g->control, crew_has_left, g);
    }
    return NULL;
}

void gateway_drain(struct gateway *g)
{
    for (size_t i = 0; i < g->crew_count; i++)
        crew_drain(g, &g->crews[i]);
    if (g->is_draining)
        return;
    g->is_draining = true;
    notify_service("STOPPING=1");
    log_info(g->log, "process.draining");
    CHECK(pthread_create(&g->waiter, NULL, wait_for_crew, g) == 0);
}

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number;
    (void)what;
    gateway_drain(arg);
}

static void on_reload_signal(evutil_socket_t number, short what, void *arg)
{
    struct gateway *g = arg;
    struct buf why;

    (void)number;
    (void)what;
    if (g->is_draining) /* nobody is left to take a new configuration */
        return;
    worker_enter(g->control);
    buf_init(&why);
    notify_service("RELOADING=1");
    if (gateway_reload(g, &why) != ERR_OK)
        log_warn(g->log, "config.kept", LOG_STR("reason", "the new file is not valid"));
    notify_service("READY=1");
    buf_fini(&why);
}

/* Of the certificate that ends first, over all listeners. */
static void note_certificate_expiry(struct gateway *g)
{
    int64_t first_s = 0;

    for (size_t i = 0; i < g->tls_count; i++) {
        const int64_t ends_s = g->tls[i] != NULL ? tls_server_not_after(g->tls[i]) : 0;

        if (ends_s != 0 && (first_s == 0 || ends_s < first_s))
            first_s = ends_s;
    }
    if (first_s != 0)
        gauge_set(g->control->counters, METRIC_CERTIFICATE_EXPIRY, (long)first_s);
}

static void on_housekeeping(evutil_socket_t fd, short what, void *arg)
{
    struct gateway *g = arg;

    (void)fd;
    (void)what;
    worker_enter(g->control);
    notify_service("WATCHDOG=1");
    if (g->control->now_ms - g->tickets_rotated_ms >= g->policy->conf->server.ticket_rotation_ms) {
        tls_rotate_ticket_keys();
        g->tickets_rotated_ms = g->control->now_ms;
    }
    gauge_set(g->control->counters, METRIC_STORE_UP, store_health(g->control_store) == STORE_UP);
    note_certificate_expiry(g);
    signing_ensure_later(g);
}

/* What a signal does once its event is gone: who asks twice for the end gets the same end. */
static void outlive(int number)
{
    (void)number;
}

/* Blocked for the change of hands, so that none falls between the two handlers and is lost. */
static void watch_signal(struct gateway *g, size_t i, int number, event_callback_fn on_signal)
{
    const struct sigaction after = {.sa_handler = outlive, .sa_flags = SA_RESTART};
    sigset_t one, before;

    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_BLOCK, &one, &before);
    CHECK(sigaction(number, &after, NULL) == 0);
    g->signals[i] = evsignal_new(g->control->base, number, on_signal, g);
    event_add(g->signals[i], NULL); /* libevent gives back what was there before */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void watch_signals(struct gateway *g)
{
    static const struct timeval every = {HOUSEKEEPING_S, 0};

    watch_signal(g, 0, SIGTERM, on_stop_signal);
    watch_signal(g, 1, SIGINT, on_stop_signal);
    watch_signal(g, 2, SIGHUP, on_reload_signal);
    g->housekeeping = event_new(g->control->base, -1, EV_PERSIST, on_housekeeping, g);
    event_add(g->housekeeping, &every);
    event_active(g->housekeeping, 0, 0);
}

int gateway_run(struct gateway *g)
{
    watch_signals(g);
    g->workers_left = g->crew_count;
    for (size_t i = 0; i < g->crew_count; i++)
        crew_start(g, &g->crews[i]);
    g->is_ready = true;
    notify_service("READY=1");
    audit(&(struct audit_entry){.event = AUDIT_STARTED, .outcome = "ok"});
    log_info(g->log, "process.ready", LOG_INT("workers", g->crew_count),
             LOG_STR("version", POSTERN_VERSION), LOG_INT("pid", getpid()));
    note_reload(g, true, SLICE_NONE);
    worker_run(g->control);
    if (g->is_draining)
        pthread_join(g->waiter, NULL);
    audit(&(struct audit_entry){.event = AUDIT_STOPPED, .outcome = "ok"});
    log_info(g->log, "process.stopped");
    return g->exit_code;
}

void gateway_close(struct gateway *g)
{
    for (size_t i = 0; i < 3; i++)
        if (g->signals[i] != NULL)
            event_free(g->signals[i]);
    if (g->housekeeping != NULL)
        event_free(g->housekeeping);
    signing_close(g);
    admin_free(g->admin);
    admin_free(g->control_socket);
    if (g->monitor != NULL)
        upstream_monitor_free(g->monitor);
    if (g->issuers != NULL)
        issuers_free(g->issuers);
    if (g->fetcher != NULL)
        fetcher_free(g->fetcher);
    if (g->resolver != NULL)
        resolver_free(g->resolver);
    for (size_t i = 0; i < g->crew_count; i++)
        crew_close(&g->crews[i]);
    free(g->crews);
    if (g->control != NULL) {
        struct counters *counters = g->control->counters;

        keyring_free(g->control->keyring);
        crew_strip(g->control);
        counters_free(counters);
        worker_free(g->control);
    }
    free(g->counters);
    upstream_set_unref(g->upstreams);
    drop_tls(g->tls, g->tls_count);
    tls_client_unref(g->redis_tls);
    if (g->private_redis != NULL)
        private_redis_stop(g->private_redis);
    master_free(g->master);
    free(g->redis_url);
    policy_unref(g->policy);
    policy_unref(g->boot_policy);
    log_free(g->log);
}
