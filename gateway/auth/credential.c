#include "auth/credential.h"

#include "crypto/apikey.h"
#include "crypto/jwt.h"

/* RFC 9110 §11.2, and no longer than the longest token that is read (K7). */
static bool is_token68(struct slice s)
{
    size_t i = 0;

    while (i < s.n && ((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= 'a' && s.p[i] <= 'z') ||
                       (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '.' ||
                       s.p[i] == '_' || s.p[i] == '~' || s.p[i] == '+' || s.p[i] == '/'))
        i++;
    if (i == 0 || s.n > JWT_BYTES_MAX)
        return false;
    while (i < s.n && s.p[i] == '=')
        i++;
    return i == s.n;
}

/*
 * What follows "Bearer" and its spaces, which are no tabs (RFC 9110 §11.4, RFC 6750 §2.1);
 * SLICE_NONE for another scheme.
 */
static struct slice bearer(struct slice value)
{
    struct slice rest = value, scheme = slice_cut(&rest, ' ');

    if (!slice_eq_ci(scheme, SLICE("bearer")))
        return SLICE_NONE;
    while (rest.n > 0 && rest.p[0] == ' ')
        rest = slice_from(rest, 1);
    return rest;
}

static enum credential_kind kind_of(enum header id, struct slice text)
{
    if (id == HEADER_X_API_KEY || apikey_has_prefix(text))
        return CREDENTIAL_API_KEY;
    return jwt_has_form(text) ? CREDENTIAL_JWT : CREDENTIAL_TOKEN;
}

/*
 * The row of a field that shows a credential, in any spelling: "X_Api_Key" counts as a
 * second one beside X-API-Key, since somebody behind us may read it (H2). Folding keeps
 * the length, so nearly every field is passed over without it.
 */
static enum header credential_row(const struct field *f)
{
    enum header id = f->id;

    if (id == HEADER_OTHER && (f->name.n == header_name(HEADER_AUTHORIZATION).n ||
                               f->name.n == header_name(HEADER_X_API_KEY).n))
        id = header_find_folded(f->name);
    return id == HEADER_AUTHORIZATION || id == HEADER_X_API_KEY ? id : HEADER_OTHER;
}

enum err credential_find(const struct head *head, struct credential *out)
{
    const struct field *found = NULL;
    struct slice text;

    for (size_t i = 0; i < head->count; i++) {
        if (credential_row(&head->fields[i]) == HEADER_OTHER)
            continue;
        if (found != NULL)
            return ERR_CONFLICT;
        found = &head->fields[i];
    }
    if (found == NULL)
        return ERR_NOT_FOUND;
    if (found->id == HEADER_OTHER) /* an alias alone is no credential, and no silence either */
        return ERR_SYNTAX;
    text = found->id == HEADER_AUTHORIZATION ? bearer(found->value) : slice_trim(found->value);
    if (!is_token68(text))
        return ERR_SYNTAX;
    *out = (struct credential){kind_of(found->id, text), text};
    return ERR_OK;
}
