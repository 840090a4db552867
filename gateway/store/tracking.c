#include "store/tracking.h"

#include "base/alloc.h"
#include "model/reply.h"
#include "store/notice.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 500, PING_EVERY_MS = 1000, PREFIXES_MAX = 16 };

#define CHANNEL SLICE("__redis__:invalidate")

enum step { STEP_DOWN, STEP_ID, STEP_TRACKING, STEP_SUBSCRIBE, STEP_LIVE };

struct tracking {
    struct worker *worker;
    struct dial dial;
    const struct tracking_handler *handler;
    void *arg;
    const struct slice *prefixes;
    size_t prefix_count;
    enum step step;
    int64_t step_ms;   /* when the command of this step was sent */
    int64_t proven_ms; /* when the last answered PING (or SUBSCRIBE) was sent */
    int64_t ping_ms;   /* when the last PING was sent */
    bool is_ping_out;
    struct timer tick;
    bool refusal_is_logged;
};

static void send_step(struct tracking *t, enum step step, const struct slice *args, size_t count)
{
    t->step = step;
    t->step_ms = t->worker->now_ms;
    dial_command(&t->dial, args, count);
}

static void on_ready(void *arg)
{
    struct tracking *t = arg;
    const struct slice args[] = {SLICE("CLIENT"), SLICE("ID")};

    send_step(t, STEP_ID, args, 2);
    timer_set(&t->tick, TICK_MS);
}

static bool take_id(struct tracking *t, const struct redisReply *reply)
{
    struct slice args[6 + 2 * PREFIXES_MAX];
    char id[24];
    size_t n = 0;

    if (reply->type != REDIS_REPLY_INTEGER)
        return false;
    args[n++] = SLICE("CLIENT");
    args[n++] = SLICE("TRACKING");
    args[n++] = SLICE("ON");
    args[n++] = SLICE("REDIRECT");
    args[n++] = slice_of(id, (size_t)snprintf(id, sizeof(id), "%lld", reply->integer));
    args[n++] = SLICE("BCAST");
    for (size_t i = 0; i < t->prefix_count; i++) {
        args[n++] = SLICE("PREFIX");
        args[n++] = t->prefixes[i];
    }
    send_step(t, STEP_TRACKING, args, n);
    return true;
}

static bool take_tracking(struct tracking *t, const struct redisReply *reply)
{
    const struct slice args[] = {SLICE("SUBSCRIBE"), CHANNEL};

    if (reply->type != REDIS_REPLY_STATUS)
        return false;
    send_step(t, STEP_SUBSCRIBE, args, 2);
    return true;
}

/* reply_text() gives nothing unless the element is a string. */
static struct slice text_at(const struct redisReply *reply, size_t i)
{
    const struct redisReply *element = reply_at(reply, i);

    return element != NULL ? reply_text(element) : SLICE_NONE;
}

/* From its sending on, the subscription holds; so the owner flushes now and all later changes
 * arrive. */
static bool take_subscribed(struct tracking *t, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply_count(reply) != 3 ||
        !slice_eq(text_at(reply, 0), SLICE("subscribe")) || !slice_eq(text_at(reply, 1), CHANNEL))
        return false;
    t->proven_ms = t->ping_ms = t->step_ms;
    t->is_ping_out = false;
    t->refusal_is_logged = false;
    notice(t->worker, LOG_INFO, NOTICE_TRACKING_LIVE, ERR_OK);
    t->handler->on_live(t->arg);
    t->step = STEP_LIVE;
    return true;
}

/* A list of names: every type is looked at before the text is. */
static bool take_names(struct tracking *t, const struct redisReply *names)
{
    size_t count = reply_count(names);

    for (size_t i = 0; i < count; i++) {
        const struct redisReply *name = reply_at(names, i);

        if (name == NULL || name->type != REDIS_REPLY_STRING || name->str == NULL)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct redisReply *name = reply_at(names, i);

        t->handler->on_name(t->arg, slice_of(name->str, name->len));
        if (t->step != STEP_LIVE)
            return true; /* stopped meanwhile */
    }
    return true;
}

/* "message", channel, then nil (everything) or an array of names. */
static bool take_message(struct tracking *t, const struct redisReply *reply)
{
    const struct redisReply *what = reply_at(reply, 2);

    if (reply_count(reply) != 3 || !slice_eq(text_at(reply, 1), CHANNEL) || what == NULL)
        return false;
    if (what->type == REDIS_REPLY_NIL) {
        t->handler->on_flush(t->arg);
        return true;
    }
    return what->type == REDIS_REPLY_ARRAY && take_names(t, what);
}

static bool take_push(struct tracking *t, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    if (slice_eq(text_at(reply, 0), SLICE("message")))
        return take_message(t, reply);
    if (!slice_eq(text_at(reply, 0), SLICE("pong")) || !t->is_ping_out)
        return false;
    t->is_ping_out = false;
    t->proven_ms = t->ping_ms;
    return true;
}

static bool take_reply(struct tracking *t, const struct redisReply *reply)
{
    switch (t->step) {
    case STEP_ID:
        return take_id(t, reply);
    case STEP_TRACKING:
        return take_tracking(t, reply);
    case STEP_SUBSCRIBE:
        return take_subscribed(t, reply);
    case STEP_LIVE:
        return take_push(t, reply);
    case STEP_DOWN:
        break;
    }
    return false;
}

static bool on_reply(void *arg, const struct redisReply *reply)
{
    struct tracking *t = arg;

    if (reply->type == REDIS_REPLY_ERROR && !t->refusal_is_logged) {
        t->refusal_is_logged = true;
        log_warn(t->worker->log, "redis.tracking_refused",
                 LOG_SLICE("text", slice_to(slice_of(reply->str, reply->len), 200)));
    }
    return take_reply(t, reply);
}

static void go_down(struct tracking *t, enum err why)
{
    bool was_live = t->step == STEP_LIVE;

    t->step = STEP_DOWN;
    timer_set(&t->tick, 0);
    if (!was_live)
        return;
    notice(t->worker, LOG_WARN, NOTICE_TRACKING_LOST, why);
    t->handler->on_lost(t->arg);
}

static void on_lost(void *arg, enum err why)
{
    go_down(arg, why);
}

static const struct dial_handler dial_events = {
    .on_ready = on_ready, .on_reply = on_reply, .on_lost = on_lost};

static void send_ping(struct tracking *t)
{
    const struct slice ping = SLICE("PING");

    t->is_ping_out = true;
    t->ping_ms = t->worker->now_ms;
    dial_command(&t->dial, &ping, 1);
}

static void on_tick(void *arg)
{
    struct tracking *t = arg;
    int64_t since = t->step == STEP_LIVE ? t->proven_ms : t->step_ms;

    if (t->step == STEP_DOWN)
        return;
    if (t->worker->now_ms - since > TRACKING_DEAD_MS) {
        dial_drop(&t->dial);
        go_down(t, ERR_TIMEOUT);
        return;
    }
    if (t->step == STEP_LIVE && !t->is_ping_out && t->worker->now_ms - t->ping_ms >= PING_EVERY_MS)
        send_ping(t);
    timer_set(&t->tick, TICK_MS);
}

struct tracking *tracking_new(struct worker *w, const struct endpoint *e,
                              const struct slice *prefixes, size_t prefix_count,
                              const struct tracking_handler *handler, void *arg)
{
    struct tracking *t = mem_zalloc(sizeof(*t));

    CHECK(prefix_count <= PREFIXES_MAX);
    *t = (struct tracking){.worker = w,
                           .handler = handler,
                           .arg = arg,
                           .prefixes = prefixes,
                           .prefix_count = prefix_count};
    timer_init(&t->tick, w, on_tick, t);
    dial_init(&t->dial, w, e, &dial_events, t);
    return t;
}

void tracking_free(struct tracking *t)
{
    if (t == NULL)
        return;
    dial_fini(&t->dial);
    timer_fini(&t->tick);
    free(t);
}

void tracking_start(struct tracking *t, const struct sockaddr_any *to)
{
    dial_start(&t->dial, to);
}

void tracking_stop(struct tracking *t)
{
    dial_stop(&t->dial);
    go_down(t, ERR_CLOSED);
}

bool tracking_is_live(const struct tracking *t)
{
    return t->step == STEP_LIVE && t->worker->now_ms - t->proven_ms <= TRACKING_DEAD_MS;
}

int64_t tracking_proven_ms(const struct tracking *t)
{
    return t->proven_ms;
}
