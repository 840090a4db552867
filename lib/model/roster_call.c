#include "model/roster_call.h"

#include "base/clock.h"
#include "crypto/digest.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>

enum { FIELDS_MAX = 16, PAGE = 500 };

void call_init(struct call *c, struct roster *r)
{
    *c = (struct call){.r = r};
    arena_init(&c->arena);
}

static void drop_reply(struct call *c)
{
    freeReplyObject(c->reply);
    c->reply = NULL;
}

void call_fini(struct call *c)
{
    drop_reply(c);
    arena_fini(&c->arena);
}

static enum err err_of_reply(const struct redisReply *reply)
{
    if (reply_is_error(reply, SLICE("NOTFOUND")))
        return ERR_NOT_FOUND;
    if (reply_is_error(reply, SLICE("CONFLICT")))
        return ERR_CONFLICT;
    if (reply_is_error(reply, SLICE("CHANGED")))
        return ERR_AGAIN;
    return reply_is_error(reply, SLICE_NONE) ? ERR_UNAVAILABLE : ERR_OK;
}

enum err call_command(struct call *c, const struct slice *args, size_t count)
{
    drop_reply(c);
    if (redis_client_command(c->r->redis, args, count, &c->reply) != ERR_OK)
        return ERR_UNAVAILABLE;
    return err_of_reply(c->reply);
}

enum err call_script(struct call *c, enum script s, const struct slice *keys, size_t key_count,
                     const struct slice *args, size_t arg_count)
{
    drop_reply(c);
    if (redis_client_script(c->r->redis, s, keys, key_count, args, arg_count, &c->reply) != ERR_OK)
        return ERR_UNAVAILABLE;
    return err_of_reply(c->reply);
}

enum err call_number(struct call *c, int64_t *out)
{
    return reply_number(c->reply, out) ? ERR_OK : ERR_UNAVAILABLE;
}

struct slice call_decimal(struct call *c, int64_t n)
{
    return arena_printf(&c->arena, "%" PRId64, n);
}

struct slice call_hex(struct call *c, const unsigned char mac[32])
{
    char *hex = arena_alloc(&c->arena, 65);

    hex_encode(slice_of(mac, 32), hex);
    return slice_of(hex, 64);
}

static enum err members_between(struct call *c, struct slice key, int64_t first, int64_t last,
                                struct slice **out, size_t *count)
{
    struct slice args[] = {SLICE("ZRANGE"), key, call_decimal(c, first), call_decimal(c, last)};
    enum err e = call_command(c, args, CALL_COUNT(args));
    struct slice *members;
    size_t n;

    if (e != ERR_OK)
        return e;
    n = reply_count(c->reply);
    members = arena_alloc(&c->arena, (n + 1) * sizeof(*members));
    for (size_t i = 0; i < n; i++)
        members[i] = arena_dup(&c->arena, reply_text(reply_at(c->reply, i)));
    *out = members;
    *count = n;
    return ERR_OK;
}

enum err call_members(struct call *c, struct slice key, struct slice **out, size_t *count)
{
    return members_between(c, key, 0, -1, out, count);
}

enum err call_user_id(struct call *c, struct slice who, struct slice *id)
{
    struct slice args[] = {SLICE("GET"), keyspace_user_name(&c->r->keys, &c->arena, who)};
    enum err e;

    if (slice_starts(who, SLICE("usr_")) && !username_is_valid(who)) {
        *id = who;
        return ERR_OK;
    }
    if ((e = call_command(c, args, CALL_COUNT(args))) != ERR_OK)
        return e;
    if (reply_text(c->reply).n == 0)
        return ERR_NOT_FOUND;
    *id = arena_dup(&c->arena, reply_text(c->reply));
    return ERR_OK;
}

/* Reads only the named fields: no hash of a password leaves Redis. ERR_NOT_FOUND: none is there. */
static enum err read_fields(struct call *c, struct slice key, const char *const *names,
                            struct pair pairs[FIELDS_MAX], size_t *count)
{
    struct slice args[2 + FIELDS_MAX] = {SLICE("HMGET"), key};
    size_t asked = 0, found = 0;
    enum err e;

    for (; names[asked] != NULL; asked++)
        args[2 + asked] = slice_str(names[asked]);
    if ((e = call_command(c, args, 2 + asked)) != ERR_OK)
        return e;
    for (size_t i = 0; i < asked; i++) {
        struct slice value = reply_text(reply_at(c->reply, i));

        if (value.p != NULL)
            pairs[found++] = (struct pair){args[2 + i], value};
    }
    *count = found;
    return found > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static enum err damaged(enum err e)
{
    return e == ERR_SYNTAX ? ERR_UNAVAILABLE : e;
}

enum err call_user(struct call *c, struct slice id, struct user_record **out)
{
    static const char *const names[] = {"id",         "username",      "email",     "roles",
                                        "is_active",  "must_change",   "token_ver", "created_at",
                                        "updated_at", "last_login_at", NULL};
    struct pair pairs[FIELDS_MAX];
    size_t n;
    enum err e = read_fields(c, keyspace_user(&c->r->keys, &c->arena, id), names, pairs, &n);

    return e == ERR_OK ? damaged(user_decode(pairs, n, out)) : e;
}

enum err call_key(struct call *c, struct slice id, struct key_record **out)
{
    static const char *const names[] = {"id",         "user",      "name",       "scopes",
                                        "mac",        "prev_mac",  "prev_until", "created_at",
                                        "expires_at", "is_active", "allowed",    NULL};
    struct pair pairs[FIELDS_MAX];
    size_t n;
    enum err e = read_fields(c, keyspace_key(&c->r->keys, &c->arena, id), names, pairs, &n);

    return e == ERR_OK ? damaged(key_decode(pairs, n, out)) : e;
}

enum err call_session(struct call *c, struct slice id, struct session_record **out)
{
    static const char *const names[] = {"id",         "user",       "kind", "token_ver",
                                        "created_at", "expires_at", NULL};
    struct pair pairs[FIELDS_MAX];
    size_t n;
    enum err e = read_fields(c, keyspace_session(&c->r->keys, &c->arena, id), names, pairs, &n);

    return e == ERR_OK ? damaged(session_decode(pairs, n, out)) : e;
}

/* The rank after the last of these that is still there; 0 when none is. */
static enum err rank_after(struct call *c, struct slice key, const struct slice *members,
                           size_t count, int64_t *out)
{
    *out = 0;
    for (size_t i = count; i > 0; i--) {
        struct slice args[] = {SLICE("ZRANK"), key, members[i - 1]};
        int64_t rank;
        enum err e = call_command(c, args, CALL_COUNT(args));

        if (e != ERR_OK)
            return e;
        if (reply_number(c->reply, &rank)) {
            *out = rank + 1;
            return ERR_OK;
        }
    }
    return ERR_OK;
}

/*
 * All users, oldest first, a page at a time, so that no answer keeps Redis from its requests.
 * Who is deleted meanwhile hides nobody else; who comes meanwhile comes last.
 */
static enum err each_user(struct call *c, call_list_fn list, json_t *array)
{
    struct slice key = keyspace_users(&c->r->keys, &c->arena), *users;
    size_t count = PAGE;
    int64_t start = 0;
    enum err e = ERR_OK;

    while (e == ERR_OK && count == PAGE) {
        if ((e = members_between(c, key, start, start + PAGE - 1, &users, &count)) != ERR_OK)
            return e;
        for (size_t i = 0; e == ERR_OK && i < count; i++)
            e = list(c, users[i], array);
        if (e == ERR_OK && count == PAGE)
            e = rank_after(c, key, users, count, &start);
    }
    return e;
}

enum err call_each_owner(struct call *c, struct slice owner, call_list_fn list, json_t **out)
{
    json_t *array = json_array();
    struct slice one;
    enum err e;

    if (owner.n == 0)
        e = each_user(c, list, array);
    else if ((e = call_user_id(c, owner, &one)) == ERR_OK)
        e = list(c, one, array);
    if (e != ERR_OK) {
        json_decref(array);
        return e;
    }
    *out = array;
    return ERR_OK;
}

json_t *call_json_text(struct slice s)
{
    json_t *text = s.n > 0 ? json_stringn(s.p, s.n) : NULL;

    return text != NULL ? text : json_null();
}

json_t *call_json_words(struct slice s, char separator)
{
    json_t *array = json_array();

    while (s.n > 0 && s.p != NULL)
        (void)json_array_append_new(array, call_json_text(slice_cut(&s, separator)));
    return array;
}

json_t *call_json_time(int64_t at_s)
{
    char text[RFC3339_CHARS + 1];

    if (at_s <= 0 || at_s > INT64_MAX / 1000)
        return json_null();
    clock_rfc3339(at_s * 1000, text);
    return json_string(text);
}
