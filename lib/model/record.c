#include "model/record.h"

#include "base/alloc.h"
#include "model/record_text.h"

#include <stdlib.h>

enum { ALLOWED_MAX = 64 };

/* A duplicate name cannot come from a hash; two of them would keep more than there is room for. */
static bool has_duplicates(const struct pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; k < count; k++)
            if (slice_eq(pairs[i].name, pairs[k].name))
                return true;
    return false;
}

/* Comma separated, each valid; none is a user without rights. */
static bool are_roles(struct slice roles)
{
    if (roles.n == 0)
        return true;
    while (roles.p != NULL)
        if (!role_is_valid(slice_cut(&roles, ',')))
            return false;
    return true;
}

/* Unknown scopes stay: they grant nothing that anybody asks for. */
static bool read_allowed(struct slice text, struct key_record *key)
{
    struct slice rest = text;
    size_t count = 0;

    while (rest.p != NULL && text.n > 0) {
        (void)slice_cut(&rest, ',');
        count++;
    }
    if (count > ALLOWED_MAX)
        return false;
    if (count == 0)
        return true;
    key->allowed = mem_alloc(count * sizeof(*key->allowed));
    for (rest = text; rest.p != NULL;)
        if (cidr_parse(slice_cut(&rest, ','), &key->allowed[key->allowed_count++]) != ERR_OK)
            return false;
    return true;
}

enum err user_decode(const struct pair *pairs, size_t count, struct user_record **out)
{
    struct record_reader r = {.pairs = pairs, .count = count};
    struct user_record *user = record_new(sizeof(*user), pairs, count, &r.at);

    user->refs = 1;
    user->id = record_need_text(&r, "id", 1);
    user->username = record_need_text(&r, "username", 1);
    user->email = record_text(&r, "email");
    user->roles = record_need_text(&r, "roles", 0);
    user->is_active = record_need_bool(&r, "is_active");
    user->must_change = record_need_bool(&r, "must_change");
    user->token_version = (uint64_t)record_need_number(&r, "token_ver");
    user->created_at = record_need_number(&r, "created_at");
    user->updated_at = record_number(&r, "updated_at");
    user->last_login_at = record_number(&r, "last_login_at");
    if (r.is_bad || has_duplicates(pairs, count) || !are_roles(user->roles)) {
        user_unref(user);
        return ERR_SYNTAX;
    }
    *out = user;
    return ERR_OK;
}

/* A former mac without its end, or an end without a mac, is half a rotation. */
static bool read_previous(struct record_reader *r, struct key_record *key)
{
    struct slice mac = record_find(r->pairs, r->count, "prev_mac");

    key->previous_until = record_number(r, "prev_until");
    if (mac.p == NULL || mac.n == 0)
        return key->previous_until == 0;
    return record_mac(mac, key->previous_mac);
}

/* What narrows a key must be there: a lost field must not widen it. */
enum err key_decode(const struct pair *pairs, size_t count, struct key_record **out)
{
    struct record_reader r = {.pairs = pairs, .count = count};
    struct key_record *key = record_new(sizeof(*key), pairs, count, &r.at);

    key->refs = 1;
    key->id = record_need_text(&r, "id", 1);
    key->user_id = record_need_text(&r, "user", 1);
    key->name = record_text(&r, "name");
    key->scopes = record_need_text(&r, "scopes", 0);
    key->created_at = record_need_number(&r, "created_at");
    key->expires_at = record_need_number(&r, "expires_at");
    key->last_used_at = record_number(&r, "last_used_at");
    key->is_active = record_need_bool(&r, "is_active");
    if (!record_mac(record_find(pairs, count, "mac"), key->mac) || !read_previous(&r, key) ||
        record_find(pairs, count, "allowed").p == NULL ||
        !read_allowed(record_find(pairs, count, "allowed"), key) || r.is_bad ||
        has_duplicates(pairs, count)) {
        key_unref(key);
        return ERR_SYNTAX;
    }
    *out = key;
    return ERR_OK;
}

enum err session_decode(const struct pair *pairs, size_t count, struct session_record **out)
{
    struct record_reader r = {.pairs = pairs, .count = count};
    struct session_record *session = record_new(sizeof(*session), pairs, count, &r.at);

    session->refs = 1;
    session->id = record_need_text(&r, "id", 1);
    session->user_id = record_need_text(&r, "user", 1);
    session->kind = record_need_text(&r, "kind", 1);
    session->token_version = (uint64_t)record_need_number(&r, "token_ver");
    session->created_at = record_need_number(&r, "created_at");
    session->expires_at = record_need_number(&r, "expires_at");
    if (r.is_bad || has_duplicates(pairs, count) || session->expires_at == 0) {
        session_unref(session);
        return ERR_SYNTAX;
    }
    *out = session;
    return ERR_OK;
}

void user_unref(struct user_record *r)
{
    if (r != NULL && --r->refs == 0)
        free(r);
}

void key_unref(struct key_record *r)
{
    if (r == NULL || --r->refs > 0)
        return;
    free(r->allowed);
    free(r);
}

void session_unref(struct session_record *r)
{
    if (r != NULL && --r->refs == 0)
        free(r);
}
