#include "upstream/set.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { RESOLVE_ALL_MS = 2000 };

/* ------- what outlives a reload ------- */

static struct server_state *state_new(void)
{
    struct server_state *st = mem_zalloc(sizeof(*st));

    atomic_init(&st->refs, 1);
    CHECK(pthread_mutex_init(&st->lock, NULL) == 0);
    return st;
}

static struct server_state *state_ref(struct server_state *st)
{
    atomic_fetch_add(&st->refs, 1);
    return st;
}

static void state_unref(struct server_state *st)
{
    if (st == NULL || atomic_fetch_sub(&st->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&st->lock);
    free(st);
}

bool server_slot_take(struct server *s)
{
    atomic_ulong *inflight = &s->state->inflight;
    unsigned long now = atomic_load_explicit(inflight, memory_order_relaxed);

    do
        if (s->group->max_inflight > 0 && now >= s->group->max_inflight)
            return false;
    while (!atomic_compare_exchange_weak(inflight, &now, now + 1));
    return true;
}

void server_slot_release(struct server *s)
{
    CHECK(atomic_fetch_sub(&s->state->inflight, 1) > 0);
}

size_t server_addrs(const struct server *s, struct addr out[SERVER_ADDRS_MAX], unsigned *version)
{
    struct server_state *st = s->state;
    size_t count;

    pthread_mutex_lock(&st->lock);
    count = atomic_load(&st->addr_count);
    memcpy(out, st->addrs, count * sizeof(*out));
    *version = atomic_load(&st->version);
    pthread_mutex_unlock(&st->lock);
    return count;
}

bool server_is_resolved(const struct server *s)
{
    return s->is_unix || atomic_load_explicit(&s->state->addr_count, memory_order_relaxed) > 0;
}

unsigned server_version(const struct server *s)
{
    return atomic_load_explicit(&s->state->version, memory_order_relaxed);
}

/* The same addresses in another order are no change: name servers rotate them. */
static bool is_known(const struct server_state *st, const struct addr *a)
{
    for (size_t i = 0; i < atomic_load(&st->addr_count); i++)
        if (addr_eq(&st->addrs[i], a) && st->addrs[i].port == a->port)
            return true;
    return false;
}

static bool is_change(const struct server_state *st, const struct addr *addrs, size_t count)
{
    if (count != atomic_load(&st->addr_count))
        return true;
    for (size_t i = 0; i < count; i++)
        if (!is_known(st, &addrs[i]))
            return true;
    return false;
}

bool server_set_addrs(struct server *s, const struct resolved *found)
{
    const size_t count = found->count < SERVER_ADDRS_MAX ? found->count : SERVER_ADDRS_MAX;
    struct server_state *st = s->state;

    /* Only this thread writes, so it may compare without the lock. */
    if (count == 0 || !is_change(st, found->addrs, count))
        return false;
    pthread_mutex_lock(&st->lock);
    memcpy(st->addrs, found->addrs, count * sizeof(*st->addrs));
    atomic_store(&st->addr_count, (unsigned)count);
    atomic_fetch_add(&st->version, 1);
    pthread_mutex_unlock(&st->lock);
    return true;
}

/* ------- one server ------- */

/* FNV-1a */
uint64_t upstream_hash(struct slice s)
{
    uint64_t hash = 0xcbf29ce484222325U;

    for (size_t i = 0; i < s.n; i++)
        hash = (hash ^ (unsigned char)s.p[i]) * 0x100000001b3U;
    return hash;
}

static void set_literal(struct server *s, struct addr addr)
{
    struct resolved one = {.count = 1};

    addr.port = s->port;
    one.addrs[0] = addr;
    server_set_addrs(s, &one);
}

static enum err set_endpoint(struct server *s, struct arena *arena, const struct url *url,
                             struct slice server_name)
{
    const bool is_v6 = slice_find(url->host, ':', 0) < url->host.n;
    struct addr literal;

    s->host = arena_dup(arena, url->host);
    s->port = url->port;
    if (url->scheme == URL_UNIX) {
        s->is_unix = true;
        s->label = s->name;
        s->authority = SLICE("localhost");
        return sockaddr_from_path(s->host.p, &s->path);
    }
    s->label = arena_printf(arena, is_v6 ? "[%.*s]:%u" : "%.*s:%u", SLICE_FMT(s->host), s->port);
    s->authority = s->label;
    if (url->scheme == URL_HTTPS)
        s->tls_name = server_name.n > 0 ? arena_dup(arena, server_name) : s->host;
    s->is_named = addr_parse(s->host, &literal) != ERR_OK;
    if (!s->is_named)
        set_literal(s, literal);
    return ERR_OK;
}

static struct server_state *state_among(const struct server *servers, unsigned count,
                                        struct slice name)
{
    for (unsigned i = 0; i < count; i++)
        if (slice_eq(servers[i].name, name))
            return state_ref(servers[i].state);
    return NULL;
}

/* A server that is named twice, to get two shares, is still one; and one after a reload. */
static struct server_state *state_of(const struct server *s, const struct upstream_set *from)
{
    const struct group *g = s->group, *old = NULL;
    struct server_state *st = state_among(g->servers, (unsigned)(s - g->servers), s->name);

    if (st == NULL && from != NULL && (old = upstream_set_group(from, g->name)) != NULL)
        st = state_among(old->servers, old->count, s->name);
    return st != NULL ? st : state_new();
}

static enum err server_init(struct server *s, struct arena *arena, const struct conf_upstream *conf,
                            struct slice text, const struct upstream_set *from)
{
    struct url url;

    s->name = arena_dup(arena, text);
    s->hash = upstream_hash(s->name);
    s->state = state_of(s, from);
    if (url_parse(s->name, &url) != ERR_OK)
        return ERR_SYNTAX;
    if (url.path.n > 0 && !slice_eq(url.path, SLICE("/")))
        return ERR_SYNTAX;
    return set_endpoint(s, arena, &url, conf->server_name);
}

/* ------- one group ------- */

static bool wants_tls(const struct group *g)
{
    for (unsigned i = 0; i < g->count; i++)
        if (g->servers[i].tls_name.n > 0)
            return true;
    return false;
}

static const char *path_or_null(struct slice path)
{
    return path.n > 0 ? path.p : NULL;
}

static enum err group_set_tls(struct group *g, const struct conf_upstream *conf, char **why)
{
    const struct tls_client_conf tls = {.ca = path_or_null(conf->ca),
                                        .certificate = path_or_null(conf->certificate),
                                        .key = path_or_null(conf->key),
                                        .verify = conf->verify};

    return wants_tls(g) ? tls_client_new(&tls, &g->tls, why) : ERR_OK;
}

static void group_copy(struct group *g, struct arena *arena, const struct conf_upstream *conf)
{
    g->name = arena_dup(arena, conf->name);
    g->balance = conf->balance;
    g->connect_ms = conf->connect_ms;
    g->first_byte_ms = conf->first_byte_ms;
    g->idle_ms = conf->idle_ms;
    g->total_ms = conf->total_ms;
    g->write_ms = conf->write_ms;
    g->keepalive = conf->keepalive;
    g->keepalive_idle_ms = conf->keepalive_idle_ms;
    g->max_inflight = conf->max_inflight;
    g->retries = (unsigned)conf->retries;
    g->health_path = arena_dup(arena, conf->health_path);
    g->health_interval_ms = conf->health_interval_ms;
    g->health_timeout_ms = conf->health_timeout_ms;
    g->rules = (struct health_rules){.fall = (unsigned)conf->health_fall,
                                     .rise = (unsigned)conf->health_rise,
                                     .eject_ms = conf->eject_ms};
}

static char *server_complaint(struct slice group, struct slice server)
{
    char *text = NULL;

    CHECK(
        asprintf(&text,
                 "upstreams.%.*s: '%.*s' is not http://host:port, https://host:port or unix:/path",
                 SLICE_FMT(group), SLICE_FMT(server)) >= 0);
    return text;
}

static enum err group_init(struct group *g, struct upstream_set *s,
                           const struct conf_upstream *conf, const struct upstream_set *from,
                           char **why)
{
    group_copy(g, &s->arena, conf);
    g->servers = &s->servers[s->server_count];
    for (size_t i = 0; i < conf->servers.count; i++) {
        struct server *server = &g->servers[i];

        server->group = g;
        server->index = s->server_count++;
        g->count++;
        if (server_init(server, &s->arena, conf, conf->servers.items[i], from) != ERR_OK) {
            *why = server_complaint(conf->name, conf->servers.items[i]);
            return ERR_SYNTAX;
        }
    }
    return group_set_tls(g, conf, why);
}

/* ------- the set ------- */

static size_t server_total(const struct conf *conf)
{
    size_t total = 0;

    for (size_t i = 0; i < conf->upstream_count; i++)
        total += conf->upstreams[i].servers.count;
    return total;
}

/*
 * A name that cannot be resolved now is no reason not to start: the monitor asks again. Nor may
 * a slow name server hold up a reload, which everything on the control thread waits for.
 */
static void resolve_names(struct upstream_set *s)
{
    const int64_t until_ms = clock_mono_ms() + RESOLVE_ALL_MS;

    for (unsigned i = 0; i < s->server_count; i++) {
        struct server *server = &s->servers[i];
        const int64_t left_ms = until_ms - clock_mono_ms();
        struct resolved found = {0};

        if (server->is_named && !server_is_resolved(server) && left_ms > 0 &&
            resolve_now(server->host.p, server->port, left_ms, &found) == ERR_OK)
            server_set_addrs(server, &found);
    }
}

static void set_free(struct upstream_set *s)
{
    for (unsigned i = 0; i < s->server_count; i++)
        state_unref(s->servers[i].state);
    for (unsigned i = 0; i < s->group_count; i++)
        tls_client_unref(s->groups[i].tls);
    arena_fini(&s->arena);
    free(s);
}

enum err upstream_set_new(const struct conf *conf, struct upstream_set *from,
                          struct upstream_set **out, char **why)
{
    struct upstream_set *s = mem_zalloc(sizeof(*s));

    atomic_init(&s->refs, 1);
    arena_init(&s->arena);
    s->groups = arena_zalloc(&s->arena, (conf->upstream_count + 1) * sizeof(*s->groups));
    s->servers = arena_zalloc(&s->arena, (server_total(conf) + 1) * sizeof(*s->servers));
    for (size_t i = 0; i < conf->upstream_count; i++) {
        enum err e;

        s->groups[i].index = s->group_count++;
        e = group_init(&s->groups[i], s, &conf->upstreams[i], from, why);
        if (e != ERR_OK) {
            set_free(s);
            return e;
        }
    }
    resolve_names(s);
    *out = s;
    return ERR_OK;
}

struct upstream_set *upstream_set_ref(struct upstream_set *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void upstream_set_unref(struct upstream_set *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1)
        set_free(s);
}

struct group *upstream_set_group(const struct upstream_set *s, struct slice name)
{
    for (unsigned i = 0; i < s->group_count; i++)
        if (slice_eq(s->groups[i].name, name))
            return &s->groups[i];
    return NULL;
}
