#include "phase/phase.h"

#include "account/endpoint.h"
#include "phase/cors.h"

static enum next refuse_method(struct exchange *x, struct slice methods)
{
    reply_add(x, SLICE("Allow"), methods);
    return reply_problem(x, PROBLEM_METHOD_NOT_ALLOWED, "method_not_allowed", SLICE_NONE);
}

/* %2F was let through for the sake of some route; only that route may have it (D12). */
static bool has_stray_slash(const struct exchange *x)
{
    return x->path.has_encoded_slash && (x->route == NULL || !x->route->keeps_encoded_slash);
}

static void match(struct exchange *x, struct slice method)
{
    policy_match(x->policy, x->host, method, x->path.text, &x->match);
    x->route = x->match.route;
}

static enum next answer_preflight(struct exchange *x)
{
    match(x, head_value(&x->request_head, HEADER_ACCESS_CONTROL_REQUEST_METHOD));
    if (has_stray_slash(x))
        return reply_problem(x, PROBLEM_PATH_INVALID, "encoded_slash", SLICE_NONE);
    if (x->route == NULL)
        return reply_problem(x, PROBLEM_NOT_FOUND, "no_route", SLICE_NONE);
    return x->route->cors != NULL ? cors_reply_preflight(x) : NEXT_GO;
}

/* Which rule applies? Unknown paths end here (P15). */
enum next phase_route(struct exchange *x)
{
    bool other_method;

    x->endpoint = endpoint_find(x->request_head.method, x->path.text, &other_method);
    if (x->endpoint != NULL)
        return NEXT_GO;
    if (other_method)
        return refuse_method(x, SLICE("GET, HEAD"));
    if (cors_is_preflight(x) && answer_preflight(x) == NEXT_REPLIED)
        return NEXT_REPLIED;
    match(x, x->request_head.method);
    if (has_stray_slash(x))
        return reply_problem(x, PROBLEM_PATH_INVALID, "encoded_slash", SLICE_NONE);
    if (x->route == NULL)
        return x->match.method_not_allowed
                   ? refuse_method(x, x->match.methods)
                   : reply_problem(x, PROBLEM_NOT_FOUND, "no_route", SLICE_NONE);
    if (x->match.is_ambiguous)
        return reply_problem(x, PROBLEM_PATH_INVALID, "path_ambiguous", SLICE_NONE);
    cors_add(x);
    /* A body that is announced as too large is refused before its first byte. */
    if (x->route->conf->max_body_bytes > 0 && x->request.length_known &&
        x->request.length > x->route->conf->max_body_bytes)
        return reply_problem(x, PROBLEM_CONTENT_TOO_LARGE, "body_over_limit", SLICE_NONE);
    return NEXT_GO;
}
