/* What would happen to a request, from the very matcher and phases that requests meet. */
#include "process/admin.h"

#include "account/endpoint.h"
#include "base/json.h"
#include "phase/parts.h"

#include <stdlib.h>

struct question {
    struct slice method, target, host, user, name, roles, scopes;
    bool is_disabled;
    struct path path;
    struct route_match match;
    struct identity *who; /* as the route sees it; NULL: nobody */
};

static void add_texts(json_t *object, const char *name, const struct texts *items)
{
    json_t *list = json_array();

    for (size_t i = 0; i < items->count; i++)
        json_array_append_new(list, json_stringn(items->items[i].p, items->items[i].n));
    json_object_set_new(object, name, list);
}

static void add_text(json_t *object, const char *name, struct slice text)
{
    json_object_set_new(object, name, text.p != NULL ? json_stringn(text.p, text.n) : json_null());
}

static json_t *describe_rule(const struct route *r)
{
    json_t *rule = json_object();

    add_text(rule, "name", r->name);
    add_text(rule, "pattern", r->pattern);
    add_texts(rule, "methods", &r->conf->methods);
    add_texts(rule, "roles", &r->conf->roles);
    add_texts(rule, "scopes", &r->conf->scopes);
    add_texts(rule, "credentials", &r->conf->methods_auth);
    add_texts(rule, "client_subject", &r->conf->client_subject);
    json_object_set_new(rule, "limits_addresses",
                        json_boolean(r->conf->allow.count + r->conf->deny.count > 0));
    json_object_set_new(rule, "auth", json_string(word_text(r->auth)));
    if (r->conf->place.file != NULL)
        json_object_set_new(rule, "written_at",
                            json_sprintf("%s:%u", r->conf->place.file, r->conf->place.line));
    return rule;
}

static json_t *describe_limits(const struct route *r)
{
    json_t *limits = json_array();

    for (size_t i = 0; i < r->limit_count; i++) {
        const struct policy_limit *l = r->limits[i];
        json_t *windows = json_array();

        for (size_t w = 0; w < l->window_count; w++)
            json_array_append_new(windows, json_sprintf("%llu per %llds",
                                                        (unsigned long long)l->windows[w].units,
                                                        (long long)l->windows[w].period_ms / 1000));
        json_array_append_new(limits, json_pack("{s:s%,s:s,s:o}", "name", l->name.p, l->name.n,
                                                "key", word_text(l->key), "windows", windows));
    }
    return limits;
}

/* Of the kinds that the route takes, for a user that was named without a credential. */
static enum method method_of(const struct route *r)
{
    static const enum method kinds[] = {METHOD_API_KEY, METHOD_JWT, METHOD_TOKEN, METHOD_MTLS};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (authenticate_takes(r, method_name(kinds[i])))
            return kinds[i];
    return METHOD_API_KEY;
}

/* As phase authenticate does; false: 401. */
static bool authenticate_question(const struct policy *p, struct question *q)
{
    const struct route *r = q->match.route;

    if (r->auth == CONF_route_auth_PUBLIC)
        return true;
    if (q->user.n > 0 && !q->is_disabled)
        q->who = identity_new(&(struct identity){.method = method_of(r),
                                                 .user_id = q->user,
                                                 .name = q->name,
                                                 .roles = q->roles,
                                                 .scopes = q->scopes,
                                                 .scopes_limited = q->scopes.n > 0});
    else if (q->user.n == 0 && p->conf->auth.mode == CONF_auth_mode_DEV)
        q->who = authenticate_dev();
    else
        return q->user.n == 0 && r->auth == CONF_route_auth_OPTIONAL;
    return true;
}

static const char *judge(const struct policy *p, struct question *q, unsigned *status)
{
    const struct conf_route *conf = q->match.route->conf;
    const char *reason;

    *status = 401;
    if (!authenticate_question(p, q))
        return q->is_disabled ? "the user is disabled" : "a credential is required";
    *status = 403;
    reason = authorize_identity(p, q->match.route, q->who, q->method);
    if (reason != NULL)
        return strcmp(reason, "role") == 0    ? "none of the roles that the rule needs"
               : strcmp(reason, "scope") == 0 ? "a scope that the rule needs is missing"
                                              : "the credential's scopes do not cover the method";
    *status = 200;
    return conf->allow.count + conf->deny.count + conf->client_subject.count > 0
               ? "forwarded, from the addresses and with the certificates that the rule takes"
               : "forwarded";
}

static json_t *describe_removed(const struct question *q)
{
    json_t *list = json_array();

    for (enum header id = HEADER_OTHER + 1; id < HEADER_COUNT; id++)
        if (id != HEADER_HOST && upstream_head_strips(q->match.route, header_name(id)))
            json_array_append_new(list, json_stringn(header_name(id).p, header_name(id).n));
    return list;
}

/* What only a connection knows is described. */
static json_t *describe_set(const struct policy *p, const struct question *q, struct arena *arena)
{
    json_t *set = json_object();
    struct head up;

    head_init(&up, arena);
    upstream_head_identify(p, q->who, &up);
    for (size_t i = 0; i < up.count; i++)
        add_text(set, arena_printf(arena, "%.*s", SLICE_FMT(up.fields[i].name)).p,
                 up.fields[i].value);
    if (p->conf->auth.assertion && q->who != NULL)
        add_text(set, header_name(HEADER_X_AUTH_ASSERTION).p, SLICE("(a JWT that we sign)"));
    add_text(set, header_name(HEADER_X_FORWARDED_FOR).p, SLICE("(the client's address)"));
    add_text(set, header_name(HEADER_X_REAL_IP).p, SLICE("(the client's address)"));
    add_text(set, header_name(HEADER_X_FORWARDED_PROTO).p, SLICE("(https or http)"));
    add_text(set, header_name(HEADER_X_FORWARDED_HOST).p, q->host);
    add_text(set, header_name(HEADER_X_REQUEST_ID).p, SLICE("(the request's id)"));
    return set;
}

static void conclude(json_t *out, unsigned status, const char *verdict)
{
    json_object_set_new(out, "status", json_integer(status));
    json_object_set_new(out, "verdict", json_string(verdict));
}

/* Answered before a route's rule is asked: true, and out says how. */
static bool ends_early(const struct policy *p, struct question *q, struct arena *arena, json_t *out)
{
    bool other_method;
    struct slice host = receive_host(q->host, arena);

    if (!receive_is_our_host(p, host)) {
        conclude(out, 421, "the host is not among server.hosts");
        return true;
    }
    if (path_normalise(q->target, policy_keeps_encoded_slash(p), arena, &q->path) != ERR_OK) {
        conclude(out, 400, "the path cannot be normalised safely");
        return true;
    }
    add_text(out, "path", q->path.text);
    if (endpoint_find(q->method, q->path.text, &other_method) != NULL || other_method) {
        conclude(out, other_method ? 405 : 200, "answered by postern itself");
        return true;
    }
    policy_match(p, host, q->method, q->path.text, &q->match);
    if (q->path.has_encoded_slash &&
        (q->match.route == NULL || !q->match.route->keeps_encoded_slash)) {
        conclude(out, 400, "no rule for this path keeps an encoded slash");
        return true;
    }
    if (q->match.is_ambiguous)
        conclude(out, 400, "some servers read this path under another rule");
    if (q->match.route != NULL)
        return q->match.is_ambiguous;
    conclude(out, q->match.method_not_allowed ? 405 : 404,
             q->match.method_not_allowed ? "the path takes other methods" : "no rule matches");
    add_text(out, "allow", q->match.methods);
    return true;
}

static json_t *explain(const struct policy *p, struct question *q, struct arena *arena)
{
    json_t *out = json_object();
    struct slice target = SLICE_NONE;
    unsigned status;
    const char *verdict;

    add_text(out, "method", q->method);
    if (ends_early(p, q, arena, out))
        return out;
    verdict = judge(p, q, &status);
    conclude(out, status, verdict);
    json_object_set_new(out, "rule", describe_rule(q->match.route));
    add_text(out, "upstream", p->conf->upstreams[q->match.route->upstream].name);
    if (policy_rewrite(&q->match, &q->path, arena, &target) == ERR_OK &&
        policy_rewrite_is_allowed(p, &q->match, receive_host(q->host, arena), q->method, target))
        add_text(out, "forwarded_target", target);
    else if (status == 200)
        conclude(out, 400, "the path cannot be rewritten safely");
    json_object_set_new(out, "limits", describe_limits(q->match.route));
    json_object_set_new(out, "headers_removed", describe_removed(q));
    json_object_set_new(out, "headers_set", describe_set(p, q, arena));
    identity_unref(q->who);
    return out;
}

unsigned admin_explain(struct admin_ask *ask)
{
    struct question q = {.method = admin_param(ask, SLICE("method")),
                         .target = admin_param(ask, SLICE("path")),
                         .host = admin_param(ask, SLICE("host")),
                         .user = admin_param(ask, SLICE("user")),
                         .name = admin_param(ask, SLICE("name")),
                         .roles = admin_param(ask, SLICE("roles")),
                         .scopes = admin_param(ask, SLICE("scopes")),
                         .is_disabled = admin_param(ask, SLICE("disabled")).n > 0};
    json_t *out;
    char *text;

    if (q.method.n == 0 || q.target.n == 0) {
        buf_add(ask->body, SLICE("{\"status\":400,\"verdict\":\"method and path are needed\"}\n"));
        return 400;
    }
    out = explain(ask->gateway->policy, &q, ask->arena);
    text = json_dumps(out, JSON_INDENT(2));
    buf_add(ask->body, slice_str(text));
    buf_add_char(ask->body, '\n');
    free(text);
    json_decref(out);
    return 200;
}
