#include "model/roster.h"

#include "crypto/password.h"
#include "fixture.h"

static enum err create(struct world *w, const char *name, const char *email, const char *roles)
{
    struct user_new u = {
        .username = slice_str(name), .email = slice_str(email), .roles = slice_str(roles)};
    json_t *out = NULL;
    enum err e = roster_user_create(&w->roster, &u, &out);

    assert_true((e == ERR_OK) == (out != NULL));
    json_decref(out);
    return e;
}

static struct slice user_key(struct world *w, struct slice id)
{
    return keyspace_user(&w->roster.keys, &w->arena, id);
}

/* A session of a user, as a login would leave it; the id is the arena's. */
static struct slice make_session(struct world *w, struct slice owner)
{
    struct token_new t = {.owner = owner, .ttl_s = 60, .opaque = true};
    struct secret *token = NULL;
    json_t *out = NULL;
    struct slice id;

    assert_int_equal(roster_token_issue(&w->roster, &t, &out, &token), ERR_OK);
    id = arena_dup(&w->arena, json_text(out, "session_id"));
    json_decref(out);
    secret_free(token);
    return id;
}

static bool has_session(struct world *w, struct slice id)
{
    return exists(w, keyspace_session(&w->roster.keys, &w->arena, id));
}

static void a_user_is_made_shown_and_listed(void **state)
{
    struct world *w = *state;
    struct user_new u = {.username = SLICE("Alice"),
                         .email = SLICE("Alice@Example.com"),
                         .roles = SLICE("user, ml-ops,user"),
                         .password = SLICE("correct horse battery")};
    json_t *made, *shown, *list;
    struct slice id, hash;

    assert_int_equal(roster_user_create(&w->roster, &u, &made), ERR_OK);
    id = arena_dup(&w->arena, json_text(made, "id"));
    assert_true(slice_starts(id, SLICE("usr_")));
    assert_int_equal(id.n, 30);
    assert_slice(json_text(made, "username"), "Alice");
    assert_slice(json_text(made, "email"), "alice@example.com");
    assert_int_equal(json_array_size(json_object_get(made, "roles")), 2);
    assert_true(json_is_true(json_object_get(made, "is_active")));
    assert_int_equal(json_text(made, "created_at").n, RFC3339_CHARS);
    assert_true(json_is_null(json_object_get(made, "last_login_at")));
    assert_int_equal(roster_user_show(&w->roster, SLICE("aLICE"), &shown), ERR_OK);
    assert_true(json_equal(made, shown));
    json_decref(shown);
    assert_int_equal(roster_user_show(&w->roster, id, &shown), ERR_OK);
    assert_true(json_equal(made, shown));
    json_decref(shown);
    assert_int_equal(roster_user_list(&w->roster, &list), ERR_OK);
    assert_int_equal(json_array_size(list), 1);
    assert_true(json_equal(made, json_array_get(list, 0)));
    json_decref(list);
    json_decref(made);
    hash = field(w, user_key(w, id), "pw");
    assert_int_equal(password_verify(SLICE("correct horse battery"), hash), ERR_OK);
    assert_int_equal(password_verify(SLICE("correct horse batterz"), hash), ERR_DENIED);
}

static void a_taken_name_or_address_is_a_conflict(void **state)
{
    struct world *w = *state;

    assert_int_equal(create(w, "alice", "a@b.c", ""), ERR_OK);
    assert_int_equal(create(w, "ALICE", "", ""), ERR_CONFLICT);
    assert_int_equal(create(w, "bob", "A@B.C", ""), ERR_CONFLICT);
    /* The refused one took nothing. */
    assert_int_equal(create(w, "bob", "", ""), ERR_OK);
}

static void k13_malformed_input_makes_no_user(void **state)
{
    static const char *const addresses[] = {"a",    "@b",    "a@",      "a@evil@corp",  "a b@c",
                                            "a@b,", "<a@b>", "\"a\"@b", "a@b\r\nBcc: x"};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
        assert_int_equal(create(w, "alice", addresses[i], ""), ERR_SYNTAX);
    assert_int_equal(create(w, "a", "", ""), ERR_SYNTAX);
    assert_int_equal(create(w, "alice", "", "Admin"), ERR_SYNTAX);
    assert_int_equal(create(w, "alice", "", "user,,admin"), ERR_SYNTAX);
    assert_int_equal(ask_number(w->redis, "DBSIZE"), 0);
}

static void an_unknown_user_is_not_found(void **state)
{
    struct world *w = *state;
    json_t *out = NULL;
    size_t n;

    assert_int_equal(roster_user_show(&w->roster, SLICE("nobody"), &out), ERR_NOT_FOUND);
    assert_int_equal(roster_user_show(&w->roster, SLICE("usr_01jdabcdefghjkmnpqrstvwxyz"), &out),
                     ERR_NOT_FOUND);
    assert_int_equal(roster_user_show(&w->roster, SLICE("*"), &out), ERR_NOT_FOUND);
    assert_int_equal(roster_user_show(&w->roster, SLICE_NONE, &out), ERR_NOT_FOUND);
    assert_int_equal(roster_user_delete(&w->roster, SLICE("nobody")), ERR_NOT_FOUND);
    assert_int_equal(roster_user_set_active(&w->roster, SLICE("nobody"), false, &out),
                     ERR_NOT_FOUND);
    assert_int_equal(roster_user_set_roles(&w->roster, SLICE("usr_01jdabcdefghjkmnpqrstvwxyz"),
                                           SLICE("user"), &out),
                     ERR_NOT_FOUND);
    assert_int_equal(roster_session_revoke_all(&w->roster, SLICE("nobody"), &n), ERR_NOT_FOUND);
    assert_null(out);
}

static void k12_new_roles_end_what_the_old_ones_opened(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user"), session = make_session(w, id);
    json_t *out;

    assert_slice(field(w, user_key(w, id), "token_ver"), "1");
    assert_int_equal(roster_user_set_roles(&w->roster, SLICE("alice"), SLICE("user,viewer"), &out),
                     ERR_OK);
    assert_int_equal(json_array_size(json_object_get(out, "roles")), 2);
    json_decref(out);
    assert_slice(field(w, user_key(w, id), "token_ver"), "2");
    assert_slice(field(w, user_key(w, id), "roles"), "user,viewer");
    assert_false(has_session(w, session));
    /* The same roles again change nothing. */
    session = make_session(w, id);
    assert_int_equal(roster_user_set_roles(&w->roster, SLICE("alice"), SLICE("user,viewer"), &out),
                     ERR_OK);
    json_decref(out);
    assert_slice(field(w, user_key(w, id), "token_ver"), "2");
    assert_true(has_session(w, session));
}

static void disabling_ends_sessions_and_enabling_revives_none(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user"), session = make_session(w, id);
    struct token_new t = {.owner = id, .ttl_s = 60, .opaque = true};
    struct key_new k = {.owner = id};
    struct secret *secret = NULL;
    json_t *out = NULL;

    assert_int_equal(roster_user_set_active(&w->roster, id, false, &out), ERR_OK);
    assert_true(json_is_false(json_object_get(out, "is_active")));
    json_decref(out);
    assert_false(has_session(w, session));
    assert_int_equal(roster_token_issue(&w->roster, &t, &out, &secret), ERR_NOT_FOUND);
    assert_int_equal(roster_key_create(&w->roster, &k, &out, &secret), ERR_NOT_FOUND);
    assert_null(secret);
    assert_int_equal(roster_user_set_active(&w->roster, id, true, &out), ERR_OK);
    json_decref(out);
    assert_false(has_session(w, session));
    assert_slice(field(w, user_key(w, id), "token_ver"), "2");
}

static void a_new_password_ends_sessions_and_keeps_keys(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user"), session = make_session(w, id), hash;
    struct key_new k = {.owner = id};
    struct secret *secret;
    json_t *out;

    assert_int_equal(roster_key_create(&w->roster, &k, &out, &secret), ERR_OK);
    secret_free(secret);
    json_decref(out);
    assert_int_equal(roster_user_set_password(&w->roster, id, SLICE("new password"), &out), ERR_OK);
    json_decref(out);
    hash = field(w, user_key(w, id), "pw");
    assert_int_equal(password_verify(SLICE("new password"), hash), ERR_OK);
    assert_false(has_session(w, session));
    assert_int_equal(roster_key_list(&w->roster, id, &out), ERR_OK);
    assert_int_equal(json_array_size(out), 1);
    json_decref(out);
    assert_int_equal(roster_user_set_password(&w->roster, id, SLICE_NONE, &out), ERR_SYNTAX);
}

/* As the account service will call it: the caller's own session survives a password change. */
static void a_session_that_is_kept_moves_to_the_new_version(void **state)
{
    struct world *w = *state;
    const struct keyspace *k = &w->roster.keys;
    struct slice id = make_user(w, "alice", "user");
    struct slice kept = make_session(w, id), other = make_session(w, id);
    struct slice keys[] = {user_key(w, id), keyspace_users(k, &w->arena),
                           keyspace_user_sessions(k, &w->arena, id)};
    struct slice args[] = {k->prefix, id, SLICE("99"), kept, SLICE("pw"), SLICE("hash")};
    struct redisReply *reply = NULL;
    int64_t version;

    for (int i = 0; i < 2; i++) { /* again after a time-out: the same */
        assert_int_equal(
            redis_client_script(w->redis, SCRIPT_USER_CHANGE, keys, 3, args, 6, &reply), ERR_OK);
        assert_true(reply_number(reply, &version));
        assert_int_equal(version, 2);
        freeReplyObject(reply);
    }
    assert_true(has_session(w, kept));
    assert_false(has_session(w, other));
    assert_slice(field(w, keyspace_session(k, &w->arena, kept), "token_ver"), "2");
}

static void the_last_active_admin_stays(void **state)
{
    struct world *w = *state;
    struct slice root = make_user(w, "root", "user,admin");
    json_t *out = NULL;

    make_user(w, "alice", "user,superadmin");
    assert_int_equal(roster_user_set_roles(&w->roster, root, SLICE("user"), &out), ERR_CONFLICT);
    assert_int_equal(roster_user_set_active(&w->roster, root, false, &out), ERR_CONFLICT);
    assert_int_equal(roster_user_delete(&w->roster, root), ERR_CONFLICT);
    make_user(w, "second", "admin");
    assert_int_equal(roster_user_set_active(&w->roster, SLICE("second"), false, &out), ERR_OK);
    json_decref(out);
    /* A disabled admin is none. */
    assert_int_equal(roster_user_delete(&w->roster, root), ERR_CONFLICT);
    assert_int_equal(roster_user_set_active(&w->roster, SLICE("second"), true, &out), ERR_OK);
    json_decref(out);
    assert_int_equal(roster_user_set_roles(&w->roster, root, SLICE("user"), &out), ERR_OK);
    json_decref(out);
    assert_int_equal(roster_user_delete(&w->roster, SLICE("second")), ERR_CONFLICT);
    assert_int_equal(roster_user_delete(&w->roster, root), ERR_OK);
}

static void deleting_a_user_leaves_nothing_that_proves_anything(void **state)
{
    struct world *w = *state;
    struct key_new k = {.owner = SLICE("alice")};
    struct secret *secret;
    struct slice id, session;
    json_t *out;

    assert_int_equal(create(w, "alice", "a@b.c", ""), ERR_OK);
    assert_int_equal(roster_user_show(&w->roster, SLICE("alice"), &out), ERR_OK);
    id = arena_dup(&w->arena, json_text(out, "id"));
    json_decref(out);
    session = make_session(w, id);
    assert_int_equal(roster_key_create(&w->roster, &k, &out, &secret), ERR_OK);
    secret_free(secret);
    json_decref(out);
    assert_int_equal(roster_user_delete(&w->roster, SLICE("Alice")), ERR_OK);
    assert_false(has_session(w, session));
    /* An opaque token's record ends by its time; it leads to no session. */
    assert_int_equal(ask_number(w->redis, "DBSIZE"), 1);
    assert_int_equal(roster_user_delete(&w->roster, id), ERR_NOT_FOUND);
    assert_int_equal(create(w, "alice", "a@b.c", ""), ERR_OK);
}

static void a_damaged_record_is_no_user(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user");
    struct slice args[] = {SLICE("HDEL"), user_key(w, id), SLICE("is_active")};
    struct redisReply *reply;
    json_t *out;

    assert_int_equal(redis_client_command(w->redis, args, 3, &reply), ERR_OK);
    freeReplyObject(reply);
    assert_int_equal(roster_user_show(&w->roster, id, &out), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_user_is_made_shown_and_listed),
        WORLD_TEST(a_taken_name_or_address_is_a_conflict),
        WORLD_TEST(k13_malformed_input_makes_no_user),
        WORLD_TEST(an_unknown_user_is_not_found),
        WORLD_TEST(k12_new_roles_end_what_the_old_ones_opened),
        WORLD_TEST(disabling_ends_sessions_and_enabling_revives_none),
        WORLD_TEST(a_new_password_ends_sessions_and_keeps_keys),
        WORLD_TEST(a_session_that_is_kept_moves_to_the_new_version),
        WORLD_TEST(the_last_active_admin_stays),
        WORLD_TEST(deleting_a_user_leaves_nothing_that_proves_anything),
        WORLD_TEST(a_damaged_record_is_no_user),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
