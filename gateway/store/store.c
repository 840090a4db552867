#include "store/store_own.h"

#include "base/alloc.h"

#include <stdlib.h>

struct arena *store_names(struct store *s)
{
    arena_reset(&s->names);
    return &s->names;
}

bool store_is_tracked(const struct store *s)
{
    return link_is_up(s->link) && tracking_is_live(s->tracking);
}

bool store_may_serve(const struct store *s)
{
    return tracking_is_live(s->tracking) || s->worker->now_ms < s->stale_until_ms;
}

void op_begin(struct store *s, struct store_op *op)
{
    op->e = ERR_OK;
    op->user = NULL;
    op->key = NULL;
    op->session = NULL;
    op->token_scopes = SLICE_NONE;
    op->was_cached = false;
    op->store = s;
    op->pending = NULL;
}

void op_wait(struct question *q, struct store_op *op)
{
    op->pending = q;
    list_add_tail(&q->ops, &op->link);
}

void op_finish(struct store_op *op, enum err e)
{
    list_remove(&op->link);
    op->pending = NULL;
    op->e = e;
    op->done(op);
}

void question_open(struct store *s, struct question *q)
{
    list_init(&q->ops);
    list_add_tail(&s->questions, &q->link);
}

void question_close(struct question *q)
{
    list_remove(&q->link);
}

void store_cancel(struct store_op *op)
{
    if (op->pending == NULL)
        return;
    list_remove(&op->link);
    op->pending = NULL;
}

void store_op_clear(struct store_op *op)
{
    user_unref(op->user);
    key_unref(op->key);
    session_unref(op->session);
    op->user = NULL;
    op->key = NULL;
    op->session = NULL;
}

static void on_up(void *arg)
{
    struct store *s = arg;

    tracking_start(s->tracking, link_server(s->link));
    watch_changed(s, s->signing_name);
}

static void on_down(void *arg)
{
    struct store *s = arg;

    tracking_stop(s->tracking);
}

static const struct link_handler link_events = {.on_up = on_up, .on_down = on_down};

/* Subscribed, then flushed, then live (rule c). */
static void on_live(void *arg)
{
    struct store *s = arg;

    s->stale_until_ms = 0;
    cache_flush(&s->cache);
    watch_changed_all(s);
}

static void on_name(void *arg, struct slice name)
{
    struct store *s = arg;

    cache_invalidate(&s->cache, name);
    watch_changed(s, name);
}

static void on_flush(void *arg)
{
    struct store *s = arg;

    cache_flush(&s->cache);
    watch_changed_all(s);
}

/* The last proof counts, not the moment at which silence was noticed. */
static void on_lost(void *arg)
{
    struct store *s = arg;

    s->cache.epoch++;
    if (s->max_stale_ms == 0)
        cache_flush(&s->cache);
    else
        s->stale_until_ms = tracking_proven_ms(s->tracking) + s->max_stale_ms;
}

static const struct tracking_handler tracking_events = {
    .on_live = on_live, .on_name = on_name, .on_flush = on_flush, .on_lost = on_lost};

struct store *store_new(struct worker *w, const struct store_conf *conf)
{
    struct store *s = mem_zalloc(sizeof(*s));

    s->worker = w;
    s->max_stale_ms = conf->max_stale_ms;
    s->endpoint.password = conf->password;
    s->endpoint.tls = conf->tls;
    s->endpoint.connect_ms = conf->connect_ms;
    if (endpoint_init(&s->endpoint, w, conf->url, conf->username) != ERR_OK ||
        (s->endpoint.url.is_tls && conf->tls == NULL)) {
        endpoint_fini(&s->endpoint);
        free(s);
        return NULL;
    }
    arena_init(&s->names);
    arena_init(&s->fixed);
    s->keys.prefix = arena_dup(&s->fixed, conf->prefix);
    keyspace_tracked(&s->keys, &s->fixed, s->tracked);
    s->signing_name = keyspace_signing(&s->keys, &s->fixed);
    cache_init(&s->cache, conf->cache_entries);
    list_init(&s->questions);
    map_init(&s->flights);
    map_init(&s->takes);
    list_init(&s->take_order);
    spent_init(s);
    used_init(s);
    watch_init(s);
    s->tracking = tracking_new(w, &s->endpoint, s->tracked, KEYSPACE_TRACKED, &tracking_events, s);
    s->link = link_new(w, &s->endpoint, conf->timeout_ms, &link_events, s);
    return s;
}

/* A bound that was lowered holds at once, in an outage too. */
void store_follow(struct store *s, const struct store_conf *conf)
{
    const int64_t stale_until_ms = tracking_proven_ms(s->tracking) + conf->max_stale_ms;

    s->endpoint.connect_ms = conf->connect_ms;
    link_set_timeout(s->link, conf->timeout_ms);
    s->max_stale_ms = conf->max_stale_ms;
    if (stale_until_ms < s->stale_until_ms)
        s->stale_until_ms = stale_until_ms;
    cache_set_max(&s->cache, conf->cache_entries);
}

/* Ops that still wait are let go: their owners may cancel them, and nothing is called. */
static void free_questions(struct store *s)
{
    while (!list_is_empty(&s->questions)) {
        struct question *q = LIST_ITEM(s->questions.next, struct question, link);

        while (!list_is_empty(&q->ops))
            store_cancel(LIST_ITEM(q->ops.next, struct store_op, link));
        list_remove(&q->link);
        free(q);
    }
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    link_free(s->link);
    free_questions(s);
    tracking_free(s->tracking);
    watch_fini(s);
    used_fini(s);
    spent_fini(s);
    map_fini(&s->takes);
    map_fini(&s->flights);
    cache_fini(&s->cache);
    endpoint_fini(&s->endpoint);
    arena_fini(&s->names);
    arena_fini(&s->fixed);
    free(s);
}

enum store_health store_health(const struct store *s)
{
    if (!link_is_up(s->link))
        return STORE_DOWN;
    return tracking_is_live(s->tracking) ? STORE_UP : STORE_UP_UNTRACKED;
}

const struct keyspace *store_keyspace(const struct store *s)
{
    return &s->keys;
}
