#include "phase/phase.h"

#include "phase/parts.h"

static enum next refuse(struct exchange *x, enum problem p, const char *reason)
{
    count(x->worker->counters, METRIC_AUTH_FORBIDDEN, 1);
    phase_audit(x, AUDIT_AUTH_FORBIDDEN, "refused", slice_str(reason));
    return reply_problem(x, p, reason, SLICE_NONE);
}

static bool is_address_allowed(const struct exchange *x)
{
    const struct addrs *allow = &x->route->conf->allow, *deny = &x->route->conf->deny;

    if (cidrs_have(deny->items, deny->count, &x->client_addr))
        return false;
    return allow->count == 0 || cidrs_have(allow->items, allow->count, &x->client_addr);
}

static bool has_any_role(const struct route *r, const struct identity *who)
{
    const struct texts *roles = &r->conf->roles;

    for (size_t i = 0; who != NULL && i < roles->count; i++)
        if (identity_has_role(who, roles->items[i]))
            return true;
    return roles->count == 0;
}

/* The scope admin is worth nothing without the role (api.md 7.13). */
static bool has_scope(const struct identity *who, struct slice scope)
{
    if (slice_eq(scope, SLICE("admin")) && !identity_has_role(who, SLICE("admin")))
        return false;
    return identity_has_scope(who, scope);
}

static bool has_all_scopes(const struct policy *p, const struct route *r,
                           const struct identity *who)
{
    const struct texts *scopes = &r->conf->scopes;

    if (who == NULL) /* in the open modes anybody may come without a credential */
        return scopes->count == 0 || p->conf->auth.mode != CONF_auth_mode_ENFORCED;
    for (size_t i = 0; i < scopes->count; i++)
        if (!has_scope(who, scopes->items[i]))
            return false;
    return true;
}

const char *authorize_identity(const struct policy *p, const struct route *r,
                               const struct identity *who, struct slice method)
{
    if (!has_any_role(r, who))
        return "role";
    if (!has_all_scopes(p, r, who))
        return "scope";
    return who != NULL && !identity_may_method(who, method, r->name) ? "scope_for_method" : NULL;
}

/* A route may name the certificates that are let in; the handshake has verified them. */
static bool has_subject(struct exchange *x)
{
    const struct texts *wanted = &x->route->conf->client_subject;

    return wanted->count == 0 || (x->peer->certificate != NULL &&
                                  certificate_has_name(x->peer->certificate, wanted, &x->arena));
}

/* May they? Everything that must hold holds, or the answer is 403. */
enum next phase_authorize(struct exchange *x)
{
    const char *reason;

    if (x->endpoint != NULL)
        return NEXT_GO;
    if (!is_address_allowed(x))
        return refuse(x, PROBLEM_ADDRESS_FORBIDDEN, "address");
    if (!has_subject(x))
        return refuse(x, PROBLEM_FORBIDDEN, "client_certificate");
    reason = authorize_identity(x->policy, x->route, x->who, x->request_head.method);
    if (reason != NULL)
        return refuse(x, PROBLEM_FORBIDDEN, reason);
    if (x->request.is_websocket && !x->route->conf->websocket)
        return reply_problem(x, PROBLEM_UPGRADE_REFUSED, "websocket_off", SLICE_NONE);
    return NEXT_GO;
}
