#include "crypto/jose.h"

#include "crypto/base64url.h"
#include "crypto/context.h"
#include "crypto/jwt.h"

/* Key material named by the token, or a change of what is signed: never followed, so refused. */
static const char *const refused_members[] = {"jku", "x5u",  "jwk", "x5c",
                                              "b64", "crit", "zip", "enc"};

static bool is_base64url(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

enum err jose_split(struct slice token, struct jose_parts *out)
{
    size_t dots[2], count = 0;

    if (token.n > JWT_BYTES_MAX)
        return ERR_SYNTAX;
    for (size_t i = 0; i < token.n; i++) {
        if (is_base64url(token.p[i]))
            continue;
        if (token.p[i] != '.' || count == 2)
            return ERR_SYNTAX;
        dots[count++] = i;
    }
    if (count != 2 || dots[0] == 0 || dots[1] == dots[0] + 1 || dots[1] + 1 == token.n)
        return ERR_SYNTAX;
    out->header = slice_to(token, dots[0]);
    out->input = slice_to(token, dots[1]);
    out->payload = slice_from(out->input, dots[0] + 1);
    out->signature = slice_from(token, dots[1] + 1);
    return ERR_OK;
}

/* Copies an optional text member. False when it is no text or does not fit. */
static bool take_text(const json_t *object, const char *name, char *out, size_t cap, size_t *n,
                      bool *has)
{
    const json_t *member = json_object_get(object, name);

    *has = member != NULL;
    *n = 0;
    if (member == NULL)
        return true;
    if (!json_is_string(member) || json_string_length(member) > cap)
        return false;
    *n = json_string_length(member);
    memcpy(out, json_string_value(member), *n);
    return true;
}

static bool read_members(const json_t *object, struct jose_header *out)
{
    if (!json_is_object(object))
        return false;
    for (size_t i = 0; i < sizeof(refused_members) / sizeof(refused_members[0]); i++)
        if (json_object_get(object, refused_members[i]) != NULL)
            return false;
    out->alg = alg_find(json_text(object, "alg"));
    return out->alg != ALG_NONE &&
           take_text(object, "kid", out->kid, sizeof(out->kid), &out->kid_n, &out->has_kid) &&
           take_text(object, "typ", out->type, sizeof(out->type), &out->type_n, &out->has_type);
}

static bool read_text(struct slice text, struct jose_header *out)
{
    unsigned char plain[BASE64URL_BYTES(JWT_BYTES_MAX)];
    json_t *object;
    size_t n;
    bool ok;

    CHECK(text.n <= JWT_BYTES_MAX); /* a part of what jose_split() took */
    if (base64url_decode(text, plain, &n) != ERR_OK ||
        json_read(slice_of(plain, n), sizeof(plain), &object) != ERR_OK)
        return false;
    ok = read_members(object, out);
    json_decref(object);
    return ok;
}

const struct jose_header *jose_header_read(struct slice text)
{
    struct crypto_context *c = crypto_context();
    struct jose_memo *memo;

    for (int i = 0; i < JOSE_SLOTS; i++) {
        memo = &c->memos[i];
        if (memo->n > 0 && slice_eq(slice_of(memo->text, memo->n), text))
            return &memo->header;
    }
    memo = &c->memos[c->memo_next++ % JOSE_SLOTS];
    memo->n = 0;
    if (!read_text(text, &memo->header))
        return NULL;
    if (text.n <= sizeof(memo->text)) {
        memcpy(memo->text, text.p, text.n);
        memo->n = text.n;
    }
    return &memo->header;
}
