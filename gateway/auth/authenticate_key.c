#include "auth/authenticate_own.h"

#include "base/clock.h"
#include "crypto/apikey.h"

/*
 * Is this the whole key, now or in the grace after a rotation (K10)? The look-up was by
 * its public id alone, so this comes before everything else the record says.
 */
static bool is_whole_key(const struct auth_op *op, const struct key_record *key, int64_t now_s,
                         int64_t *ends_s)
{
    unsigned char mac[SHA256_BYTES];
    struct slice shown = slice_of(mac, sizeof(mac));
    bool is_current, is_previous;

    apikey_mac(secret_slice(op->a->master->pepper), op->credential.text, mac);
    is_current = secret_equal(shown, slice_of(key->mac, sizeof(key->mac)));
    is_previous = secret_equal(shown, slice_of(key->previous_mac, sizeof(key->previous_mac))) &&
                  now_s < key->previous_until;
    *ends_s = is_current ? 0 : key->previous_until;
    return is_current || is_previous;
}

static const char *reason_against(const struct auth_op *op, const struct key_record *key,
                                  const struct user_record *user, int64_t now_s)
{
    if (!slice_eq(key->user_id, user->id))
        return "key_owner";
    if (!key->is_active)
        return "key_inactive";
    if (key->expires_at != 0 && now_s >= key->expires_at)
        return "key_expired";
    if (key->allowed_count > 0 && !cidrs_have(key->allowed, key->allowed_count, &op->client))
        return "key_address";
    if (!user->is_active)
        return "user_inactive";
    return user->must_change ? "password_change_required" : NULL;
}

static bool judge_key(struct auth_op *op)
{
    const struct key_record *key = op->store.key;
    const struct user_record *user = op->store.user;
    int64_t now_s = clock_wall_s(), ends_s;
    const char *reason;
    struct identity *who;

    if (!is_whole_key(op, key, now_s, &ends_s))
        return auth_refuse(op, "key_wrong");
    if ((reason = reason_against(op, key, user, now_s)) != NULL)
        return auth_refuse(op, reason);
    who = identity_new(&(struct identity){
        .method = METHOD_API_KEY,
        .user_id = user->id,
        .name = user->username,
        .roles = user->roles,
        .scopes = scopes_of_roles(key->scopes.n > 0 ? key->scopes : SLICE("read write"),
                                  user->roles, op->arena),
        .scopes_limited = true,
        .key_id = key->id,
        .expires_s = auth_earlier(key->expires_at, ends_s)});
    store_key_used(op->a->worker->store, key->id);
    return auth_grant(op, who);
}

bool authenticate_key(struct auth_op *op)
{
    struct slice id;

    if (apikey_parse(op->credential.text, &id) != ERR_OK)
        return auth_refuse(op, "key_malformed");
    op->refused_key_id = arena_dup(op->arena, id);
    return auth_judge(op, store_find_key(op->a->worker->store, id, &op->store), judge_key);
}
