#include "base/clock.h"
#include "crypto/apikey.h"
#include "model/reply.h"
#include "model/roster_call.h"

enum { CREATE_TRIES = 3, NAME_BYTES_MAX = 100 };
#define KEY_LIFE_S_MAX ((int64_t)100 * 365 * 86400)

/* "sk_abcd1234", "sk_abcd1234...", a whole key, or the public id alone. */
static struct slice public_id(struct slice text)
{
    struct slice id;

    if (apikey_parse(text, &id) == ERR_OK)
        return id;
    if (apikey_has_prefix(text))
        text = slice_from(text, 3);
    return slice_ends(text, SLICE("...")) ? slice_to(text, text.n - 3) : text;
}

static enum err read_uses(struct call *c, struct slice id, int64_t *last_used_at, int64_t *count)
{
    struct slice args[] = {SLICE("HMGET"), keyspace_used(&c->r->keys, &c->arena, id),
                           SLICE("last_used"), SLICE("usage_count")};
    enum err e = call_command(c, args, CALL_COUNT(args));

    *last_used_at = *count = 0;
    if (e == ERR_OK) {
        (void)reply_number(reply_at(c->reply, 0), last_used_at);
        (void)reply_number(reply_at(c->reply, 1), count);
    }
    return e;
}

static json_t *key_json(struct call *c, const struct key_record *k)
{
    struct slice scopes = k->scopes.n > 0 ? k->scopes : SLICE("read write");
    struct slice prefix = arena_printf(&c->arena, "sk_%.*s", SLICE_FMT(k->id));
    bool is_rotating = k->previous_until > clock_wall_s();
    json_t *o = json_object();

    (void)json_object_set_new(o, "id", call_json_text(k->id));
    (void)json_object_set_new(o, "name", call_json_text(k->name));
    (void)json_object_set_new(o, "key_prefix", call_json_text(prefix));
    (void)json_object_set_new(o, "user_id", call_json_text(k->user_id));
    (void)json_object_set_new(o, "scopes", call_json_words(scopes, ' '));
    (void)json_object_set_new(o, "is_active", json_boolean(k->is_active));
    (void)json_object_set_new(o, "created_at", call_json_time(k->created_at));
    (void)json_object_set_new(o, "expires_at", call_json_time(k->expires_at));
    (void)json_object_set_new(o, "previous_valid_until",
                              call_json_time(is_rotating ? k->previous_until : 0));
    return o;
}

static enum err show(struct call *c, struct slice id, json_t **out)
{
    struct key_record *key;
    int64_t last_used_at, count;
    enum err e = call_key(c, id, &key);
    json_t *o;

    if (e != ERR_OK)
        return e;
    o = key_json(c, key);
    key_unref(key);
    if ((e = read_uses(c, id, &last_used_at, &count)) != ERR_OK) {
        json_decref(o);
        return e;
    }
    (void)json_object_set_new(o, "last_used_at", call_json_time(last_used_at));
    (void)json_object_set_new(o, "usage_count", json_integer(count));
    *out = o;
    return ERR_OK;
}

/* The record's own spelling of the list, which key_record holds parsed. */
static enum err add_addresses(struct call *c, struct slice id, json_t *key)
{
    struct slice args[] = {SLICE("HGET"), keyspace_key(&c->r->keys, &c->arena, id),
                           SLICE("allowed")};
    enum err e = call_command(c, args, CALL_COUNT(args));

    if (e == ERR_OK)
        (void)json_object_set_new(key, "allowed_ips", call_json_words(reply_text(c->reply), ','));
    return e;
}

static enum err show_all(struct call *c, struct slice id, json_t **out)
{
    json_t *key = NULL;
    enum err e = show(c, id, &key);

    if (e == ERR_OK && (e = add_addresses(c, id, key)) == ERR_OK)
        *out = key;
    else
        json_decref(key);
    return e;
}

/* A key that will be stored, as the script wants it. */
struct draft {
    struct slice user_id, name, scopes, allowed, expires_at;
};

static enum err store(struct call *c, const struct draft *d, const struct secret *text,
                      struct slice *id)
{
    const struct keyspace *k = &c->r->keys;
    unsigned char mac[SHA256_BYTES];

    CHECK(apikey_parse(secret_slice(text), id) == ERR_OK);
    *id = arena_dup(&c->arena, *id);
    apikey_mac(secret_slice(c->r->master->pepper), secret_slice(text), mac);

    const struct slice keys[] = {keyspace_key(k, &c->arena, *id),
                                 keyspace_user(k, &c->arena, d->user_id),
                                 keyspace_user_keys(k, &c->arena, d->user_id)};
    const struct slice args[] = {*id,
                                 d->user_id,
                                 call_decimal(c, clock_wall_s()),
                                 SLICE("name"),
                                 d->name,
                                 SLICE("scopes"),
                                 d->scopes,
                                 SLICE("mac"),
                                 call_hex(c, mac),
                                 SLICE("prev_until"),
                                 SLICE("0"),
                                 SLICE("expires_at"),
                                 d->expires_at,
                                 SLICE("allowed"),
                                 d->allowed};
    return call_script(c, SCRIPT_KEY_CREATE, keys, CALL_COUNT(keys), args, CALL_COUNT(args));
}

/* Two keys may draw the same public id; the second draws again. */
static enum err create(struct call *c, const struct draft *d, json_t **out, struct secret **secret)
{
    struct secret *text = secret_new(APIKEY_CHARS);
    struct slice id;
    enum err e = ERR_CONFLICT;

    for (int i = 0; e == ERR_CONFLICT && i < CREATE_TRIES; i++) {
        apikey_generate(text->p);
        e = store(c, d, text, &id);
    }
    if (e == ERR_OK && (e = show_all(c, id, out)) == ERR_OK)
        *secret = text;
    else
        secret_free(text);
    return e;
}

static enum err make_draft(struct call *c, const struct key_new *k, struct draft *d)
{
    struct user_record *owner = NULL;
    enum err e;

    if (!call_is_printable(k->name) || k->name.n > NAME_BYTES_MAX || k->expires_in_s < 0 ||
        k->expires_in_s > KEY_LIFE_S_MAX)
        return ERR_SYNTAX;
    d->name = k->name;
    d->expires_at = call_decimal(c, k->expires_in_s > 0 ? clock_wall_s() + k->expires_in_s : 0);
    if ((e = call_addresses(c, k->allowed_ips, &d->allowed)) != ERR_OK ||
        (e = call_user_id(c, k->owner, &d->user_id)) != ERR_OK ||
        (e = call_user(c, d->user_id, &owner)) != ERR_OK)
        return e;
    e = call_scopes(c, k->scopes, owner, &d->scopes);
    user_unref(owner);
    return e;
}

enum err roster_key_create(struct roster *r, const struct key_new *k, json_t **out,
                           struct secret **secret)
{
    struct draft d;
    struct call c;
    enum err e;

    call_init(&c, r);
    if ((e = make_draft(&c, k, &d)) == ERR_OK && !k->is_trial)
        e = create(&c, &d, out, secret);
    call_fini(&c);
    return e;
}

static enum err list_owner(struct call *c, struct slice user_id, json_t *array)
{
    struct slice *ids;
    size_t count;
    enum err e = call_members(c, keyspace_user_keys(&c->r->keys, &c->arena, user_id), &ids, &count);

    for (size_t i = 0; e == ERR_OK && i < count; i++) {
        json_t *key = NULL;

        e = show_all(c, ids[i], &key);
        if (e == ERR_OK)
            (void)json_array_append_new(array, key);
        else if (e == ERR_NOT_FOUND) /* revoked since the index was read */
            e = ERR_OK;
    }
    return e;
}

enum err roster_key_list(struct roster *r, struct slice owner, json_t **out)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = call_each_owner(&c, owner, list_owner, out);
    call_fini(&c);
    return e;
}

enum err roster_key_show(struct roster *r, struct slice id, json_t **out)
{
    struct call c;
    enum err e;

    call_init(&c, r);
    e = show_all(&c, public_id(id), out);
    call_fini(&c);
    return e;
}

static enum err rotate(struct call *c, struct slice id, int64_t grace_s, struct secret *text)
{
    unsigned char mac[SHA256_BYTES];
    struct slice key = keyspace_key(&c->r->keys, &c->arena, id);

    /* An id of another form belongs to no key. */
    if (apikey_renew(id, text->p) != ERR_OK)
        return ERR_NOT_FOUND;
    apikey_mac(secret_slice(c->r->master->pepper), secret_slice(text), mac);

    const struct slice args[] = {call_hex(c, mac),
                                 call_decimal(c, grace_s > 0 ? clock_wall_s() + grace_s : 0)};
    return call_script(c, SCRIPT_KEY_ROTATE, &key, 1, args, CALL_COUNT(args));
}

enum err roster_key_rotate(struct roster *r, struct slice id, int64_t grace_s, json_t **out,
                           struct secret **secret)
{
    struct secret *text;
    struct call c;
    enum err e;

    if (grace_s < 0 || grace_s > KEY_LIFE_S_MAX)
        return ERR_SYNTAX;
    text = secret_new(APIKEY_CHARS);
    call_init(&c, r);
    if ((e = rotate(&c, public_id(id), grace_s, text)) == ERR_OK &&
        (e = show_all(&c, public_id(id), out)) == ERR_OK) {
        *secret = text;
        text = NULL;
    }
    secret_free(text);
    call_fini(&c);
    return e;
}

enum err roster_key_revoke(struct roster *r, struct slice id)
{
    struct slice key_id = public_id(id);
    struct call c;
    int64_t count = 0;
    enum err e;

    call_init(&c, r);
    const struct slice keys[] = {keyspace_key(&r->keys, &c.arena, key_id),
                                 keyspace_used(&r->keys, &c.arena, key_id)};
    const struct slice args[] = {r->keys.prefix, key_id, SLICE_NONE};
    e = call_script(&c, SCRIPT_KEY_REVOKE, keys, CALL_COUNT(keys), args, CALL_COUNT(args));
    if (e == ERR_OK)
        e = call_number(&c, &count);
    call_fini(&c);
    return e == ERR_OK && count == 0 ? ERR_NOT_FOUND : e;
}
