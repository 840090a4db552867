#include "auth/authenticate_own.h"

#include "conf/issuer_keys.h"
#include "base/clock.h"

/* Whose token it claims to be, and by which rules that is checked. */
struct rulebook {
    const struct conf_issuer *foreign; /* NULL: ours */
    struct slice keys;                 /* the issuer's name in the keyring; empty: ours */
    struct jwt_rules rules;
};

/*
 * Ours are at+jwt; nobody else's token has that issuer, audience and type (K3). None counts
 * after its exp (api.md 7.7). One that was made a moment ago by a gateway whose clock is ahead
 * of ours counts at once.
 */
static void set_own(struct rulebook *b, const struct conf *conf, int64_t now_s)
{
    static const struct slice types[] = {{"at+jwt", 6}};

    b->foreign = NULL;
    b->keys = SLICE_NONE;
    b->rules = (struct jwt_rules){.issuer = conf_token_issuer(conf),
                                  .audiences = conf->auth.jwt_audience.items,
                                  .audience_count = conf->auth.jwt_audience.count,
                                  .types = types,
                                  .type_count = 1,
                                  .type_required = true,
                                  .now_s = now_s,
                                  .early_s = conf->auth.jwt_leeway_ms / 1000,
                                  .expiry_required = true};
}

static void set_foreign(struct rulebook *b, const struct conf_issuer *c, int64_t now_s)
{
    static const struct slice types[] = {{"JWT", 3}, {"at+jwt", 6}};
    bool has_types = c->types.count > 0;

    b->foreign = c;
    b->keys = c->issuer;
    b->rules = (struct jwt_rules){.issuer = c->issuer,
                                  .audiences = c->audience.items,
                                  .audience_count = c->audience.count,
                                  .types = has_types ? c->types.items : types,
                                  .type_count = has_types ? c->types.count : 2,
                                  .type_required = has_types,
                                  .now_s = now_s,
                                  .early_s = c->leeway_ms / 1000,
                                  .late_s = c->leeway_ms / 1000,
                                  .expiry_required = true};
}

/* False for an issuer that we do not know. Without an audience nobody is admitted. */
static bool find_rules(const struct conf *conf, struct slice issuer, int64_t now_s,
                       struct rulebook *b)
{
    if (slice_eq(issuer, conf_token_issuer(conf))) {
        set_own(b, conf, now_s);
        return conf->auth.jwt_audience.count > 0;
    }
    for (size_t i = 0; i < conf->issuer_count; i++) {
        if (!slice_eq(issuer, conf->issuers[i].issuer))
            continue;
        set_foreign(b, &conf->issuers[i], now_s);
        return conf->issuers[i].audience.count > 0;
    }
    return false;
}

/*
 * The key by kid within the issuer (D8). A key that was configured without a name
 * (key_file, secret) answers to any kid; ours always have one.
 */
static const struct jwk *find_key(const struct keyset *set, const struct jwt_peek *peek,
                                  bool is_foreign)
{
    const struct jwk *key;

    if (peek->kid.n == 0 && !is_foreign)
        return NULL;
    key = keyset_find(set, peek->kid, peek->alg);
    if (key == NULL && is_foreign && peek->kid.n > 0) {
        key = keyset_find(set, SLICE_NONE, peek->alg);
        if (key != NULL && key->kid.n > 0)
            key = NULL;
    }
    return key;
}

/* A token of another issuer becomes an identity at once: there is nothing of ours to ask. */
static enum err read_foreign(struct auth_op *op, const struct rulebook *b, const json_t *claims,
                             int64_t ends_s, struct verified **out, const char **reason)
{
    struct identity *who;
    enum err e = foreign_identity(claims, b->foreign, ends_s, op->arena, &who, reason);

    if (e != ERR_OK)
        return e;
    *out = verified_new(&(struct verified){.who = who, .expires_s = ends_s});
    identity_unref(who);
    return ERR_OK;
}

static enum err read_own(const json_t *claims, int64_t ends_s, struct verified **out,
                         const char **reason)
{
    const json_t *scope = json_object_get(claims, "scope"), *use = json_object_get(claims, "typ"),
                 *version = json_object_get(claims, "ver");
    struct verified v = {.user_id = json_text(claims, "sub"),
                         .session_id = json_text(claims, "sid"),
                         .scopes = json_text(claims, "scope"),
                         .scopes_limited = scope != NULL,
                         .expires_s = ends_s};

    *reason = "token_claims";
    if (v.user_id.n == 0 || v.session_id.n == 0 || !json_is_integer(version) ||
        json_integer_value(version) < 0 || (scope != NULL && !json_is_string(scope)) ||
        (use != NULL && !slice_eq(json_text(claims, "typ"), SLICE("access"))))
        return ERR_DENIED;
    v.token_version = (uint64_t)json_integer_value(version);
    *out = verified_new(&v);
    return ERR_OK;
}

static const char *reason_of(enum err e)
{
    return e == ERR_EXPIRED  ? "token_expired"
           : e == ERR_RANGE  ? "token_not_yet_valid"
           : e == ERR_SYNTAX ? "token_malformed"
                             : "token_invalid";
}

/* Signature, form and claims, then what they say. *until_s: when the proof ends. */
static enum err check(struct auth_op *op, const struct rulebook *b, const struct jwk *key,
                      struct verified **out, int64_t *until_s, const char **reason)
{
    json_t *claims;
    int64_t ends_s;
    enum err e = jwt_verify(op->credential.text, key, &b->rules, &claims);

    if (e != ERR_OK) {
        *reason = reason_of(e);
        return ERR_DENIED;
    }
    ends_s = (int64_t)json_number_value(json_object_get(claims, "exp")) + b->rules.late_s;
    *until_s = key->not_after != 0 && key->not_after < ends_s ? key->not_after + 1 : ends_s;
    e = b->foreign != NULL ? read_foreign(op, b, claims, ends_s, out, reason)
                           : read_own(claims, ends_s, out, reason);
    json_decref(claims);
    return e;
}

/*
 * errors  ERR_DENIED; ERR_UNAVAILABLE while the issuer's keys are not known yet: that is
 *         no word about the token (D16)
 */
static enum err verify(struct auth_op *op, int64_t now_s, struct verified **out, int64_t *until_s,
                       const char **reason)
{
    struct jwt_peek peek;
    struct rulebook b;
    const struct keyset *set;
    const struct jwk *key;

    *reason = "token_malformed";
    if (jwt_peek(op->credential.text, &peek) != ERR_OK)
        return ERR_DENIED;
    *reason = "issuer_unknown";
    if (!find_rules(op->policy->conf, peek.issuer, now_s, &b))
        return ERR_DENIED;
    *reason = "algorithm";
    if (b.foreign != NULL && (issuer_algorithms(b.foreign) & 1u << peek.alg) == 0)
        return ERR_DENIED;
    set = keyring_find(op->a->worker->keyring, b.keys);
    key = set != NULL ? find_key(set, &peek, b.foreign != NULL) : NULL;
    if (key != NULL)
        return check(op, &b, key, out, until_s, reason);
    if (b.foreign != NULL)
        issuers_unknown_kid(op->a->issuers, b.keys);
    *reason = set != NULL ? "kid_unknown" : "issuer_keys_missing";
    return set != NULL ? ERR_DENIED : ERR_UNAVAILABLE;
}

/* Our token beside the session that it was made for. */
static bool judge_own(struct auth_op *op)
{
    const struct verified *v = op->state;

    if (!slice_eq(v->session_id, op->store.session->id) ||
        !slice_eq(v->user_id, op->store.user->id))
        return auth_refuse(op, "session_user");
    if (v->token_version != op->store.user->token_version)
        return auth_refuse(op, "token_version");
    return authenticate_session(op, &(struct claim){.method = METHOD_JWT,
                                                    .scopes = v->scopes,
                                                    .scopes_limited = v->scopes_limited,
                                                    .expires_s = v->expires_s});
}

bool authenticate_jwt(struct auth_op *op)
{
    const struct verified_terms terms = {keyring_generation(op->a->worker->keyring), op->policy,
                                         op->policy->generation};
    int64_t now_s = clock_wall_s(), until_s;
    unsigned char digest[SHA256_BYTES];
    struct verified *v;
    const char *reason;
    enum err e;

    sha256(op->credential.text, digest);
    v = verified_find(op->a->verified, digest, &terms, now_s);
    if (v != NULL) {
        op->state = verified_ref(v);
    } else {
        e = verify(op, now_s, &v, &until_s, &reason);
        if (e != ERR_OK)
            return e == ERR_UNAVAILABLE ? auth_unavailable(op, reason) : auth_refuse(op, reason);
        verified_put(op->a->verified, digest, &terms, until_s, v);
        op->state = v;
    }
    if (v->who != NULL)
        return auth_grant(op, identity_ref(v->who));
    return auth_judge(op, store_find_session(op->a->worker->store, v->session_id, &op->store),
                      judge_own);
}
