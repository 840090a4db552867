/* posternctl session ... and token ...: a token lives as long as its session. */
#include "ask.h"
#include "base/alloc.h"
#include "check.h"
#include "crypto/apikey.h"
#include "crypto/base64url.h"
#include "crypto/jwt.h"
#include "model/reply.h"
#include "list.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

static enum outcome issue(struct ctl *c, struct slice scopes, int64_t ttl_s)
{
    const struct texts *audiences = &c->conf->auth.jwt_audience;
    struct secret *token = NULL;
    json_t *answer = NULL;
    enum err e = roster_token_issue(&c->roster,
                                    &(struct token_new){.owner = slice_str(c->args[0]),
                                                        .issuer = conf_token_issuer(c->conf),
                                                        .audiences = audiences->items,
                                                        .audience_count = audiences->count,
                                                        .scopes = scopes,
                                                        .ttl_s = ttl_s,
                                                        .opaque = ctl_has(c, FLAG_OPAQUE)},
                                    &answer, &token);

    if (e == ERR_DENIED)
        return ctl_fail(c, OUTCOME_DENIED,
                        "the user '%s' is disabled, or --scope is wider than its roles",
                        c->args[0]);
    if (e == ERR_SYNTAX)
        return ctl_fail(c, OUTCOME_USAGE, "--ttl: from 1s to 3650d");
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "user", c->args[0]);
    output_secret(c, &(struct view){.id_member = "session_id", .name_member = "session_id"}, answer,
                  "token", token);
    secret_free(token);
    json_decref(answer);
    return OUTCOME_OK;
}

enum outcome ctl_token_issue(struct ctl *c)
{
    struct buf scopes;
    int64_t ttl_s = 0;
    enum outcome o;

    ctl_values(c, FLAG_SCOPE, ' ', &scopes);
    if ((o = check_scopes(c, buf_slice(&scopes))) == OUTCOME_OK &&
        (o = ctl_open_roster(c)) == OUTCOME_OK &&
        (o = ctl_duration(c, FLAG_TTL, c->conf->auth.jwt_access_ttl_ms / 1000, &ttl_s)) ==
            OUTCOME_OK)
        o = issue(c, buf_slice(&scopes), ttl_s);
    buf_fini(&scopes);
    return o;
}

/* sid of a JWT, unverified: whoever may run us may end any session anyway. */
static enum err session_of_jwt(struct slice token, char **out)
{
    struct slice rest = token, part;
    struct secret *text;
    json_t *claims = NULL;
    size_t n = 0;
    enum err e;

    (void)slice_cut(&rest, '.');
    part = slice_cut(&rest, '.');
    text = secret_new(BASE64URL_BYTES(part.n) + 1);
    e = base64url_decode(part, (unsigned char *)text->p, &n);
    if (e == ERR_OK)
        e = json_read(slice_of(text->p, n), JWT_BYTES_MAX, &claims);
    if (e == ERR_OK && json_text(claims, "sid").n == 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        *out = mem_strndup(json_text(claims, "sid").p, json_text(claims, "sid").n);
    json_decref(claims);
    secret_free(text);
    return e;
}

/* Of an opaque token the store knows a keyed hash. */
static enum err session_of_opaque(struct ctl *c, struct slice token, char **out)
{
    unsigned char mac[SHA256_BYTES];
    struct redisReply *reply = NULL;
    struct arena arena;
    enum err e;

    arena_init(&arena);
    apikey_mac(secret_slice(c->master->pepper), token, mac);
    struct slice args[] = {SLICE("HGET"), keyspace_token(&c->roster.keys, &arena, mac),
                           SLICE("session")};
    e = redis_client_command(c->roster.redis, args, 3, &reply);
    if (e == ERR_OK && reply_text(reply).n == 0)
        e = ERR_NOT_FOUND;
    if (e == ERR_OK)
        *out = mem_strndup(reply_text(reply).p, reply_text(reply).n);
    freeReplyObject(reply);
    arena_fini(&arena);
    return e;
}

/* out: free(). */
static enum outcome read_token(struct ctl *c, char **out)
{
    struct secret *token = NULL;
    enum outcome o = ask_line(c, "--token-stdin", JWT_BYTES_MAX, &token);
    enum err e;

    if (o != OUTCOME_OK)
        return o;
    e = jwt_has_form(secret_slice(token)) ? session_of_jwt(secret_slice(token), out)
                                          : session_of_opaque(c, secret_slice(token), out);
    secret_free(token);
    return e == ERR_OK ? OUTCOME_OK : ctl_fail_err(c, e, "session of that token", NULL);
}

static enum outcome revoke_one(struct ctl *c, const char *id)
{
    enum err e = roster_session_revoke(&c->roster, slice_str(id));

    if (e != ERR_OK)
        return ctl_fail_err(c, e, "session", id);
    ctl_say(c, "ended the session %s", id);
    return OUTCOME_OK;
}

enum outcome ctl_token_revoke(struct ctl *c)
{
    bool is_read = ctl_has(c, FLAG_TOKEN_STDIN);
    char *id = NULL;
    enum outcome o;

    if (is_read == (c->arg_count > 0))
        return ctl_fail(c, OUTCOME_USAGE, "either the session's id or --token-stdin");
    if (is_read && !c->is_yes)
        return ctl_fail(c, OUTCOME_USAGE, "standard input holds the token: add --yes");
    if ((o = ask_possible(c)) != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if (is_read)
        o = read_token(c, &id);
    else
        id = mem_strdup(c->args[0]);
    if (o == OUTCOME_OK && (o = ask_confirm(c, "End the session %s?", id)) == OUTCOME_OK)
        o = revoke_one(c, id);
    free(id);
    return o;
}

static enum outcome list(struct ctl *c, json_t **out)
{
    const char *owner = c->arg_count > 0 ? c->args[0] : ctl_value(c, FLAG_USER);
    enum err e = roster_session_list(&c->roster, slice_str(owner), out);

    return e == ERR_OK ? OUTCOME_OK
                       : ctl_fail_err(c, e, owner != NULL ? "user" : "sessions", owner);
}

enum outcome ctl_session_list(struct ctl *c)
{
    if (c->arg_count > 0 && ctl_has(c, FLAG_USER))
        return ctl_fail(c, OUTCOME_USAGE, "either OWNER or --user");
    return list_run(c, &view_session, list);
}

static enum outcome revoke_all(struct ctl *c, const char *user)
{
    size_t count = 0;
    enum outcome o = ask_confirm(c, "End all sessions of %s?", user);
    enum err e;

    if (o != OUTCOME_OK)
        return o;
    e = roster_session_revoke_all(&c->roster, slice_str(user), &count);
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "user", user);
    ctl_say(c, "ended %zu session%s of %s", count, count == 1 ? "" : "s", user);
    return OUTCOME_OK;
}

enum outcome ctl_session_revoke(struct ctl *c)
{
    const char *user = ctl_value(c, FLAG_USER);
    enum outcome o;

    if ((user != NULL) == (c->arg_count > 0))
        return ctl_fail(c, OUTCOME_USAGE, "either ids of sessions or --user NAME");
    if ((o = ask_possible(c)) != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if (user != NULL)
        return revoke_all(c, user);
    if ((o = ask_confirm(c, "End %zu session%s?", c->arg_count, c->arg_count == 1 ? "" : "s")) !=
        OUTCOME_OK)
        return o;
    for (size_t i = 0; i < c->arg_count; i++) {
        enum outcome one = revoke_one(c, c->args[i]);

        if (o == OUTCOME_OK)
            o = one;
    }
    return o;
}
