#include "base/clock.h"
#include "base/random.h"
#include "crypto/password.h"
#include "model/roster_call.h"

enum { PASSWORD_BYTES_MAX = 1024, DELETE_TRIES = 5 };

static json_t *user_json(const struct user_record *u)
{
    json_t *o = json_object();

    (void)json_object_set_new(o, "id", call_json_text(u->id));
    (void)json_object_set_new(o, "username", call_json_text(u->username));
    (void)json_object_set_new(o, "email", call_json_text(u->email));
    (void)json_object_set_new(o, "roles", call_json_words(u->roles, ','));
    (void)json_object_set_new(o, "is_active", json_boolean(u->is_active));
    (void)json_object_set_new(o, "must_change_password", json_boolean(u->must_change));
    (void)json_object_set_new(o, "created_at", call_json_time(u->created_at));
    (void)json_object_set_new(o, "updated_at", call_json_time(u->updated_at));
    (void)json_object_set_new(o, "last_login_at", call_json_time(u->last_login_at));
    return o;
}

static enum err show(struct call *c, struct slice id, json_t **out)
{
    struct user_record *user;
    enum err e = call_user(c, id, &user);

    if (e != ERR_OK)
        return e;
    *out = user_json(user);
    user_unref(user);
    return ERR_OK;
}

/* hash: buf_fini() by the caller; empty for no password. */
static enum err hash_password(struct slice password, struct buf *hash)
{
    const struct password_cost cost = PASSWORD_COST_DEFAULT;

    if (password.n > PASSWORD_BYTES_MAX)
        return ERR_SYNTAX;
    return password.n > 0 ? password_hash(password, &cost, hash) : ERR_OK;
}

static enum err create(struct call *c, const struct user_new *u, struct slice hash, json_t **out)
{
    const struct keyspace *k = &c->r->keys;
    struct slice id, email = SLICE_NONE, roles, keys[4];
    char random[ID_CHARS + 1];
    size_t key_count = 3;
    enum err e;

    if (!username_is_valid(u->username))
        return ERR_SYNTAX;
    if ((e = call_roles(c, u->roles, &roles)) != ERR_OK ||
        (u->email.n > 0 && (e = call_email(c, u->email, &email)) != ERR_OK))
        return e;
    random_id(random);
    id = arena_printf(&c->arena, "usr_%s", random);
    keys[0] = keyspace_user(k, &c->arena, id);
    keys[1] = keyspace_users(k, &c->arena);
    keys[2] = keyspace_user_name(k, &c->arena, u->username);
    if (email.n > 0)
        keys[key_count++] = keyspace_user_email(k, &c->arena, email);

    const struct slice args[] = {id,
                                 call_decimal(c, clock_wall_s()),
                                 SLICE("username"),
                                 u->username,
                                 SLICE("email"),
                                 email,
                                 SLICE("roles"),
                                 roles,
                                 SLICE("pw"),
                                 hash,
                                 SLICE("is_active"),
                                 SLICE("1"),
                                 SLICE("must_change"),
                                 SLICE("0"),
                                 SLICE("token_ver"),
                                 SLICE("1")};
    if ((e = call_script(c, SCRIPT_USER_CREATE, keys, key_count, args, CALL_COUNT(args))) != ERR_OK)
        return e;
    return show(c, id, out);
}

enum err roster_user_create(struct roster *r, const struct user_new *u, json_t **out)
{
    struct call c;
    struct buf hash;
    enum err e;

    call_init(&c, r);
    buf_init(&hash);
    if ((e = hash_password(u->password, &hash)) == ERR_OK)
        e = create(&c, u, buf_slice(&hash), out);
    buf_fini(&hash);
    call_fini(&c);
    return e;
}

enum err roster_user_show(struct roster *r, struct slice who, json_t **out)
{
    struct call c;
    struct slice id;
    enum err e;

    call_init(&c, r);
    if ((e = call_user_id(&c, who, &id)) == ERR_OK)
        e = show(&c, id, out);
    call_fini(&c);
    return e;
}

static enum err list_one(struct call *c, struct slice id, json_t *array)
{
    json_t *user = NULL;
    enum err e = show(c, id, &user);

    if (e == ERR_NOT_FOUND) /* deleted since the index was read */
        return ERR_OK;
    if (e == ERR_OK)
        (void)json_array_append_new(array, user);
    return e;
}

enum err roster_user_list(struct roster *r, json_t **out)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = call_each_owner(&c, SLICE_NONE, list_one, out);
    call_fini(&c);
    return e;
}

/* fields: name, value, ... */
static enum err change(struct call *c, struct slice who, const struct slice *fields, size_t count,
                       json_t **out)
{
    const struct keyspace *k = &c->r->keys;
    struct slice id, keys[3], args[4 + 4];
    enum err e = call_user_id(c, who, &id);

    if (e != ERR_OK)
        return e;
    CHECK(count <= 4);
    keys[0] = keyspace_user(k, &c->arena, id);
    keys[1] = keyspace_users(k, &c->arena);
    keys[2] = keyspace_user_sessions(k, &c->arena, id);
    args[0] = k->prefix;
    args[1] = id;
    args[2] = call_decimal(c, clock_wall_s());
    args[3] = SLICE_NONE;
    memcpy(args + 4, fields, count * sizeof(*fields));
    e = call_script(c, SCRIPT_USER_CHANGE, keys, CALL_COUNT(keys), args, 4 + count);
    return e == ERR_OK ? show(c, id, out) : e;
}

enum err roster_user_set_roles(struct roster *r, struct slice who, struct slice roles, json_t **out)
{
    struct slice fields[] = {SLICE("roles"), SLICE_NONE};
    struct call c;
    enum err e;

    call_init(&c, r);
    if ((e = call_roles(&c, roles, &fields[1])) == ERR_OK)
        e = change(&c, who, fields, CALL_COUNT(fields), out);
    call_fini(&c);
    return e;
}

enum err roster_user_set_active(struct roster *r, struct slice who, bool active, json_t **out)
{
    const struct slice fields[] = {SLICE("is_active"), active ? SLICE("1") : SLICE("0")};
    struct call c;
    enum err e;

    call_init(&c, r);
    e = change(&c, who, fields, CALL_COUNT(fields), out);
    call_fini(&c);
    return e;
}

enum err roster_user_set_password(struct roster *r, struct slice who, struct slice password,
                                  json_t **out)
{
    struct call c;
    struct buf hash;
    enum err e;

    if (password.n == 0)
        return ERR_SYNTAX;
    call_init(&c, r);
    buf_init(&hash);
    if ((e = hash_password(password, &hash)) == ERR_OK) {
        const struct slice fields[] = {SLICE("pw"), buf_slice(&hash), SLICE("must_change"),
                                       SLICE("0")};

        e = change(&c, who, fields, CALL_COUNT(fields), out);
    }
    buf_fini(&hash);
    call_fini(&c);
    return e;
}

/* ERR_AGAIN: the user was renamed between reading and deleting. */
static enum err delete_read(struct call *c, struct slice id)
{
    const struct keyspace *k = &c->r->keys;
    struct user_record *user;
    struct slice keys[6];
    size_t key_count = 5;
    enum err e = call_user(c, id, &user);

    if (e != ERR_OK)
        return e;
    keys[0] = keyspace_user(k, &c->arena, id);
    keys[1] = keyspace_users(k, &c->arena);
    keys[2] = keyspace_user_keys(k, &c->arena, id);
    keys[3] = keyspace_user_sessions(k, &c->arena, id);
    keys[4] = keyspace_user_name(k, &c->arena, user->username);
    if (user->email.n > 0)
        keys[key_count++] = keyspace_user_email(k, &c->arena, user->email);

    const struct slice args[] = {k->prefix, id, user->username, user->email};
    e = call_script(c, SCRIPT_USER_DELETE, keys, key_count, args, CALL_COUNT(args));
    user_unref(user);
    return e;
}

enum err roster_user_delete(struct roster *r, struct slice who)
{
    struct call c;
    struct slice id;
    enum err e;

    call_init(&c, r);
    if ((e = call_user_id(&c, who, &id)) == ERR_OK) {
        e = ERR_AGAIN;
        for (int i = 0; e == ERR_AGAIN && i < DELETE_TRIES; i++)
            e = delete_read(&c, id);
    }
    call_fini(&c);
    return e;
}
