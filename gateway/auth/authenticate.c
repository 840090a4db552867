#include "auth/authenticate_own.h"

#include "base/alloc.h"

#include <stdlib.h>

struct authenticator *authenticator_new(struct worker *w, const struct master *master,
                                        struct issuers *issuers)
{
    struct authenticator *a = mem_zalloc(sizeof(*a));

    a->worker = w;
    a->master = master;
    a->issuers = issuers;
    a->verified = verified_cache_new();
    return a;
}

void authenticator_free(struct authenticator *a)
{
    if (a == NULL)
        return;
    verified_cache_free(a->verified);
    free(a);
}

/* Forgets what was needed on the way. */
static void settle(struct auth_op *op)
{
    verified_unref(op->state);
    op->state = NULL;
    store_op_clear(&op->store);
}

bool auth_grant(struct auth_op *op, struct identity *who)
{
    settle(op);
    op->e = ERR_OK;
    op->who = who;
    op->refused_key_id = SLICE_NONE;
    return true;
}

bool auth_refuse(struct auth_op *op, const char *reason)
{
    settle(op);
    op->e = ERR_DENIED;
    op->reason = reason;
    return true;
}

bool auth_unavailable(struct auth_op *op, const char *reason)
{
    settle(op);
    op->e = ERR_UNAVAILABLE;
    op->reason = reason;
    return true;
}

int64_t auth_earlier(int64_t a_s, int64_t b_s)
{
    return a_s == 0 || (b_s != 0 && b_s < a_s) ? b_s : a_s;
}

/* A store that cannot answer refuses nobody (D16); an answer that is no proof proves nobody. */
static bool judge_found(struct auth_op *op, judge_fn judge)
{
    if (op->store.e == ERR_OK)
        return judge(op);
    if (op->store.e == ERR_NOT_FOUND)
        return auth_refuse(op, "credential_unknown");
    return auth_unavailable(op, "store_unavailable");
}

static void on_found(struct store_op *found)
{
    struct auth_op *op = found->arg;

    CHECK(judge_found(op, op->judge));
    op->done(op);
}

bool auth_judge(struct auth_op *op, bool is_known, judge_fn judge)
{
    op->judge = judge;
    return is_known && judge_found(op, judge);
}

bool authenticate(struct authenticator *a, const struct credential *credential,
                  struct policy *policy, const struct addr *client, struct arena *arena,
                  struct auth_op *op)
{
    op->e = ERR_DENIED;
    op->who = NULL;
    op->reason = NULL;
    op->refused_key_id = SLICE_NONE;
    op->a = a;
    op->policy = policy;
    op->arena = arena;
    op->client = *client;
    op->credential = *credential;
    op->state = NULL;
    op->store = (struct store_op){.done = on_found, .arg = op};
    switch (credential->kind) {
    case CREDENTIAL_API_KEY:
        return authenticate_key(op);
    case CREDENTIAL_JWT:
        return authenticate_jwt(op);
    case CREDENTIAL_TOKEN:
        return authenticate_token(op);
    case CREDENTIAL_NONE:
        break;
    }
    return auth_refuse(op, "credential_missing");
}

void authenticate_cancel(struct auth_op *op)
{
    store_cancel(&op->store);
    settle(op);
}
