#include "auth_redis.h"

#include "crypto/apikey.h"

static void a_key_proves_its_owner(void **state)
{
    struct bench *b = *state;
    struct identity *who = identity_of(b, CREDENTIAL_API_KEY, b->key);

    assert_int_equal(who->method, METHOD_API_KEY);
    assert_slice(who->name, "alice");
    assert_slice(who->roles, "user");
    assert_slice(who->key_id, b->key_id);
    assert_true(slice_starts(who->user_id, SLICE("usr_")));
    assert_true(who->scopes_limited);
    assert_slice(who->scopes, "read write");
    identity_unref(who);
}

static void junk_is_refused_without_a_look_up(void **state)
{
    struct bench *b = *state;
    struct asking a;
    struct addr client = {{0}, 0};
    char key[APIKEY_CHARS + 1];

    memcpy(key, b->key->p, APIKEY_CHARS + 1);
    key[APIKEY_CHARS - 1] = key[APIKEY_CHARS - 1] == 'a' ? 'b' : 'a';
    asking_init(&a);
    /* Known at once, and nothing was asked: the checksum says so. */
    assert_true(authenticate(b->w->authenticator,
                             &(struct credential){CREDENTIAL_API_KEY, slice_str(key)}, b->policy,
                             &client, &a.arena, &a.op));
    assert_int_equal(a.op.e, ERR_DENIED);
    assert_string_equal(a.op.reason, "key_malformed");
    assert_int_equal(a.op.refused_key_id.n, 0);
    asking_fini(&a);
    assert_refused_from(b, CREDENTIAL_API_KEY, SLICE("sk_"), "127.0.0.1", "key_malformed");
    assert_refused_from(b, CREDENTIAL_TOKEN, SLICE("abc"), "127.0.0.1", "token_malformed");
}

/* The sum that anybody can compute: CRC-32 in base62 of what precedes it. */
static void fix_sum(char key[APIKEY_CHARS + 1])
{
    static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint32_t crc = 0xffffffff;

    for (int i = 0; i < APIKEY_CHARS - APIKEY_SUM_CHARS; i++) {
        crc ^= (unsigned char)key[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
    }
    crc = ~crc;
    for (int i = APIKEY_CHARS - 1; i >= APIKEY_CHARS - APIKEY_SUM_CHARS; i--, crc /= 62)
        key[i] = base62[crc % 62];
}

static void k10_a_near_miss_with_a_good_checksum_is_refused(void **state)
{
    struct bench *b = *state;
    char key[APIKEY_CHARS + 1];
    struct asking a;

    /* The secret of alice's key with one other character, and the sum that belongs to it. */
    memcpy(key, b->key->p, sizeof(key));
    fix_sum(key);
    assert_string_equal(key, b->key->p);
    key[20] = key[20] == 'x' ? 'y' : 'x';
    fix_sum(key);
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_API_KEY, slice_str(key), "127.0.0.1", &a),
                     ERR_DENIED);
    assert_string_equal(a.op.reason, "key_wrong");
    assert_slice(a.op.refused_key_id, b->key_id);
    asking_fini(&a);
    apikey_generate(key);
    assert_refused_from(b, CREDENTIAL_API_KEY, slice_str(key), "127.0.0.1", "credential_unknown");
}

static void a_record_that_lacks_fields_grants_nothing(void **state)
{
    struct bench *b = *state;
    struct asking a;
    char text[128];

    snprintf(text, sizeof(text), "HDEL postern:key:%s mac", b->key_id);
    redis(b, text);
    turn_until(b->w, NULL, NULL, NULL, 50);
    assert_int_equal(
        ask(b->w, b->policy, CREDENTIAL_API_KEY, secret_slice(b->key), "127.0.0.1", &a),
        ERR_UNAVAILABLE);
    asking_fini(&a);
}

static void k10_the_mac_is_compared_whole(void **state)
{
    struct bench *b = *state;
    char wrong[65] = "", mac[65];
    unsigned char bytes[SHA256_BYTES];

    apikey_mac(secret_slice(b->master->pepper), secret_slice(b->key), bytes);
    hex_encode(slice_of(bytes, sizeof(bytes)), mac);
    for (size_t i = 0; i < 64; i += 63) { /* the first digit, then the last */
        memcpy(wrong, mac, sizeof(mac));
        wrong[i] = wrong[i] == '0' ? '1' : '0';
        set_field(b, "key", b->key_id, "mac", wrong);
        assert_refused(b, CREDENTIAL_API_KEY, b->key, "key_wrong");
    }
    set_field(b, "key", b->key_id, "mac", mac);
    assert_granted(b, CREDENTIAL_API_KEY, b->key);
}

static void a_key_obeys_what_its_record_says(void **state)
{
    struct bench *b = *state;
    struct secret *short_lived = make_key(b, (struct key_new){.expires_in_s = 60});
    struct identity *who = identity_of(b, CREDENTIAL_API_KEY, short_lived);

    assert_in_range(who->expires_s, clock_wall_s() + 50, clock_wall_s() + 61);
    identity_unref(who);
    shift_wall(61000);
    assert_refused(b, CREDENTIAL_API_KEY, short_lived, "key_expired");
    shift_wall(0);
    secret_free(short_lived);
    set_field(b, "key", b->key_id, "is_active", "0");
    assert_refused(b, CREDENTIAL_API_KEY, b->key, "key_inactive");
}

static void a_key_is_taken_from_its_addresses_only(void **state)
{
    struct bench *b = *state;
    struct secret *key =
        make_key(b, (struct key_new){.allowed_ips = SLICE("10.0.0.0/8,2001:db8::/32")});
    struct asking a;

    assert_refused_from(b, CREDENTIAL_API_KEY, secret_slice(key), "127.0.0.1", "key_address");
    assert_refused_from(b, CREDENTIAL_API_KEY, secret_slice(key), "2001:db9::1", "key_address");
    assert_int_equal(ask(b->w, b->policy, CREDENTIAL_API_KEY, secret_slice(key), "10.200.0.1", &a),
                     ERR_OK);
    asking_fini(&a);
    secret_free(key);
}

static void the_previous_secret_works_until_its_grace_ends(void **state)
{
    struct bench *b = *state;
    struct secret *next = NULL;
    struct identity *who;
    json_t *out;

    assert_granted(b, CREDENTIAL_API_KEY, b->key);
    assert_int_equal(roster_key_rotate(&b->roster, slice_str(b->key_id), 60, &out, &next), ERR_OK);
    json_decref(out);
    turn_until(b->w, NULL, NULL, NULL, 50);
    assert_granted(b, CREDENTIAL_API_KEY, next);
    who = identity_of(b, CREDENTIAL_API_KEY, b->key);
    assert_in_range(who->expires_s, clock_wall_s() + 50, clock_wall_s() + 61);
    identity_unref(who);
    shift_wall(61000);
    assert_refused(b, CREDENTIAL_API_KEY, b->key, "key_wrong");
    assert_granted(b, CREDENTIAL_API_KEY, next);
    secret_free(next);
}

static void a_keys_scopes_are_never_wider_than_its_owner(void **state)
{
    struct bench *b = *state;
    struct secret *key =
        make_key(b, (struct key_new){.owner = SLICE("root"), .scopes = SLICE("read admin")});
    struct identity *who = identity_of(b, CREDENTIAL_API_KEY, key);
    char id[16];

    assert_slice(who->scopes, "read admin");
    identity_unref(who);
    /* As if a weaker owner had kept it. */
    snprintf(id, sizeof(id), "%.8s", key->p + 3);
    secret_free(key);
    set_field(b, "key", b->key_id, "scopes", "admin");
    who = identity_of(b, CREDENTIAL_API_KEY, b->key);
    assert_int_equal(who->scopes.n, 0);
    assert_true(who->scopes_limited);
    identity_unref(who);
}

static void a_key_of_another_owners_record_proves_nobody(void **state)
{
    struct bench *b = *state;
    struct identity *who = identity_of(b, CREDENTIAL_API_KEY, b->key);
    char id[64];

    snprintf(id, sizeof(id), "%.*s", SLICE_FMT(who->user_id));
    identity_unref(who);
    set_field(b, "user", id, "id", "usr_other");
    assert_refused(b, CREDENTIAL_API_KEY, b->key, "key_owner");
}

static void an_owner_who_must_change_the_password_gets_nothing(void **state)
{
    struct bench *b = *state;
    struct identity *who = identity_of(b, CREDENTIAL_API_KEY, b->key);
    char id[64];

    snprintf(id, sizeof(id), "%.*s", SLICE_FMT(who->user_id));
    identity_unref(who);
    set_field(b, "user", id, "must_change", "1");
    assert_refused(b, CREDENTIAL_API_KEY, b->key, "password_change_required");
}

static void complaint_6_a_revoked_key_ends_at_once(void **state)
{
    struct bench *b = *state;

    assert_granted(b, CREDENTIAL_API_KEY, b->key);
    assert_int_equal(roster_key_revoke(&b->roster, slice_str(b->key_id)), ERR_OK);
    assert_true(refused_after_ms(b, CREDENTIAL_API_KEY, b->key) < 1000);
}

static void complaint_6_a_disabled_owner_ends_keys_at_once(void **state)
{
    struct bench *b = *state;
    json_t *out;

    assert_granted(b, CREDENTIAL_API_KEY, b->key);
    assert_int_equal(roster_user_set_active(&b->roster, SLICE("alice"), false, &out), ERR_OK);
    json_decref(out);
    assert_true(refused_after_ms(b, CREDENTIAL_API_KEY, b->key) < 1000);
}

/* ------- the store away; leaving while it is asked ------- */

static bool is_down(void *arg)
{
    return store_health(((struct bench *)arg)->w->store) == STORE_DOWN;
}

static void d16_a_lost_store_is_no_refusal(void **state)
{
    struct bench *b = *state;
    struct asking a;
    int status;

    kill(b->redis, SIGKILL);
    waitpid(b->redis, &status, 0);
    assert_true(turn_until(b->w, NULL, is_down, b, SOON_MS));
    assert_int_equal(
        ask(b->w, b->policy, CREDENTIAL_API_KEY, secret_slice(b->key), "127.0.0.1", &a),
        ERR_UNAVAILABLE);
    assert_string_equal(a.op.reason, "store_unavailable");
    asking_fini(&a);
    b->redis = redis_run(b);
}

static void a_cancelled_question_never_answers(void **state)
{
    struct bench *b = *state;
    struct secret *jwt = make_token(b, (struct token_new){.opaque = false});
    struct credential credentials[] = {{CREDENTIAL_API_KEY, secret_slice(b->key)},
                                       {CREDENTIAL_JWT, secret_slice(jwt)}};
    struct addr client = {{0}, 0};

    for (size_t i = 0; i < 2; i++) {
        struct asking a;

        asking_init(&a);
        authenticate_cancel(&a.op); /* idle: nothing happens */
        assert_false(authenticate(b->w->authenticator, &credentials[i], b->policy, &client,
                                  &a.arena, &a.op));
        authenticate_cancel(&a.op);
        authenticate_cancel(&a.op);
        turn_until(b->w, NULL, NULL, NULL, 100);
        assert_int_equal(a.dones, 0);
        arena_fini(&a.arena);
    }
    secret_free(jwt);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_proves_its_owner),
        TEST(junk_is_refused_without_a_look_up),
        TEST(k10_a_near_miss_with_a_good_checksum_is_refused),
        TEST(a_record_that_lacks_fields_grants_nothing),
        TEST(k10_the_mac_is_compared_whole),
        TEST(a_key_obeys_what_its_record_says),
        TEST(a_key_is_taken_from_its_addresses_only),
        TEST(the_previous_secret_works_until_its_grace_ends),
        TEST(a_keys_scopes_are_never_wider_than_its_owner),
        TEST(a_key_of_another_owners_record_proves_nobody),
        TEST(an_owner_who_must_change_the_password_gets_nothing),
        TEST(complaint_6_a_revoked_key_ends_at_once),
        TEST(complaint_6_a_disabled_owner_ends_keys_at_once),
        TEST(d16_a_lost_store_is_no_refusal),
        TEST(a_cancelled_question_never_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
