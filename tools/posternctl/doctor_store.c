#include "doctor.h"

#include "base/clock.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { CLOCK_APART_MAX_S = 2, PUSH_TRIES = 3 };

/* NULL when there was no answer; freeReplyObject() takes NULL too. */
static redisReply *ask(struct redis_client *redis, const struct slice *words, size_t count)
{
    redisReply *reply = NULL;

    return redis_client_command(redis, words, count, &reply) == ERR_OK ? reply : NULL;
}

/* True when the answer is there and no error. */
static bool is_accepted(struct redis_client *redis, const struct slice *words, size_t count)
{
    redisReply *reply = ask(redis, words, count);
    bool is_ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;

    freeReplyObject(reply);
    return is_ok;
}

#define WORDS(...)                                                                                 \
    (const struct slice[]){__VA_ARGS__},                                                           \
        sizeof((struct slice[]){__VA_ARGS__}) / sizeof(struct slice)

static struct slice user_of(const struct ctl *c)
{
    return c->conf->redis.username.n > 0 ? c->conf->redis.username : SLICE("default");
}

/* The account of docs/redis.md, word for word: it takes away what is more, too. */
static const char *account_fix(const struct ctl *c, struct arena *a, const char *hint)
{
    return arena_printf(a,
                        "redis-cli acl setuser %.*s on resetkeys '~%.*s*' resetchannels "
                        "'&__redis__:invalidate' -@all +@read +@write -@dangerous +eval +evalsha "
                        "+time +ping +select +subscribe '+client|id' '+client|tracking'   # %s",
                        SLICE_FMT(user_of(c)), SLICE_FMT(c->conf->redis.prefix), hint)
        .p;
}

/* What the gateway needs, tried on a key that is not there. */
static void look_at_acl(struct ctl *c, struct findings *f)
{
    struct redis_client *redis = c->roster.redis;
    struct arena arena;
    struct slice key;
    bool is_ok;

    arena_init(&arena);
    key = arena_printf(&arena, "%.*sdoctor:none", SLICE_FMT(c->conf->redis.prefix));
    is_ok = is_accepted(redis, WORDS(SLICE("HGETALL"), key)) &&
            is_accepted(redis, WORDS(SLICE("HDEL"), key, SLICE("x"))) &&
            is_accepted(redis, WORDS(SLICE("DEL"), key)) &&
            is_accepted(redis, WORDS(SLICE("EVAL"), SLICE("return redis.call('EXISTS', KEYS[1])"),
                                     SLICE("1"), key)) &&
            is_accepted(redis, WORDS(SLICE("TIME"))) &&
            is_accepted(redis, WORDS(SLICE("CLIENT"), SLICE("ID")));
    finding_add(f, is_ok, "the Redis user may do what postern needs",
                account_fix(c, &arena, "see docs/redis.md"));
    arena_fini(&arena);
}

/* Turns tracking on for the listener, touches a key, and waits for the notice (D6). */
static bool notice_arrives(struct redis_client *listener, struct redis_client *tracker,
                           struct slice prefix, struct arena *a)
{
    struct slice channel = SLICE("__redis__:invalidate"), id;
    redisReply *reply = ask(listener, WORDS(SLICE("CLIENT"), SLICE("ID")));
    bool is_seen = false;
    int64_t number;
    struct slice key = arena_printf(a, "%.*s%lld", SLICE_FMT(prefix), (long long)clock_wall_ms());

    if (!reply_number(reply, &number)) {
        freeReplyObject(reply);
        return false;
    }
    freeReplyObject(reply);
    id = arena_printf(a, "%lld", (long long)number);
    if (!is_accepted(listener, WORDS(SLICE("SUBSCRIBE"), channel)) ||
        !is_accepted(tracker,
                     WORDS(SLICE("CLIENT"), SLICE("TRACKING"), SLICE("ON"), SLICE("REDIRECT"), id,
                           SLICE("BCAST"), SLICE("PREFIX"), prefix)) ||
        !is_accepted(tracker, WORDS(SLICE("SET"), key, SLICE("1"), SLICE("PX"), SLICE("1000"))))
        return false;
    /* The notice was queued before SET was answered, so it precedes an answer to PING. */
    for (int i = 0; !is_seen && i < PUSH_TRIES; i++) {
        reply = ask(listener, WORDS(SLICE("PING")));
        is_seen = slice_eq(reply_text(reply_at(reply, 0)), SLICE("message"));
        freeReplyObject(reply);
    }
    (void)is_accepted(tracker, WORDS(SLICE("DEL"), key));
    return is_seen;
}

static void look_at_tracking(struct ctl *c, struct findings *f)
{
    struct redis_client *listener = NULL, *tracker = NULL;
    char *url = ctl_redis_url(c), *why = NULL, *other = NULL;
    struct arena arena;
    bool is_ok;

    arena_init(&arena);
    is_ok = ctl_redis_connect(c, url, &listener, &why) == ERR_OK &&
            ctl_redis_connect(c, url, &tracker, &other) == ERR_OK &&
            notice_arrives(listener, tracker,
                           arena_printf(&arena, "%.*sdoctor:", SLICE_FMT(c->conf->redis.prefix)),
                           &arena);
    finding_add(f, is_ok, "client tracking brings notices of changes (revocation at once)",
                account_fix(c, &arena, "Redis 6 or newer, no proxy between"));
    redis_client_free(listener);
    redis_client_free(tracker);
    arena_fini(&arena);
    free(url);
    free(why);
    free(other);
}

static void look_at_eviction(struct ctl *c, struct findings *f)
{
    redisReply *r = ask(c->roster.redis, WORDS(SLICE("INFO"), SLICE("memory")));
    struct slice text = reply_text(r);

    if (text.n > 0)
        finding_add(f, memmem(text.p, text.n, "maxmemory_policy:noeviction", 27) != NULL,
                    "Redis never evicts (maxmemory-policy noeviction)",
                    "redis-cli config set maxmemory-policy noeviction && redis-cli config rewrite");
    else
        ctl_say(c, "not looked at, for this account may not use INFO: redis-cli config get "
                   "maxmemory-policy   # must be noeviction");
    freeReplyObject(r);
}

static void look_at_clock(struct ctl *c, struct findings *f)
{
    redisReply *r = ask(c->roster.redis, WORDS(SLICE("TIME")));
    int64_t seconds = 0, apart;

    if (reply_number(reply_at(r, 0), &seconds)) { /* otherwise look_at_acl() has said it */
        apart = seconds - clock_wall_s();
        finding_add(f, apart >= -CLOCK_APART_MAX_S && apart <= CLOCK_APART_MAX_S,
                    "this clock and Redis's agree",
                    "timedatectl set-ntp true   # on both machines");
    }
    freeReplyObject(r);
}

void doctor_store(struct ctl *c, struct findings *f)
{
    bool is_reachable = ctl_open_roster(c) == OUTCOME_OK;
    char *url = ctl_redis_url(c), *fix = NULL;

    CHECK(asprintf(&fix,
                   c->conf->redis.url.n > 0
                       ? "redis-cli -u %s ping   # see redis.url, redis.password"
                       : "systemctl start postern   # it runs %s",
                   url) >= 0);
    finding_add(f, is_reachable, "Redis and the master key can be used", fix);
    free(fix);
    free(url);
    if (!is_reachable)
        return;
    look_at_acl(c, f);
    look_at_tracking(c, f);
    look_at_eviction(c, f);
    look_at_clock(c, f);
}
