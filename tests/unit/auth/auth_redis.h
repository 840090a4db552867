#ifndef AUTH_REDIS_H
#define AUTH_REDIS_H

/* Credentials of our own, against a real Redis that the roster changes, as posternctl does. */

#include "auth_test.h"

#include "model/roster.h"
#include <hiredis/hiredis.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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

HELPER void nap_ms(int ms)
{
    const struct timespec t = {.tv_nsec = ms * 1000000L};

    nanosleep(&t, NULL);
}

HELPER pid_t redis_run(struct bench *b)
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

HELPER void connect_roster(struct bench *b)
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
HELPER void on_signing(void *arg, const struct pair *pairs, size_t count)
{
    struct bench *b = arg;
    struct keyset *set;
    const struct jwk *signing;
    size_t skipped;

    assert_int_equal(signing_decode(b->master, pairs, count, &set, &signing, &skipped), ERR_OK);
    keyring_post(b->w, SLICE_NONE, set, signing);
    keyset_unref(set);
}

HELPER bool is_ready(void *arg)
{
    struct bench *b = arg;

    return store_health(b->w->store) == STORE_UP && keyring_find(b->w->keyring, SLICE_NONE) != NULL;
}

HELPER void start_worker(struct bench *b)
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

HELPER void make_user(struct bench *b, const char *name, const char *roles)
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
HELPER struct secret *make_key(struct bench *b, struct key_new new)
{
    struct secret *key = NULL;
    json_t *out;

    new.owner = new.owner.n > 0 ? new.owner : SLICE("alice");
    new.name = SLICE("test");
    assert_int_equal(roster_key_create(&b->roster, &new, &out, &key), ERR_OK);
    json_decref(out);
    return key;
}

HELPER int open_bench(void **state)
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

HELPER int close_bench(void **state)
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

HELPER void assert_granted(struct bench *b, enum credential_kind kind, const struct secret *text)
{
    struct asking a;

    if (ask(b->w, b->policy, kind, secret_slice(text), "127.0.0.1", &a) != ERR_OK)
        fail_msg("refused: %s", a.op.reason);
    asking_fini(&a);
}

HELPER void assert_refused_from(struct bench *b, enum credential_kind kind, struct slice text,
                                const char *ip, const char *reason)
{
    struct slice copy = exact(text);
    struct asking a;

    assert_int_equal(ask(b->w, b->policy, kind, copy, ip, &a), ERR_DENIED);
    assert_string_equal(a.op.reason, reason);
    asking_fini(&a);
    exact_free(copy);
}

HELPER void assert_refused(struct bench *b, enum credential_kind kind, const struct secret *text,
                           const char *reason)
{
    assert_refused_from(b, kind, secret_slice(text), "127.0.0.1", reason);
}

/* Asked again and again until it is refused: how long a revoked credential still worked, in ms. */
HELPER int64_t refused_after_ms(struct bench *b, enum credential_kind kind,
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

HELPER struct identity *identity_of(struct bench *b, enum credential_kind kind,
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
HELPER void redis(struct bench *b, const char *text)
{
    struct slice words[16], rest = slice_str(text);
    struct redisReply *reply;
    size_t n = 0;

    while (rest.p != NULL)
        words[n++] = slice_cut(&rest, ' ');
    assert_int_equal(redis_client_command(b->client, words, n, &reply), ERR_OK);
    freeReplyObject(reply);
}

HELPER void set_field(struct bench *b, const char *kind, const char *id, const char *field,
                      const char *value)
{
    char text[256];

    snprintf(text, sizeof(text), "HSET postern:%s:%s %s %s", kind, id, field, value);
    redis(b, text);
    turn_until(b->w, NULL, NULL, NULL, 50); /* the invalidation */
}

HELPER bool has_signing_key(void *arg)
{
    return keyring_signing(((struct bench *)arg)->w->keyring) != NULL;
}

HELPER struct secret *make_token(struct bench *b, struct token_new new)
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

#endif
