#include "conf/pattern.h"
#include "policy/matcher.h"

struct expansion {
    const struct route_match *match;
    struct buf out;
};

static struct slice param_value(const struct route_match *match, struct slice name)
{
    for (size_t i = 0; i < match->param_count; i++)
        if (slice_eq(match->params[i].name, name))
            return match->params[i].value;
    return match->rest;
}

static void add_piece(void *arg, struct slice piece, bool is_name)
{
    struct expansion *e = arg;

    buf_add(&e->out, is_name ? param_value(e->match, piece) : piece);
}

/* Drops as many segments as prefix has; the pattern made sure that they are the same. */
static struct slice strip(struct slice path, struct slice prefix)
{
    struct slice segment;

    while (path_next(&prefix, &segment) && segment.n > 0)
        (void)path_next(&path, &segment);
    return path.n > 0 ? path : SLICE("/");
}

/* What a server would make of it must be what was decided on (incidents P5). */
static bool is_normal(struct slice text, bool keeps_encoded_slash, struct arena *arena)
{
    struct path again;

    return path_normalise(text, keeps_encoded_slash, arena, &again) == ERR_OK &&
           again.query.p == NULL && slice_eq(again.text, text);
}

/* Whether the client had a say in the new path: it is made of what a name or "**" matched. */
static bool is_led_by_client(const struct route_match *match)
{
    const struct conf_route *conf = match->route->conf;

    return conf->rewrite.n > 0 ? slice_find(conf->rewrite, '{', 0) < conf->rewrite.n
                               : conf->strip_prefix.n > 0;
}

bool policy_rewrite_is_allowed(const struct policy *p, const struct route_match *match,
                               struct slice host, struct slice method, struct slice target)
{
    struct slice path = slice_cut(&target, '?');
    struct route_match there;

    if (!is_led_by_client(match))
        return true;
    policy_match(p, host, method, path, &there);
    return there.route == NULL || there.route->upstream != match->route->upstream ||
           (route_demands(match->route, there.route) && !there.is_ambiguous);
}

enum err policy_rewrite(const struct route_match *match, const struct path *path,
                        struct arena *arena, struct slice *target)
{
    const struct conf_route *conf = match->route->conf;
    struct expansion e = {.match = match};
    enum err result = ERR_OK;

    buf_init(&e.out);
    if (conf->rewrite.n > 0)
        result = pattern_expand(conf->rewrite, add_piece, &e);
    else if (conf->strip_prefix.n > 0)
        buf_add(&e.out, strip(path->text, conf->strip_prefix));
    else
        buf_add(&e.out, path->text);
    if (result == ERR_OK && (conf->rewrite.n > 0 || conf->strip_prefix.n > 0) &&
        !is_normal(buf_slice(&e.out), match->route->keeps_encoded_slash, arena))
        result = ERR_SYNTAX;
    if (result == ERR_OK && path->query.p != NULL) {
        buf_add_char(&e.out, '?');
        buf_add(&e.out, path->query);
    }
    if (result == ERR_OK)
        *target = arena_dup(arena, buf_slice(&e.out));
    buf_fini(&e.out);
    return result;
}
