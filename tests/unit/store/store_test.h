#ifndef STORE_TEST_H
#define STORE_TEST_H

/*
 * Shared by the tests of gateway/store: a redis-server of the test's own in a folder
 * of its own, a worker turned by hand, and a relay in between that can hold back,
 * cut and falsify what Redis says.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RELAYS_MAX = 16, SOON_MS = 5000, TIMEOUT_MS = 300, CONNECT_MS = 400 };

/* A connection through the relay. held: what Redis said stays in here. */
struct relay {
    int client, server;
    bool held;
    struct buf waiting;
};

struct bench {
    char dir[64], socket[96], url[128];
    pid_t redis;
    redisContext *admin;
    struct log *log;
    struct worker *w;
    struct store *store;
    struct store_conf conf;
    int listener; /* of the relay; -1: none */
    struct relay relays[RELAYS_MAX];
    size_t relay_count;
    bool hold_new;
};

static inline void nap_ms(int ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

/* more: further options, NULL at the end. */
static inline pid_t redis_run(const char *dir, const char *socket, const char *const *more)
{
    const char *argv[48] = {
        "redis-server", "--port", "0",          "--unixsocket", socket, "--dir", dir,
        "--save",       "",       "--loglevel", "warning"};
    size_t n = 11;
    pid_t parent = getpid(), pid;

    while (more != NULL && *more != NULL)
        argv[n++] = *more++;
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent || dup2(null, 1) < 0)
            _exit(1);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static inline redisContext *redis_admin(const char *socket)
{
    for (int i = 0; i < 250; i++) {
        redisContext *c = redisConnectUnix(socket);

        if (c != NULL && c->err == 0)
            return c;
        if (c != NULL)
            redisFree(c);
        nap_ms(20);
    }
    fail_msg("redis-server does not come up");
    return NULL;
}

/* A command that must succeed; its number, or 0. */
static inline long long admin(struct bench *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline long long admin(struct bench *b, const char *format, ...)
{
    char text[2048], *rest = text, *word;
    const char *argv[64];
    int argc = 0;
    redisReply *reply;
    long long n;
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    while ((word = strsep(&rest, " ")) != NULL)
        argv[argc++] = strcmp(word, "''") == 0 ? "" : word;
    reply = redisCommandArgv(b->admin, argc, argv, NULL);
    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    n = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    freeReplyObject(reply);
    return n;
}

/* How often Redis ran a script since the last RESETSTAT. */
static inline long long count_scripts(struct bench *b)
{
    redisReply *reply = redisCommand(b->admin, "INFO commandstats");
    static const char *const names[] = {"cmdstat_evalsha:calls=", "cmdstat_eval:calls="};
    long long n = 0;

    for (size_t i = 0; i < 2; i++) {
        const char *at = strstr(reply->str, names[i]);

        n += at != NULL ? atoll(at + strlen(names[i])) : 0;
    }
    freeReplyObject(reply);
    return n;
}

static inline void bench_open(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    strcpy(b->dir, "/tmp/postern-store-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->socket, sizeof(b->socket), "%s/redis.sock", b->dir);
    snprintf(b->url, sizeof(b->url), "unix:%s", b->socket);
    b->listener = -1;
    b->redis = redis_run(b->dir, b->socket, NULL);
    b->admin = redis_admin(b->socket);
    b->log = log_new(open("/dev/null", O_WRONLY | O_CLOEXEC), LOG_JSON, LOG_ERROR);
    b->w = worker_new(0, b->log);
    b->conf = (struct store_conf){.prefix = SLICE("postern:"),
                                  .connect_ms = CONNECT_MS,
                                  .timeout_ms = TIMEOUT_MS,
                                  .cache_entries = 1000};
}

static inline void relay_cut(struct relay *r)
{
    if (r->client >= 0)
        close(r->client);
    if (r->server >= 0)
        close(r->server);
    r->client = r->server = -1;
    buf_fini(&r->waiting);
}

static inline void bench_close(struct bench *b)
{
    int status;

    store_free(b->store);
    for (size_t i = 0; i < b->relay_count; i++)
        relay_cut(&b->relays[i]);
    if (b->listener >= 0)
        close(b->listener);
    worker_free(b->w);
    log_free(b->log);
    redisFree(b->admin);
    kill(b->redis, SIGCONT);
    kill(b->redis, SIGKILL);
    waitpid(b->redis, &status, 0);
    unlink(b->socket);
    assert_int_equal(rmdir(b->dir), 0);
}

/* From here on the store's URL leads through the relay. */
static inline void relay_open(struct bench *b)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(in);

    b->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(b->listener, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(b->listener, 16), 0);
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&in, &n), 0);
    snprintf(b->url, sizeof(b->url), "redis://127.0.0.1:%u", ntohs(in.sin_port));
}

static inline void relay_accept(struct bench *b)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct relay *r = &b->relays[b->relay_count];

    if (fd < 0)
        return;
    assert_true(b->relay_count < RELAYS_MAX);
    b->relay_count++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    *r = (struct relay){.client = fd, .held = b->hold_new};
    memcpy(sun.sun_path, b->socket, sizeof(b->socket));
    r->server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(r->server, (struct sockaddr *)&sun, sizeof(sun)), 0);
    fcntl(r->server, F_SETFL, O_NONBLOCK);
}

static inline void relay_pump(struct relay *r)
{
    char bytes[16384];
    ssize_t n;

    if (r->client < 0)
        return;
    while ((n = read(r->client, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(r->server, bytes, (size_t)n), n);
    if (n == 0) {
        relay_cut(r);
        return;
    }
    while ((n = read(r->server, bytes, sizeof(bytes))) > 0)
        buf_add(&r->waiting, slice_of(bytes, (size_t)n));
    if (n == 0) {
        relay_cut(r);
        return;
    }
    if (!r->held && r->waiting.n > 0) {
        n = write(r->client, buf_slice(&r->waiting).p, r->waiting.n);
        assert_int_equal(n, (ssize_t)r->waiting.n);
        buf_clear(&r->waiting);
    }
}

static inline void turn(struct bench *b)
{
    if (b->listener >= 0)
        relay_accept(b);
    for (size_t i = 0; i < b->relay_count; i++)
        relay_pump(&b->relays[i]);
    event_base_loop(b->w->base, EVLOOP_NONBLOCK);
    b->w->now_ms = clock_mono_ms(); /* the test asks as a callback would */
}

/* Turns the loop until cond says so; false when it did not within ms. */
static inline bool turn_until(struct bench *b, bool (*cond)(void *arg), void *arg, int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;

    for (;;) {
        const struct timespec nap = {.tv_nsec = 200000};

        turn(b);
        if (cond != NULL && cond(arg))
            return true;
        if (clock_mono_ms() >= end_ms)
            return false;
        nanosleep(&nap, NULL);
    }
}

static inline bool is_store_up(void *arg)
{
    return store_health(arg) == STORE_UP;
}

static inline bool is_store_down(void *arg)
{
    return store_health(arg) == STORE_DOWN;
}

static inline bool is_store_tracked_not(void *arg)
{
    return store_health(arg) != STORE_UP;
}

/* A store that is connected and tracked. */
static inline void store_ready(struct bench *b)
{
    b->conf.url = slice_str(b->url);
    b->store = store_new(b->w, &b->conf);
    assert_non_null(b->store);
    assert_true(turn_until(b, is_store_up, b->store, SOON_MS));
}

/* An op and whether it was answered. */
struct asked {
    struct store_op op;
    int dones;
    char scopes[64];
};

static inline void on_done(struct store_op *op)
{
    struct asked *a = op->arg;

    a->dones++;
    snprintf(a->scopes, sizeof(a->scopes), "%.*s", SLICE_FMT(op->token_scopes));
}

static inline void asked_init(struct asked *a)
{
    memset(a, 0, sizeof(*a));
    a->op.done = on_done;
    a->op.arg = a;
}

static inline bool is_done(void *arg)
{
    return ((struct asked *)arg)->dones > 0;
}

/* Asks for a key and waits; the answer's error. References stay in a until asked_clear(). */
static inline enum err find_key(struct bench *b, const char *id, struct asked *a)
{
    asked_init(a);
    if (!store_find_key(b->store, slice_str(id), &a->op))
        assert_true(turn_until(b, is_done, a, SOON_MS));
    return a->op.e;
}

/* The same without keeping anything. */
static inline enum err ask_key(struct bench *b, const char *id, bool *was_cached)
{
    struct asked a;
    enum err e = find_key(b, id, &a);

    if (was_cached != NULL)
        *was_cached = a.op.was_cached;
    store_op_clear(&a.op);
    return e;
}

#define MAC "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static inline void make_user(struct bench *b, const char *id)
{
    admin(b,
          "HSET postern:user:%s id %s username %s email '' roles user is_active 1 must_change 0 "
          "token_ver 1 created_at 1000",
          id, id, id);
}

static inline void make_key(struct bench *b, const char *id, const char *user)
{
    admin(b,
          "HSET postern:key:%s id %s user %s name n scopes read mac " MAC
          " created_at 1000 expires_at 0 is_active 1 allowed ''",
          id, id, user);
}

#endif
