#include "store/link.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "model/reply.h"
#include "store/notice.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { CALLS_MAX = 65536, PING_EVERY_MS = 1000, ERROR_EVERY_MS = 10000 };

/* A question on its way: in the queue until its reply comes. */
struct call {
    struct list link;
    int64_t deadline_ms;
    link_done_fn *done;
    void *arg;
    bool is_by_hash; /* EVALSHA was sent: NOSCRIPT has a remedy */
    enum script script;
    size_t tail_args, tail_bytes;
    char tail[]; /* of a script: number of keys, keys, arguments, as RESP */
};

struct link {
    struct worker *worker;
    struct dial dial;
    const struct link_handler *handler;
    void *arg;
    int64_t timeout_ms;
    struct list calls;
    size_t call_count;
    struct buf out; /* encoding room; while not up: calls that wait for the link */
    struct timer deadline, ping;
    bool is_up;
    bool is_hopeful;   /* takes calls though it is not up */
    bool is_loss_told; /* logged since it was last up */
    int64_t error_logged_ms;
};

static struct call *first_call(struct link *l)
{
    return list_is_empty(&l->calls) ? NULL : LIST_ITEM(l->calls.next, struct call, link);
}

static void watch_deadline(struct link *l)
{
    const struct call *first = first_call(l);
    int64_t left = first != NULL ? first->deadline_ms - l->worker->now_ms : 0;

    timer_set(&l->deadline, first != NULL && left < 1 ? 1 : left);
}

static void finish(struct link *l, struct call *call, const struct redisReply *reply)
{
    list_remove(&call->link);
    l->call_count--;
    call->done(call->arg, reply);
    free(call);
}

/* The list is taken off first: done may ask again at once, and is then refused or held. */
static void fail_all(struct link *l)
{
    struct list failed;

    list_init(&failed);
    while (!list_is_empty(&l->calls)) {
        struct list *item = l->calls.next;

        list_remove(item);
        list_add_tail(&failed, item);
    }
    buf_clear(&l->out);
    timer_set(&l->deadline, 0);
    while (!list_is_empty(&failed))
        finish(l, LIST_ITEM(failed.next, struct call, link), NULL);
}

static void go_down(struct link *l, enum err why, bool is_hopeful)
{
    bool was_up = l->is_up;

    l->is_up = false;
    l->is_hopeful = is_hopeful;
    timer_set(&l->ping, 0);
    if (!l->is_loss_told)
        notice(l->worker, LOG_WARN, NOTICE_LINK_LOST, why);
    l->is_loss_told = true;
    fail_all(l);
    if (was_up)
        l->handler->on_down(l->arg);
}

static void on_overdue(void *arg)
{
    struct link *l = arg;
    const struct call *first = first_call(l);

    if (first == NULL)
        return;
    if (first->deadline_ms > l->worker->now_ms) {
        watch_deadline(l);
        return;
    }
    if (l->is_up)
        dial_drop(&l->dial);
    go_down(l, ERR_TIMEOUT, false);
}

static void ignore_reply(void *arg, const struct redisReply *reply)
{
    (void)arg;
    (void)reply;
}

/* An idle link is asked too, so that a half-open one is found before somebody needs it (rule g). */
static void on_ping(void *arg)
{
    struct link *l = arg;
    const struct slice ping = SLICE("PING");

    if (l->is_up && l->call_count == 0 && !link_command(l, &ping, 1, ignore_reply, NULL))
        return;
    timer_set(&l->ping, PING_EVERY_MS);
}

static void on_ready(void *arg)
{
    struct link *l = arg;

    l->is_up = l->is_hopeful = true;
    l->is_loss_told = false;
    if (l->out.n > 0)
        dial_send(&l->dial, buf_slice(&l->out));
    buf_clear(&l->out);
    buf_trim(&l->out);
    timer_set(&l->ping, PING_EVERY_MS);
    notice(l->worker, LOG_INFO, NOTICE_LINK_UP, ERR_OK);
    l->handler->on_up(l->arg);
}

static void on_lost(void *arg, enum err why)
{
    struct link *l = arg;

    go_down(l, why, l->is_up && why == ERR_CLOSED);
}

static void add_bulk(struct buf *b, struct slice s)
{
    buf_add_char(b, '$');
    buf_add_u64(b, s.n);
    buf_add(b, SLICE("\r\n"));
    buf_add(b, s);
    buf_add(b, SLICE("\r\n"));
}

static void send_out(struct link *l)
{
    if (!l->is_up)
        return; /* on_ready sends */
    dial_send(&l->dial, buf_slice(&l->out));
    buf_clear(&l->out);
}

static void enqueue(struct link *l, struct call *call)
{
    list_add_tail(&l->calls, &call->link);
    l->call_count++;
    if (first_call(l) == call)
        watch_deadline(l);
}

static void send_script(struct link *l, struct call *call, bool by_hash)
{
    call->is_by_hash = by_hash;
    buf_add_char(&l->out, '*');
    buf_add_u64(&l->out, call->tail_args + 2);
    buf_add(&l->out, SLICE("\r\n"));
    add_bulk(&l->out, by_hash ? SLICE("EVALSHA") : SLICE("EVAL"));
    add_bulk(&l->out, by_hash ? script_sha1(call->script) : script_text(call->script));
    buf_add(&l->out, slice_of(call->tail, call->tail_bytes));
    send_out(l);
    enqueue(l, call);
}

/* Errors that mean this server cannot serve us now, whatever we ask (a failover, a restart). */
static bool is_unfit(const struct redisReply *reply)
{
    static const char *const unfit[] = {"LOADING",     "READONLY", "MOVED",  "ASK",
                                        "CLUSTERDOWN", "TRYAGAIN", "NOAUTH", "MASTERDOWN"};

    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        if (reply_is_error(reply, slice_str(unfit[i])))
            return true;
    }
    return false;
}

static void log_error_reply(struct link *l, const struct redisReply *reply)
{
    if (l->error_logged_ms != 0 && l->worker->now_ms - l->error_logged_ms < ERROR_EVERY_MS)
        return;
    l->error_logged_ms = l->worker->now_ms;
    log_warn(l->worker->log, "redis.error_reply",
             LOG_SLICE("text", slice_to(slice_of(reply->str, reply->len), 200)));
}

static bool on_reply(void *arg, const struct redisReply *reply)
{
    struct link *l = arg;
    struct call *call = first_call(l);

    if (call == NULL)
        return false;
    if (reply->type == REDIS_REPLY_ERROR) {
        if (call->is_by_hash && reply_is_error(reply, SLICE("NOSCRIPT"))) {
            list_remove(&call->link);
            l->call_count--;
            send_script(l, call, false);
            watch_deadline(l);
            return true;
        }
        log_error_reply(l, reply);
        if (is_unfit(reply))
            return false;
    }
    finish(l, call, reply);
    watch_deadline(l);
    return true;
}

static const struct dial_handler dial_events = {
    .on_ready = on_ready, .on_reply = on_reply, .on_lost = on_lost};

static struct call *call_new(struct link *l, link_done_fn *done, void *arg, size_t tail_bytes)
{
    struct call *call = mem_alloc(sizeof(*call) + tail_bytes);

    *call = (struct call){.deadline_ms = l->worker->now_ms + l->timeout_ms,
                          .done = done,
                          .arg = arg,
                          .tail_bytes = tail_bytes};
    list_init(&call->link);
    return call;
}

static bool takes_calls(const struct link *l)
{
    return (l->is_up || l->is_hopeful) && l->call_count < CALLS_MAX;
}

bool link_command(struct link *l, const struct slice *args, size_t count, link_done_fn *done,
                  void *arg)
{
    if (!takes_calls(l))
        return false;
    redis_write_command(&l->out, args, count);
    send_out(l);
    enqueue(l, call_new(l, done, arg, 0));
    return true;
}

bool link_script(struct link *l, enum script script, const struct slice *keys, size_t key_count,
                 const struct slice *args, size_t arg_count, link_done_fn *done, void *arg)
{
    struct buf tail;
    struct call *call;
    char number[U64_DIGITS];

    if (!takes_calls(l))
        return false;
    buf_init(&tail);
    add_bulk(&tail, slice_from_u64(key_count, number));
    for (size_t i = 0; i < key_count; i++)
        add_bulk(&tail, keys[i]);
    for (size_t i = 0; i < arg_count; i++)
        add_bulk(&tail, args[i]);
    call = call_new(l, done, arg, tail.n);
    memcpy(call->tail, buf_slice(&tail).p, tail.n);
    buf_fini(&tail);
    call->tail_args = 1 + key_count + arg_count;
    call->script = script;
    send_script(l, call, true);
    return true;
}

void link_set_timeout(struct link *l, int64_t timeout_ms)
{
    l->timeout_ms = timeout_ms;
}

bool link_is_up(const struct link *l)
{
    return l->is_up;
}

const struct sockaddr_any *link_server(const struct link *l)
{
    return &l->dial.at;
}

struct link *link_new(struct worker *w, const struct endpoint *e, int64_t timeout_ms,
                      const struct link_handler *handler, void *arg)
{
    struct link *l = mem_zalloc(sizeof(*l));

    *l = (struct link){
        .worker = w, .handler = handler, .arg = arg, .timeout_ms = timeout_ms, .is_hopeful = true};
    list_init(&l->calls);
    buf_init(&l->out);
    timer_init(&l->deadline, w, on_overdue, l);
    timer_init(&l->ping, w, on_ping, l);
    dial_init(&l->dial, w, e, &dial_events, l);
    dial_start(&l->dial, NULL);
    return l;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    dial_fini(&l->dial);
    timer_fini(&l->deadline);
    timer_fini(&l->ping);
    while (!list_is_empty(&l->calls)) {
        struct call *call = first_call(l);

        list_remove(&call->link);
        free(call);
    }
    buf_fini(&l->out);
    free(l);
}
