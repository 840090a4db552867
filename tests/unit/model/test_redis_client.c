#include "model/redis_client.h"

#include "tls_files.h"

#include <arpa/inet.h>
#include <sys/socket.h>

/* A port of 127.0.0.1 that is free at this moment. */
static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    (void)close(fd);
    return ntohs(at.sin_port);
}

static enum err open_with(const struct redis_client_conf *conf, struct redis_client **out)
{
    char *why = NULL;
    enum err e = redis_client_open(conf, out, &why);

    /* A sentence exactly when it failed. */
    assert_true((e == ERR_OK) == (why == NULL));
    free(why);
    return e;
}

static void commands_carry_any_bytes_both_ways(void **state)
{
    struct world *w = *state;
    const struct slice set[] = {SLICE("SET"), SLICE("a\0\r\nb"), SLICE("\0\r\n$5\r\n")};
    const struct slice get[] = {SLICE("GET"), SLICE("a\0\r\nb")};
    struct redisReply *reply = NULL;

    assert_int_equal(redis_client_command(w->redis, set, 3, &reply), ERR_OK);
    freeReplyObject(reply);
    assert_int_equal(redis_client_command(w->redis, get, 2, &reply), ERR_OK);
    assert_true(slice_eq(reply_text(reply), SLICE("\0\r\n$5\r\n")));
    freeReplyObject(reply);
}

static void a_large_value_comes_back_whole(void **state)
{
    struct world *w = *state;
    size_t n = 3 * 1024 * 1024;
    char *p = malloc(n);
    struct slice set[] = {SLICE("SET"), SLICE("large"), {p, n}};
    struct redisReply *reply = NULL;

    for (size_t i = 0; i < n; i++)
        p[i] = (char)(i * 7);
    assert_int_equal(redis_client_command(w->redis, set, 3, &reply), ERR_OK);
    freeReplyObject(reply);
    reply = ask(w->redis, "GET large");
    assert_true(slice_eq(reply_text(reply), slice_of(p, n)));
    freeReplyObject(reply);
    free(p);
}

static void an_error_reply_is_an_answer(void **state)
{
    struct world *w = *state;
    struct redisReply *reply = ask(w->redis, "NOSUCHCOMMAND");

    assert_true(reply_is_error(reply, SLICE("ERR")));
    freeReplyObject(reply);
    assert_int_equal(ask_number(w->redis, "INCR n"), 1);
}

static void a_script_is_sent_whole_once_and_by_its_sum_then(void **state)
{
    struct world *w = *state;
    const struct slice keys[] = {SLICE("t:sess:x")}, args[] = {SLICE("t:")};
    struct redisReply *reply = NULL;

    freeReplyObject(ask(w->redis, "SCRIPT FLUSH"));
    freeReplyObject(ask(w->redis, "CONFIG RESETSTAT"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            redis_client_script(w->redis, SCRIPT_IDENTITY_BY_SESSION, keys, 1, args, 1, &reply),
            ERR_OK);
        assert_int_equal(reply_count(reply), 2);
        freeReplyObject(reply);
    }
    reply = ask(w->redis, "INFO commandstats");
    assert_non_null(strstr(reply->str, "cmdstat_eval:calls=1,"));
    freeReplyObject(reply);
}

static void every_script_has_the_sum_that_redis_computes(void **state)
{
    struct world *w = *state;

    for (int i = 0; i < SCRIPT_COUNT; i++) {
        const struct slice args[] = {SLICE("SCRIPT"), SLICE("LOAD"), script_text((enum script)i)};
        struct redisReply *reply = NULL;

        assert_int_equal(redis_client_command(w->redis, args, 3, &reply), ERR_OK);
        assert_true(slice_eq(reply_text(reply), script_sha1((enum script)i)));
        freeReplyObject(reply);
    }
}

static void a_deadline_ends_a_command_and_the_connection(void **state)
{
    struct world *w = *state;
    struct redis_client_conf conf = {.url = slice_str(w->server.url), .timeout_ms = 100};
    const struct slice wait[] = {SLICE("BLPOP"), SLICE("nothing"), SLICE("30")};
    const struct slice ping[] = {SLICE("PING")};
    int64_t start_ms = clock_mono_ms();
    struct redisReply *reply = NULL;
    struct redis_client *c;

    assert_int_equal(open_with(&conf, &c), ERR_OK);
    assert_int_equal(redis_client_command(c, wait, 3, &reply), ERR_TIMEOUT);
    assert_true(clock_mono_ms() - start_ms < 5000);
    /* An answer that comes late must not be taken for the next one's. */
    assert_int_equal(redis_client_command(c, ping, 1, &reply), ERR_UNAVAILABLE);
    assert_null(reply);
    redis_client_free(c);
    redis_client_free(NULL);
}

static void nobody_listening_is_unavailable(void **state)
{
    struct redis_client_conf conf = {.url = SLICE("unix:/nonexistent/redis.sock"),
                                     .timeout_ms = 500};
    struct redis_client *c;
    char url[64];

    (void)state;
    assert_int_equal(open_with(&conf, &c), ERR_UNAVAILABLE);
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", free_port());
    conf.url = slice_str(url);
    assert_int_equal(open_with(&conf, &c), ERR_UNAVAILABLE);
    conf.url = SLICE("redis://user:password@host");
    assert_int_equal(open_with(&conf, &c), ERR_SYNTAX);
}

/* A listener whose one client gets these bytes, after it sent its first command. */
static enum err answer_of(struct slice bytes)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct redis_client_conf conf = {.timeout_ms = 2000};
    const struct slice ping[] = {SLICE("PING")};
    struct redisReply *reply = NULL;
    struct redis_client *c;
    char url[64], got[64];
    enum err e;
    pid_t pid;

    assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", ntohs(at.sin_port));
    conf.url = slice_str(url);
    assert_true((pid = fork()) >= 0);
    if (pid == 0) {
        int peer = accept(fd, NULL, NULL);

        (void)!read(peer, got, sizeof(got));
        (void)!write(peer, bytes.p, bytes.n);
        _exit(0);
    }
    (void)close(fd);
    assert_int_equal(open_with(&conf, &c), ERR_OK);
    e = redis_client_command(c, ping, 1, &reply);
    freeReplyObject(reply);
    redis_client_free(c);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return e;
}

static void what_is_no_reply_is_unavailable(void **state)
{
    (void)state;
    assert_int_equal(answer_of(SLICE("+PONG\r\n")), ERR_OK);
    assert_int_equal(answer_of(SLICE("HTTP/1.1 400 Bad Request\r\n\r\n")), ERR_UNAVAILABLE);
    assert_int_equal(answer_of(SLICE("$5\r\nab")), ERR_UNAVAILABLE);
    assert_int_equal(answer_of(SLICE("")), ERR_UNAVAILABLE);
}

/* The server that the last two tests share: TLS, a password, a database to choose. */
static uint16_t tls_port;

static int tls_start(void **state)
{
    struct server *s = mem_zalloc(sizeof(*s));
    char dir[] = "/tmp/postern-tls.XXXXXX", cert[64], key[64], port[8];
    const char *more[] = {"--tls-port",
                          port,
                          "--tls-cert-file",
                          cert,
                          "--tls-key-file",
                          key,
                          "--tls-ca-cert-file",
                          cert,
                          "--tls-auth-clients",
                          "no",
                          "--requirepass",
                          "open sesame",
                          "--bind",
                          "127.0.0.1",
                          NULL};

    assert_non_null(mkdtemp(dir));
    tls_files_make(dir);
    tls_port = free_port();
    (void)snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    (void)snprintf(key, sizeof(key), "%s/key.pem", dir);
    (void)snprintf(port, sizeof(port), "%u", tls_port);
    server_start(s, more);
    redis_client_free(client_open(s)); /* its files are read by now */
    assert_int_equal(setenv("MODEL_TEST_CA", cert, 1), 0);
    assert_int_equal(unlink(key), 0);
    *state = s;
    return 0;
}

static int tls_stop(void **state)
{
    char *cert = getenv("MODEL_TEST_CA"), *end;

    server_stop(*state);
    free(*state);
    (void)unlink(cert);
    end = strrchr(cert, '/');
    *end = '\0';
    return rmdir(cert);
}

static void tls_needs_a_certificate_that_is_trusted_and_names_the_host(void **state)
{
    struct secret *password = secret_copy(SLICE("open sesame"));
    struct redis_client_conf conf = {.password = password, .timeout_ms = COMMAND_MS};
    struct redis_client *c;
    char url[64];
    size_t n = 200000;
    char *large = mem_zalloc(n);
    const struct slice echo[] = {SLICE("ECHO"), {large, n}};
    struct redisReply *reply = NULL;

    (void)state;
    (void)snprintf(url, sizeof(url), "rediss://127.0.0.1:%u/2", tls_port);
    conf.url = slice_str(url);
    assert_int_equal(open_with(&conf, &c), ERR_UNAVAILABLE);
    conf.ca = "/nonexistent.pem";
    assert_int_equal(open_with(&conf, &c), ERR_UNAVAILABLE);
    conf.ca = getenv("MODEL_TEST_CA");
    assert_int_equal(open_with(&conf, &c), ERR_OK);
    assert_int_equal(redis_client_command(c, echo, 2, &reply), ERR_OK);
    assert_int_equal(reply_text(reply).n, n);
    freeReplyObject(reply);
    redis_client_free(c);
    (void)snprintf(url, sizeof(url), "rediss://localhost:%u", tls_port);
    conf.url = slice_str(url);
    assert_int_equal(open_with(&conf, &c), ERR_UNAVAILABLE);
    free(large);
    secret_free(password);
}

static void a_wrong_password_is_denied(void **state)
{
    struct server *s = *state;
    struct secret *password = secret_copy(SLICE("open simsim"));
    struct redis_client_conf conf = {
        .url = slice_str(s->url), .password = password, .timeout_ms = COMMAND_MS};
    struct redis_client *c;
    char url[128];

    assert_int_equal(open_with(&conf, &c), ERR_DENIED);
    conf.username = SLICE("default");
    assert_int_equal(open_with(&conf, &c), ERR_DENIED);
    secret_free(password);
    conf.password = password = secret_copy(SLICE("open sesame"));
    assert_int_equal(open_with(&conf, &c), ERR_OK);
    redis_client_free(c);
    (void)snprintf(url, sizeof(url), "%s?db=99", s->url);
    conf.url = slice_str(url);
    assert_int_equal(open_with(&conf, &c), ERR_DENIED);
    secret_free(password);
}

int main(void)
{
    const struct CMUnitTest plain[] = {
        WORLD_TEST(commands_carry_any_bytes_both_ways),
        WORLD_TEST(a_large_value_comes_back_whole),
        WORLD_TEST(an_error_reply_is_an_answer),
        WORLD_TEST(a_script_is_sent_whole_once_and_by_its_sum_then),
        WORLD_TEST(every_script_has_the_sum_that_redis_computes),
        WORLD_TEST(a_deadline_ends_a_command_and_the_connection),
        WORLD_TEST(nobody_listening_is_unavailable),
        WORLD_TEST(what_is_no_reply_is_unavailable),
    };
    const struct CMUnitTest tls[] = {
        cmocka_unit_test(tls_needs_a_certificate_that_is_trusted_and_names_the_host),
        cmocka_unit_test(a_wrong_password_is_denied),
    };

    return cmocka_run_group_tests(plain, world_open, world_close) |
           cmocka_run_group_tests(tls, tls_start, tls_stop);
}
