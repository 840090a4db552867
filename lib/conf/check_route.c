#include "conf/origin.h"
#include "conf/pattern.h"
#include "conf/read.h"
#include "conf/suggest.h"

#include "base/map.h"
#include "http/path.h"

enum { ROUTE_LIMITS_MAX = 8 };

/* Routes of one shape in a row, newest first. */
struct same_shape {
    const struct conf_route *route;
    const struct same_shape *older;
};

static void check_references(const struct conf *conf, const struct conf_route *r,
                             struct complaints *c)
{
    struct place at = origin_or(conf, &r->upstream, r->place);
    struct suggest near;

    if (r->upstream.n == 0) {
        if (origin_find(conf, &r->upstream) == NULL)
            complain(c, at, false, "route %.*s has no upstream", SLICE_FMT(r->path));
        return;
    }
    suggest_init(&near, r->upstream);
    for (size_t i = 0; i < conf->upstream_count; i++) {
        if (slice_eq(conf->upstreams[i].name, r->upstream))
            return;
        suggest_offer(&near, conf->upstreams[i].name);
    }
    complain(c, at, false, "no upstream is called '%.*s'%s%.*s%s",
             SLICE_FMT(slice_to(r->upstream, 70)),
             suggest_best(&near).n > 0 ? "; did you mean " : "", SLICE_FMT(suggest_best(&near)),
             suggest_best(&near).n > 0 ? "?" : "");
}

static bool has_limit(const struct conf *conf, struct slice name, struct suggest *near)
{
    suggest_init(near, name);
    for (size_t i = 0; i < conf->limit_count; i++) {
        if (slice_eq(conf->limits[i].name, name))
            return true;
        suggest_offer(near, conf->limits[i].name);
    }
    return false;
}

static void check_route_limits(const struct conf *conf, const struct conf_route *r,
                               struct complaints *c)
{
    struct place at = origin_or(conf, &r->limit, r->place);
    struct suggest near;

    if (r->limit.count > ROUTE_LIMITS_MAX)
        complain(c, at, false, "at most %d limits for one route", ROUTE_LIMITS_MAX);
    for (size_t i = 0; i < r->limit.count; i++) {
        struct slice name = r->limit.items[i];

        if (slice_eq(name, SLICE("none"))) {
            if (r->limit.count > 1)
                complain(c, at, false, "limit: none stands alone");
        } else if (!has_limit(conf, name, &near)) {
            complain(c, at, false, "no limit is called '%.*s'%s%.*s%s",
                     SLICE_FMT(slice_to(name, 70)),
                     suggest_best(&near).n > 0 ? "; did you mean " : "",
                     SLICE_FMT(suggest_best(&near)), suggest_best(&near).n > 0 ? "?" : "");
        }
    }
}

static bool is_method(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            if (s.p[i] != '-' && s.p[i] != '_')
                return false;
    return s.n > 0 && s.n <= 32;
}

static void check_methods(const struct conf *conf, const struct conf_route *r, struct complaints *c)
{
    struct place at = origin_or(conf, &r->methods, r->place);

    for (size_t i = 0; i < r->methods.count; i++) {
        struct slice m = r->methods.items[i];
        char upper[33];
        size_t n = 0;

        if (is_method(m))
            continue;
        for (; n < m.n && n < 32; n++)
            upper[n] = m.p[n] >= 'a' && m.p[n] <= 'z' ? (char)(m.p[n] - 0x20) : m.p[n];
        if (is_method(slice_of(upper, n)))
            complain(c, at, false, "methods are upper case: %.*s", (int)n, upper);
        else
            complain(c, at, false, "'%.*s' is no method; for any method leave methods out",
                     SLICE_FMT(slice_to(m, 40)));
    }
}

static bool is_host(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = ascii_lower(s.p[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
              c == '_' || (c == ':' && s.p[0] == '[') || c == '[' || c == ']'))
            return false;
    }
    return s.n > 0 && s.n <= 255;
}

static void check_hosts(const struct texts *hosts, struct place at, struct complaints *c)
{
    for (size_t i = 0; i < hosts->count; i++)
        if (!is_host(hosts->items[i]))
            complain(c, at, false, "hosts: '%.*s' is no host name (without port, without *)",
                     SLICE_FMT(slice_to(hosts->items[i], 80)));
}

static void check_kinds(const struct conf *conf, const struct conf_route *r, struct complaints *c)
{
    static const char *const kinds[] = {"api_key", "jwt", "token", "mtls"};

    for (size_t i = 0; i < r->methods_auth.count; i++) {
        struct suggest near;
        bool found = false;

        suggest_init(&near, r->methods_auth.items[i]);
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            found = found || slice_eq(slice_str(kinds[k]), r->methods_auth.items[i]);
            suggest_offer(&near, slice_str(kinds[k]));
        }
        if (!found)
            complain(c, origin_or(conf, &r->methods_auth, r->place), false,
                     "methods_auth: '%.*s' is not one of api_key, jwt, token, mtls%s%.*s%s",
                     SLICE_FMT(slice_to(r->methods_auth.items[i], 40)),
                     suggest_best(&near).n > 0 ? "; did you mean " : "",
                     SLICE_FMT(suggest_best(&near)), suggest_best(&near).n > 0 ? "?" : "");
    }
}

/* What a public route asks of the caller would silently never be asked. */
static void check_public(const struct conf *conf, const struct conf_route *r, struct complaints *c)
{
    const struct {
        const char *name;
        const struct texts *value;
    } demands[] = {
        {"roles", &r->roles}, {"scopes", &r->scopes}, {"methods_auth", &r->methods_auth}};

    if (r->auth != CONF_route_auth_PUBLIC)
        return;
    for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++)
        if (demands[i].value->count > 0)
            complain(c, origin_or(conf, demands[i].value, r->place), false,
                     "%s on a public route is never asked; use auth: required", demands[i].name);
}

struct rewrite_check {
    const struct conf *conf;
    const struct conf_route *route;
    const struct pattern *pattern;
    struct complaints *complaints;
};

static void check_piece(void *arg, struct slice piece, bool is_name)
{
    struct rewrite_check *k = arg;
    struct place at = origin_or(k->conf, &k->route->rewrite, k->route->place);

    if (!is_name || pattern_has_name(k->pattern, piece))
        return;
    if (!slice_eq(piece, SLICE("rest")))
        complain(k->complaints, at, false, "rewrite: {%.*s} is not in the path pattern",
                 SLICE_FMT(slice_to(piece, 60)));
    else if (!k->pattern->has_rest)
        complain(k->complaints, at, false, "rewrite: {rest} needs a path that ends in /**");
}

/* The literal beginning of a pattern: what every path it matches starts with. */
static bool has_literal_prefix(const struct pattern *p, struct slice prefix, struct arena *arena)
{
    size_t i = 0;

    (void)slice_cut(&prefix, '/');
    while (prefix.p != NULL) {
        struct slice s = slice_cut(&prefix, '/');

        if (s.n == 0 && prefix.p == NULL)
            break;
        if (i == p->count || p->segments[i].is_name ||
            percent_decode(s, false, arena, &s) != ERR_OK || !slice_eq(p->segments[i].text, s))
            return false;
        i++;
    }
    return true;
}

static void check_rewrite(const struct conf *conf, const struct conf_route *r,
                          const struct pattern *pattern, struct arena *arena, struct complaints *c)
{
    struct rewrite_check k = {conf, r, pattern, c};
    struct place strip = origin_or(conf, &r->strip_prefix, r->place);
    struct place rewrite = origin_or(conf, &r->rewrite, r->place);

    if (r->strip_prefix.n > 0 && r->rewrite.n > 0)
        complain(c, strip, false, "strip_prefix and rewrite exclude each other");
    if (r->strip_prefix.n > 0 && r->strip_prefix.p[0] != '/')
        complain(c, strip, false, "strip_prefix begins with '/'");
    else if (r->strip_prefix.n > 0 && !has_literal_prefix(pattern, r->strip_prefix, arena))
        complain(c, strip, false, "strip_prefix %.*s is not how %.*s begins",
                 SLICE_FMT(slice_to(r->strip_prefix, 80)), SLICE_FMT(slice_to(r->path, 80)));
    if (r->rewrite.n > 0 &&
        (r->rewrite.p[0] != '/' || memchr(r->rewrite.p, '?', r->rewrite.n) != NULL ||
         memchr(r->rewrite.p, '#', r->rewrite.n) != NULL))
        complain(c, rewrite, false, "rewrite is a path: it begins with '/' and has no '?' or '#'");
    else if (pattern_expand(r->rewrite, check_piece, &k) != ERR_OK)
        complain(c, rewrite, false, "rewrite: a {name} is not closed or not a name");
}

static bool share(const struct texts *a, const struct texts *b, bool fold)
{
    if (a->count == 0 && b->count == 0)
        return true;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (fold ? slice_eq_ci(a->items[i], b->items[j]) : slice_eq(a->items[i], b->items[j]))
                return true;
    return false;
}

static void check_duplicate(struct map *shapes, const struct conf_route *r,
                            const struct pattern *pattern, struct arena *arena,
                            struct complaints *c)
{
    struct slice shape = pattern_shape(pattern, arena);
    struct same_shape *item = arena_alloc(arena, sizeof(*item));

    *item = (struct same_shape){r, map_get(shapes, shape)};
    for (const struct same_shape *s = item->older; s != NULL; s = s->older)
        if (share(&r->hosts, &s->route->hosts, true) &&
            share(&r->methods, &s->route->methods, false)) {
            complain(c, r->place, false,
                     "%.*s matches the same requests as %.*s in line %u; which one counts would be "
                     "chance",
                     SLICE_FMT(slice_to(r->path, 80)), SLICE_FMT(slice_to(s->route->path, 80)),
                     s->route->place.line);
            break;
        }
    (void)map_put(shapes, shape, item);
}

static void check_route(const struct conf *conf, const struct conf_route *r, struct map *shapes,
                        struct arena *arena, struct complaints *c)
{
    struct pattern pattern;
    struct slice why;

    if (r->path.n == 0)
        complain(c, r->place, false, "a route needs a path");
    else if (pattern_parse(r->path, arena, &pattern, &why) != ERR_OK)
        complain(c, origin_or(conf, &r->path, r->place), false, "path '%.*s': %.*s",
                 SLICE_FMT(slice_to(r->path, 100)), SLICE_FMT(slice_to(why, 300)));
    else {
        check_rewrite(conf, r, &pattern, arena, c);
        check_duplicate(shapes, r, &pattern, arena, c);
    }
    check_references(conf, r, c);
    check_route_limits(conf, r, c);
    check_methods(conf, r, c);
    check_hosts(&r->hosts, origin_or(conf, &r->hosts, r->place), c);
    check_kinds(conf, r, c);
    check_public(conf, r, c);
    if (r->cors != NULL)
        check_cors(conf, r->cors, c);
}

void check_routes(const struct conf *conf, struct complaints *c)
{
    struct arena arena;
    struct map shapes; /* pattern_shape to its last struct same_shape */

    arena_init(&arena);
    map_init(&shapes);
    for (size_t i = 0; i < conf->route_count; i++)
        check_route(conf, &conf->routes[i], &shapes, &arena, c);
    check_hosts(&conf->server.hosts,
                origin_or(conf, &conf->server.hosts, (struct place){NULL, 0, 0}), c);
    map_fini(&shapes);
    arena_fini(&arena);
}
