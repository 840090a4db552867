/*
 * Open exchanges and the credential they were admitted with: when a key, session or
 * user changes, or the invalidation link was lost, each one proves itself again, and
 * one that cannot is cut (DESIGN "Credentials": within a second).
 */
#include "exchange/live.h"

#include "base/clock.h"

static void cut(struct exchange *x, const char *reason)
{
    char ip[ADDR_TEXT_MAX + 1];

    audit(&(struct audit_entry){.event = AUDIT_STREAM_CUT,
                                .outcome = "cut",
                                .request_id = x->request_id,
                                .user = x->who != NULL ? x->who->user_id : SLICE_NONE,
                                .actor = x->who != NULL ? x->who->key_id : SLICE_NONE,
                                .ip = addr_write(&x->client_addr, ip),
                                .route = x->route != NULL ? x->route->name : SLICE_NONE,
                                .detail = slice_str(reason)});
    x->reason = reason;
    if (!x->response_started && x->client != NULL)
        (void)reply_problem(x, PROBLEM_UNAUTHENTICATED, reason, SLICE_NONE);
    else
        exchange_end(x, END_REVOKED);
}

static bool still_has_role(const struct exchange *x, const struct identity *who)
{
    const struct texts *roles = &x->route->conf->roles;

    for (size_t i = 0; i < roles->count; i++)
        if (identity_has_role(who, roles->items[i]))
            return true;
    return roles->count == 0;
}

static void judge(struct exchange *x)
{
    struct auth_op *op = &x->recheck;
    bool allowed;

    x->is_rechecking = false;
    /* The store being away is no proof against anybody: the next change asks again. */
    if (op->e == ERR_UNAVAILABLE)
        return;
    allowed = op->e == ERR_OK && (x->route == NULL || still_has_role(x, op->who));
    if (op->e == ERR_OK)
        identity_unref(op->who);
    if (!allowed)
        cut(x, "credential_revoked");
}

static void on_recheck(struct auth_op *op)
{
    judge(op->arg);
}

static bool depends_on(const struct exchange *x, struct slice redis_key)
{
    const struct identity *who = x->who;

    if (who == NULL || x->is_rechecking || x->credential.kind == CREDENTIAL_NONE ||
        x->state == EXCHANGE_REPLY)
        return false;
    return redis_key.p == NULL || slice_ends(redis_key, who->user_id) ||
           (who->key_id.n > 0 && slice_ends(redis_key, who->key_id)) ||
           (who->session_id.n > 0 && slice_ends(redis_key, who->session_id));
}

static void recheck(struct exchange *x)
{
    x->recheck = (struct auth_op){.done = on_recheck, .arg = x};
    x->is_rechecking = true;
    if (authenticate(x->worker->authenticator, &x->credential, x->policy, &x->client_addr,
                     &x->arena, &x->recheck))
        judge(x);
}

void exchange_recheck_due(struct exchange *x)
{
    if (x->recheck_due)
        recheck(x);
}

void exchange_recheck_all(struct slice redis_key)
{
    struct list *head = exchange_live(), *next;

    for (struct list *at = head->next; at != head; at = next) {
        struct exchange *x = LIST_ITEM(at, struct exchange, live);

        next = at->next; /* cutting x unlinks x alone */
        if (!depends_on(x, redis_key))
            continue;
        if (x->state == EXCHANGE_PHASES)
            x->recheck_due = true; /* it waits for something else: before it is forwarded */
        else
            recheck(x);
    }
}

static void on_expiry(void *arg)
{
    cut(arg, "credential_expired");
}

void exchange_watch_expiry(struct exchange *x)
{
    int64_t left_ms;

    if (x->who == NULL || x->who->expires_s == 0)
        return;
    left_ms = x->who->expires_s * 1000 - clock_wall_ms();
    timer_init(&x->expiry, x->worker, on_expiry, x);
    timer_set(&x->expiry, left_ms > 0 ? left_ms : 1);
}
