/* rediss://: a Redis with TLS and certificates made for one run. */
#include "../net/net_cert.h"

#define turn_until store_turn_until
#define SOON_MS STORE_SOON_MS
#include "store_test.h"

#undef turn_until
#undef SOON_MS

struct tls_bench {
    struct bench b;
    struct cert_dir dir;
    struct cert ca, server, stranger;
    struct tls_client *client;
};

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
    struct sockaddr_any at;
    int fd = listen_tcp(&at, 1);

    close(fd);
    return ntohs(((const struct sockaddr_in *)&at.storage)->sin_port);
}

static int open_bench(void **state)
{
    struct tls_bench *t = mem_zalloc(sizeof(*t));
    struct bench *b = &t->b;
    unsigned port = free_port();
    char text[8];
    int status;

    cert_dir_open(&t->dir);
    cert_make(&t->ca, &t->dir, "ca", NULL, NULL, 3600);
    cert_make(&t->server, &t->dir, "server", "DNS:localhost,IP:127.0.0.1", &t->ca, 3600);
    cert_make(&t->stranger, &t->dir, "stranger", NULL, NULL, 3600);
    bench_open(b);
    redisFree(b->admin);
    kill(b->redis, SIGKILL);
    waitpid(b->redis, &status, 0);
    snprintf(text, sizeof(text), "%u", port);
    b->redis =
        redis_run(b->dir, b->socket,
                  (const char *const[]){"--tls-port", text, "--tls-cert-file", t->server.path,
                                        "--tls-key-file", t->server.key_path, "--tls-ca-cert-file",
                                        t->ca.path, "--tls-auth-clients", "no", NULL});
    b->admin = redis_admin(b->socket);
    make_user(b, "u1");
    make_key(b, "k1", "u1");
    snprintf(b->url, sizeof(b->url), "rediss://127.0.0.1:%u", port);
    *state = t;
    return 0;
}

static int close_bench(void **state)
{
    struct tls_bench *t = *state;

    bench_close(&t->b);
    tls_client_unref(t->client);
    cert_free(&t->ca);
    cert_free(&t->server);
    cert_free(&t->stranger);
    cert_dir_close(&t->dir);
    free(t);
    return 0;
}

static bool is_key_gone(void *arg)
{
    return ask_key(arg, "k1", NULL) == ERR_NOT_FOUND;
}

static void finds_and_tracks_over_tls(void **state)
{
    struct tls_bench *t = *state;
    const struct tls_client_conf conf = {.ca = t->ca.path, .verify = true};
    bool was_cached;

    t->client = make_client(&conf);
    t->b.conf.tls = t->client;
    store_ready(&t->b);
    assert_int_equal(ask_key(&t->b, "k1", NULL), ERR_OK);
    assert_int_equal(ask_key(&t->b, "k1", &was_cached), ERR_OK);
    assert_true(was_cached);
    admin(&t->b, "DEL postern:key:k1");
    assert_true(store_turn_until(&t->b, is_key_gone, &t->b, 100));
}

static void comes_back_over_tls(void **state)
{
    struct tls_bench *t = *state;
    const struct tls_client_conf conf = {.ca = t->ca.path, .verify = true};

    t->client = make_client(&conf);
    t->b.conf.tls = t->client;
    store_ready(&t->b);
    admin(&t->b, "CLIENT KILL TYPE normal SKIPME yes");
    assert_true(store_turn_until(&t->b, is_store_down, t->b.store, 1000));
    assert_true(store_turn_until(&t->b, is_store_up, t->b.store, 3000));
}

static void server_of_another_authority_is_unavailable(void **state)
{
    struct tls_bench *t = *state;
    const struct tls_client_conf conf = {.ca = t->stranger.path, .verify = true};

    t->client = make_client(&conf);
    t->b.conf.tls = t->client;
    t->b.conf.url = slice_str(t->b.url);
    t->b.store = store_new(t->b.w, &t->b.conf);
    assert_int_equal(ask_key(&t->b, "k1", NULL), ERR_UNAVAILABLE);
    assert_int_equal(store_health(t->b.store), STORE_DOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_and_tracks_over_tls),
        TEST(comes_back_over_tls),
        TEST(server_of_another_authority_is_unavailable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
