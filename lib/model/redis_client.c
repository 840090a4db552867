#include "model/redis_client.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/redis_transport.h"
#include "model/reply.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPLY_BYTES_MAX = 64 * 1024 * 1024 };

struct redis_client {
    struct redis_transport
        *transport; /* NULL once broken: an answer might belong to an older question */
    redisReader *reader;
    struct buf in, out;
    int64_t timeout_ms;
    char *refusal; /* redis_client_refusal() */
};

enum { REFUSAL_BYTES_MAX = 300 };

static void note_refusal(struct redis_client *c, const struct redisReply *reply)
{
    size_t n = reply->len < REFUSAL_BYTES_MAX ? (size_t)reply->len : REFUSAL_BYTES_MAX;

    if (reply->type == REDIS_REPLY_ERROR)
        c->refusal = mem_strndup(reply->str, n);
}

const char *redis_client_refusal(const struct redis_client *c)
{
    return c->refusal;
}

static void give_up(struct redis_client *c)
{
    redis_transport_free(c->transport);
    c->transport = NULL;
}

/* Feeds the reader until it has a whole reply. */
static enum err read_reply(struct redis_client *c, int64_t deadline_ms, struct redisReply **out)
{
    size_t seen = 0;
    void *reply = NULL;
    enum err e;

    while (reply == NULL) {
        struct slice s;

        if ((e = redis_transport_read(c->transport, &c->in, deadline_ms)) != ERR_OK)
            return e;
        s = buf_slice(&c->in);
        seen += s.n;
        if (seen > REPLY_BYTES_MAX || redisReaderFeed(c->reader, s.p, s.n) != REDIS_OK)
            return ERR_UNAVAILABLE;
        buf_clear(&c->in);
        if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
            return ERR_UNAVAILABLE;
    }
    *out = reply;
    return ERR_OK;
}

enum err redis_client_command(struct redis_client *c, const struct slice *args, size_t count,
                              struct redisReply **out)
{
    int64_t deadline_ms = clock_mono_ms() + c->timeout_ms;
    enum err e;

    free(c->refusal);
    c->refusal = NULL;
    if (c->transport == NULL)
        return ERR_UNAVAILABLE;
    redis_write_command(&c->out, args, count);
    e = redis_transport_write(c->transport, buf_slice(&c->out), deadline_ms);
    /* It may have held a password. */
    secret_wipe(c->out.p, c->out.cap);
    buf_clear(&c->out);
    if (e == ERR_OK)
        e = read_reply(c, deadline_ms, out);
    if (e == ERR_OK)
        note_refusal(c, *out);
    else
        give_up(c);
    return e;
}

static enum err evaluate(struct redis_client *c, struct slice *args, size_t count, enum script s,
                         struct redisReply **out)
{
    struct redisReply *reply = NULL;
    enum err e;

    args[0] = SLICE("EVALSHA");
    args[1] = script_sha1(s);
    if ((e = redis_client_command(c, args, count, &reply)) != ERR_OK)
        return e;
    if (!reply_is_error(reply, SLICE("NOSCRIPT"))) {
        *out = reply;
        return ERR_OK;
    }
    freeReplyObject(reply);
    args[0] = SLICE("EVAL");
    args[1] = script_text(s);
    return redis_client_command(c, args, count, out);
}

enum err redis_client_script(struct redis_client *c, enum script s, const struct slice *keys,
                             size_t key_count, const struct slice *args, size_t arg_count,
                             struct redisReply **out)
{
    size_t count = 3 + key_count + arg_count;
    struct slice *all = mem_alloc(count * sizeof(*all));
    char number[24];
    enum err e;

    all[2] = slice_of(number, (size_t)snprintf(number, sizeof(number), "%zu", key_count));
    if (key_count > 0)
        memcpy(all + 3, keys, key_count * sizeof(*all));
    if (arg_count > 0)
        memcpy(all + 3 + key_count, args, arg_count * sizeof(*all));
    e = evaluate(c, all, count, s, out);
    free(all);
    return e;
}

/* A command of the greeting, which must be answered +OK. */
static enum err greet(struct redis_client *c, const struct slice *args, size_t count, char **why)
{
    struct redisReply *reply = NULL;
    enum err e = redis_client_command(c, args, count, &reply);

    if (e == ERR_OK && !slice_eq(reply_text(reply), SLICE("OK"))) {
        struct slice text =
            reply->str != NULL ? slice_of(reply->str, (size_t)reply->len) : SLICE("no OK");

        e = ERR_DENIED;
        free(*why);
        if (asprintf(why, "Redis answered %.*s with: %.*s", SLICE_FMT(args[0]), SLICE_FMT(text)) <
            0)
            *why = NULL;
    } else if (e != ERR_OK) {
        free(*why);
        if (asprintf(why, "Redis did not answer %.*s: %s", SLICE_FMT(args[0]), err_text(e)) < 0)
            *why = NULL;
    }
    freeReplyObject(reply);
    return e;
}

static enum err greet_all(struct redis_client *c, const struct redis_client_conf *conf,
                          const struct redis_url *url, char **why)
{
    struct slice user = conf->username.n > 0 ? conf->username : url->user;
    enum err e = ERR_OK;

    if (conf->password != NULL) {
        struct slice with[] = {SLICE("AUTH"), user, secret_slice(conf->password)};
        struct slice without[] = {SLICE("AUTH"), secret_slice(conf->password)};

        e = user.n > 0 ? greet(c, with, 3, why) : greet(c, without, 2, why);
    }
    if (e == ERR_OK && url->db != 0) {
        char number[16];
        size_t n = (size_t)snprintf(number, sizeof(number), "%u", url->db);
        struct slice args[] = {SLICE("SELECT"), slice_of(number, n)};

        e = greet(c, args, 2, why);
    }
    return e;
}

enum err redis_client_open(const struct redis_client_conf *conf, struct redis_client **out,
                           char **why)
{
    struct redis_client *c;
    struct redis_url url;
    enum err e = redis_url_parse(conf->url, &url);

    *why = NULL;
    if (e != ERR_OK) {
        *why = mem_strdup("the Redis URL is malformed (redis://host:port/db, rediss://..., "
                          "unix:/path?db=n; a password belongs into its own setting)");
        return e;
    }
    c = mem_zalloc(sizeof(*c));
    c->timeout_ms = conf->timeout_ms;
    c->reader = redisReaderCreate();
    CHECK(c->reader != NULL);
    buf_init(&c->in);
    buf_init(&c->out);
    e = redis_transport_open(&url, conf, clock_mono_ms() + conf->timeout_ms, &c->transport, why);
    if (e == ERR_OK)
        e = greet_all(c, conf, &url, why);
    if (e != ERR_OK) {
        redis_client_free(c);
        return e;
    }
    *out = c;
    return ERR_OK;
}

void redis_client_free(struct redis_client *c)
{
    if (c == NULL)
        return;
    give_up(c);
    redisReaderFree(c->reader);
    free(c->refusal);
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}
