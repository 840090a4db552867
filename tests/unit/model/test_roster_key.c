#include "model/roster.h"

#include "crypto/apikey.h"
#include "fixture.h"

static enum err create(struct world *w, const struct key_new *k, json_t **out,
                       struct secret **secret)
{
    json_t *key = NULL;
    struct secret *text = NULL;
    enum err e = roster_key_create(&w->roster, k, &key, &text);

    assert_true((e == ERR_OK) == (key != NULL) && (e == ERR_OK) == (text != NULL));
    if (out != NULL)
        *out = key;
    else
        json_decref(key);
    if (secret != NULL)
        *secret = text;
    else
        secret_free(text);
    return e;
}

/* What a gateway reads for a key; NULL when there is none. Caller key_unref()s. */
static struct key_record *look_up(struct world *w, struct slice id, struct user_record **owner)
{
    struct slice key = keyspace_key(&w->roster.keys, &w->arena, id);
    struct redisReply *reply = NULL;
    struct key_record *record = NULL;
    struct pair pairs[16];
    size_t n;

    assert_int_equal(redis_client_script(w->redis, SCRIPT_IDENTITY_BY_KEY, &key, 1,
                                         &w->roster.keys.prefix, 1, &reply),
                     ERR_OK);
    assert_int_equal(reply_count(reply), 2);
    if (reply_pairs(reply_at(reply, 0), pairs, 16, &n) == ERR_OK)
        assert_int_equal(key_decode(pairs, n, &record), ERR_OK);
    if (owner != NULL && reply_pairs(reply_at(reply, 1), pairs, 16, &n) == ERR_OK)
        assert_int_equal(user_decode(pairs, n, owner), ERR_OK);
    freeReplyObject(reply);
    return record;
}

static bool proves(struct world *w, const unsigned char mac[32], struct slice text)
{
    unsigned char own[32];

    apikey_mac(secret_slice(w->master->pepper), text, own);
    return secret_equal(slice_of(own, 32), slice_of(mac, 32));
}

static void a_key_is_made_and_found_by_its_public_id(void **state)
{
    struct world *w = *state;
    struct slice owner = make_user(w, "alice", "user"), id;
    struct key_new k = {.owner = SLICE("alice"),
                        .name = SLICE("ci"),
                        .scopes = SLICE("read  route:ocr read"),
                        .expires_in_s = 3600,
                        .allowed_ips = SLICE("10.0.0.0/8, 2001:db8::/32")};
    struct user_record *user = NULL;
    struct key_record *record;
    struct secret *secret;
    json_t *made, *shown;

    assert_int_equal(create(w, &k, &made, &secret), ERR_OK);
    assert_int_equal(apikey_parse(secret_slice(secret), &id), ERR_OK);
    assert_true(slice_eq(id, json_text(made, "id")));
    assert_int_equal(json_text(made, "key_prefix").n, 11);
    assert_true(slice_eq(json_text(made, "user_id"), owner));
    assert_int_equal(json_array_size(json_object_get(made, "scopes")), 2);
    assert_int_equal(json_array_size(json_object_get(made, "allowed_ips")), 2);
    record = look_up(w, id, &user);
    assert_non_null(record);
    assert_true(proves(w, record->mac, secret_slice(secret)));
    assert_slice(record->scopes, "read route:ocr");
    assert_int_equal(record->allowed_count, 2);
    assert_true(record->expires_at > record->created_at);
    assert_true(slice_eq(user->id, owner));
    user_unref(user);
    key_unref(record);
    /* The whole key, what lists show, and the id alone name the same one. */
    assert_int_equal(roster_key_show(&w->roster, secret_slice(secret), &shown), ERR_OK);
    assert_true(json_equal(made, shown));
    json_decref(shown);
    assert_int_equal(roster_key_show(&w->roster, json_text(made, "key_prefix"), &shown), ERR_OK);
    json_decref(shown);
    assert_int_equal(roster_key_show(&w->roster, id, &shown), ERR_OK);
    json_decref(shown);
    secret_free(secret);
    json_decref(made);
}

/* Tyk took 3 characters, and keys that were near (incidents K10). */
static void k10_near_misses_of_a_key_prove_nothing(void **state)
{
    struct world *w = *state;
    struct key_record *record;
    struct secret *secret;
    struct slice id, found;
    json_t *out;

    make_user(w, "alice", "user");
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, &out, &secret), ERR_OK);
    assert_int_equal(apikey_parse(secret_slice(secret), &id), ERR_OK);
    id = arena_dup(&w->arena, id);
    record = look_up(w, id, NULL);
    assert_non_null(record);
    for (size_t n = 0; n < secret->n; n++) {
        struct slice part = exact(slice_to(secret_slice(secret), n));

        assert_int_equal(apikey_parse(part, &found), ERR_SYNTAX);
        assert_false(proves(w, record->mac, part));
        exact_free(part);
    }
    for (size_t i = 0; i < secret->n; i++) {
        char was = secret->p[i];

        secret->p[i] = was == 'A' ? 'B' : 'A';
        assert_false(proves(w, record->mac, secret_slice(secret)));
        assert_int_equal(apikey_parse(secret_slice(secret), &found), ERR_SYNTAX);
        secret->p[i] = was;
    }
    for (size_t i = 0; i < id.n; i++) {
        char *near = (char *)(uintptr_t)id.p, was = near[i];

        near[i] = was == 'A' ? 'B' : 'A';
        assert_null(look_up(w, id, NULL));
        assert_null(look_up(w, slice_to(id, i), NULL));
        near[i] = was;
    }
    key_unref(record);
    secret_free(secret);
    json_decref(out);
}

static void nothing_that_opens_a_door_is_stored(void **state)
{
    struct world *w = *state;
    struct secret *secret;
    struct redisReply *reply;
    struct slice id, args[] = {SLICE("HGETALL"), SLICE_NONE};
    json_t *out;

    make_user(w, "alice", "user");
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, &out, &secret), ERR_OK);
    assert_int_equal(apikey_parse(secret_slice(secret), &id), ERR_OK);
    args[1] = keyspace_key(&w->roster.keys, &w->arena, id);
    assert_int_equal(redis_client_command(w->redis, args, 2, &reply), ERR_OK);
    for (size_t i = 0; i < reply_count(reply); i++)
        assert_null(strstr(reply_at(reply, i)->str, secret->p + 12));
    freeReplyObject(reply);
    secret_free(secret);
    json_decref(out);
}

static void a_key_is_never_wider_than_its_owner(void **state)
{
    struct world *w = *state;
    struct key_new k = {.owner = SLICE("alice"), .scopes = SLICE("read admin")};

    make_user(w, "alice", "user");
    make_user(w, "root", "admin");
    assert_int_equal(create(w, &k, NULL, NULL), ERR_DENIED);
    k.owner = SLICE("root");
    assert_int_equal(create(w, &k, NULL, NULL), ERR_OK);
}

static void malformed_wishes_make_no_key(void **state)
{
    static const struct key_new bad[] = {
        {.owner = {"alice", 5}, .scopes = {"everything", 10}},
        {.owner = {"alice", 5}, .scopes = {"read,write", 10}},
        {.owner = {"alice", 5}, .expires_in_s = -1},
        {.owner = {"alice", 5}, .expires_in_s = INT64_MAX},
        {.owner = {"alice", 5}, .allowed_ips = {"10.0.0.1/8", 10}},
        {.owner = {"alice", 5}, .allowed_ips = {"10.0.0.0/8,", 11}},
        {.owner = {"alice", 5}, .name = {"a\nb", 3}},
        {.owner = {"alice", 5}, .name = {"\xff", 1}},
    };
    struct world *w = *state;
    int64_t before;

    make_user(w, "alice", "user");
    before = ask_number(w->redis, "DBSIZE");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(create(w, &bad[i], NULL, NULL), ERR_SYNTAX);
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("bob")}, NULL, NULL),
                     ERR_NOT_FOUND);
    assert_int_equal(ask_number(w->redis, "DBSIZE"), before);
}

static void a_rotated_key_keeps_its_id_and_one_former_secret(void **state)
{
    struct world *w = *state;
    struct secret *secrets[3];
    struct key_record *record;
    struct slice id, again;
    json_t *out;

    make_user(w, "alice", "user");
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, &out, &secrets[0]),
                     ERR_OK);
    assert_true(json_is_null(json_object_get(out, "previous_valid_until")));
    json_decref(out);
    assert_int_equal(apikey_parse(secret_slice(secrets[0]), &id), ERR_OK);
    for (int i = 1; i < 3; i++) {
        assert_int_equal(roster_key_rotate(&w->roster, id, 60, &out, &secrets[i]), ERR_OK);
        assert_int_equal(json_text(out, "previous_valid_until").n, RFC3339_CHARS);
        json_decref(out);
        assert_int_equal(apikey_parse(secret_slice(secrets[i]), &again), ERR_OK);
        assert_true(slice_eq(id, again));
    }
    record = look_up(w, id, NULL);
    assert_true(proves(w, record->mac, secret_slice(secrets[2])));
    assert_true(proves(w, record->previous_mac, secret_slice(secrets[1])));
    assert_true(record->previous_until > clock_wall_s());
    key_unref(record);
    for (int i = 1; i < 3; i++)
        secret_free(secrets[i]);
    /* Without grace the former one ends at once. */
    assert_int_equal(roster_key_rotate(&w->roster, id, 0, &out, &secrets[1]), ERR_OK);
    json_decref(out);
    record = look_up(w, id, NULL);
    assert_true(proves(w, record->mac, secret_slice(secrets[1])));
    assert_int_equal(record->previous_until, 0);
    key_unref(record);
    assert_int_equal(roster_key_rotate(&w->roster, id, -1, &out, &secrets[2]), ERR_SYNTAX);
    secret_free(secrets[0]);
    secret_free(secrets[1]);
    assert_int_equal(roster_key_rotate(&w->roster, SLICE("abcd1234"), 0, &out, &secrets[0]),
                     ERR_NOT_FOUND);
}

static void a_revoked_key_is_gone(void **state)
{
    struct world *w = *state;
    struct secret *secret;
    json_t *out;
    struct slice id;

    make_user(w, "alice", "user");
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, &out, &secret), ERR_OK);
    json_decref(out);
    assert_int_equal(apikey_parse(secret_slice(secret), &id), ERR_OK);
    assert_int_equal(roster_key_revoke(&w->roster, id), ERR_OK);
    assert_null(look_up(w, id, NULL));
    assert_int_equal(roster_key_revoke(&w->roster, id), ERR_NOT_FOUND);
    assert_int_equal(roster_key_show(&w->roster, id, &out), ERR_NOT_FOUND);
    assert_int_equal(roster_key_list(&w->roster, SLICE("alice"), &out), ERR_OK);
    assert_int_equal(json_array_size(out), 0);
    json_decref(out);
    secret_free(secret);
}

static void uses_are_counted_beside_the_record(void **state)
{
    struct world *w = *state;
    struct slice id, keys[2], count = SLICE("3");
    struct secret *secret;
    struct redisReply *reply;
    struct key_record *record;
    json_t *out;
    int64_t used;

    make_user(w, "alice", "user");
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, &out, &secret), ERR_OK);
    json_decref(out);
    assert_int_equal(apikey_parse(secret_slice(secret), &id), ERR_OK);
    keys[0] = keyspace_used(&w->roster.keys, &w->arena, id);
    keys[1] = keyspace_key(&w->roster.keys, &w->arena, id);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(redis_client_script(w->redis, SCRIPT_KEY_USED, keys, 2, &count, 1, &reply),
                         ERR_OK);
        assert_true(reply_number(reply, &used) && used > 0);
        freeReplyObject(reply);
    }
    assert_int_equal(field(w, keys[1], "last_used").n, 0);
    assert_int_equal(roster_key_show(&w->roster, id, &out), ERR_OK);
    assert_int_equal(json_integer_value(json_object_get(out, "usage_count")), 6);
    assert_int_equal(json_text(out, "last_used_at").n, RFC3339_CHARS);
    json_decref(out);
    record = look_up(w, id, NULL);
    assert_int_equal(record->last_used_at, used);
    key_unref(record);
    /* A report that comes after the end leaves nothing behind. */
    assert_int_equal(roster_key_revoke(&w->roster, id), ERR_OK);
    assert_int_equal(redis_client_script(w->redis, SCRIPT_KEY_USED, keys, 2, &count, 1, &reply),
                     ERR_OK);
    assert_true(reply_number(reply, &used) && used == 0);
    freeReplyObject(reply);
    assert_false(exists(w, keys[0]));
    secret_free(secret);
}

static void keys_are_listed_for_one_owner_or_all(void **state)
{
    struct world *w = *state;
    json_t *out;

    make_user(w, "alice", "user");
    make_user(w, "bob", "user");
    for (int i = 0; i < 2; i++)
        assert_int_equal(create(w, &(struct key_new){.owner = SLICE("alice")}, NULL, NULL), ERR_OK);
    assert_int_equal(create(w, &(struct key_new){.owner = SLICE("bob")}, NULL, NULL), ERR_OK);
    assert_int_equal(roster_key_list(&w->roster, SLICE("alice"), &out), ERR_OK);
    assert_int_equal(json_array_size(out), 2);
    json_decref(out);
    assert_int_equal(roster_key_list(&w->roster, SLICE_NONE, &out), ERR_OK);
    assert_int_equal(json_array_size(out), 3);
    json_decref(out);
    assert_int_equal(roster_key_list(&w->roster, SLICE("nobody"), &out), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_key_is_made_and_found_by_its_public_id),
        WORLD_TEST(k10_near_misses_of_a_key_prove_nothing),
        WORLD_TEST(nothing_that_opens_a_door_is_stored),
        WORLD_TEST(a_key_is_never_wider_than_its_owner),
        WORLD_TEST(malformed_wishes_make_no_key),
        WORLD_TEST(a_rotated_key_keeps_its_id_and_one_former_secret),
        WORLD_TEST(a_revoked_key_is_gone),
        WORLD_TEST(uses_are_counted_beside_the_record),
        WORLD_TEST(keys_are_listed_for_one_owner_or_all),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
