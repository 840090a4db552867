#ifndef UNIT_MODEL_FIXTURE_H
#define UNIT_MODEL_FIXTURE_H

#include "base/alloc.h"
#include "base/clock.h"
#include "model/redis_client.h"
#include "model/reply.h"
#include "model/roster.h"

#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Shared by the tests of this folder; unused ones cost nothing. */
#define HELPER __attribute__((unused)) static

enum { START_MS = 10000, COMMAND_MS = 10000, ARGS_MAX = 32 };

/* A copy in a block of exactly its size, so that a sanitizer sees the first byte too far. */
HELPER struct slice exact(struct slice s)
{
    char *p = malloc(s.n > 0 ? s.n : 1);

    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return slice_of(p, s.n);
}

HELPER void exact_free(struct slice s)
{
    free((void *)(uintptr_t)s.p);
}

/* A redis-server on a Unix socket in a folder of its own; it dies with the test. */
struct server {
    pid_t pid;
    char dir[64], url[96];
};

/* more: further arguments for redis-server, at most 16, NULL at the end; or NULL. */
HELPER void server_start(struct server *s, const char *const *more)
{
    char socket[80];
    const char *args[ARGS_MAX] = {
        "redis-server", "--port", "0",          "--unixsocket", socket,      "--save",   "",
        "--dir",        s->dir,   "--loglevel", "warning",      "--logfile", "redis.log"};
    size_t n = 13;

    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/postern-model.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(socket, sizeof(socket), "%s/redis.sock", s->dir);
    (void)snprintf(s->url, sizeof(s->url), "unix:%s", socket);
    for (; more != NULL && *more != NULL; more++)
        args[n++] = *more;
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execvp(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
}

HELPER void server_stop(struct server *s)
{
    char path[128];

    (void)kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    (void)snprintf(path, sizeof(path), "%s/redis.sock", s->dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/redis.log", s->dir);
    (void)unlink(path);
    (void)rmdir(s->dir);
}

/* Tries until the server accepts. */
HELPER struct redis_client *client_open(struct server *s)
{
    struct redis_client_conf conf = {.url = slice_str(s->url), .timeout_ms = COMMAND_MS};
    int64_t deadline_ms = clock_mono_ms() + START_MS;
    struct redis_client *c = NULL;
    char *why = NULL;

    while (redis_client_open(&conf, &c, &why) != ERR_OK) {
        if (clock_mono_ms() > deadline_ms)
            fail_msg("%s", why != NULL ? why : "no reason");
        free(why);
        why = NULL;
        (void)usleep(10000);
    }
    return c;
}

/* Words separated by one space. Owned by the caller. */
HELPER struct redisReply *ask(struct redis_client *c, const char *words)
{
    struct slice args[ARGS_MAX], rest = slice_str(words);
    struct redisReply *reply = NULL;
    size_t n = 0;

    while (rest.p != NULL)
        args[n++] = slice_cut(&rest, ' ');
    assert_int_equal(redis_client_command(c, args, n, &reply), ERR_OK);
    assert_non_null(reply);
    return reply;
}

/* The number or the text that a command answers. */
HELPER int64_t ask_number(struct redis_client *c, const char *words)
{
    struct redisReply *reply = ask(c, words);
    int64_t n = -1;

    assert_true(reply_number(reply, &n));
    freeReplyObject(reply);
    return n;
}

HELPER void ask_text(struct redis_client *c, const char *words, char *out, size_t size)
{
    struct redisReply *reply = ask(c, words);
    struct slice s = reply_text(reply);

    (void)snprintf(out, size, "%.*s", SLICE_FMT(s));
    freeReplyObject(reply);
}

/* A server, a client, a master key and a roster over them. */
struct world {
    struct server server;
    struct redis_client *redis;
    struct master *master;
    struct roster roster;
    struct arena arena;
};

HELPER int world_open(void **state)
{
    struct world *w = mem_zalloc(sizeof(*w));

    server_start(&w->server, NULL);
    w->redis = client_open(&w->server);
    assert_int_equal(
        master_from_text(SLICE("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"), &w->master), ERR_OK);
    arena_init(&w->arena);
    w->roster = (struct roster){w->redis, {SLICE("t:")}, w->master};
    *state = w;
    return 0;
}

HELPER int world_close(void **state)
{
    struct world *w = *state;

    redis_client_free(w->redis);
    master_free(w->master);
    arena_fini(&w->arena);
    server_stop(&w->server);
    free(w);
    return 0;
}

/* Every test begins with nothing in Redis. */
HELPER int world_clear(void **state)
{
    struct world *w = *state;

    freeReplyObject(ask(w->redis, "FLUSHALL"));
    return 0;
}

#define WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, world_clear, NULL)

/* A user with roles; the id is the arena's. */
HELPER struct slice make_user(struct world *w, const char *name, const char *roles)
{
    struct user_new u = {.username = slice_str(name), .roles = slice_str(roles)};
    json_t *user = NULL;
    struct slice id;

    assert_int_equal(roster_user_create(&w->roster, &u, &user), ERR_OK);
    id = arena_dup(&w->arena, json_text(user, "id"));
    json_decref(user);
    return id;
}

/* A field of a hash as text; empty when it is absent. */
HELPER struct slice field(struct world *w, struct slice key, const char *name)
{
    struct slice args[] = {SLICE("HGET"), key, slice_str(name)}, copy;
    struct redisReply *reply = NULL;

    assert_int_equal(redis_client_command(w->redis, args, 3, &reply), ERR_OK);
    copy = arena_dup(&w->arena, reply_text(reply));
    freeReplyObject(reply);
    return copy;
}

HELPER bool exists(struct world *w, struct slice key)
{
    struct slice args[] = {SLICE("EXISTS"), key};
    struct redisReply *reply = NULL;
    int64_t n = -1;

    assert_int_equal(redis_client_command(w->redis, args, 2, &reply), ERR_OK);
    assert_true(reply_number(reply, &n));
    freeReplyObject(reply);
    return n == 1;
}

HELPER void assert_slice(struct slice is, const char *wanted)
{
    if (!slice_eq(is, slice_str(wanted)))
        fail_msg("\"%.*s\" instead of \"%s\"", SLICE_FMT(is), wanted);
}

#endif
