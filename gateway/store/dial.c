#include "store/dial.h"

#include "base/alloc.h"
#include "base/random.h"
#include "model/reply.h"
#include "store/resp.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_DELAY_MS = 20, LONGEST_DELAY_MS = 1000, GOOD_MS = 1000 };

enum err endpoint_init(struct endpoint *e, struct worker *w, struct slice url,
                       struct slice username)
{
    enum err err = redis_url_parse(url, &e->url);

    if (err != ERR_OK)
        return err;
    e->host = mem_strndup(e->url.host.p, e->url.host.n);
    if (e->url.is_unix && (err = sockaddr_from_path(e->host, &e->socket)) != ERR_OK)
        return err;
    if (username.n == 0)
        username = e->url.user;
    e->username = mem_strndup(username.p != NULL ? username.p : "", username.n);
    e->resolver = e->url.is_unix ? NULL : resolver_new(w);
    return ERR_OK;
}

void endpoint_fini(struct endpoint *e)
{
    if (e->resolver != NULL)
        resolver_free(e->resolver);
    free(e->host);
    free(e->username);
    *e = (struct endpoint){0};
}

static void close_stream(struct dial *d)
{
    if (d->stream != NULL)
        stream_close(d->stream);
    d->stream = NULL;
    timer_set(&d->timer, 0);
    d->attempt++;
    /* While its replies are being handed out the reader is still in use; on_data frees it. */
    if (d->resp != d->reading)
        resp_free(d->resp);
    d->resp = NULL;
}

/* Between half and all of the delay, so that many workers do not come as one. */
static int64_t next_delay_ms(struct dial *d)
{
    int64_t delay = FIRST_DELAY_MS;
    uint16_t noise;

    random_bytes(&noise, sizeof(noise));
    for (unsigned i = 1; i < d->failures && delay < LONGEST_DELAY_MS; i++)
        delay *= 2;
    if (delay > LONGEST_DELAY_MS)
        delay = LONGEST_DELAY_MS;
    return delay / 2 + delay * noise / (2 * UINT16_MAX) + 1;
}

void dial_drop(struct dial *d)
{
    bool was_good = d->state == DIAL_READY && d->worker->now_ms - d->ready_ms >= GOOD_MS;

    if (d->state == DIAL_IDLE)
        return;
    d->failures = was_good ? 0 : d->failures + 1;
    close_stream(d);
    d->state = DIAL_WAITING;
    timer_set(&d->timer, next_delay_ms(d));
}

void dial_stop(struct dial *d)
{
    close_stream(d);
    d->state = DIAL_IDLE;
    d->failures = 0;
}

/* The attempt or connection is over; says so after the next attempt is arranged. */
static void lose(struct dial *d, enum err why)
{
    dial_drop(d);
    d->handler->on_lost(d->arg, why);
}

void dial_send(struct dial *d, struct slice bytes)
{
    CHECK(d->stream != NULL);
    stream_write(d->stream, bytes);
}

void dial_command(struct dial *d, const struct slice *args, size_t count)
{
    struct buf bytes;

    buf_init(&bytes);
    redis_write_command(&bytes, args, count);
    dial_send(d, buf_slice(&bytes));
    secret_wipe(bytes.p, bytes.cap); /* AUTH passes here too */
    buf_fini(&bytes);
}

/* AUTH and SELECT as needed, then PING: its +PONG tells a server that is loading from one that is
 * up. */
static void greet(struct dial *d)
{
    const struct endpoint *e = d->endpoint;
    struct slice args[3];
    char db[16];

    d->greetings_left = 0;
    if (e->password != NULL) {
        size_t n = 0;

        args[n++] = SLICE("AUTH");
        if (e->username[0] != '\0')
            args[n++] = slice_str(e->username);
        args[n++] = secret_slice(e->password);
        dial_command(d, args, n);
        d->greetings_left++;
    }
    if (e->url.db != 0) {
        snprintf(db, sizeof(db), "%u", e->url.db);
        args[0] = SLICE("SELECT");
        args[1] = slice_str(db);
        dial_command(d, args, 2);
        d->greetings_left++;
    }
    args[0] = SLICE("PING");
    dial_command(d, args, 1);
    d->greetings_left++;
}

static void on_open(void *arg)
{
    struct dial *d = arg;

    d->state = DIAL_GREETING;
    greet(d);
}

/* A wrong password, a server that is loading, a certificate: once, until it has worked again. */
static void log_refusal(struct dial *d, struct slice text)
{
    if (d->refusal_is_logged)
        return;
    d->refusal_is_logged = true;
    log_warn(d->worker->log, "redis.refused", LOG_SLICE("text", slice_to(text, 200)));
}

static bool take_greeting(struct dial *d, const struct redisReply *reply)
{
    struct slice expected = d->greetings_left > 1 ? SLICE("OK") : SLICE("PONG");

    if (reply->type == REDIS_REPLY_ERROR)
        log_refusal(d, slice_of(reply->str, reply->len));
    if (reply->type != REDIS_REPLY_STATUS || !slice_eq(reply_text(reply), expected))
        return false;
    if (--d->greetings_left > 0)
        return true;
    timer_set(&d->timer, 0);
    d->state = DIAL_READY;
    d->ready_ms = d->worker->now_ms;
    d->refusal_is_logged = false;
    d->handler->on_ready(d->arg);
    return true;
}

/* A reply for nobody is an error as well: answers would go to the wrong question from there on. */
static enum err take_replies(struct dial *d, struct slice bytes)
{
    uint64_t attempt = d->attempt;
    struct redisReply *reply;
    enum err e = resp_feed(d->resp, bytes);

    while (e == ERR_OK && d->attempt == attempt) {
        bool is_understood;

        if ((e = resp_next(d->resp, &reply)) != ERR_OK)
            break;
        is_understood = d->state == DIAL_GREETING ? take_greeting(d, reply)
                                                  : d->handler->on_reply(d->arg, reply);
        freeReplyObject(reply);
        if (!is_understood)
            e = ERR_SYNTAX;
    }
    return d->attempt != attempt || e == ERR_AGAIN ? ERR_OK : e;
}

static size_t on_data(void *arg, struct slice bytes)
{
    struct dial *d = arg;
    struct resp *resp = d->resp;
    enum err e;

    d->reading = resp;
    e = take_replies(d, bytes);
    d->reading = NULL;
    if (d->resp != resp)
        resp_free(resp); /* dropped by its owner meanwhile */
    else if (e != ERR_OK)
        lose(d, e);
    return bytes.n;
}

static void on_end(void *arg, enum err why)
{
    struct dial *d = arg;

    if (why == ERR_TLS)
        log_refusal(d, slice_str(stream_tls_trouble(d->stream)));
    lose(d, why);
}

static const struct stream_handler stream_events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static void connect_now(struct dial *d)
{
    const struct endpoint *e = d->endpoint;
    SSL *ssl = e->url.is_tls ? tls_client_ssl(e->tls, e->host) : NULL;

    d->state = DIAL_CONNECTING;
    d->resp = resp_new();
    d->stream = stream_connect(d->worker, sockaddr_of(&d->at), d->at.n, ssl, e->connect_ms,
                               &stream_events, d);
    timer_set(&d->timer, e->connect_ms);
}

static void on_resolved(void *arg, enum err e, const struct resolved *found)
{
    struct dial *d = arg;

    d->is_asking = false;
    if (d->state != DIAL_RESOLVING)
        return; /* the attempt that asked was given up */
    if (e != ERR_OK || found->count == 0) {
        lose(d, e != ERR_OK ? e : ERR_NOT_FOUND);
        return;
    }
    sockaddr_from_addr(&found->addrs[d->next_addr++ % found->count], &d->at);
    connect_now(d);
}

static void begin(struct dial *d)
{
    const struct endpoint *e = d->endpoint;

    if (d->fixed.n != 0) {
        d->at = d->fixed;
        connect_now(d);
    } else if (e->url.is_unix) {
        d->at = e->socket;
        connect_now(d);
    } else {
        d->state = DIAL_RESOLVING;
        timer_set(&d->timer, e->connect_ms);
        if (!d->is_asking) {
            d->is_asking = true;
            resolver_ask(e->resolver, e->host, e->url.port, on_resolved, d);
        }
    }
}

static void on_time(void *arg)
{
    struct dial *d = arg;

    if (d->state == DIAL_WAITING)
        begin(d);
    else
        lose(d, ERR_TIMEOUT);
}

void dial_init(struct dial *d, struct worker *w, const struct endpoint *e,
               const struct dial_handler *handler, void *arg)
{
    *d = (struct dial){.worker = w, .endpoint = e, .handler = handler, .arg = arg};
    timer_init(&d->timer, w, on_time, d);
}

void dial_fini(struct dial *d)
{
    dial_stop(d);
    timer_fini(&d->timer);
}

void dial_start(struct dial *d, const struct sockaddr_any *to)
{
    if (to != NULL)
        d->fixed = *to;
    else
        d->fixed.n = 0;
    if (d->state == DIAL_IDLE)
        begin(d);
}
