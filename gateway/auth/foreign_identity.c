#include "auth/authenticate_own.h"

#include <inttypes.h>

enum { LIST_BYTES_MAX = 4096 };

/* "roles", or a path as Keycloak needs it: "realm_access.roles". A member of the whole name comes
 * first. */
static const json_t *claim_find(const json_t *claims, struct slice path)
{
    const json_t *at = NULL;

    if (path.n == 0)
        return NULL;
    at = json_object_getn(claims, path.p, path.n);
    for (struct slice rest = path; at == NULL && claims != NULL && rest.p != NULL;) {
        struct slice name = slice_cut(&rest, '.');

        claims = json_object_getn(claims, name.p, name.n);
        if (rest.p == NULL)
            return claims;
    }
    return at;
}

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : SLICE_NONE;
}

/*
 * The user id: the claim after the issuer's prefix. An id of our own form would be
 * somebody else's here, however it is put together; only a prefix of that form says so on purpose.
 */
static enum err user_id_of(const json_t *claims, const struct conf_issuer *c, struct arena *arena,
                           struct slice *out)
{
    const json_t *claim = claim_find(claims, c->user_claim);
    struct slice id = text_of(claim);

    if (json_is_integer(claim))
        id = arena_printf(arena, "%" PRId64, (int64_t)json_integer_value(claim));
    if (id.n == 0)
        return ERR_DENIED;
    id = arena_printf(arena, "%.*s%.*s", SLICE_FMT(c->user_prefix), SLICE_FMT(id));
    if (!name_is_plain(id) || (user_id_is_ours(id) && !user_id_is_ours(c->user_prefix)))
        return ERR_DENIED;
    *out = id;
    return ERR_OK;
}

/* A list being joined by separator; what does not fit or is not wanted is left out. */
struct joined {
    char *p;
    size_t n;
    char separator;
    bool (*is_wanted)(struct slice word);
};

static void join(struct joined *j, struct slice word)
{
    if (!j->is_wanted(word) || j->n + 1 + word.n > LIST_BYTES_MAX)
        return;
    if (j->n > 0)
        j->p[j->n++] = j->separator;
    memcpy(j->p + j->n, word.p, word.n);
    j->n += word.n;
}

/* The words of a text: at spaces and commas. */
static void join_words(struct joined *j, struct slice text)
{
    size_t from = 0;

    for (size_t i = 0; i <= text.n; i++) {
        if (i < text.n && text.p[i] != ' ' && text.p[i] != ',')
            continue;
        join(j, slice_of(text.p + from, i - from));
        from = i + 1;
    }
}

/* A text of words, or an array of texts; anything else holds none. */
static struct slice list_of(const json_t *claim, char separator,
                            bool (*is_wanted)(struct slice word), struct arena *arena)
{
    struct joined j = {
        .p = arena_alloc(arena, LIST_BYTES_MAX), .separator = separator, .is_wanted = is_wanted};

    if (json_is_string(claim))
        join_words(&j, text_of(claim));
    for (size_t i = 0; i < json_array_size(claim); i++)
        join(&j, text_of(json_array_get(claim, i)));
    return slice_of(j.p, j.n);
}

/* scopes_of_roles() looks at the words again; here only the ends of one matter. */
static bool is_one_word(struct slice word)
{
    return word.n > 0 && memchr(word.p, ' ', word.n) == NULL;
}

/* What the token says, even when that is nothing; the default only when it is silent. */
static struct slice roles_of(const json_t *claims, const struct conf_issuer *c, struct arena *arena)
{
    const json_t *claim = claim_find(claims, c->roles_claim);
    struct joined j = {.p = NULL, .separator = ',', .is_wanted = role_is_valid};

    if (claim != NULL)
        return list_of(claim, ',', role_is_valid, arena);
    j.p = arena_alloc(arena, LIST_BYTES_MAX);
    for (size_t i = 0; i < c->default_roles.count; i++)
        join(&j, c->default_roles.items[i]);
    return slice_of(j.p, j.n);
}

enum err foreign_identity(const json_t *claims, const struct conf_issuer *issuer, int64_t expires_s,
                          struct arena *arena, struct identity **out, const char **reason)
{
    const json_t *scopes = claim_find(claims, issuer->scopes_claim);
    struct identity who = {.method = METHOD_JWT, .expires_s = expires_s};

    *reason = "user_claim";
    if (user_id_of(claims, issuer, arena, &who.user_id) != ERR_OK)
        return ERR_DENIED;
    who.name = text_of(claim_find(claims, issuer->name_claim));
    if (!name_is_plain(who.name))
        who.name = SLICE_NONE;
    who.roles = roles_of(claims, issuer, arena);
    who.scopes_limited = scopes != NULL;
    if (who.scopes_limited)
        who.scopes = scopes_of_roles(list_of(scopes, ' ', is_one_word, arena), who.roles, arena);
    *out = identity_new(&who);
    return ERR_OK;
}
