#include "process/signing.h"

#include "base/alloc.h"
#include "model/roster.h"

#include <signal.h>
#include <stdlib.h>

enum { TRY_MS_MAX = 2000, PAUSE_MS_MIN = 1000, PAUSE_MS_MAX = 60000 };

/* One try in the background. It reads what does not change while the gateway runs. */
struct signing_try {
    struct gateway *gateway;
    pthread_t thread;
    enum alg alg;
    enum err e;
};

static void hand_out(struct gateway *g, struct keyset *set, const struct jwk *signing)
{
    keyring_post(g->control, SLICE(""), set, signing);
    for (size_t i = 0; i < g->crew_count; i++)
        keyring_post(g->crews[i].worker, SLICE(""), set, signing);
}

static void on_pairs(void *arg, const struct pair *pairs, size_t count)
{
    struct gateway *g = arg;
    struct keyset *set = NULL;
    const struct jwk *signing = NULL;
    size_t skipped = 0;
    enum err e = signing_decode(g->master, pairs, count, &set, &signing, &skipped);

    if (skipped > 0)
        log_warn(g->log, "signing_keys.skipped", LOG_INT("count", skipped),
                 LOG_STR("hint", "sealed under another master key?"));
    if (e != ERR_OK) {
        log_warn(g->log, "signing_keys.none", LOG_ERR("cause", e),
                 LOG_STR("hint", "make one: posternctl signing-key rotate"));
        return;
    }
    hand_out(g, set, signing);
    audit(&(struct audit_entry){.event = AUDIT_SIGNING_KEYS,
                                .outcome = "ok",
                                .detail = signing != NULL ? signing->kid : SLICE_NONE});
    log_info(g->log, "signing_keys.loaded", LOG_INT("count", set->count));
    keyset_unref(set);
}

void signing_follow(struct gateway *g)
{
    store_watch_signing(g->control_store, on_pairs, g);
}

/* ------- the first key ------- */

static const char *path_or_null(struct slice path)
{
    return path.n > 0 ? path.p : NULL;
}

/* Blocks: until there is a key or the deadline has passed. Any thread. */
static enum err ensure(const struct gateway *g, enum alg alg)
{
    const struct conf_redis *conf = &g->boot_policy->conf->redis;
    struct roster r = {.keys = {.prefix = conf->prefix}, .master = g->master};
    const int64_t most_ms = conf->connect_timeout_ms;
    char *why = NULL;
    enum err e = redis_client_open(
        &(struct redis_client_conf){.url = slice_str(g->redis_url),
                                    .username = conf->username,
                                    .password = conf->password,
                                    .ca = path_or_null(conf->ca),
                                    .certificate = path_or_null(conf->certificate),
                                    .key = path_or_null(conf->key),
                                    .timeout_ms = most_ms < TRY_MS_MAX ? most_ms : TRY_MS_MAX},
        &r.redis, &why);

    if (e == ERR_OK)
        e = roster_signing_ensure(&r, alg);
    if (e != ERR_OK)
        log_warn(g->log, "signing_keys.unchecked", LOG_ERR("cause", e),
                 LOG_STR("why", why != NULL ? why : ""));
    free(why);
    redis_client_free(r.redis);
    return e;
}

static enum alg algorithm(const struct gateway *g)
{
    return alg_find(slice_str(word_text(g->policy->conf->auth.jwt_algorithm)));
}

void signing_ensure(struct gateway *g)
{
    g->lacks_signing_key = ensure(g, algorithm(g)) != ERR_OK;
    g->signing_pause_ms = PAUSE_MS_MIN;
}

static void end_try(struct gateway *g)
{
    struct signing_try *t = g->signing_try;

    g->signing_try = NULL;
    CHECK(pthread_join(t->thread, NULL) == 0);
    g->lacks_signing_key = t->e != ERR_OK;
    free(t);
}

static void on_tried(struct worker *control, void *arg)
{
    struct gateway *g = arg;

    end_try(g);
    g->signing_next_ms = control->now_ms + g->signing_pause_ms;
    g->signing_pause_ms =
        2 * g->signing_pause_ms < PAUSE_MS_MAX ? 2 * g->signing_pause_ms : PAUSE_MS_MAX;
}

static void *run_try(void *arg)
{
    struct signing_try *t = arg;
    struct gateway *g = t->gateway;

    t->e = ensure(g, t->alg);
    worker_post(g->control, on_tried, g);
    return NULL;
}

void signing_ensure_later(struct gateway *g)
{
    sigset_t all, before;
    struct signing_try *t;

    if (!g->lacks_signing_key || g->signing_try != NULL || g->is_draining ||
        store_health(g->control_store) == STORE_DOWN || g->control->now_ms < g->signing_next_ms)
        return;
    t = g->signing_try = mem_zalloc(sizeof(*t));
    t->gateway = g;
    t->alg = algorithm(g);
    /* Signals are the control thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&t->thread, NULL, run_try, t) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void signing_close(struct gateway *g)
{
    if (g->signing_try != NULL)
        end_try(g);
}
