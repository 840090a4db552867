#include "crypto/jwt.h"

#include "crypto/base64url.h"
#include "crypto/jws.h"
#include "crypto/jwt_claims.h"

#include <stdlib.h>

bool jwt_has_form(struct slice token)
{
    struct jose_parts parts;

    return jose_split(token, &parts) == ERR_OK;
}

enum err jwt_verify(struct slice token, const struct jwk *key, const struct jwt_rules *rules,
                    json_t **claims)
{
    unsigned char payload[BASE64URL_BYTES(JWT_BYTES_MAX)];
    const struct jose_header *header;
    json_t *tree;
    size_t n;
    enum err e;

    if (key->not_after != 0 && rules->now_s > key->not_after)
        return ERR_DENIED;
    if ((e = jws_open(token, key, payload, &n, &header)) != ERR_OK)
        return e;
    if ((e = jwt_check_type(header, rules)) != ERR_OK)
        return e;
    if (json_read(slice_of(payload, n), sizeof(payload), &tree) != ERR_OK)
        return ERR_SYNTAX;
    e = jwt_check_claims(tree, rules);
    if (e == ERR_OK)
        *claims = tree;
    else
        json_decref(tree);
    return e;
}

static void add_base64url(struct buf *out, struct slice s)
{
    size_t n = BASE64URL_CHARS(s.n);

    buf_commit(out, base64url_encode(s, buf_room(out, n)));
}

static void add_header(const struct jwk *key, const char *typ, struct buf *out)
{
    struct buf json;

    buf_init(&json);
    buf_add(&json, SLICE("{\"alg\":"));
    json_add_string(&json, alg_name(key->alg));
    if (key->kid.n > 0) {
        buf_add(&json, SLICE(",\"kid\":"));
        json_add_string(&json, key->kid);
    }
    if (typ != NULL) {
        buf_add(&json, SLICE(",\"typ\":"));
        json_add_string(&json, slice_str(typ));
    }
    buf_add_char(&json, '}');
    add_base64url(out, buf_slice(&json));
    buf_fini(&json);
}

enum err jwt_sign(const struct jwk *key, const char *typ, const json_t *claims, struct buf *out)
{
    unsigned char signature[JWS_SIGNATURE_MAX];
    struct buf token;
    char *payload;
    size_t n;
    enum err e;

    if (key->alg == ALG_NONE || !json_is_object(claims))
        return ERR_UNSUPPORTED;
    payload = json_dumps(claims, JSON_COMPACT);
    if (payload == NULL)
        return ERR_SYNTAX;
    buf_init(&token);
    add_header(key, typ, &token);
    buf_add_char(&token, '.');
    add_base64url(&token, slice_str(payload));
    e = jws_sign(key, buf_slice(&token), signature, &n);
    if (e == ERR_OK) {
        buf_add_char(&token, '.');
        add_base64url(&token, slice_of(signature, n));
        if (token.n > JWT_BYTES_MAX)
            e = ERR_TOO_LARGE;
        else
            buf_add(out, buf_slice(&token));
    }
    buf_fini(&token);
    free(payload);
    return e;
}
