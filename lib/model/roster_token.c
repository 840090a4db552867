#include "base/clock.h"
#include "base/random.h"
#include "crypto/apikey.h"
#include "crypto/jwt.h"
#include "model/roster_call.h"
#include "model/roster_signing.h"

#define TOKEN_LIFE_S_MAX ((int64_t)10 * 365 * 86400)

/* A session that is being made, and what its token will say. */
struct draft {
    const struct token_new *t;
    struct user_record *user; /* owned */
    struct slice session_id, scopes;
    int64_t now_s, expires_s, version;
};

static json_t *audience_json(const struct token_new *t)
{
    json_t *array;

    if (t->audience_count == 1)
        return call_json_text(t->audiences[0]);
    array = json_array();
    for (size_t i = 0; i < t->audience_count; i++)
        (void)json_array_append_new(array, call_json_text(t->audiences[i]));
    return array;
}

/* api.md 4.6 */
static json_t *claims_json(const struct draft *d)
{
    json_t *o = json_object();
    char id[ID_CHARS + 1];

    random_id(id);
    (void)json_object_set_new(o, "iss", call_json_text(d->t->issuer));
    if (d->t->audience_count > 0)
        (void)json_object_set_new(o, "aud", audience_json(d->t));
    (void)json_object_set_new(o, "sub", call_json_text(d->user->id));
    (void)json_object_set_new(o, "jti", json_string(id));
    (void)json_object_set_new(o, "sid", call_json_text(d->session_id));
    (void)json_object_set_new(o, "iat", json_integer(d->now_s));
    (void)json_object_set_new(o, "nbf", json_integer(d->now_s));
    (void)json_object_set_new(o, "exp", json_integer(d->expires_s));
    (void)json_object_set_new(o, "roles", call_json_words(d->user->roles, ','));
    (void)json_object_set_new(o, "ver", json_integer(d->version));
    (void)json_object_set_new(o, "username", call_json_text(d->user->username));
    if (d->scopes.n > 0)
        (void)json_object_set_new(o, "scope", call_json_text(d->scopes));
    return o;
}

static json_t *answer_json(const struct draft *d)
{
    json_t *o = json_object();

    (void)json_object_set_new(o, "token_type", json_string("Bearer"));
    (void)json_object_set_new(o, "expires_in", json_integer(d->expires_s - d->now_s));
    (void)json_object_set_new(o, "expires_at", call_json_time(d->expires_s));
    (void)json_object_set_new(o, "session_id", call_json_text(d->session_id));
    (void)json_object_set_new(o, "user_id", call_json_text(d->user->id));
    (void)json_object_set_new(o, "scopes", call_json_words(d->scopes, ' '));
    return o;
}

/* mac: of the opaque token that belongs to it, or NULL. */
static enum err make_session(struct call *c, struct draft *d, const unsigned char *mac)
{
    const struct keyspace *k = &c->r->keys;
    struct slice expires = call_decimal(c, d->expires_s);
    struct slice keys[4] = {keyspace_session(k, &c->arena, d->session_id),
                            keyspace_user(k, &c->arena, d->user->id),
                            keyspace_user_sessions(k, &c->arena, d->user->id)};
    const struct slice args[] = {d->session_id, d->user->id,  call_decimal(c, d->now_s),
                                 expires,       SLICE("cli"), expires,
                                 d->scopes};
    enum err e;

    if (mac != NULL)
        keys[3] = keyspace_token(k, &c->arena, mac);
    e = call_script(c, SCRIPT_SESSION_CREATE, keys, mac != NULL ? 4 : 3, args, CALL_COUNT(args));
    return e == ERR_OK ? call_number(c, &d->version) : e;
}

static enum err issue_opaque(struct call *c, struct draft *d, struct secret **token)
{
    struct secret *text = secret_new(TOKEN_CHARS);
    unsigned char mac[SHA256_BYTES];
    enum err e;

    token_generate(text->p);
    apikey_mac(secret_slice(c->r->master->pepper), secret_slice(text), mac);
    if ((e = make_session(c, d, mac)) == ERR_OK)
        *token = text;
    else
        secret_free(text);
    return e;
}

static enum err sign(const struct draft *d, const struct jwk *key, struct secret **token)
{
    json_t *claims = claims_json(d);
    struct buf text;
    enum err e;

    buf_init(&text);
    if ((e = jwt_sign(key, "at+jwt", claims, &text)) == ERR_OK)
        *token = secret_copy(buf_slice(&text));
    secret_wipe(text.p, text.cap);
    buf_fini(&text);
    json_decref(claims);
    return e;
}

/* ERR_NOT_FOUND: there is none. set: keyset_unref(). */
static enum err find_signer(struct call *c, struct keyset **set, const struct jwk **key)
{
    struct keyset *found;
    struct pair *pairs;
    size_t count, skipped;
    enum err e = roster_signing_read(c, &pairs, &count);

    if (e != ERR_OK)
        return e;
    if ((e = signing_decode(c->r->master, pairs, count, &found, key, &skipped)) != ERR_OK)
        return e;
    if (*key == NULL) {
        keyset_unref(found);
        return skipped > 0 ? ERR_UNAVAILABLE : ERR_NOT_FOUND;
    }
    *set = found;
    return ERR_OK;
}

/* The key is found before the session is made: no session without its token. */
static enum err issue_jwt(struct call *c, struct draft *d, struct secret **token)
{
    struct keyset *set = NULL;
    const struct jwk *key = NULL;
    enum err e = find_signer(c, &set, &key);

    if (e == ERR_NOT_FOUND) {
        e = roster_signing_ensure(c->r, ALG_ES256);
        if (e == ERR_OK)
            e = find_signer(c, &set, &key);
    }
    if (e == ERR_OK && (e = make_session(c, d, NULL)) == ERR_OK)
        e = sign(d, key, token);
    keyset_unref(set);
    return e;
}

static enum err issue(struct call *c, struct draft *d, json_t **out, struct secret **token)
{
    const struct token_new *t = d->t;
    struct slice user_id;
    char id[ID_CHARS + 1];
    enum err e;

    if (t->ttl_s <= 0 || t->ttl_s > TOKEN_LIFE_S_MAX || (!t->opaque && t->issuer.n == 0))
        return ERR_SYNTAX;
    if ((e = call_user_id(c, t->owner, &user_id)) != ERR_OK ||
        (e = call_user(c, user_id, &d->user)) != ERR_OK ||
        (e = call_scopes(c, t->scopes, d->user, &d->scopes)) != ERR_OK)
        return e;
    random_id(id);
    d->session_id = arena_printf(&c->arena, "ses_%s", id);
    d->now_s = clock_wall_s();
    d->expires_s = d->now_s + t->ttl_s;
    e = t->opaque ? issue_opaque(c, d, token) : issue_jwt(c, d, token);
    if (e == ERR_OK)
        *out = answer_json(d);
    return e;
}

enum err roster_token_issue(struct roster *r, const struct token_new *t, json_t **out,
                            struct secret **token)
{
    struct draft d = {.t = t};
    struct call c;
    enum err e;

    call_init(&c, r);
    e = issue(&c, &d, out, token);
    user_unref(d.user);
    call_fini(&c);
    return e;
}
