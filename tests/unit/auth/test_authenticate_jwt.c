#include "auth_test.h"

/* Tokens of other issuers: no store is asked. */

#define IDP "https://idp.example"
#define YAML                                                                                       \
    "auth:\n"                                                                                      \
    "  jwt: {issuer: https://gw.example}\n"                                                        \
    "  issuers:\n"                                                                                 \
    "  - {issuer: https://idp.example, audience: [ml], algorithms: [ES256], "                      \
    "jwks_url: https://idp.example/jwks}\n"                                                        \
    "  - {issuer: https://two.example, audience: [ml], algorithms: [ES256], user_claim: uid, "     \
    "user_prefix: \"two:\", roles_claim: realm_access.roles, scopes_claim: perms, "                \
    "types: [at+jwt], leeway: 0s, jwks_url: https://two.example/jwks}\n"                           \
    "  - {issuer: https://sec.example, audience: [ml], algorithms: [HS256], "                      \
    "secret: 0123456789abcdef0123456789abcdef}\n"

#define GOOD "'iss':'https://idp.example','aud':'ml','sub':'alice','exp':NOW+60"

struct bench {
    struct worker *w;
    struct issuers *issuers;
    struct policy *policy;
    struct jwk *key; /* of idp's set */
};

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    b->w = worker_new(0, quiet_log());
    b->w->keyring = keyring_new();
    b->issuers = issuers_new(b->w, &b->w, 1, NULL);
    b->w->authenticator = authenticator_new(b->w, NULL, b->issuers);
    b->policy = policy_of(YAML);
    b->key = key_of(ALG_ES256, "k1");
    keyring_post(b->w, SLICE(IDP), set_of(b->key), NULL);
    turn(b->w);
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *b = *state;
    struct keyset *set = keyring_find(b->w->keyring, SLICE(IDP));

    keyset_unref(set); /* the reference of open_bench() */
    turn(b->w);        /* questions about keys find nobody to ask */
    authenticator_free(b->w->authenticator);
    keyring_free(b->w->keyring);
    policy_unref(b->policy);
    issuers_free(b->issuers);
    worker_free(b->w);
    free(b);
    shift_wall(0);
    return 0;
}

/* Asks with a token signed by key; the reason when it was refused. */
static enum err verdict(struct bench *b, const struct jwk *key, const char *typ, const char *claims,
                        const char **reason)
{
    struct slice token = token_of(key, typ, claims);
    struct asking a;
    enum err e = ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a);

    if (reason != NULL)
        *reason = a.op.reason;
    asking_fini(&a);
    exact_free(token);
    return e;
}

static void assert_refused(struct bench *b, const struct jwk *key, const char *typ,
                           const char *claims, const char *reason)
{
    const char *why;

    assert_int_equal(verdict(b, key, typ, claims, &why), ERR_DENIED);
    assert_string_equal(why, reason);
}

/* The identity of a token; identity_unref(). */
static struct identity *identity_of(struct bench *b, const struct jwk *key, const char *typ,
                                    const char *claims)
{
    struct slice token = token_of(key, typ, claims);
    struct asking a;
    struct identity *who;

    if (ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a) != ERR_OK)
        fail_msg("refused: %s", a.op.reason);
    who = identity_ref(a.op.who);
    asking_fini(&a);
    exact_free(token);
    return who;
}

static void admits_a_good_token_with_the_default_role(void **state)
{
    struct bench *b = *state;
    struct identity *who =
        identity_of(b, b->key, "JWT", "{" GOOD ",'preferred_username':'Alice A'}");

    assert_slice(who->user_id, "alice");
    assert_slice(who->name, "Alice A");
    assert_slice(who->roles, "user");
    assert_false(who->scopes_limited);
    assert_int_equal(who->method, METHOD_JWT);
    assert_in_range(who->expires_s, clock_wall_s() + 80, clock_wall_s() + 95); /* with leeway */
    identity_unref(who);
}

static void reads_roles_and_scopes_and_drops_what_is_none(void **state)
{
    struct bench *b = *state;
    struct identity *who = identity_of(
        b, b->key, "JWT",
        "{" GOOD ",'roles':['ops','Bad Role','x,admin',7,'user'],'scope':'read a\\\"b chat'}");

    assert_slice(who->roles, "ops,user");
    assert_true(who->scopes_limited);
    assert_slice(who->scopes, "read chat");
    identity_unref(who);
    who = identity_of(b, b->key, "JWT", "{" GOOD ",'roles':'user, admin','scope':['read','a b']}");
    assert_slice(who->roles, "user,admin");
    assert_slice(who->scopes, "read");
    identity_unref(who);
}

static void a_roles_claim_without_roles_is_not_the_default(void **state)
{
    struct bench *b = *state;
    static const char *const claims[] = {"{" GOOD ",'roles':[]}", "{" GOOD ",'roles':null}",
                                         "{" GOOD ",'roles':{'admin':true}}"};

    for (size_t i = 0; i < 3; i++) {
        struct identity *who = identity_of(b, b->key, "JWT", claims[i]);

        assert_int_equal(who->roles.n, 0);
        identity_unref(who);
    }
}

static void the_scope_admin_needs_the_role(void **state)
{
    struct bench *b = *state;
    struct identity *who = identity_of(b, b->key, "JWT", "{" GOOD ",'scope':'read admin'}");

    assert_slice(who->scopes, "read");
    identity_unref(who);
    who = identity_of(b, b->key, "JWT", "{" GOOD ",'scope':'read admin','roles':'admin'}");
    assert_slice(who->scopes, "read admin");
    identity_unref(who);
    who = identity_of(b, b->key, "JWT", "{" GOOD ",'scope':''}");
    assert_true(who->scopes_limited);
    assert_false(identity_may_method(who, SLICE("GET"), SLICE("r")));
    identity_unref(who);
}

static void follows_the_issuers_own_claims(void **state)
{
    struct bench *b = *state;
    struct jwk *key = key_of(ALG_ES256, "k2");
    struct keyset *set = set_of(key);
    struct identity *who;

#define TWO "'iss':'https://two.example','aud':['other','ml'],'exp':NOW+60"
    keyring_post(b->w, SLICE("https://two.example"), set, NULL);
    turn(b->w);
    who = identity_of(b, key, "at+jwt",
                      "{" TWO ",'uid':42,'realm_access':{'roles':['ops']},'perms':['read']}");
    assert_slice(who->user_id, "two:42");
    assert_slice(who->roles, "ops");
    assert_slice(who->scopes, "read");
    identity_unref(who);
    assert_refused(b, key, "JWT", "{" TWO ",'uid':42}", "token_invalid");
    assert_refused(b, key, NULL, "{" TWO ",'uid':42}", "token_invalid");
    assert_refused(b, key, "at+jwt", "{" TWO ",'sub':'alice'}", "user_claim");
    keyset_unref(set);
}

static void refuses_an_id_of_our_own_form_and_none_at_all(void **state)
{
    struct bench *b = *state;

#define WITHOUT_SUB "'iss':'https://idp.example','aud':'ml','exp':NOW+60"
    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB ",'sub':'usr_1'}", "user_claim");
    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB ",'sub':'USR_1'}", "user_claim");
    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB "}", "user_claim");
    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB ",'sub':''}", "user_claim");
    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB ",'sub':' alice'}", "user_claim");
}

static void h14_refuses_a_user_id_with_a_control_byte(void **state)
{
    struct bench *b = *state;

    assert_refused(b, b->key, "JWT", "{" WITHOUT_SUB ",'sub':'a\\nX-User-Roles: admin'}",
                   "user_claim");
}

static void k1_the_algorithm_belongs_to_the_key(void **state)
{
    struct bench *b = *state;
    json_t *public_jwk = jwk_public_json(b->key);
    struct jwk *confused, *other = key_of(ALG_ES384, "k1");

    /* A public part, as everybody can read it, taken for an HMAC secret under the same kid. */
    assert_int_equal(jwk_from_secret(json_text(public_jwk, "x"), ALG_HS256, SLICE("k1"), &confused),
                     ERR_OK);
    assert_refused(b, confused, "JWT", "{" GOOD "}", "algorithm");
    assert_refused(b, other, "JWT", "{" GOOD "}", "algorithm");
    jwk_free(confused);
    jwk_free(other);
    json_decref(public_jwk);
}

static void k1_no_token_without_signature(void **state)
{
    struct bench *b = *state;
    struct asking a;

    /* {"alg":"none"} . {"iss":"https://idp.example"} . x */
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT,
                         SLICE("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlIn0.eA"),
                         "127.0.0.1", &a),
                     ERR_DENIED);
    assert_string_equal(a.op.reason, "token_malformed");
    asking_fini(&a);
}

static void k2_refuses_types_of_other_purposes(void **state)
{
    struct bench *b = *state;
    struct identity *who;

    assert_refused(b, b->key, "logout+jwt", "{" GOOD "}", "token_invalid");
    assert_refused(b, b->key, "postern-assertion+jwt", "{" GOOD "}", "token_invalid");
    who = identity_of(b, b->key, NULL, "{" GOOD "}");
    identity_unref(who);
}

static void k3_another_issuers_key_signs_for_nobody_else(void **state)
{
    struct bench *b = *state;
    struct jwk *key = key_of(ALG_ES256, "k2");
    struct keyset *set = set_of(key);

    keyring_post(b->w, SLICE("https://two.example"), set, NULL);
    turn(b->w);
    assert_refused(b, key, "JWT", "{" GOOD "}", "kid_unknown");
    /* ... nor for ourselves: our own keys are not known yet. */
    assert_int_equal(
        verdict(b, key, "at+jwt",
                "{'iss':'https://gw.example','aud':'postern','sub':'usr_1','exp':NOW+9}", NULL),
        ERR_UNAVAILABLE);
    keyset_unref(set);
}

static void checks_issuer_audience_and_times(void **state)
{
    struct bench *b = *state;

    assert_refused(b, b->key, "JWT",
                   "{'iss':'https://evil.example','aud':'ml','sub':'a','exp':NOW+9}",
                   "issuer_unknown");
    assert_refused(b, b->key, "JWT", "{'aud':'ml','sub':'a','exp':NOW+9}", "issuer_unknown");
    assert_refused(b, b->key, "JWT", "{'iss':'" IDP "','aud':'other','sub':'a','exp':NOW+9}",
                   "token_invalid");
    assert_refused(b, b->key, "JWT", "{'iss':'" IDP "','sub':'a','exp':NOW+9}", "token_invalid");
    assert_refused(b, b->key, "JWT", "{'iss':'" IDP "','aud':'ml','sub':'a'}", "token_invalid");
    assert_refused(b, b->key, "JWT", "{'iss':'" IDP "','aud':'ml','sub':'a','exp':NOW-31}",
                   "token_expired");
    assert_int_equal(
        verdict(b, b->key, "JWT", "{'iss':'" IDP "','aud':'ml','sub':'a','exp':NOW-20}", NULL),
        ERR_OK);
}

static void a_remembered_token_ends_with_its_time(void **state)
{
    struct bench *b = *state;
    struct slice token = token_of(b->key, "JWT", "{" GOOD "}");
    struct asking a;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_OK);
        asking_fini(&a);
    }
    shift_wall(95000);
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_DENIED);
    assert_string_equal(a.op.reason, "token_expired");
    asking_fini(&a);
    exact_free(token);
}

static void a_remembered_token_ends_with_its_key(void **state)
{
    struct bench *b = *state;
    struct slice token = token_of(b->key, "JWT", "{" GOOD "}");
    struct keyset *next = set_of(key_of(ALG_ES256, "k2")), *first;
    struct asking a;

    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_OK);
    asking_fini(&a);
    first = keyring_find(b->w->keyring, SLICE(IDP));
    keyring_post(b->w, SLICE(IDP), next, NULL);
    turn(b->w);
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_DENIED);
    assert_string_equal(a.op.reason, "kid_unknown");
    asking_fini(&a);
    exact_free(token);
    keyset_unref(first);
}

static void a_remembered_token_is_judged_anew_after_a_reload(void **state)
{
    struct bench *b = *state;
    struct slice token = token_of(b->key, "JWT", "{" GOOD "}");
    struct policy *strict = policy_of(
        "auth: {issuers: [{issuer: https://idp.example, audience: [other], algorithms: [ES256], "
        "jwks_url: https://idp.example/jwks}]}\n");
    struct asking a;

    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_OK);
    asking_fini(&a);
    assert_int_equal(ask(b->w, strict, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_DENIED);
    asking_fini(&a);
    exact_free(token);
    policy_unref(strict);
}

static void a_changed_byte_is_not_remembered(void **state)
{
    struct bench *b = *state;
    struct slice token = token_of(b->key, "JWT", "{" GOOD "}"), changed = exact(token);
    char *p = (char *)(uintptr_t)changed.p;
    struct asking a;

    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_OK);
    asking_fini(&a);
    p[token.n - 10] = p[token.n - 10] == 'A' ? 'B' : 'A';
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, changed, "127.0.0.1", &a), ERR_DENIED);
    assert_string_equal(a.op.reason, "token_invalid");
    asking_fini(&a);
    exact_free(token);
    exact_free(changed);
}

static void keys_that_are_not_known_yet_refuse_nobody(void **state)
{
    struct bench *b = *state;
    struct jwk *key = key_of(ALG_ES256, "k2");

    assert_int_equal(verdict(b, key, "at+jwt", "{" TWO ",'uid':42}", NULL), ERR_UNAVAILABLE);
    jwk_free(key);
}

static void a_shared_secret_answers_to_any_kid(void **state)
{
    struct bench *b = *state;
    struct jwk *key, *wrong;
    char *why = NULL;
    struct identity *who;

#define SEC "'iss':'https://sec.example','aud':'ml','sub':'svc','exp':NOW+60"
    b->policy->conf->issuer_count = 0; /* the others want to fetch */
    b->policy->conf->issuers += 2;
    b->policy->conf->issuer_count = 1;
    assert_int_equal(issuers_apply(b->issuers, b->policy, &why), ERR_OK);
    turn(b->w);
    assert_int_equal(
        jwk_from_secret(SLICE("0123456789abcdef0123456789abcdef"), ALG_HS256, SLICE("any"), &key),
        ERR_OK);
    who = identity_of(b, key, "JWT", "{" SEC "}");
    assert_slice(who->user_id, "svc");
    identity_unref(who);
    assert_int_equal(
        jwk_from_secret(SLICE("0123456789abcdef0123456789abcdeF"), ALG_HS256, SLICE("any"), &wrong),
        ERR_OK);
    assert_refused(b, wrong, "JWT", "{" SEC "}", "token_invalid");
    jwk_free(key);
    jwk_free(wrong);
    b->policy->conf->issuers -= 2;
    b->policy->conf->issuer_count = 3;
}

static void a_key_past_its_end_verifies_nothing_from_memory_either(void **state)
{
    struct bench *b = *state;
    struct slice token = token_of(b->key, "JWT", "{" GOOD "}");
    struct asking a;

    b->key->not_after = clock_wall_s() + 5;
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_OK);
    asking_fini(&a);
    shift_wall(7000);
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_JWT, token, "127.0.0.1", &a), ERR_DENIED);
    asking_fini(&a);
    exact_free(token);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(admits_a_good_token_with_the_default_role),
        TEST(reads_roles_and_scopes_and_drops_what_is_none),
        TEST(a_roles_claim_without_roles_is_not_the_default),
        TEST(the_scope_admin_needs_the_role),
        TEST(follows_the_issuers_own_claims),
        TEST(refuses_an_id_of_our_own_form_and_none_at_all),
        TEST(h14_refuses_a_user_id_with_a_control_byte),
        TEST(k1_the_algorithm_belongs_to_the_key),
        TEST(k1_no_token_without_signature),
        TEST(k2_refuses_types_of_other_purposes),
        TEST(k3_another_issuers_key_signs_for_nobody_else),
        TEST(checks_issuer_audience_and_times),
        TEST(a_remembered_token_ends_with_its_time),
        TEST(a_remembered_token_ends_with_its_key),
        TEST(a_remembered_token_is_judged_anew_after_a_reload),
        TEST(a_changed_byte_is_not_remembered),
        TEST(keys_that_are_not_known_yet_refuse_nobody),
        TEST(a_shared_secret_answers_to_any_kid),
        TEST(a_key_past_its_end_verifies_nothing_from_memory_either),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
