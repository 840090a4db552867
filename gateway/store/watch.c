#include "store/store_own.h"

#include "base/alloc.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

/*
 * Who wants to hear of changes: the keyring reads the signing keys again, open
 * streams ask whether their credential still lives.
 */
enum { SIGNING_MAX = 256, READ_EVERY_MS = 30000 };

static void read_signing(struct store *s);

/* The same for every order of the fields. */
static uint64_t digest_of(const struct pair *pairs, size_t count)
{
    uint64_t sum = count + 1;

    for (size_t i = 0; i < count; i++)
        sum += hash_slice(pairs[i].name) * (hash_slice(pairs[i].value) | 1);
    return sum;
}

static void report(struct store *s, const struct pair *pairs, size_t count)
{
    uint64_t digest = digest_of(pairs, count);

    if (s->signing.is_known && s->signing.digest == digest)
        return;
    s->signing.is_known = true;
    s->signing.digest = digest;
    s->signing.on_pairs(s->signing.arg, pairs, count);
}

static void on_signing(void *arg, const struct redisReply *reply)
{
    struct store *s = arg;
    struct pair *pairs;
    size_t count = 0;
    enum err e;

    s->signing.is_asking = false;
    if (reply == NULL)
        return; /* asked again when the link is up */
    if (!cache_is_unmoved(&s->cache, s->signing.mark, s->signing_name)) {
        read_signing(s);
        return;
    }
    pairs = mem_alloc(SIGNING_MAX * sizeof(*pairs));
    e = reply_pairs(reply, pairs, SIGNING_MAX, &count);
    if (e == ERR_OK || e == ERR_NOT_FOUND)
        report(s, pairs, count);
    else
        log_warn(s->worker->log, "store.signing_malformed", LOG_ERR("cause", e));
    free(pairs);
}

static void read_signing(struct store *s)
{
    const struct slice args[] = {SLICE("HGETALL"), s->signing_name};

    if (s->signing.on_pairs == NULL || s->signing.is_asking)
        return; /* the answer on its way sees that the mark moved */
    timer_set(&s->signing.timer, READ_EVERY_MS);
    s->signing.mark = cache_mark(&s->cache);
    if (link_command(s->link, args, 2, on_signing, s))
        s->signing.is_asking = true;
}

static void on_time(void *arg)
{
    read_signing(arg);
}

void store_watch_signing(struct store *s,
                         void (*on_pairs)(void *arg, const struct pair *pairs, size_t count),
                         void *arg)
{
    s->signing.on_pairs = on_pairs;
    s->signing.arg = arg;
    s->signing.is_known = false;
    read_signing(s);
}

void store_watch_grants(struct store *s, void (*on_change)(void *arg, struct slice redis_key),
                        void *arg)
{
    s->on_grant = on_change;
    s->grant_arg = arg;
}

void watch_changed(struct store *s, struct slice name)
{
    if (slice_eq(name, s->signing_name))
        read_signing(s);
    else if (s->on_grant != NULL)
        s->on_grant(s->grant_arg, name);
}

void watch_changed_all(struct store *s)
{
    read_signing(s);
    if (s->on_grant != NULL)
        s->on_grant(s->grant_arg, SLICE_NONE);
}

void watch_init(struct store *s)
{
    timer_init(&s->signing.timer, s->worker, on_time, s);
}

void watch_fini(struct store *s)
{
    timer_fini(&s->signing.timer);
}
