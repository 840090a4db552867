/* What would happen to a request, from the very matcher and tables that requests meet. */
#include "process/admin.h"

#include "base/json.h"

#include <stdlib.h>

struct question {
    struct slice method, target, host, user, name, roles, scopes;
    struct path path;
    struct route_match match;
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

/* The verdict of phases authenticate and authorize for the identity that was asked about. */
static const char *judge(const struct question *q, unsigned *status)
{
    const struct route *r = q->match.route;
    struct identity who = {.method = METHOD_API_KEY,
                           .user_id = q->user,
                           .roles = q->roles,
                           .scopes = q->scopes,
                           .scopes_limited = q->scopes.n > 0};
    bool has_role = r->conf->roles.count == 0;

    *status = 401;
    if (q->user.n == 0 && r->auth == CONF_route_auth_REQUIRED)
        return "a credential is required";
    *status = 403;
    for (size_t i = 0; i < r->conf->roles.count; i++)
        has_role |= q->user.n > 0 && identity_has_role(&who, r->conf->roles.items[i]);
    if (!has_role)
        return "none of the roles that the rule needs";
    for (size_t i = 0; i < r->conf->scopes.count; i++)
        if (q->user.n == 0 || !identity_has_scope(&who, r->conf->scopes.items[i]))
            return "a scope that the rule needs is missing";
    if (q->user.n > 0 && !identity_may_method(&who, q->method, r->name))
        return "the credential's scopes do not cover the method";
    *status = 200;
    return "forwarded";
}

static json_t *describe_removed(const struct question *q)
{
    json_t *list = json_array();

    for (enum header id = HEADER_OTHER + 1; id < HEADER_COUNT; id++) {
        unsigned flags = header_flags(id);
        bool is_removed =
            (flags & (HEADER_FLAG_HOP | HEADER_FLAG_OURS | HEADER_FLAG_FORWARDED)) != 0 ||
            ((flags & HEADER_FLAG_CREDENTIAL) != 0 && !q->match.route->conf->keep_credential);

        if (is_removed)
            json_array_append_new(list, json_stringn(header_name(id).p, header_name(id).n));
    }
    return list;
}

static json_t *describe_set(const struct question *q)
{
    json_t *set = json_object();

    add_text(set, "X-User-Id", q->user.n > 0 ? q->user : SLICE_NONE);
    add_text(set, "X-User-Name", q->name.n > 0 ? q->name : SLICE_NONE);
    add_text(set, "X-User-Roles", q->roles.n > 0 ? q->roles : SLICE_NONE);
    add_text(set, "Host", q->host);
    return set;
}

static json_t *explain(struct admin_ask *ask, struct question *q)
{
    struct policy *p = ask->gateway->policy;
    json_t *out = json_object();
    struct slice target = SLICE_NONE;
    unsigned status;
    const char *verdict;

    add_text(out, "method", q->method);
    if (path_normalise(q->target, policy_keeps_encoded_slash(p), ask->arena, &q->path) != ERR_OK) {
        json_object_set_new(out, "status", json_integer(400));
        json_object_set_new(out, "verdict", json_string("the path cannot be normalised safely"));
        return out;
    }
    add_text(out, "path", q->path.text);
    policy_match(p, q->host, q->method, q->path.text, &q->match);
    if (q->match.route == NULL ||
        (q->path.has_encoded_slash && !q->match.route->keeps_encoded_slash)) {
        json_object_set_new(out, "status", json_integer(q->match.method_not_allowed ? 405 : 404));
        json_object_set_new(out, "verdict",
                            json_string(q->match.method_not_allowed ? "the path takes other methods"
                                                                    : "no rule matches"));
        add_text(out, "allow", q->match.methods);
        return out;
    }
    verdict = judge(q, &status);
    json_object_set_new(out, "status", json_integer(status));
    json_object_set_new(out, "verdict", json_string(verdict));
    json_object_set_new(out, "rule", describe_rule(q->match.route));
    add_text(out, "upstream", p->conf->upstreams[q->match.route->upstream].name);
    if (policy_rewrite(&q->match, &q->path, ask->arena, &target) == ERR_OK)
        add_text(out, "forwarded_target", target);
    json_object_set_new(out, "limits", describe_limits(q->match.route));
    json_object_set_new(out, "headers_removed", describe_removed(q));
    json_object_set_new(out, "headers_set", describe_set(q));
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
                         .scopes = admin_param(ask, SLICE("scopes"))};
    json_t *out;
    char *text;

    if (q.method.n == 0 || q.target.n == 0) {
        buf_add(ask->body, SLICE("{\"status\":400,\"verdict\":\"method and path are needed\"}\n"));
        return 400;
    }
    out = explain(ask, &q);
    text = json_dumps(out, JSON_INDENT(2));
    buf_add(ask->body, slice_str(text));
    buf_add_char(ask->body, '\n');
    free(text);
    json_decref(out);
    return 200;
}
