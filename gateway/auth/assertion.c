#include "auth/authenticate.h"

#include "auth/assertions.h"
#include "base/clock.h"
#include "crypto/jwt.h"

/* One signature serves the same identity and upstream for this long, and half its life at most. */
enum { REUSE_S = 5 };

/* Everything the assertion says but its times: each part after its length, so none runs into the
 * next. */
static void digest_of(const struct identity *who, struct slice issuer, struct slice audience,
                      int64_t ttl_ms, struct arena *arena, unsigned char out[SHA256_BYTES])
{
    const struct slice parts[] = {
        method_name(who->method), who->user_id, who->name, who->roles, who->scopes, who->key_id,
        who->session_id,          issuer,       audience};
    size_t n = 3 * sizeof(int64_t), at = 0;
    int64_t numbers[] = {ttl_ms, who->expires_s, who->scopes_limited};
    char *text;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        n += sizeof(size_t) + parts[i].n;
    text = arena_alloc(arena, n);
    memcpy(text, numbers, sizeof(numbers));
    at = sizeof(numbers);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(text + at, &parts[i].n, sizeof(size_t));
        at += sizeof(size_t);
        if (parts[i].n > 0)
            memcpy(text + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    sha256(slice_of(text, at), out);
}

/* Nothing is added for an empty value. False for bytes that are no text. */
static bool add_text(json_t *claims, const char *name, struct slice value)
{
    return value.n == 0 || json_object_set_new(claims, name, json_stringn(value.p, value.n)) == 0;
}

static bool add_roles(json_t *claims, struct slice roles)
{
    json_t *list = json_array();
    bool ok = json_object_set_new(claims, "roles", list) == 0;

    while (ok && roles.p != NULL) {
        struct slice role = slice_cut(&roles, ',');

        if (role.n > 0)
            ok = json_array_append_new(list, json_stringn(role.p, role.n)) == 0;
    }
    return ok;
}

static json_t *claims_of(const struct identity *who, struct slice issuer, struct slice audience,
                         int64_t now_s, int64_t expires_s)
{
    json_t *claims = json_object();

    if (add_text(claims, "iss", issuer) && add_text(claims, "aud", audience) &&
        add_text(claims, "sub", who->user_id) &&
        json_object_set_new(claims, "iat", json_integer(now_s)) == 0 &&
        json_object_set_new(claims, "exp", json_integer(expires_s)) == 0 &&
        add_text(claims, "username", who->name) && add_roles(claims, who->roles) &&
        (!who->scopes_limited ||
         json_object_set_new(claims, "scope",
                             json_stringn(who->scopes.n > 0 ? who->scopes.p : "", who->scopes.n)) ==
             0) &&
        add_text(claims, "method", method_name(who->method)) &&
        add_text(claims, "key_id", who->key_id) && add_text(claims, "sid", who->session_id))
        return claims;
    json_decref(claims);
    return NULL;
}

enum err assertion_write(struct keyring *k, const struct identity *who, struct slice issuer,
                         struct slice audience, int64_t ttl_ms, struct arena *arena,
                         struct slice *out)
{
    const struct jwk *key = keyring_signing(k);
    int64_t now_s = clock_wall_s(), expires_s = now_s + (ttl_ms + 999) / 1000, reuse_s;
    unsigned char digest[SHA256_BYTES];
    struct slice kept;
    json_t *claims;
    struct buf text;
    enum err e;

    if (key == NULL)
        return ERR_UNAVAILABLE;
    if (key->pkey == NULL) /* whoever could verify it could also make our tokens (K3) */
        return ERR_UNSUPPORTED;
    digest_of(who, issuer, audience, ttl_ms, arena, digest);
    kept = assertions_find(keyring_assertions(k), digest, keyring_generation(k), now_s);
    if (kept.n > 0) {
        *out = arena_dup(arena, kept);
        return ERR_OK;
    }
    if (who->expires_s != 0 && expires_s > who->expires_s)
        expires_s = who->expires_s;
    claims = claims_of(who, issuer, audience, now_s, expires_s);
    if (claims == NULL)
        return ERR_SYNTAX;
    buf_init(&text);
    e = jwt_sign(key, "postern-assertion+jwt", claims, &text);
    if (e == ERR_OK) {
        reuse_s = (expires_s - now_s) / 2 < REUSE_S ? (expires_s - now_s) / 2 : REUSE_S;
        assertions_put(keyring_assertions(k), digest, keyring_generation(k), now_s + reuse_s,
                       buf_slice(&text));
        *out = arena_dup(arena, buf_slice(&text));
    }
    buf_fini(&text);
    json_decref(claims);
    return e;
}
