#include "auth_test.h"

#include "crypto/apikey.h"
#include "model/roster.h"
#include <hiredis/hiredis.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Credentials of our own, against a real Redis that the roster changes, as posternctl does. */

struct bench {
    char dir[64], socket[96], url[128];
    pid_t redis;
    struct redis_client *client;
    struct master *master;
    struct roster roster;
    struct worker *w;
    struct policy *policy;
    struct secret *key; /* of alice */
    char key_id[32];
};

static void nap_ms(int ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000L};

    nanosleep(&t, NULL);
}

static pid_t redis_run(struct bench *b)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || freopen("/dev/null", "w", stdout) == NULL)
        _exit(1);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", b->socket, "--dir",
           b->dir, "--save", "", "--loglevel", "warning", (char *)NULL);
    _exit(127);
}

static void connect_roster(struct bench *b)
{
    const struct redis_client_conf conf = {.url = slice_str(b->url), .timeout_ms = 2000};
    char *why = NULL;

    for (int i = 0; i < 250 && redis_client_open(&conf, &b->client, &why) != ERR_OK; i++) {
        free(why);
        why = NULL;
        nap_ms(20);
    }
    assert_non_null(b->client);
    b->roster = (struct roster){b->client, {SLICE("postern:")}, b->master};
}

/* As gateway/process does: our signing keys, from the store to the keyring. */
static void on_signing(void *arg, const struct pair *pairs, size_t count)
{
    struct bench *b = arg;
    struct keyset *set;
    const struct jwk *signing;
    size_t skipped;

    assert_int_equal(signing_decode(b->master, pairs, count, &set, &signing, &skipped), ERR_OK);
    keyring_post(b->w, SLICE_NONE, set, signing);
    keyset_unref(set);
}

static bool is_ready(void *arg)
{
    struct bench *b = arg;

    return store_health(b->w->store) == STORE_UP && keyring_find(b->w->keyring, SLICE_NONE) != NULL;
}

static void start_worker(struct bench *b)
{
    const struct store_conf conf = {.url = slice_str(b->url),
                                    .prefix = SLICE("postern:"),
                                    .connect_ms = 1000,
                                    .timeout_ms = 1000,
                                    .cache_entries = 100};

    b->w = worker_new(0, quiet_log());
    b->w->keyring = keyring_new();
    b->w->store = store_new(b->w, &conf);
    b->w->authenticator = authenticator_new(b->w, b->master, NULL);
    store_watch_signing(b->w->store, on_signing, b);
    assert_true(turn_until(b->w, NULL, is_ready, b, SOON_MS));
}

static void make_user(struct bench *b, const char *name, const char *roles)
{
    json_t *out;

    assert_int_equal(roster_user_create(
                         &b->roster,
                         &(struct user_new){.username = slice_str(name), .roles = slice_str(roles)},
                         &out),
                     ERR_OK);
    json_decref(out);
}

/* The id is the first eight characters after sk_. */
static struct secret *make_key(struct bench *b, struct key_new new)
{
    struct secret *key = NULL;
    json_t *out;

    new.owner = new.owner.n > 0 ? new.owner : SLICE("alice");
    new.name = SLICE("test");
    assert_int_equal(roster_key_create(&b->roster, &new, &out, &key), ERR_OK);
    json_decref(out);
    return key;
}

static int open_bench(void **state)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    strcpy(b->dir, "/tmp/postern-auth-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->socket, sizeof(b->socket), "%s/redis.sock", b->dir);
    snprintf(b->url, sizeof(b->url), "unix:%s", b->socket);
    b->redis = redis_run(b);
    assert_true(b->redis > 0);
    assert_int_equal(
        master_from_text(SLICE("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), &b->master), ERR_OK);
    connect_roster(b);
    b->policy = policy_of("auth: {jwt: {issuer: https://gw.example}}\n");
    make_user(b, "root", "user,admin");
    make_user(b, "alice", "user");
    b->key = make_key(b, (struct key_new){.expires_in_s = 0});
    snprintf(b->key_id, sizeof(b->key_id), "%.8s", b->key->p + 3);
    start_worker(b);
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *b = *state;
    int status;

    shift_wall(0);
    authenticator_free(b->w->authenticator);
    store_free(b->w->store);
    keyring_free(b->w->keyring);
    b->w->keyring = NULL;
    turn(b->w);
    worker_free(b->w);
    policy_unref(b->policy);
    redis_client_free(b->client);
    master_free(b->master);
    secret_free(b->key);
    kill(b->redis, SIGCONT);
    kill(b->redis, SIGKILL);
    waitpid(b->redis, &status, 0);
    unlink(b->socket);
    rmdir(b->dir);
    free(b);
    return 0;
}

/* ------- asking ------- */

static void assert_granted(struct bench *b, enum credential_kind kind, const struct secret *text)
{
    struct asking a;

    if (ask(b->w, b->policy, kind, secret_slice(text), "127.0.0.1", &a) != ERR_OK)
        fail_msg("refused: %s", a.op.reason);
    asking_fini(&a);
}

static void assert_refused_from(struct bench *b, enum credential_kind kind, struct slice text,
                                const char *ip, const char *reason)
{
    struct slice copy = exact(text);
    struct asking a;

    assert_int_equal(ask(b->w, b->policy, kind, copy, ip, &a), ERR_DENIED);
    assert_string_equal(a.op.reason, reason);
    asking_fini(&a);
    exact_free(copy);
}

static void assert_refused(struct bench *b, enum credential_kind kind, const struct secret *text,
                           const char *reason)
{
    assert_refused_from(b, kind, secret_slice(text), "127.0.0.1", reason);
}

/* Asked again and again until it is refused: how long a revoked credential still worked, in ms. */
static int64_t refused_after_ms(struct bench *b, enum credential_kind kind,
                                const struct secret *text)
{
    const int64_t began_ms = clock_mono_ms();
    enum err e = ERR_OK;

    while (e == ERR_OK && clock_mono_ms() - began_ms < SOON_MS) {
        struct asking a;

        e = ask(b->w, b->policy, kind, secret_slice(text), "127.0.0.1", &a);
        asking_fini(&a);
        turn(b->w);
    }
    assert_int_equal(e, ERR_DENIED);
    return clock_mono_ms() - began_ms;
}

static struct identity *identity_of(struct bench *b, enum credential_kind kind,
                                    const struct secret *text)
{
    struct asking a;
    struct identity *who;

    if (ask(b->w, b->policy, kind, secret_slice(text), "127.0.0.1", &a) != ERR_OK)
        fail_msg("refused: %s", a.op.reason);
    who = identity_ref(a.op.who);
    asking_fini(&a);
    return who;
}

/* A command to Redis of words without spaces. */
static void redis(struct bench *b, const char *text)
{
    struct slice words[16], rest = slice_str(text);
    struct redisReply *reply;
    size_t n = 0;

    while (rest.p != NULL)
        words[n++] = slice_cut(&rest, ' ');
    assert_int_equal(redis_client_command(b->client, words, n, &reply), ERR_OK);
    freeReplyObject(reply);
}

static void set_field(struct bench *b, const char *kind, const char *id, const char *field,
                      const char *value)
{
    char text[256];

    snprintf(text, sizeof(text), "HSET postern:%s:%s %s %s", kind, id, field, value);
    redis(b, text);
    turn_until(b->w, NULL, NULL, NULL, 50); /* the invalidation */
}

/* ------- API keys ------- */

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

/* ------- tokens of our own ------- */

static bool has_signing_key(void *arg)
{
    return keyring_signing(((struct bench *)arg)->w->keyring) != NULL;
}

static struct secret *make_token(struct bench *b, struct token_new new)
{
    static const struct slice audiences[] = {{"postern", 7}};
    struct secret *token = NULL;
    json_t *out;

    new.owner = new.owner.n > 0 ? new.owner : SLICE("alice");
    new.issuer = new.issuer.n > 0 ? new.issuer : SLICE("https://gw.example");
    new.audiences = audiences;
    new.audience_count = 1;
    new.ttl_s = new.ttl_s != 0 ? new.ttl_s : 600;
    assert_int_equal(roster_token_issue(&b->roster, &new, &out, &token), ERR_OK);
    json_decref(out);
    if (!new.opaque)
        assert_true(turn_until(b->w, NULL, has_signing_key, b, SOON_MS));
    return token;
}

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
        TEST(our_jwt_proves_its_user),
        TEST(an_opaque_token_proves_its_user),
        TEST(a_token_narrows_scopes),
        TEST(complaint_6_an_ended_session_ends_its_tokens_at_once),
        TEST(k12_a_changed_role_counts_at_once),
        TEST(roles_come_from_the_record_and_not_from_the_token),
        TEST(the_token_version_is_the_users),
        TEST(k3_our_tokens_name_us_as_issuer_and_type),
        TEST(a_session_of_somebody_else_proves_nobody),
        TEST(a_retired_signing_key_ends_its_tokens),
        TEST(d16_a_lost_store_is_no_refusal),
        TEST(a_cancelled_question_never_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
