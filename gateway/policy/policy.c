#include "policy/policy.h"

#include "base/alloc.h"
#include "policy/matcher.h"

#include <stdlib.h>

_Static_assert((int)ROUTE_PARAMS_MAX == (int)PATTERN_NAMES_MAX, "every name has its place");

static enum problem_style style_of(enum word w)
{
    switch (w) {
    case CONF_problem_style_ANTHROPIC:
        return PROBLEM_STYLE_ANTHROPIC;
    case CONF_problem_style_DETAIL:
        return PROBLEM_STYLE_DETAIL;
    case CONF_problem_style_SUCCESS:
        return PROBLEM_STYLE_SUCCESS;
    case CONF_problem_style_CODED:
        return PROBLEM_STYLE_CODED;
    default:
        return PROBLEM_STYLE_GATEWAY;
    }
}

/*
 * Without enforcement nobody has to show a credential, except where a role is asked for:
 * the routes of administrators stay closed in every mode.
 */
static enum word auth_of(const struct conf *conf, const struct conf_route *r)
{
    if (conf->auth.mode == CONF_auth_mode_ENFORCED || r->auth != CONF_route_auth_REQUIRED ||
        r->roles.count > 0)
        return r->auth;
    return CONF_route_auth_OPTIONAL;
}

static void compile_limit(struct policy_limit *l, const struct conf_limit *conf)
{
    *l = (struct policy_limit){.name = conf->name,
                               .key = conf->key,
                               .on_store_down = conf->on_store_down,
                               .window_count = conf->rate.count,
                               .cost = conf->cost};
    CHECK(conf->rate.count <= sizeof(l->windows) / sizeof(l->windows[0]));
    for (size_t i = 0; i < conf->rate.count; i++) {
        const struct rate *rate = &conf->rate.items[i];

        l->windows[i] = (struct policy_window){
            .units = rate->units,
            .burst = conf->burst > 0 ? conf->burst : rate->units,
            .period_ms = rate->period_ms,
            .is_sliding = conf->kind == CONF_limit_kind_SLIDING,
        };
    }
}

static const struct policy_limit *find_limit(const struct policy *p, struct slice name)
{
    for (size_t i = 0; i < p->limit_count; i++)
        if (slice_eq(p->limits[i].name, name))
            return &p->limits[i];
    return NULL;
}

static void add_limit(const struct policy *p, struct route *r, struct slice name)
{
    const struct policy_limit *l = find_limit(p, name);

    for (size_t i = 0; i < r->limit_count; i++)
        if (r->limits[i] == l)
            return;
    CHECK(r->limit_count < sizeof(r->limits) / sizeof(r->limits[0]));
    r->limits[r->limit_count++] = l;
}

static void compile_limits(const struct policy *p, struct route *r)
{
    const struct texts *names = &r->conf->limit;

    if (names->count == 0) {
        if (find_limit(p, SLICE("default")) != NULL)
            add_limit(p, r, SLICE("default"));
        return;
    }
    for (size_t i = 0; i < names->count; i++)
        if (!slice_eq(names->items[i], SLICE("none"))) {
            CHECK(find_limit(p, names->items[i]) != NULL);
            add_limit(p, r, names->items[i]);
        }
}

static unsigned find_upstream(const struct conf *conf, struct slice name)
{
    size_t i = 0;

    while (i < conf->upstream_count && !slice_eq(conf->upstreams[i].name, name))
        i++;
    CHECK(i < conf->upstream_count);
    return (unsigned)i;
}

static int64_t first_set(int64_t a, int64_t b)
{
    return a > 0 ? a : b;
}

static void compile_route(struct policy *p, struct route *r, const struct conf_route *conf)
{
    const struct conf_cors *cors = conf->cors != NULL ? conf->cors : &p->conf->cors;
    const struct conf_upstream *u;
    struct pattern pattern;
    struct slice why;

    *r = (struct route){
        .name = conf->name.n > 0 ? conf->name : conf->path,
        .index = (unsigned)(r - p->routes),
        .pattern = conf->path,
        .conf = conf,
        .upstream = find_upstream(p->conf, conf->upstream),
        .errors = style_of(conf->errors),
        .auth = auth_of(p->conf, conf),
        .keeps_encoded_slash = conf->encoded_slash == CONF_encoded_slash_KEEP,
        .cors = cors->origins.count > 0 ? cors : NULL,
    };
    u = &p->conf->upstreams[r->upstream];
    r->first_byte_ms = first_set(conf->first_byte_ms, u->first_byte_ms);
    r->idle_ms = first_set(conf->idle_ms, u->idle_ms);
    r->total_ms = first_set(conf->total_ms, u->total_ms);
    compile_limits(p, r);
    CHECK(pattern_parse(conf->path, &p->arena, &pattern, &why) == ERR_OK);
    route_node_add(p->root, &pattern, r, &p->arena);
}

struct policy *policy_new(struct conf *conf)
{
    static atomic_uint_fast64_t generations;
    struct policy *p = mem_zalloc(sizeof(*p));

    atomic_init(&p->refs, 1);
    p->generation = atomic_fetch_add(&generations, 1) + 1;
    p->conf = conf;
    arena_init(&p->arena);
    p->limit_count = conf->limit_count;
    p->limits = arena_zalloc(&p->arena, p->limit_count * sizeof(*p->limits));
    for (size_t i = 0; i < p->limit_count; i++)
        compile_limit(&p->limits[i], &conf->limits[i]);
    p->root = route_node_new(&p->arena);
    p->route_count = conf->route_count;
    p->routes = arena_zalloc(&p->arena, p->route_count * sizeof(*p->routes));
    for (size_t i = 0; i < p->route_count; i++)
        compile_route(p, &p->routes[i], &conf->routes[i]);
    route_node_finish(p->root, &p->arena);
    return p;
}

struct policy *policy_ref(struct policy *p)
{
    (void)atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void policy_unref(struct policy *p)
{
    if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    conf_free(p->conf);
    arena_fini(&p->arena);
    free(p);
}

/* Nothing is asked by b, or just what a asks. */
static bool texts_cover(const struct texts *a, const struct texts *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same = slice_eq(a->items[i], b->items[i]);
    return same || b->count == 0;
}

static bool addrs_cover(const struct addrs *a, const struct addrs *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++)
        same =
            a->items[i].bits == b->items[i].bits && addr_eq(&a->items[i].base, &b->items[i].base);
    return same || b->count == 0;
}

static int auth_rank(enum word auth)
{
    return auth == CONF_route_auth_PUBLIC ? 0 : auth == CONF_route_auth_OPTIONAL ? 1 : 2;
}

bool route_demands(const struct route *a, const struct route *b)
{
    return auth_rank(a->auth) >= auth_rank(b->auth) &&
           texts_cover(&a->conf->roles, &b->conf->roles) &&
           texts_cover(&a->conf->scopes, &b->conf->scopes) &&
           texts_cover(&a->conf->methods_auth, &b->conf->methods_auth) &&
           texts_cover(&a->conf->client_subject, &b->conf->client_subject) &&
           addrs_cover(&a->conf->allow, &b->conf->allow) &&
           addrs_cover(&a->conf->deny, &b->conf->deny);
}

void policy_match(const struct policy *p, struct slice host, struct slice method, struct slice path,
                  struct route_match *out)
{
    route_node_match(p->root, host, method, path, out);
}

bool policy_keeps_encoded_slash(const struct policy *p)
{
    for (size_t i = 0; i < p->route_count; i++)
        if (p->routes[i].keeps_encoded_slash)
            return true;
    return false;
}
