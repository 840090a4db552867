#include "crypto/jwt.h"

#include "crypto/base64url.h"
#include "crypto/jose.h"

/* Index behind the string that opens at text.p[at]; text.n when it does not end. */
static size_t skip_string(struct slice text, size_t at, bool *has_escape)
{
    *has_escape = false;
    for (at++; at < text.n; at++) {
        if (text.p[at] == '"')
            return at + 1;
        if (text.p[at] == '\\') {
            *has_escape = true;
            at++;
        }
    }
    return text.n;
}

static size_t skip_space(struct slice text, size_t at)
{
    while (at < text.n &&
           (text.p[at] == ' ' || text.p[at] == '\t' || text.p[at] == '\r' || text.p[at] == '\n'))
        at++;
    return at;
}

/* The plain string after the colon at text.p[at], without its quotes; else SLICE_NONE. */
static struct slice plain_value(struct slice text, size_t at)
{
    bool has_escape;
    size_t end;

    at = skip_space(text, at + 1);
    if (at >= text.n || text.p[at] != '"')
        return SLICE_NONE;
    end = skip_string(text, at, &has_escape);
    if (has_escape || text.p[end - 1] != '"' || end - at < 2)
        return SLICE_NONE;
    return slice_of(text.p + at + 1, end - at - 2);
}

/*
 * The issuer as it is nearly always written, found without building a tree. It
 * only chooses whose rules apply; jwt_verify() reads the claims again, strictly.
 */
static struct slice find_issuer(struct slice text)
{
    size_t depth = 0, at = 0;

    while (at < text.n) {
        char c = text.p[at];
        size_t from = at++;
        bool has_escape;

        if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (c != '"')
            continue;
        at = skip_string(text, from, &has_escape);
        if (depth != 1 || !slice_eq(slice_of(text.p + from, at - from), SLICE("\"iss\"")))
            continue;
        at = skip_space(text, at);
        if (at < text.n && text.p[at] == ':')
            return plain_value(text, at);
    }
    return SLICE_NONE;
}

_Static_assert(JOSE_KID_BYTES < sizeof(((struct jwt_peek *)NULL)->scratch), "a kid always fits");

static enum err keep(struct jwt_peek *out, size_t *used, struct slice text, struct slice *kept)
{
    if (text.n > sizeof(out->scratch) - *used)
        return ERR_SYNTAX;
    if (text.n > 0)
        memcpy(out->scratch + *used, text.p, text.n);
    *kept = slice_of(text.n > 0 ? out->scratch + *used : NULL, text.n);
    *used += text.n;
    return ERR_OK;
}

/* The long way: for an issuer with escapes, and to tell an absent one from bad JSON. */
static enum err read_issuer(struct slice text, struct jwt_peek *out, size_t *used)
{
    const json_t *issuer;
    json_t *claims;
    enum err e;

    if (json_read(text, JWT_BYTES_MAX, &claims) != ERR_OK)
        return ERR_SYNTAX;
    issuer = json_object_get(claims, "iss");
    if (!json_is_object(claims) || (issuer != NULL && !json_is_string(issuer)))
        e = ERR_SYNTAX;
    else
        e = keep(out, used, json_text(claims, "iss"), &out->issuer);
    json_decref(claims);
    return e;
}

enum err jwt_peek(struct slice token, struct jwt_peek *out)
{
    unsigned char payload[BASE64URL_BYTES(JWT_BYTES_MAX)];
    const struct jose_header *header;
    struct jose_parts parts;
    struct slice text, issuer;
    size_t used = 0, n;

    if (jose_split(token, &parts) != ERR_OK || (header = jose_header_read(parts.header)) == NULL ||
        base64url_decode(parts.payload, payload, &n) != ERR_OK)
        return ERR_SYNTAX;
    CHECK(keep(out, &used, slice_of(header->kid, header->kid_n), &out->kid) == ERR_OK);
    out->alg = header->alg;
    text = slice_of(payload, n);
    issuer = find_issuer(text);
    return issuer.n > 0 ? keep(out, &used, issuer, &out->issuer) : read_issuer(text, out, &used);
}
