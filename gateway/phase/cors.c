#include "phase/cors.h"

static struct slice origin_of(const struct exchange *x)
{
    return head_value(&x->request_head, HEADER_ORIGIN);
}

/* * is for everyone, but never with credentials. */
static bool is_open(const struct conf_cors *cors)
{
    bool found = false;

    for (size_t i = 0; i < cors->origins.count; i++)
        found = found || slice_eq(cors->origins.items[i], SLICE("*"));
    return found && !cors->credentials;
}

/* The value to answer with, or SLICE_NONE. */
static struct slice allowed_origin(const struct exchange *x)
{
    const struct conf_cors *cors = x->route->cors;
    struct slice origin = origin_of(x);

    if (cors == NULL || origin.p == NULL)
        return SLICE_NONE;
    if (is_open(cors))
        return SLICE("*");
    for (size_t i = 0; i < cors->origins.count; i++)
        if (slice_eq(cors->origins.items[i], origin))
            return origin;
    return SLICE_NONE;
}

static struct slice joined(struct exchange *x, const struct texts *items)
{
    struct slice all = SLICE("");

    for (size_t i = 0; i < items->count; i++)
        all = i == 0 ? items->items[0]
                     : arena_printf(&x->arena, "%.*s, %.*s", SLICE_FMT(all),
                                    SLICE_FMT(items->items[i]));
    return all;
}

bool cors_is_preflight(const struct exchange *x)
{
    return slice_eq(x->request_head.method, SLICE("OPTIONS")) && origin_of(x).p != NULL &&
           head_find(&x->request_head, HEADER_ACCESS_CONTROL_REQUEST_METHOD) != NULL;
}

static void add_origin(struct exchange *x, struct slice origin)
{
    reply_add(x, SLICE("Access-Control-Allow-Origin"), origin);
    if (x->route->cors->credentials)
        reply_add(x, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
}

/* A cache must know that the answer depends on Origin also when there was none (Fetch §3.2.5). */
static void add_vary(struct exchange *x)
{
    if (!is_open(x->route->cors))
        reply_add(x, SLICE("Vary"), SLICE("Origin"));
}

enum next cors_reply_preflight(struct exchange *x)
{
    const struct conf_cors *cors = x->route->cors;
    struct slice origin = allowed_origin(x);

    if (origin.p == NULL)
        return reply_problem(x, PROBLEM_ORIGIN_FORBIDDEN, "origin_not_allowed", SLICE_NONE);
    add_vary(x);
    add_origin(x, origin);
    reply_add(x, SLICE("Access-Control-Allow-Methods"), joined(x, &cors->methods));
    reply_add(x, SLICE("Access-Control-Allow-Headers"), joined(x, &cors->headers));
    reply_add(x, SLICE("Access-Control-Max-Age"),
              arena_printf(&x->arena, "%lld", (long long)cors->max_age_ms / 1000));
    return reply_content(x, 204, SLICE_NONE, SLICE_NONE);
}

void cors_add(struct exchange *x)
{
    struct slice origin = allowed_origin(x);

    if (x->route->cors != NULL)
        add_vary(x);
    if (origin.p == NULL)
        return;
    add_origin(x, origin);
    if (x->route->cors->expose.count > 0)
        reply_add(x, SLICE("Access-Control-Expose-Headers"), joined(x, &x->route->cors->expose));
}
