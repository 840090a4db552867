#include "auth_redis.h"

static void our_jwt_proves_its_user(void **state)
{
    struct bench *b = *state;
    struct secret *token = make_token(b, (struct token_new){.opaque = false});
    struct identity *who;

    for (int i = 0; i < 3; i++) {
        who = identity_of(b, CREDENTIAL_JWT, token);
        assert_int_equal(who->method, METHOD_JWT);
        assert_slice(who->name, "alice");
        assert_slice(who->roles, "user");
        assert_false(who->scopes_limited);
        assert_true(slice_starts(who->session_id, SLICE("ses_")));
        assert_in_range(who->expires_s, clock_wall_s() + 590, clock_wall_s() + 600);
        identity_unref(who);
    }
    shift_wall(601000);
    assert_refused(b, CREDENTIAL_JWT, token, "token_expired"); /* no leeway for ours */
    secret_free(token);
}

/* The default of auth.jwt.leeway is 5 s, and it is for the beginning alone. */
static void a_gateway_whose_clock_is_ahead_makes_tokens_that_count_here(void **state)
{
    struct bench *b = *state;
    struct secret *near, *far;

    shift_wall(4000);
    near = make_token(b, (struct token_new){.opaque = false});
    shift_wall(8000);
    far = make_token(b, (struct token_new){.opaque = false});
    shift_wall(0);
    assert_granted(b, CREDENTIAL_JWT, near);
    assert_refused(b, CREDENTIAL_JWT, far, "token_not_yet_valid");
    shift_wall(605000);
    assert_refused(b, CREDENTIAL_JWT, near, "token_expired");
    secret_free(near);
    secret_free(far);
}

static void an_opaque_token_proves_its_user(void **state)
{
    struct bench *b = *state;
    struct secret *token = make_token(b, (struct token_new){.opaque = true});
    struct identity *who = identity_of(b, CREDENTIAL_TOKEN, token);

    assert_int_equal(who->method, METHOD_TOKEN);
    assert_slice(who->name, "alice");
    assert_false(who->scopes_limited);
    assert_in_range(who->expires_s, clock_wall_s() + 590, clock_wall_s() + 600);
    identity_unref(who);
    token->p[5] = token->p[5] == 'x' ? 'y' : 'x';
    assert_refused(b, CREDENTIAL_TOKEN, token, "credential_unknown");
    secret_free(token);
}

static void a_token_narrows_scopes(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.scopes = SLICE("read")}),
                  *opaque =
                      make_token(b, (struct token_new){.scopes = SLICE("read"), .opaque = true});

    for (int i = 0; i < 2; i++) {
        struct identity *who =
            i == 0 ? identity_of(b, CREDENTIAL_JWT, jwt) : identity_of(b, CREDENTIAL_TOKEN, opaque);

        assert_true(who->scopes_limited);
        assert_slice(who->scopes, "read");
        identity_unref(who);
    }
    secret_free(jwt);
    secret_free(opaque);
}

static void complaint_6_an_ended_session_ends_its_tokens_at_once(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false}),
                  *opaque = make_token(b, (struct token_new){.opaque = true});
    size_t count;

    assert_granted(b, CREDENTIAL_JWT, jwt);
    assert_granted(b, CREDENTIAL_TOKEN, opaque);
    assert_int_equal(roster_session_revoke_all(&b->roster, SLICE("alice"), &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_true(refused_after_ms(b, CREDENTIAL_JWT, jwt) < 1000);
    assert_true(refused_after_ms(b, CREDENTIAL_TOKEN, opaque) < 1000);
    secret_free(jwt);
    secret_free(opaque);
}

static void k12_a_changed_role_counts_at_once(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    struct identity *who;
    json_t *out;

    assert_granted(b, CREDENTIAL_API_KEY, b->key);
    assert_granted(b, CREDENTIAL_JWT, jwt);
    assert_int_equal(roster_user_set_roles(&b->roster, SLICE("alice"), SLICE("ops"), &out), ERR_OK);
    json_decref(out);
    assert_true(refused_after_ms(b, CREDENTIAL_JWT, jwt) < 1000);
    who = identity_of(b, CREDENTIAL_API_KEY, b->key);
    assert_slice(who->roles, "ops");
    identity_unref(who);
    secret_free(jwt);
}

static void roles_come_from_the_record_and_not_from_the_token(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    struct identity *who = identity_of(b, CREDENTIAL_JWT, jwt);
    char id[64];

    snprintf(id, sizeof(id), "%.*s", SLICE_FMT(who->user_id));
    identity_unref(who);
    set_field(b, "user", id, "roles", "guest"); /* without the epoch that the script moves */
    who = identity_of(b, CREDENTIAL_JWT, jwt);
    assert_slice(who->roles, "guest");
    identity_unref(who);
    secret_free(jwt);
}

static void an_identity_ends_with_its_session_at_the_latest(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    struct identity *who = identity_of(b, CREDENTIAL_JWT, jwt);
    char session[64], ends[32];

    snprintf(session, sizeof(session), "%.*s", SLICE_FMT(who->session_id));
    snprintf(ends, sizeof(ends), "%lld", (long long)clock_wall_s() + 60);
    identity_unref(who);
    set_field(b, "sess", session, "expires_at", ends);
    who = identity_of(b, CREDENTIAL_JWT, jwt);
    assert_in_range(who->expires_s, clock_wall_s() + 50, clock_wall_s() + 60);
    identity_unref(who);
    secret_free(jwt);
}

static void the_token_version_is_the_users(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false}),
                  *opaque = make_token(b, (struct token_new){.opaque = true});
    struct identity *who = identity_of(b, CREDENTIAL_JWT, jwt);
    char id[64], session[64];

    snprintf(id, sizeof(id), "%.*s", SLICE_FMT(who->user_id));
    snprintf(session, sizeof(session), "%.*s", SLICE_FMT(who->session_id));
    identity_unref(who);
    set_field(b, "user", id, "token_ver", "77");
    assert_refused(b, CREDENTIAL_JWT, jwt, "token_version");
    assert_refused(b, CREDENTIAL_TOKEN, opaque, "token_version");
    set_field(b, "sess", session, "token_ver",
              "77"); /* a session that was kept: its token is old */
    assert_refused(b, CREDENTIAL_JWT, jwt, "token_version");
    secret_free(jwt);
    secret_free(opaque);
}

static void k3_our_tokens_name_us_as_issuer_and_type(void **state)
{
    struct bench *b = *state;
    struct secret *good = make_token(b, (struct token_new){.opaque = false}),
                  *other = make_token(b, (struct token_new){.issuer = SLICE("postern")});
    const struct jwk *key = keyring_signing(b->w->keyring);
    struct policy *fallback = policy_of("server: {public_url: https://gw.example}\n"),
                  *none = policy_of("{}\n");
    struct identity *who = identity_of(b, CREDENTIAL_JWT, good);
    struct arena arena;
    struct slice text, forged;
    struct asking a;

    arena_init(&arena);
    assert_refused(b, CREDENTIAL_JWT, other, "issuer_unknown");
    assert_int_equal(ask(b->w, fallback, CREDENTIAL_JWT, secret_slice(good), "::1", &a), ERR_OK);
    asking_fini(&a);
    assert_int_equal(ask(b->w, none, CREDENTIAL_JWT, secret_slice(other), "::1", &a), ERR_OK);
    asking_fini(&a);
    /* An assertion is signed by the same key, and opens nothing. */
    assert_int_equal(assertion_write(b->w->keyring, who, SLICE("https://gw.example"),
                                     SLICE("postern"), 60000, &arena, &text),
                     ERR_OK);
    assert_refused_from(b, CREDENTIAL_JWT, text, "::1", "token_invalid");
    /* Nor does a token of ours without a session, or for a session that never was. */
#define OURS "'iss':'https://gw.example','aud':'postern','sub':'usr_1','exp':NOW+60"
    forged = token_of(key, "at+jwt", "{" OURS ",'ver':1}");
    assert_refused_from(b, CREDENTIAL_JWT, forged, "::1", "token_claims");
    exact_free(forged);
    forged = token_of(key, "at+jwt", "{" OURS ",'ver':1,'sid':'ses_1','typ':'refresh'}");
    assert_refused_from(b, CREDENTIAL_JWT, forged, "::1", "token_claims");
    exact_free(forged);
    forged = token_of(key, "at+jwt", "{" OURS ",'ver':1,'sid':'ses_1'}");
    assert_refused_from(b, CREDENTIAL_JWT, forged, "::1", "credential_unknown");
    exact_free(forged);
    arena_fini(&arena);
    identity_unref(who);
    policy_unref(fallback);
    policy_unref(none);
    secret_free(good);
    secret_free(other);
}

static void a_session_of_somebody_else_proves_nobody(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    struct identity *who = identity_of(b, CREDENTIAL_JWT, jwt);
    const struct jwk *key = keyring_signing(b->w->keyring);
    char claims[256];
    struct slice forged;

    snprintf(claims, sizeof(claims), "{" OURS ",'ver':1,'sid':'%.*s'}", SLICE_FMT(who->session_id));
    forged = token_of(key, "at+jwt", claims); /* of usr_1, for the session of alice */
    assert_refused_from(b, CREDENTIAL_JWT, forged, "::1", "session_user");
    exact_free(forged);
    identity_unref(who);
    secret_free(jwt);
}

static bool has_other_key(void *arg)
{
    struct bench *b = arg;
    const struct keyset *set = keyring_find(b->w->keyring, SLICE_NONE);

    return set != NULL && set->count == 1 && keyring_signing(b->w->keyring) != NULL;
}

static void a_retired_signing_key_ends_its_tokens(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    char kid[64];
    json_t *out;

    assert_granted(b, CREDENTIAL_JWT, jwt);
    snprintf(kid, sizeof(kid), "%.*s", SLICE_FMT(keyring_signing(b->w->keyring)->kid));
    assert_int_equal(roster_signing_rotate(&b->roster, ALG_ES256, &out), ERR_OK);
    json_decref(out);
    assert_granted(b, CREDENTIAL_JWT, jwt); /* the old one still verifies */
    assert_int_equal(roster_signing_retire(&b->roster, slice_str(kid)), ERR_OK);
    turn_until(b->w, NULL, NULL, NULL, 100);
    assert_true(turn_until(b->w, NULL, has_other_key, b, SOON_MS));
    assert_refused(b, CREDENTIAL_JWT, jwt, "kid_unknown");
    secret_free(jwt);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(our_jwt_proves_its_user),
        TEST(a_gateway_whose_clock_is_ahead_makes_tokens_that_count_here),
        TEST(an_opaque_token_proves_its_user),
        TEST(a_token_narrows_scopes),
        TEST(complaint_6_an_ended_session_ends_its_tokens_at_once),
        TEST(k12_a_changed_role_counts_at_once),
        TEST(roles_come_from_the_record_and_not_from_the_token),
        TEST(an_identity_ends_with_its_session_at_the_latest),
        TEST(the_token_version_is_the_users),
        TEST(k3_our_tokens_name_us_as_issuer_and_type),
        TEST(a_session_of_somebody_else_proves_nobody),
        TEST(a_retired_signing_key_ends_its_tokens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
