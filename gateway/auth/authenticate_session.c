#include "auth/authenticate_own.h"

#include "base/clock.h"

static const char *reason_against(const struct session_record *session,
                                  const struct user_record *user)
{
    if (!slice_eq(session->user_id, user->id))
        return "session_user";
    if (session->expires_at != 0 && clock_wall_s() >= session->expires_at)
        return "session_expired";
    if (session->token_version != user->token_version)
        return "token_version";
    if (!user->is_active)
        return "user_inactive";
    return user->must_change ? "password_change_required" : NULL;
}

bool authenticate_session(struct auth_op *op, const struct claim *claim)
{
    const struct session_record *session = op->store.session;
    const struct user_record *user = op->store.user;
    const char *reason = reason_against(session, user);

    if (reason != NULL)
        return auth_refuse(op, reason);
    return auth_grant(
        op,
        identity_new(&(struct identity){
            .method = claim->method,
            .user_id = user->id,
            .name = user->username,
            .roles = user->roles, /* as they are now, whatever the token was made with (K12) */
            .scopes = claim->scopes_limited ? scopes_of_roles(claim->scopes, user->roles, op->arena)
                                            : SLICE_NONE,
            .scopes_limited = claim->scopes_limited,
            .session_id = session->id,
            .expires_s = auth_earlier(claim->expires_s, session->expires_at)}));
}
