#ifndef MODEL_REDIS_CLIENT_H
#define MODEL_REDIS_CLIENT_H

#include "base/err.h"
#include "base/secret.h"
#include "http/addr.h"
#include "model/script.h"

struct redisReply;

/* redis://[user@]host[:port][/db], rediss://..., unix:/path[?db=n] */
struct redis_url {
    bool is_tls, is_unix;
    struct slice user; /* or empty */
    struct slice host; /* without brackets; or the socket's path */
    uint16_t port;     /* 6379 unless the text says otherwise */
    unsigned db;
};
/* Slices point into text. ERR_SYNTAX, also for a password: it belongs into a file. */
enum err redis_url_parse(struct slice text, struct redis_url *out) MUST_USE;

/*
 * A blocking Redis client for tools and start-up: TCP, TLS, Unix socket; AUTH and
 * SELECT at connect; one deadline a command. Not for worker threads.
 */
struct redis_client;
struct redis_client_conf {
    struct slice url;
    struct slice username;
    const struct secret *password; /* NULL: none */
    const char *ca;                /* NULL: the system's */
    const char *certificate, *key; /* to show; or NULL */
    int64_t timeout_ms;
};
/* why: a sentence for people, free(); set on failure. */
enum err redis_client_open(const struct redis_client_conf *conf, struct redis_client **out,
                           char **why) MUST_USE;
void redis_client_free(struct redis_client *c);

/* out: freeReplyObject(). A -ERR reply is ERR_OK with an error object. ERR_UNAVAILABLE,
 * ERR_TIMEOUT. */
enum err redis_client_command(struct redis_client *c, const struct slice *args, size_t count,
                              struct redisReply **out) MUST_USE;
/* The text of the latest answer when that was an error, or NULL: for a message to people. */
const char *redis_client_refusal(const struct redis_client *c);
/* EVALSHA, then EVAL after NOSCRIPT. */
enum err redis_client_script(struct redis_client *c, enum script s, const struct slice *keys,
                             size_t key_count, const struct slice *args, size_t arg_count,
                             struct redisReply **out) MUST_USE;

/* The request as bytes (array of bulk strings), appended to out; shared with the worker's links. */
struct buf;
void redis_write_command(struct buf *out, const struct slice *args, size_t count);

#endif
