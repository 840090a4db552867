#include "policy/matcher.h"

#include "base/alloc.h"
#include "http/octet.h"

#include <stdlib.h>

/* Routes of one shape: they differ by host or method. */
struct terminal {
    const struct route **routes;
    size_t count;
    struct slice methods; /* "GET, HEAD, POST"; empty when one takes any */
};

struct literal {
    struct slice text; /* decoded */
    struct route_node *node;
};

struct route_node {
    struct literal *literals; /* ordered by literal_order */
    size_t literal_count;
    struct route_node *name; /* {name}; NULL: none */
    struct terminal end, rest;
    bool has_capitals; /* of the root: some literal has a capital letter */
    bool has_slashes;  /* of the root: some pattern ends with '/' */
};

struct search {
    struct slice host, method;
    /* Reads as servers do that are less exact than we are, or more: */
    bool is_loose;      /* without case and ";parameters" */
    bool slashes_count; /* "/a/" is not "/a" */
    struct slice values[PATTERN_NAMES_MAX];
    size_t value_count;
    const struct terminal *refused; /* the most specific one that takes other methods */
    struct route_match *out;
};

struct route_node *route_node_new(struct arena *arena)
{
    return arena_zalloc(arena, sizeof(struct route_node));
}

/* An array in the arena that has room for one more after count items. */
static void *room_for_one(struct arena *arena, void *items, size_t count, size_t bytes)
{
    void *more;

    if ((count & (count - 1)) != 0)
        return items;
    more = arena_alloc(arena, (count == 0 ? 1 : count * 2) * bytes);
    if (count > 0)
        memcpy(more, items, count * bytes);
    return more;
}

static unsigned char next_decoded(struct slice s, size_t *at)
{
    unsigned char c = (unsigned char)s.p[(*at)++];

    if (c != '%' || s.n - *at < 2)
        return c;
    *at += 2;
    return (unsigned char)(octet_hex(s.p[*at - 2]) << 4 | octet_hex(s.p[*at - 1]));
}

/* Order of a segment as received and a decoded literal. */
static int literal_order(struct slice segment, struct slice literal)
{
    size_t at = 0, i = 0;

    while (at < segment.n && i < literal.n) {
        unsigned char a = next_decoded(segment, &at), b = (unsigned char)literal.p[i++];

        if (a != b)
            return a < b ? -1 : 1;
    }
    return at < segment.n ? 1 : i < literal.n ? -1 : 0;
}

/* Where segment stands among the literals, or would stand. */
static size_t literal_position(const struct route_node *node, struct slice segment, bool *found)
{
    size_t low = 0, high = node->literal_count;

    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        int order = literal_order(segment, node->literals[middle].text);

        *found = order == 0;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return *found ? high : low;
}

/* text is decoded: a '%' in it is a byte like any other. */
static size_t decoded_position(const struct route_node *node, struct slice text)
{
    size_t i = 0;

    while (i < node->literal_count && slice_cmp(node->literals[i].text, text) < 0)
        i++;
    return i;
}

static struct route_node *literal_child(struct route_node *node, struct slice text,
                                        struct arena *arena)
{
    size_t i = decoded_position(node, text);

    if (i < node->literal_count && slice_eq(node->literals[i].text, text))
        return node->literals[i].node;
    node->literals =
        room_for_one(arena, node->literals, node->literal_count, sizeof(*node->literals));
    memmove(node->literals + i + 1, node->literals + i,
            (node->literal_count - i) * sizeof(*node->literals));
    node->literals[i] = (struct literal){arena_dup(arena, text), route_node_new(arena)};
    node->literal_count++;
    return node->literals[i].node;
}

static bool has_capital(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] >= 'A' && s.p[i] <= 'Z')
            return true;
    return false;
}

void route_node_add(struct route_node *root, const struct pattern *pattern,
                    const struct route *route, struct arena *arena)
{
    struct route_node *node = root;
    struct terminal *t;

    for (size_t i = 0; i < pattern->count; i++) {
        if (!pattern->segments[i].is_name && has_capital(pattern->segments[i].text))
            root->has_capitals = true;
        if (!pattern->segments[i].is_name)
            node = literal_child(node, pattern->segments[i].text, arena);
        else if (node->name != NULL)
            node = node->name;
        else
            node = node->name = route_node_new(arena);
    }
    if (slice_ends(route->pattern, SLICE("/")))
        root->has_slashes = true;
    t = pattern->has_rest ? &node->rest : &node->end;
    t->routes = room_for_one(arena, t->routes, t->count, sizeof(struct route *));
    t->routes[t->count++] = route;
}

static int by_text(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void finish_terminal(struct terminal *t, struct arena *arena)
{
    size_t room = 0, count = 0;
    struct slice *all;
    struct buf text;

    for (size_t i = 0; i < t->count; i++)
        room += t->routes[i]->conf->methods.count * 2;
    all = mem_alloc((room + 1) * sizeof(*all));
    for (size_t i = 0; i < t->count; i++) {
        const struct texts *methods = &t->routes[i]->conf->methods;

        for (size_t m = 0; m < methods->count; m++) {
            all[count++] = methods->items[m];
            if (slice_eq(methods->items[m], SLICE("GET")))
                all[count++] = SLICE("HEAD");
        }
    }
    qsort(all, count, sizeof(*all), by_text);
    buf_init(&text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !slice_eq(all[i], all[i - 1]))
            buf_printf(&text, "%s%.*s", i == 0 ? "" : ", ", SLICE_FMT(all[i]));
    t->methods = arena_dup(arena, buf_slice(&text));
    buf_fini(&text);
    free(all);
}

void route_node_finish(struct route_node *root, struct arena *arena)
{
    finish_terminal(&root->end, arena);
    finish_terminal(&root->rest, arena);
    for (size_t i = 0; i < root->literal_count; i++)
        route_node_finish(root->literals[i].node, arena);
    if (root->name != NULL)
        route_node_finish(root->name, arena);
}

/* 0: another host; 1: any host; 2: this host. */
static unsigned host_rank(const struct route *route, struct slice host)
{
    const struct texts *hosts = &route->conf->hosts;

    for (size_t i = 0; i < hosts->count; i++)
        if (slice_eq_ci(hosts->items[i], host))
            return 2;
    return hosts->count == 0 ? 1 : 0;
}

/* 0: not this method; 1: any; 2: HEAD by way of GET; 3: named. */
static unsigned method_rank(const struct route *route, struct slice method)
{
    const struct texts *methods = &route->conf->methods;
    unsigned rank = methods->count == 0 ? 1 : 0;

    for (size_t i = 0; i < methods->count; i++) {
        if (slice_eq(methods->items[i], method))
            return 3;
        if (slice_eq(methods->items[i], SLICE("GET")) && slice_eq(method, SLICE("HEAD")))
            rank = 2;
    }
    return rank;
}

/* Of the routes of one shape the one for this host and method, or NULL. */
static const struct route *choose(struct search *s, const struct terminal *t)
{
    const struct route *best = NULL;
    unsigned best_rank = 0;

    for (size_t i = 0; i < t->count; i++) {
        unsigned host = host_rank(t->routes[i], s->host);
        unsigned method = method_rank(t->routes[i], s->method);

        if (host > 0 && method == 0 && s->refused == NULL)
            s->refused = t;
        if (host > 0 && method > 0 && host * 4 + method > best_rank) {
            best_rank = host * 4 + method;
            best = t->routes[i];
        }
    }
    return best;
}

static bool accept(struct search *s, const struct terminal *t, struct slice rest)
{
    const struct route *route = choose(s, t);

    if (route == NULL)
        return false;
    s->out->route = route;
    s->out->rest = rest;
    return true;
}

/* The path ends at node. Whether with a '/' decides nothing, unless slashes count. */
static bool accept_end(struct search *s, const struct route_node *node, bool has_slash)
{
    struct slice none = SLICE("");

    if (accept(s, &node->end, none) &&
        (!s->slashes_count || slice_ends(s->out->route->pattern, SLICE("/")) == has_slash))
        return true;
    return accept(s, &node->rest, none);
}

static bool descend(struct search *s, const struct route_node *node, struct slice path);

/* What a segment is to a server that takes "/a;v=1" for "/a" (incidents P10). */
static struct slice without_parameters(struct slice segment)
{
    for (size_t i = 0; i < segment.n; i++)
        if (segment.p[i] == ';' || slice_starts(slice_from(segment, i), SLICE("%3B")))
            return slice_to(segment, i);
    return segment;
}

static bool is_loosely(struct slice segment, struct slice literal)
{
    size_t at = 0, i = 0;

    while (at < segment.n && i < literal.n)
        if (ascii_lower((char)next_decoded(segment, &at)) != ascii_lower(literal.p[i++]))
            return false;
    return at == segment.n && i == literal.n;
}

/* Literals that are this segment but for case and parameters, without the exact one. */
static bool descend_loosely(struct search *s, const struct route_node *node, size_t exact,
                            struct slice segment, struct slice rest)
{
    struct slice bare = without_parameters(segment);

    for (size_t i = 0; i < node->literal_count; i++)
        if (i != exact && is_loosely(bare, node->literals[i].text) &&
            descend(s, node->literals[i].node, rest))
            return true;
    return false;
}

/* The next segment; a loose reader sees nothing in "/;v=1". path becomes what begins with it. */
static bool next_segment(const struct search *s, struct slice *path, struct slice *rest,
                         struct slice *segment)
{
    *rest = *path;
    while (path_next(rest, segment) && segment->n > 0) {
        if (!s->is_loose || without_parameters(*segment).n > 0)
            return true;
        *path = *rest;
    }
    return false;
}

static bool descend(struct search *s, const struct route_node *node, struct slice path)
{
    struct slice rest, segment;
    bool found = false;
    size_t i;

    /* A '/' at the end is an empty last segment. */
    if (!next_segment(s, &path, &rest, &segment))
        return accept_end(s, node, path.n > 0);
    i = literal_position(node, segment, &found);
    if (found && descend(s, node->literals[i].node, rest))
        return true;
    if (s->is_loose && descend_loosely(s, node, found ? i : node->literal_count, segment, rest))
        return true;
    if (node->name != NULL) {
        s->values[s->value_count++] = segment;
        if (descend(s, node->name, rest))
            return true;
        s->value_count--;
    }
    return accept(s, &node->rest, slice_from(path, 1));
}

/* The names of the route that won, in the order of its values. */
static void name_params(const struct search *s, struct route_match *out)
{
    struct slice pattern = out->route->pattern;

    while (pattern.p != NULL) {
        struct slice segment = slice_cut(&pattern, '/');

        if (segment.n < 2 || segment.p[0] != '{' || out->param_count == s->value_count)
            continue;
        out->params[out->param_count].name = slice_of(segment.p + 1, segment.n - 2);
        out->params[out->param_count].value = s->values[out->param_count];
        out->param_count++;
    }
}

/*
 * Would a server that ignores case or drops ";parameters" look for this path under another rule?
 * Ours is the exact reading; that the two differ is a doubt, and doubt is a refusal (P6, P10).
 */
static bool has_loose_reading(const struct route_node *root, const struct search *exact,
                              struct slice path)
{
    struct route_match other = {.route = NULL};
    struct search s = {
        .host = exact->host, .method = exact->method, .is_loose = true, .out = &other};

    if (!root->has_capitals && !has_capital(path) && without_parameters(path).n == path.n)
        return false;
    return !descend(&s, root, path) || other.route != exact->out->route;
}

/*
 * To some servers "/a/" is "/a", to some it is another thing, under the rule that the patterns
 * have for it letter by letter. Our rule must do for both.
 */
static bool is_weak_by_slash(const struct route_node *root, const struct search *exact,
                             struct slice path)
{
    struct route_match other = {.route = NULL};
    struct search s = {
        .host = exact->host, .method = exact->method, .slashes_count = true, .out = &other};

    if (!root->has_slashes && !slice_ends(path, SLICE("/")))
        return false;
    return descend(&s, root, path) && !route_demands(exact->out->route, other.route);
}

void route_node_match(const struct route_node *root, struct slice host, struct slice method,
                      struct slice path, struct route_match *out)
{
    struct search s = {.host = host, .method = method, .out = out};

    *out = (struct route_match){.route = NULL};
    /* "*" is no path; only servers as a whole have it. */
    if (path.n == 0 || path.p[0] != '/')
        return;
    if (descend(&s, root, path)) {
        name_params(&s, out);
        out->is_ambiguous = has_loose_reading(root, &s, path) || is_weak_by_slash(root, &s, path);
    } else if (s.refused != NULL) {
        out->method_not_allowed = true;
        out->methods = s.refused->methods;
    }
}
