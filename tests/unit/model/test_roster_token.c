#include "model/roster.h"

#include "crypto/apikey.h"
#include "crypto/jwt.h"
#include "crypto/seal.h"
#include "fixture.h"

enum { PAIRS_MAX = 32 };

static const struct slice issuer = {"https://gw.example.com", 22};
static const struct slice audience = {"postern", 7};

static enum err issue(struct world *w, const struct token_new *t, json_t **out,
                      struct secret **token)
{
    json_t *answer = NULL;
    struct secret *text = NULL;
    enum err e = roster_token_issue(&w->roster, t, &answer, &text);

    assert_true((e == ERR_OK) == (answer != NULL) && (e == ERR_OK) == (text != NULL));
    if (out != NULL)
        *out = answer;
    else
        json_decref(answer);
    if (token != NULL)
        *token = text;
    else
        secret_free(text);
    return e;
}

static struct token_new wish(bool opaque)
{
    return (struct token_new){.owner = SLICE("alice"),
                              .issuer = issuer,
                              .audiences = &audience,
                              .audience_count = 1,
                              .ttl_s = 600,
                              .opaque = opaque};
}

/* What a gateway makes of the hash of signing keys. */
static void read_signing(struct world *w, const struct master *m, struct keyset **set,
                         const struct jwk **signer, size_t *skipped)
{
    struct slice args[] = {SLICE("HGETALL"), keyspace_signing(&w->roster.keys, &w->arena)};
    struct pair pairs[PAIRS_MAX];
    struct redisReply *reply = NULL;
    size_t n = 0;

    assert_int_equal(redis_client_command(w->redis, args, 2, &reply), ERR_OK);
    if (reply_count(reply) > 0)
        assert_int_equal(reply_pairs(reply, pairs, PAIRS_MAX, &n), ERR_OK);
    assert_int_equal(signing_decode(m, pairs, n, set, signer, skipped), ERR_OK);
    freeReplyObject(reply);
}

static enum err verify(struct world *w, const struct secret *token, json_t **claims)
{
    const struct slice type = SLICE("at+jwt");
    struct jwt_rules rules = {.issuer = issuer,
                              .audiences = &audience,
                              .audience_count = 1,
                              .types = &type,
                              .type_count = 1,
                              .type_required = true,
                              .now_s = clock_wall_s(),
                              .expiry_required = true};
    const struct jwk *signer, *key;
    struct keyset *set;
    struct jwt_peek peek;
    size_t skipped;
    enum err e = ERR_DENIED;

    read_signing(w, w->master, &set, &signer, &skipped);
    assert_int_equal(jwt_peek(secret_slice(token), &peek), ERR_OK);
    key = keyset_find(set, peek.kid, peek.alg);
    if (key != NULL)
        e = jwt_verify(secret_slice(token), key, &rules, claims);
    keyset_unref(set);
    return e;
}

/* The name of a member as text of the arena. */
static struct slice kid_of(struct world *w, json_t *key)
{
    struct slice kid = arena_dup(&w->arena, json_text(key, "kid"));

    json_decref(key);
    return kid;
}

static struct slice rotate(struct world *w, enum alg alg)
{
    json_t *out;

    assert_int_equal(roster_signing_rotate(&w->roster, alg, &out), ERR_OK);
    assert_slice(json_text(out, "state"), "active");
    assert_true(slice_eq(json_text(out, "alg"), alg_name(alg)));
    return kid_of(w, out);
}

static void a_jwt_says_what_the_interface_promises(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user,ml");
    struct token_new t = wish(false);
    struct secret *token;
    json_t *out, *claims;

    t.scopes = SLICE("read");
    assert_int_equal(issue(w, &t, &out, &token), ERR_OK);
    assert_int_equal(json_integer_value(json_object_get(out, "expires_in")), 600);
    assert_int_equal(verify(w, token, &claims), ERR_OK);
    assert_true(slice_eq(json_text(claims, "iss"), issuer));
    assert_slice(json_text(claims, "aud"), "postern");
    assert_true(slice_eq(json_text(claims, "sub"), id));
    assert_true(slice_eq(json_text(claims, "sid"), json_text(out, "session_id")));
    assert_true(slice_starts(json_text(claims, "sid"), SLICE("ses_")));
    assert_int_equal(json_text(claims, "jti").n, 26);
    assert_int_equal(json_array_size(json_object_get(claims, "roles")), 2);
    assert_int_equal(json_integer_value(json_object_get(claims, "ver")), 1);
    assert_slice(json_text(claims, "username"), "alice");
    assert_slice(json_text(claims, "scope"), "read");
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")) -
                         json_integer_value(json_object_get(claims, "iat")),
                     600);
    assert_non_null(json_object_get(claims, "nbf"));
    json_decref(claims);
    json_decref(out);
    secret_free(token);
    t.scopes = SLICE_NONE;
    assert_int_equal(issue(w, &t, NULL, &token), ERR_OK);
    assert_int_equal(verify(w, token, &claims), ERR_OK);
    assert_null(json_object_get(claims, "scope"));
    json_decref(claims);
    secret_free(token);
}

static void an_opaque_token_leads_to_session_and_user(void **state)
{
    struct world *w = *state;
    struct slice id = make_user(w, "alice", "user"), key, session_key;
    struct token_new t = wish(true);
    struct session_record *session;
    struct user_record *user;
    struct redisReply *reply;
    struct pair pairs[PAIRS_MAX];
    unsigned char mac[32];
    struct secret *token;
    json_t *out;
    size_t n;

    t.scopes = SLICE("read");
    assert_int_equal(issue(w, &t, &out, &token), ERR_OK);
    assert_int_equal(token->n, TOKEN_CHARS);
    apikey_mac(secret_slice(w->master->pepper), secret_slice(token), mac);
    key = keyspace_token(&w->roster.keys, &w->arena, mac);
    assert_slice(field(w, key, "scopes"), "read");
    assert_int_equal(redis_client_script(w->redis, SCRIPT_IDENTITY_BY_TOKEN, &key, 1,
                                         &w->roster.keys.prefix, 1, &reply),
                     ERR_OK);
    assert_int_equal(reply_pairs(reply_at(reply, 1), pairs, PAIRS_MAX, &n), ERR_OK);
    assert_int_equal(session_decode(pairs, n, &session), ERR_OK);
    assert_int_equal(reply_pairs(reply_at(reply, 2), pairs, PAIRS_MAX, &n), ERR_OK);
    for (size_t i = 0; i < n; i++)
        assert_false(slice_eq(pairs[i].name, SLICE("pw")));
    assert_int_equal(user_decode(pairs, n, &user), ERR_OK);
    assert_true(slice_eq(session->id, json_text(out, "session_id")));
    assert_slice(session->kind, "cli");
    assert_true(slice_eq(user->id, id));
    assert_int_equal(session->token_version, user->token_version);
    freeReplyObject(reply);
    /* Both end by themselves too. */
    session_key = keyspace_session(&w->roster.keys, &w->arena, session->id);
    for (int i = 0; i < 2; i++) {
        struct slice ttl[] = {SLICE("TTL"), i == 0 ? key : session_key};
        int64_t left;

        assert_int_equal(redis_client_command(w->redis, ttl, 2, &reply), ERR_OK);
        assert_true(reply_number(reply, &left) && left > 0 && left <= 600);
        freeReplyObject(reply);
    }
    user_unref(user);
    session_unref(session);
    json_decref(out);
    secret_free(token);
}

static void wishes_beyond_what_is_allowed_issue_nothing(void **state)
{
    struct world *w = *state;
    struct token_new t;
    json_t *list;

    make_user(w, "alice", "user");
    for (int64_t ttl_s = -1; ttl_s <= 0; ttl_s++) {
        t = wish(true);
        t.ttl_s = ttl_s;
        assert_int_equal(issue(w, &t, NULL, NULL), ERR_SYNTAX);
    }
    t = wish(true);
    t.ttl_s = INT64_MAX;
    assert_int_equal(issue(w, &t, NULL, NULL), ERR_SYNTAX);
    t = wish(true);
    t.scopes = SLICE("admin");
    assert_int_equal(issue(w, &t, NULL, NULL), ERR_DENIED);
    t = wish(false);
    t.issuer = SLICE_NONE;
    assert_int_equal(issue(w, &t, NULL, NULL), ERR_SYNTAX);
    t = wish(true);
    t.owner = SLICE("bob");
    assert_int_equal(issue(w, &t, NULL, NULL), ERR_NOT_FOUND);
    assert_int_equal(roster_session_list(&w->roster, SLICE_NONE, &list), ERR_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void sessions_are_listed_and_ended(void **state)
{
    struct world *w = *state;
    struct token_new t = wish(true);
    struct slice id;
    json_t *list;
    size_t n = 0;

    make_user(w, "alice", "user");
    for (int i = 0; i < 3; i++)
        assert_int_equal(issue(w, &t, NULL, NULL), ERR_OK);
    assert_int_equal(roster_session_list(&w->roster, SLICE("alice"), &list), ERR_OK);
    assert_int_equal(json_array_size(list), 3);
    assert_slice(json_text(json_array_get(list, 0), "kind"), "cli");
    id = arena_dup(&w->arena, json_text(json_array_get(list, 0), "id"));
    json_decref(list);
    assert_int_equal(roster_session_revoke(&w->roster, id), ERR_OK);
    assert_int_equal(roster_session_revoke(&w->roster, id), ERR_NOT_FOUND);
    assert_int_equal(roster_session_revoke_all(&w->roster, SLICE("alice"), &n), ERR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(roster_session_list(&w->roster, SLICE_NONE, &list), ERR_OK);
    assert_int_equal(json_array_size(list), 0);
    json_decref(list);
}

static void rotation_overlaps_until_the_old_key_is_retired(void **state)
{
    struct world *w = *state;
    struct slice first = rotate(w, ALG_ES256), second;
    struct token_new t = wish(false);
    struct secret *token;
    json_t *list, *claims;

    make_user(w, "alice", "user");
    assert_int_equal(issue(w, &t, NULL, &token), ERR_OK);
    assert_int_equal(roster_signing_retire(&w->roster, first), ERR_CONFLICT);
    second = rotate(w, ALG_EDDSA);
    assert_int_equal(roster_signing_list(&w->roster, &list), ERR_OK);
    assert_int_equal(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *key = json_array_get(list, i);
        bool is_second = slice_eq(json_text(key, "kid"), second);

        assert_slice(json_text(key, "state"), is_second ? "active" : "retiring");
        assert_null(json_object_get(key, "key"));
    }
    json_decref(list);
    assert_int_equal(verify(w, token, &claims), ERR_OK);
    json_decref(claims);
    assert_int_equal(roster_signing_retire(&w->roster, first), ERR_OK);
    assert_int_equal(verify(w, token, &claims), ERR_DENIED);
    assert_int_equal(roster_signing_retire(&w->roster, first), ERR_NOT_FOUND);
    secret_free(token);
}

static void ensure_makes_one_key_and_no_second(void **state)
{
    struct world *w = *state;
    json_t *list;

    for (int i = 0; i < 3; i++)
        assert_int_equal(roster_signing_ensure(&w->roster, ALG_ES256), ERR_OK);
    assert_int_equal(roster_signing_list(&w->roster, &list), ERR_OK);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

static void k1_the_family_of_the_signing_key_stays_alone(void **state)
{
    struct world *w = *state;
    const struct jwk *signer;
    struct slice kid;
    struct keyset *set;
    size_t skipped;

    (void)rotate(w, ALG_ES256);
    kid = rotate(w, ALG_HS256);
    read_signing(w, w->master, &set, &signer, &skipped);
    assert_int_equal(skipped, 1);
    assert_int_equal(set->count, 1);
    assert_true(slice_eq(signer->kid, kid));
    assert_int_equal(signer->alg, ALG_HS256);
    keyset_unref(set);
}

static void put(struct world *w, struct slice kid, struct slice record)
{
    struct slice args[] = {SLICE("HSET"), keyspace_signing(&w->roster.keys, &w->arena), kid,
                           record};
    struct redisReply *reply;

    assert_int_equal(redis_client_command(w->redis, args, 4, &reply), ERR_OK);
    freeReplyObject(reply);
}

static void a_sealed_key_opens_under_its_own_kid_and_master_only(void **state)
{
    struct world *w = *state;
    struct slice kid = rotate(w, ALG_ES256), signing, record;
    const struct jwk *signer;
    struct master *other;
    struct keyset *set;
    size_t skipped;

    signing = keyspace_signing(&w->roster.keys, &w->arena);
    record = arena_printf(&w->arena, "%.*s", SLICE_FMT(kid));
    record = field(w, signing, record.p);
    assert_true(record.n > 0 && memmem(record.p, record.n, "\"d\"", 3) == NULL);
    put(w, SLICE("copy"), record);
    put(w, SLICE("junk"), SLICE("{\"alg\":"));
    put(w, SLICE("none"),
        SLICE("{\"alg\":\"none\",\"state\":\"active\",\"created_at\":9,\"key\":"
              "\"v1.x\"}"));
    read_signing(w, w->master, &set, &signer, &skipped);
    assert_int_equal(skipped, 3);
    assert_int_equal(set->count, 1);
    assert_true(slice_eq(signer->kid, kid));
    keyset_unref(set);
    assert_int_equal(master_from_text(SLICE("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), &other),
                     ERR_OK);
    read_signing(w, other, &set, &signer, &skipped);
    assert_null(signer);
    assert_int_equal(set->count, 0);
    assert_int_equal(skipped, 4);
    keyset_unref(set);
    master_free(other);
}

/* The form in Redis, which gateways of other versions read: changing it loses their keys. */
static void the_stored_form_of_a_key_stays(void **state)
{
    struct world *w = *state;
    struct slice kid = rotate(w, ALG_ES256), key, context;
    struct secret *text;
    json_t *record, *jwk;

    context = arena_printf(&w->arena, "postern signing key %.*s", SLICE_FMT(kid));
    key = keyspace_signing(&w->roster.keys, &w->arena);
    assert_int_equal(json_read(field(w, key, slice_from(context, 20).p), 4096, &record), ERR_OK);
    assert_slice(json_text(record, "alg"), "ES256");
    assert_slice(json_text(record, "state"), "active");
    assert_true(json_is_integer(json_object_get(record, "created_at")));
    assert_int_equal(seal_open(secret_slice(w->master->seal_key), slice_to(context, 20),
                               json_text(record, "key"), &text),
                     ERR_DENIED);
    assert_int_equal(
        seal_open(secret_slice(w->master->seal_key), context, json_text(record, "key"), &text),
        ERR_OK);
    assert_int_equal(json_read(secret_slice(text), 4096, &jwk), ERR_OK);
    assert_true(slice_eq(json_text(jwk, "kid"), kid));
    json_decref(jwk);
    json_decref(record);
    secret_free(text);
}

static void without_redis_nothing_is_issued(void **state)
{
    struct world *w = *state;
    struct redis_client_conf conf = {.url = slice_str(w->server.url), .timeout_ms = 200};
    const struct slice ping[] = {SLICE("PING")};
    const struct slice quit[] = {SLICE("CLIENT"), SLICE("KILL"),   SLICE("TYPE"),
                                 SLICE("normal"), SLICE("SKIPME"), SLICE("yes")};
    struct roster r = w->roster;
    struct token_new t = wish(false);
    struct secret *token = NULL;
    struct redisReply *reply;
    char *why;
    json_t *out = NULL;

    assert_int_equal(redis_client_open(&conf, &r.redis, &why), ERR_OK);
    /* An answer: from now on the server knows the connection that it is told to kill. */
    assert_int_equal(redis_client_command(r.redis, ping, 1, &reply), ERR_OK);
    freeReplyObject(reply);
    assert_int_equal(redis_client_command(w->redis, quit, 6, &reply), ERR_OK);
    freeReplyObject(reply);
    assert_int_equal(roster_token_issue(&r, &t, &out, &token), ERR_UNAVAILABLE);
    assert_int_equal(roster_user_list(&r, &out), ERR_UNAVAILABLE);
    assert_int_equal(roster_signing_list(&r, &out), ERR_UNAVAILABLE);
    assert_int_equal(roster_key_revoke(&r, SLICE("abcd1234")), ERR_UNAVAILABLE);
    assert_null(out);
    assert_null(token);
    redis_client_free(r.redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_jwt_says_what_the_interface_promises),
        WORLD_TEST(an_opaque_token_leads_to_session_and_user),
        WORLD_TEST(wishes_beyond_what_is_allowed_issue_nothing),
        WORLD_TEST(sessions_are_listed_and_ended),
        WORLD_TEST(rotation_overlaps_until_the_old_key_is_retired),
        WORLD_TEST(ensure_makes_one_key_and_no_second),
        WORLD_TEST(k1_the_family_of_the_signing_key_stays_alone),
        WORLD_TEST(a_sealed_key_opens_under_its_own_kid_and_master_only),
        WORLD_TEST(the_stored_form_of_a_key_stays),
        WORLD_TEST(without_redis_nothing_is_issued),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
