#include "auth_test.h"

#include <pthread.h>

/* A worker with a keyring, as the process makes it. */
static struct worker *worker_of(void)
{
    struct worker *w = worker_new(0, quiet_log());

    w->keyring = keyring_new();
    return w;
}

static void worker_end(struct worker *w)
{
    keyring_free(w->keyring);
    worker_free(w);
}

static void post(struct worker *w, const char *issuer, struct keyset *set,
                 const struct jwk *signing)
{
    keyring_post(w, slice_str(issuer), set, signing);
    keyset_unref(set);
    turn(w);
}

static void knows_nobody_at_first(void **state)
{
    struct worker *w = worker_of();

    (void)state;
    assert_null(keyring_find(w->keyring, SLICE_NONE));
    assert_null(keyring_signing(w->keyring));
    assert_slice(keyring_jwks(w->keyring), "{\"keys\":[]}");
    worker_end(w);
}

static void takes_a_set_at_its_turn_and_changes_its_generation(void **state)
{
    struct worker *w = worker_of();
    struct keyset *set = set_of(key_of(ALG_ES256, "k1"));
    uint64_t before = keyring_generation(w->keyring);

    (void)state;
    keyring_post(w, SLICE("https://idp.example"), set, NULL);
    assert_null(keyring_find(w->keyring, SLICE("https://idp.example")));
    turn(w);
    assert_ptr_equal(keyring_find(w->keyring, SLICE("https://idp.example")), set);
    assert_int_not_equal(keyring_generation(w->keyring), before);
    assert_null(keyring_find(w->keyring, SLICE_NONE));
    keyset_unref(set);
    before = keyring_generation(w->keyring);
    post(w, "https://idp.example", NULL, NULL);
    assert_null(keyring_find(w->keyring, SLICE("https://idp.example")));
    assert_int_not_equal(keyring_generation(w->keyring), before);
    worker_end(w);
}

static void shows_the_public_halves_of_our_own_keys_only(void **state)
{
    struct worker *w = worker_of();
    struct jwk *key = key_of(ALG_ES256, "own");
    json_t *document, *one;

    (void)state;
    post(w, "", set_of(key), key);
    post(w, "https://idp.example", set_of(key_of(ALG_ES256, "theirs")), NULL);
    assert_ptr_equal(keyring_signing(w->keyring), key);
    assert_int_equal(json_read(keyring_jwks(w->keyring), 4096, &document), ERR_OK);
    assert_int_equal(json_array_size(json_object_get(document, "keys")), 1);
    one = json_array_get(json_object_get(document, "keys"), 0);
    assert_slice(json_text(one, "kid"), "own");
    assert_null(json_object_get(one, "d"));
    json_decref(document);
    worker_end(w);
}

static void k3_a_symmetric_key_of_ours_is_never_shown(void **state)
{
    struct worker *w = worker_of();
    struct jwk *key = key_of(ALG_HS256, "own");

    (void)state;
    post(w, "", set_of(key), key);
    assert_slice(keyring_jwks(w->keyring), "{\"keys\":[]}");
    worker_end(w);
}

static void a_posted_set_of_a_worker_without_keyring_is_dropped(void **state)
{
    struct worker *w = worker_new(0, quiet_log());

    (void)state;
    post(w, "", set_of(key_of(ALG_ES256, "k")), NULL);
    worker_free(w);
}

/* ------- threads ------- */

enum { CREW = 2, HANDOVERS = 200 };

static const struct jwk *shared_key;
static struct slice shared_token;

static void *run(void *arg)
{
    worker_run(arg);
    return NULL;
}

/* On the worker's thread: proves a token with whatever set is the current one. */
static void prove(struct worker *w, void *arg)
{
    static const struct slice audiences[] = {{"ml", 2}};
    struct jwt_rules rules = {.issuer = SLICE("i"),
                              .audiences = audiences,
                              .audience_count = 1,
                              .now_s = clock_wall_s(),
                              .expiry_required = true};
    const struct keyset *set = keyring_find(w->keyring, SLICE("i"));
    const struct jwk *key = keyset_find(set, SLICE("k"), ALG_ES256);
    json_t *claims = NULL;

    CHECK(key != NULL && jwt_verify(shared_token, key, &rules, &claims) == ERR_OK);
    json_decref(claims);
    issuers_unknown_kid(arg, SLICE("i"));
}

static void stop(struct worker *w, void *arg)
{
    (void)arg;
    worker_stop(w);
}

/* The set with the public half of the shared key: a new one each time. */
static struct keyset *fresh_set(void)
{
    json_t *object = jwk_public_json(shared_key);
    struct jwk *key = NULL;

    assert_int_equal(jwk_from_json(object, 1u << ALG_ES256, true, &key), ERR_OK);
    json_decref(object);
    return set_of(key);
}

static void workers_verify_while_sets_are_swapped(void **state)
{
    struct worker *crew[CREW], *control = worker_new(-1, quiet_log());
    struct jwk *key = key_of(ALG_ES256, "k");
    struct issuers *issuers = issuers_new(control, crew, CREW, NULL);
    pthread_t threads[CREW];

    (void)state;
    shared_key = key;
    shared_token = token_of(key, "JWT", "{'iss':'i','aud':'ml','exp':NOW+60}");
    for (int i = 0; i < CREW; i++) {
        crew[i] = worker_of();
        assert_int_equal(pthread_create(&threads[i], NULL, run, crew[i]), 0);
    }
    for (int n = 0; n < HANDOVERS; n++) {
        struct keyset *set = fresh_set();

        for (int i = 0; i < CREW; i++) {
            keyring_post(crew[i], SLICE("i"), set, NULL);
            worker_post(crew[i], prove, issuers);
        }
        keyset_unref(set);
        turn(control);
    }
    for (int i = 0; i < CREW; i++) {
        worker_post(crew[i], stop, NULL);
        pthread_join(threads[i], NULL);
        worker_end(crew[i]);
    }
    turn(control);
    issuers_free(issuers);
    worker_free(control);
    exact_free(shared_token);
    jwk_free(key);
}

/* ------- assertions ------- */

static const struct identity alice = {.method = METHOD_API_KEY,
                                      .user_id = SLICE("usr_1"),
                                      .name = SLICE("alice"),
                                      .roles = SLICE("user,admin"),
                                      .scopes = SLICE("read"),
                                      .scopes_limited = true,
                                      .key_id = SLICE("AbCdEfGh")};

static struct slice assert_of(struct worker *w, const struct identity *who, const char *audience,
                              struct arena *arena)
{
    struct slice text;

    assert_int_equal(assertion_write(w->keyring, who, SLICE("https://gw.example"),
                                     slice_str(audience), 60000, arena, &text),
                     ERR_OK);
    return text;
}

static void an_assertion_says_who_for_whom_and_verifies(void **state)
{
    static const struct slice types[] = {{"postern-assertion+jwt", 21}}, audiences[] = {{"ocr", 3}};
    struct jwt_rules rules = {.issuer = SLICE("https://gw.example"),
                              .audiences = audiences,
                              .audience_count = 1,
                              .types = types,
                              .type_count = 1,
                              .type_required = true,
                              .now_s = clock_wall_s(),
                              .expiry_required = true};
    struct worker *w = worker_of();
    struct jwk *key = key_of(ALG_ES256, "own");
    struct arena arena;
    struct slice text;
    json_t *claims;

    (void)state;
    arena_init(&arena);
    post(w, "", set_of(key), key);
    text = assert_of(w, &alice, "ocr", &arena);
    assert_int_equal(jwt_verify(text, key, &rules, &claims), ERR_OK);
    assert_slice(json_text(claims, "sub"), "usr_1");
    assert_slice(json_text(claims, "scope"), "read");
    assert_slice(json_text(claims, "method"), "api_key");
    assert_int_equal(json_array_size(json_object_get(claims, "roles")), 2);
    json_decref(claims);
    arena_fini(&arena);
    worker_end(w);
}

static void an_assertion_is_signed_once_for_the_same_words(void **state)
{
    struct worker *w = worker_of();
    struct jwk *key = key_of(ALG_ES256, "own"), *next = key_of(ALG_ES256, "next");
    struct identity bob = alice;
    struct arena arena;
    struct slice first;

    (void)state;
    arena_init(&arena);
    post(w, "", set_of(key), key);
    first = assert_of(w, &alice, "ocr", &arena);
    assert_true(slice_eq(first, assert_of(w, &alice, "ocr", &arena)));
    assert_false(slice_eq(first, assert_of(w, &alice, "asr", &arena)));
    bob.roles = SLICE("user");
    assert_false(slice_eq(first, assert_of(w, &bob, "ocr", &arena)));
    /* The same bytes in other fields are other words (K6). */
    bob = alice;
    bob.user_id = SLICE("usr_1a");
    bob.name = SLICE("lice");
    assert_false(slice_eq(assert_of(w, &bob, "ocr", &arena), assert_of(w, &alice, "ocr", &arena)));
    shift_wall(6000);
    assert_false(slice_eq(first, assert_of(w, &alice, "ocr", &arena)));
    shift_wall(0);
    first = assert_of(w, &alice, "ocr", &arena);
    post(w, "", set_of(next), next);
    assert_false(slice_eq(first, assert_of(w, &alice, "ocr", &arena)));
    arena_fini(&arena);
    worker_end(w);
}

static void no_assertion_without_an_asymmetric_key(void **state)
{
    struct worker *w = worker_of();
    struct jwk *key = key_of(ALG_HS256, "own");
    struct arena arena;
    struct slice text;

    (void)state;
    arena_init(&arena);
    assert_int_equal(assertion_write(w->keyring, &alice, SLICE("i"), SLICE("a"), 1, &arena, &text),
                     ERR_UNAVAILABLE);
    post(w, "", set_of(key), key);
    assert_int_equal(assertion_write(w->keyring, &alice, SLICE("i"), SLICE("a"), 1, &arena, &text),
                     ERR_UNSUPPORTED);
    arena_fini(&arena);
    worker_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_nobody_at_first),
        cmocka_unit_test(takes_a_set_at_its_turn_and_changes_its_generation),
        cmocka_unit_test(shows_the_public_halves_of_our_own_keys_only),
        cmocka_unit_test(k3_a_symmetric_key_of_ours_is_never_shown),
        cmocka_unit_test(a_posted_set_of_a_worker_without_keyring_is_dropped),
        cmocka_unit_test(workers_verify_while_sets_are_swapped),
        cmocka_unit_test(an_assertion_says_who_for_whom_and_verifies),
        cmocka_unit_test(an_assertion_is_signed_once_for_the_same_words),
        cmocka_unit_test(no_assertion_without_an_asymmetric_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
