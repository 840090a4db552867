#include "phase/phase.h"

#include "base/clock.h"
#include "phase/parts.h"

static enum next refuse(struct exchange *x, enum problem p, const char *reason)
{
    count(x->worker->counters, METRIC_AUTH_REFUSED, 1);
    phase_audit(x,
                p == PROBLEM_CREDENTIAL_AMBIGUOUS ? AUDIT_CREDENTIAL_AMBIGUOUS : AUDIT_AUTH_REFUSED,
                "refused", slice_str(reason));
    return reply_problem(x, p, reason, SLICE_NONE);
}

static enum next grant(struct exchange *x, struct identity *who)
{
    x->who = who;
    count(x->worker->counters, METRIC_AUTH_GRANTED, 1);
    return NEXT_GO;
}

static enum next judge(struct exchange *x)
{
    x->auth_us = clock_mono_us();
    if (x->auth.e == ERR_UNAVAILABLE)
        return reply_problem(x, PROBLEM_STORE_UNAVAILABLE, "store_unavailable", SLICE_NONE);
    if (x->auth.e != ERR_OK)
        return refuse(x, PROBLEM_UNAUTHENTICATED, x->auth.reason);
    return grant(x, x->auth.who);
}

static void on_authenticated(struct auth_op *op)
{
    struct exchange *x = op->arg;

    if (judge(x) == NEXT_GO)
        pipeline_resume(x);
}

static void cancel(struct exchange *x)
{
    authenticate_cancel(&x->auth);
}

bool authenticate_takes(const struct route *r, struct slice kind)
{
    const struct texts *kinds = &r->conf->methods_auth;

    for (size_t i = 0; i < kinds->count; i++)
        if (slice_eq(kinds->items[i], kind))
            return true;
    return kinds->count == 0;
}

struct identity *authenticate_dev(void)
{
    return identity_new(&(struct identity){.method = METHOD_DEV,
                                           .user_id = SLICE("dev"),
                                           .name = SLICE("dev"),
                                           .roles = SLICE("user")});
}

static struct slice kind_name(enum credential_kind kind)
{
    return kind == CREDENTIAL_API_KEY ? SLICE("api_key")
           : kind == CREDENTIAL_JWT   ? SLICE("jwt")
                                      : SLICE("token");
}

static enum next check_certificate(struct exchange *x, enum word part)
{
    struct identity *who;
    enum err e = authenticate_certificate(x->peer->certificate, part, &x->arena, &who);

    if (e == ERR_EXPIRED)
        return refuse(x, PROBLEM_UNAUTHENTICATED, "certificate_expired");
    if (e != ERR_OK)
        return refuse(x, PROBLEM_UNAUTHENTICATED, "certificate_names_no_user");
    return grant(x, who);
}

/* No credential in the head: a verified certificate, the dev identity, nobody, or 401. */
static enum next without_credential(struct exchange *x)
{
    const struct conf_auth *conf = &x->policy->conf->auth;

    if (x->peer->certificate != NULL && conf->mtls_user != CONF_mtls_user_NONE &&
        authenticate_takes(x->route, SLICE("mtls")))
        return check_certificate(x, conf->mtls_user);
    if (conf->mode == CONF_auth_mode_DEV) {
        x->who = authenticate_dev();
        return NEXT_GO;
    }
    if (x->route->auth == CONF_route_auth_OPTIONAL)
        return NEXT_GO;
    return refuse(x, PROBLEM_UNAUTHENTICATED, "credential_missing");
}

/*
 * Who is asking? Leaves x->who set, or NULL where the route allows nobody. A credential
 * that is shown must be good, on optional routes too. RFC 6750, RFC 9110 §11.
 */
enum next phase_authenticate(struct exchange *x)
{
    enum err e;

    if (x->endpoint != NULL || x->route->auth == CONF_route_auth_PUBLIC)
        return NEXT_GO;
    e = credential_find(&x->request_head, &x->credential);
    if (e == ERR_NOT_FOUND)
        return without_credential(x);
    if (e == ERR_CONFLICT)
        return refuse(x, PROBLEM_CREDENTIAL_AMBIGUOUS, "credential_ambiguous");
    if (e != ERR_OK)
        return refuse(x, PROBLEM_UNAUTHENTICATED, "credential_malformed");
    if (!authenticate_takes(x->route, kind_name(x->credential.kind)))
        return refuse(x, PROBLEM_UNAUTHENTICATED, "credential_kind_not_taken");
    x->auth.done = on_authenticated;
    x->auth.arg = x;
    x->wait.cancel = cancel;
    if (!authenticate(x->worker->authenticator, &x->credential, x->policy, &x->client_addr,
                      &x->arena, &x->auth))
        return NEXT_WAIT;
    x->wait.cancel = NULL;
    return judge(x);
}
