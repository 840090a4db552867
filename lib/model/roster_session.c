#include "base/clock.h"
#include "model/reply.h"
#include "model/roster_call.h"

static enum err add_origin(struct call *c, struct slice id, json_t *session)
{
    struct slice args[] = {SLICE("HMGET"), keyspace_session(&c->r->keys, &c->arena, id),
                           SLICE("ip"), SLICE("user_agent")};
    enum err e = call_command(c, args, CALL_COUNT(args));

    if (e != ERR_OK)
        return e;
    (void)json_object_set_new(session, "ip", call_json_text(reply_text(reply_at(c->reply, 0))));
    (void)json_object_set_new(session, "user_agent",
                              call_json_text(reply_text(reply_at(c->reply, 1))));
    return ERR_OK;
}

static json_t *session_json(const struct session_record *s)
{
    json_t *o = json_object();

    (void)json_object_set_new(o, "id", call_json_text(s->id));
    (void)json_object_set_new(o, "user_id", call_json_text(s->user_id));
    (void)json_object_set_new(o, "kind", call_json_text(s->kind));
    (void)json_object_set_new(o, "created_at", call_json_time(s->created_at));
    (void)json_object_set_new(o, "expires_at", call_json_time(s->expires_at));
    return o;
}

static enum err list_one(struct call *c, struct slice id, json_t *array)
{
    struct session_record *session;
    enum err e = call_session(c, id, &session);
    json_t *o;

    if (e == ERR_NOT_FOUND) /* over since the index was read */
        return ERR_OK;
    if (e != ERR_OK)
        return e;
    o = session_json(session);
    session_unref(session);
    if ((e = add_origin(c, id, o)) == ERR_OK)
        (void)json_array_append_new(array, o);
    else
        json_decref(o);
    return e;
}

static enum err list_owner(struct call *c, struct slice user_id, json_t *array)
{
    struct slice *ids;
    size_t count;
    enum err e =
        call_members(c, keyspace_user_sessions(&c->r->keys, &c->arena, user_id), &ids, &count);

    for (size_t i = 0; e == ERR_OK && i < count; i++)
        e = list_one(c, ids[i], array);
    return e;
}

enum err roster_session_list(struct roster *r, struct slice owner, json_t **out)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = call_each_owner(&c, owner, list_owner, out);
    call_fini(&c);
    return e;
}

enum err roster_session_revoke(struct roster *r, struct slice id)
{
    struct call c;
    struct slice key;
    int64_t count = 0;
    enum err e;

    call_init(&c, r);
    key = keyspace_session(&r->keys, &c.arena, id);
    const struct slice args[] = {r->keys.prefix, SLICE("one"), id, SLICE_NONE};
    e = call_script(&c, SCRIPT_SESSION_REVOKE, &key, 1, args, CALL_COUNT(args));
    if (e == ERR_OK)
        e = call_number(&c, &count);
    call_fini(&c);
    return e == ERR_OK && count == 0 ? ERR_NOT_FOUND : e;
}

static enum err revoke_all(struct call *c, struct slice owner, size_t *count)
{
    const struct keyspace *k = &c->r->keys;
    const struct slice args[] = {k->prefix, SLICE("all"), SLICE_NONE};
    struct user_record *user;
    struct slice id, key;
    int64_t ended = 0;
    enum err e;

    if ((e = call_user_id(c, owner, &id)) != ERR_OK || (e = call_user(c, id, &user)) != ERR_OK)
        return e;
    user_unref(user);
    key = keyspace_user_sessions(k, &c->arena, id);
    if ((e = call_script(c, SCRIPT_SESSION_REVOKE, &key, 1, args, CALL_COUNT(args))) == ERR_OK &&
        (e = call_number(c, &ended)) == ERR_OK)
        *count = (size_t)ended;
    return e;
}

enum err roster_session_revoke_all(struct roster *r, struct slice owner, size_t *count)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = revoke_all(&c, owner, count);
    call_fini(&c);
    return e;
}
