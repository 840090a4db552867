#ifndef UNIT_UPSTREAM_FIXTURE_H
#define UNIT_UPSTREAM_FIXTURE_H

#include "base/alloc.h"
#include "base/clock.h"
#include "upstream/call.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A worker, servers that follow a script, and an exchange that writes down what it is told. */
#define HELPER __attribute__((unused)) static

enum { PATIENCE_MS = 5000, PEER_CONNECTIONS = 64 };

/* ------- servers ------- */

struct peer;
typedef void (*script_fn)(struct peer *p, int fd, unsigned nth);

struct visit {
    struct peer *peer;
    int fd;
    unsigned nth;
    pthread_t thread;
};

struct peer {
    /* Runs for each connection, the nth from 0, in a thread of its own; tests change it in between.
     */
    _Atomic(script_fn) script;
    int listen_fd;
    uint16_t port;
    char url[160], path[108];
    pthread_t thread;
    pthread_mutex_t lock;
    struct buf got; /* all bytes from all connections, under lock */
    atomic_uint connections, requests, gone;
    struct visit visits[PEER_CONNECTIONS];
};

HELPER void say(int fd, const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return;
        text += sent;
        n -= (size_t)sent;
    }
}

/* One byte within the patience of the test; false at the end. */
HELPER bool hear_byte(struct peer *p, int fd, char *c)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    if (poll(&ready, 1, PATIENCE_MS) <= 0 || recv(fd, c, 1, 0) != 1)
        return false;
    pthread_mutex_lock(&p->lock);
    buf_add_char(&p->got, *c);
    pthread_mutex_unlock(&p->lock);
    return true;
}

/* Reads until text has come; false at the end. */
HELPER bool hear(struct peer *p, int fd, const char *text)
{
    const size_t n = strlen(text);
    char last[256] = {0};
    char c;

    assert_true(n < sizeof(last));
    while (hear_byte(p, fd, &c)) {
        memmove(last, last + 1, n - 1);
        last[n - 1] = c;
        if (memcmp(last, text, n) == 0)
            return true;
    }
    return false;
}

HELPER bool hear_head(struct peer *p, int fd)
{
    bool heard = hear(p, fd, "\r\n\r\n");

    if (heard)
        atomic_fetch_add(&p->requests, 1);
    return heard;
}

HELPER void hear_end(struct peer *p, int fd)
{
    char c;

    while (hear_byte(p, fd, &c))
        ;
    atomic_fetch_add(&p->gone, 1);
}

HELPER void *visit_run(void *arg)
{
    struct visit *v = arg;
    script_fn run = atomic_load(&v->peer->script);

    run(v->peer, v->fd, v->nth);
    close(v->fd);
    return NULL;
}

HELPER void *peer_run(void *arg)
{
    struct peer *p = arg;
    int fd;

    while ((fd = accept(p->listen_fd, NULL, NULL)) >= 0) {
        unsigned nth = atomic_fetch_add(&p->connections, 1);

        assert_true(nth < PEER_CONNECTIONS);
        p->visits[nth] = (struct visit){.peer = p, .fd = fd, .nth = nth};
        assert_int_equal(pthread_create(&p->visits[nth].thread, NULL, visit_run, &p->visits[nth]),
                         0);
    }
    return NULL;
}

HELPER void peer_listen(struct peer *p, const struct sockaddr *at, socklen_t n)
{
    struct sockaddr_in in = {0};
    socklen_t in_bytes = sizeof(in);

    p->listen_fd = socket(at->sa_family, SOCK_STREAM, 0);
    assert_true(p->listen_fd >= 0);
    assert_int_equal(bind(p->listen_fd, at, n), 0);
    assert_int_equal(listen(p->listen_fd, 64), 0);
    if (at->sa_family == AF_INET) {
        assert_int_equal(getsockname(p->listen_fd, (struct sockaddr *)&in, &in_bytes), 0);
        p->port = ntohs(in.sin_port);
    }
}

HELPER struct peer *peer_on(script_fn script, const struct sockaddr *at, socklen_t n)
{
    struct peer *p = mem_zalloc(sizeof(*p));

    p->script = script;
    pthread_mutex_init(&p->lock, NULL);
    peer_listen(p, at, n);
    snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u", p->port);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
    return p;
}

HELPER struct peer *peer_new(script_fn script)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return peer_on(script, (const struct sockaddr *)&any, sizeof(any));
}

HELPER struct peer *peer_new_unix(script_fn script)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct peer *p;

    snprintf(un.sun_path, sizeof(un.sun_path), "/tmp/postern-unit-%d.sock", (int)getpid());
    unlink(un.sun_path);
    p = peer_on(script, (struct sockaddr *)&un, sizeof(un));
    memcpy(p->path, un.sun_path, sizeof(un.sun_path));
    snprintf(p->url, sizeof(p->url), "unix:%s", p->path);
    return p;
}

/* Everything a connection of ours was closed for must have happened before. */
HELPER void peer_free(struct peer *p)
{
    shutdown(p->listen_fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
    for (unsigned i = 0; i < atomic_load(&p->connections); i++)
        pthread_join(p->visits[i].thread, NULL);
    if (p->path[0] != '\0')
        unlink(p->path);
    pthread_mutex_destroy(&p->lock);
    buf_fini(&p->got);
    free(p);
}

HELPER bool peer_got(struct peer *p, const char *text)
{
    bool found;

    pthread_mutex_lock(&p->lock);
    found = strstr(buf_cstr(&p->got), text) != NULL;
    pthread_mutex_unlock(&p->lock);
    return found;
}

/* An address of 127.0.0.1 where nobody listens. */
HELPER void url_of_nobody(char out[64])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    close(fd);
    snprintf(out, 64, "http://127.0.0.1:%u", ntohs(in.sin_port));
}

/* ------- the exchange ------- */

struct fake {
    struct exchange x;
    struct head head; /* of the request */
    unsigned ready, hints, responses, ends, failures, drained;
    enum err why;
    const char *reason;
    unsigned status;
    struct message response;
    struct head response_head;
    struct buf body;
    const struct head *trailers;
    bool inside; /* a call of ours into the leg is running: nothing may be told */
    bool keeps;  /* does not release at the answer's end */
    void (*on_ready)(struct fake *f);
    void (*on_response)(struct fake *f);
    void (*on_body)(struct fake *f);
};

HELPER struct fake *fake_of(struct exchange *x)
{
    struct fake *f = LIST_ITEM(x, struct fake, x);

    assert_false(f->inside);
    return f;
}

HELPER void fake_release(struct fake *f, bool complete)
{
    struct leg *leg = f->x.upstream;

    if (leg == NULL)
        return;
    f->x.upstream = NULL;
    leg->x = NULL;
    leg->ops->release(leg, complete);
}

void exchange_on_upstream_ready(struct exchange *x)
{
    struct fake *f = fake_of(x);

    f->ready++;
    if (f->on_ready != NULL)
        f->on_ready(f);
}

void exchange_on_response(struct exchange *x, const struct message *m)
{
    struct fake *f = fake_of(x);

    f->responses++;
    f->response = *m;
    f->response_head = *m->head;
    f->status = m->head->status;
    if (f->on_response != NULL)
        f->on_response(f);
}

void exchange_on_response_body(struct exchange *x, struct slice bytes)
{
    struct fake *f = fake_of(x);

    assert_true(bytes.n > 0);
    buf_add(&f->body, bytes);
    if (f->on_body != NULL)
        f->on_body(f);
}

void exchange_on_response_end(struct exchange *x, const struct head *trailers)
{
    struct fake *f = fake_of(x);

    f->ends++;
    f->trailers = trailers;
    if (!f->keeps)
        fake_release(f, true);
}

void exchange_on_upstream_drained(struct exchange *x)
{
    fake_of(x)->drained++;
}

void exchange_on_early_hints(struct exchange *x, struct head *head)
{
    assert_int_equal(head->status, 103);
    fake_of(x)->hints++;
}

void exchange_on_upstream_failed(struct exchange *x, enum err why, const char *reason)
{
    struct fake *f = fake_of(x);

    f->failures++;
    f->why = why;
    f->reason = reason;
    f->x.upstream = NULL;
}

/* ------- the worker ------- */

struct bench {
    struct worker *w;
    struct upstream_set *set;
    struct conf conf;
    struct conf_upstream groups[2];
    struct slice urls[2][8];
};

HELPER struct bench *bench_new(void)
{
    struct bench *b = mem_zalloc(sizeof(*b));

    b->w = worker_new(0, log_new(STDERR_FILENO, LOG_TEXT, LOG_ERROR));
    b->w->counters = counters_new();
    b->w->pools = pools_new(b->w);
    for (unsigned i = 0; i < 2; i++)
        b->groups[i] = (struct conf_upstream){.name = i == 0 ? SLICE("main") : SLICE("other"),
                                              .balance = CONF_balance_ROUND_ROBIN,
                                              .verify = true,
                                              .connect_ms = 1000,
                                              .first_byte_ms = 3000,
                                              .idle_ms = 3000,
                                              .write_ms = 3000,
                                              .keepalive = 8,
                                              .keepalive_idle_ms = 3000,
                                              .retries = 1,
                                              .health_interval_ms = 100,
                                              .health_timeout_ms = 300,
                                              .health_fall = 3,
                                              .health_rise = 2,
                                              .eject_ms = 500,
                                              .servers.items = b->urls[i]};
    b->conf.upstreams = b->groups;
    return b;
}

HELPER void bench_serve(struct bench *b, unsigned group, const char *url)
{
    struct conf_upstream *g = &b->groups[group];

    b->urls[group][g->servers.count++] = slice_str(url);
    if (b->conf.upstream_count <= group)
        b->conf.upstream_count = group + 1;
}

/* Makes the set of what was said so far; again: a reload. */
HELPER void bench_load(struct bench *b)
{
    struct upstream_set *set = NULL;
    char *why = NULL;

    if (upstream_set_new(&b->conf, b->set, &set, &why) != ERR_OK)
        fail_msg("%s", why);
    pools_follow(b->w->pools, set);
    upstream_set_unref(b->set);
    b->set = set;
}

HELPER void on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

/* Runs the worker until done(arg) is true; returns that. */
HELPER bool bench_until(struct bench *b, bool (*done)(void *arg), void *arg, int64_t patience_ms)
{
    const int64_t until_ms = clock_mono_ms() + patience_ms;
    bool tick = false;
    struct event *ticker = event_new(b->w->base, -1, EV_PERSIST, on_patience, &tick);
    const struct timeval often = {.tv_usec = 2000};

    event_add(ticker, &often);
    while (!done(arg) && clock_mono_ms() < until_ms)
        event_base_loop(b->w->base, EVLOOP_ONCE);
    event_free(ticker);
    return done(arg);
}

HELPER bool never(void *arg)
{
    (void)arg;
    return false;
}

HELPER void bench_run(struct bench *b, int64_t ms)
{
    bench_until(b, never, NULL, ms);
}

HELPER void bench_free(struct bench *b)
{
    struct counters *counters = b->w->counters;
    struct log *log = b->w->log;

    pools_free(b->w->pools);
    upstream_set_unref(b->set);
    worker_free(b->w);
    counters_free(counters);
    log_free(log);
    free(b);
}

/* ------- requests ------- */

HELPER struct fake *fake_new(struct bench *b, const char *method, const char *target)
{
    struct fake *f = mem_zalloc(sizeof(*f));

    f->x.worker = b->w;
    arena_init(&f->x.arena);
    head_init(&f->head, &f->x.arena);
    f->head.method = slice_str(method);
    f->head.target = slice_str(target);
    f->head.authority = SLICE("gw.example.com");
    f->x.request.head = &f->head;
    return f;
}

HELPER void fake_free(struct fake *f)
{
    fake_release(f, false);
    arena_fini(&f->x.arena);
    buf_fini(&f->body);
    free(f);
}

HELPER void fake_start_want(struct fake *f, struct upstream_want want)
{
    want.request = &f->x.request;
    if (want.group.n == 0)
        want.group = SLICE("main");
    want.is_idempotent =
        slice_eq(f->head.method, SLICE("GET")) || slice_eq(f->head.method, SLICE("DELETE"));
    f->inside = true;
    worker_enter(f->x.worker);
    f->x.upstream = upstream_start(f->x.worker->pools, &want, &f->x);
    f->inside = false;
}

HELPER void fake_start(struct fake *f)
{
    fake_start_want(f, (struct upstream_want){0});
}

HELPER bool is_over(void *arg)
{
    const struct fake *f = arg;

    return f->ends + f->failures > 0;
}

HELPER bool has_response(void *arg)
{
    return ((struct fake *)arg)->responses > 0;
}

HELPER bool is_ready(void *arg)
{
    return ((struct fake *)arg)->ready > 0;
}

HELPER void fake_finish(struct bench *b, struct fake *f)
{
    assert_true(bench_until(b, is_over, f, PATIENCE_MS));
}

HELPER void send_text(struct fake *f, const char *text)
{
    f->inside = true;
    worker_enter(f->x.worker);
    f->x.upstream->ops->send_body(f->x.upstream, slice_str(text));
    f->inside = false;
}

HELPER void send_end(struct fake *f)
{
    f->inside = true;
    worker_enter(f->x.worker);
    f->x.upstream->ops->send_end(f->x.upstream, NULL);
    f->inside = false;
}

/* One GET from start to end; the status, or 0 when it failed (then *why). */
HELPER unsigned get(struct bench *b, const char *target, enum err *why, char *body, size_t room)
{
    struct fake *f = fake_new(b, "GET", target);
    unsigned status;

    fake_start(f);
    fake_finish(b, f);
    status = f->failures > 0 ? 0 : f->status;
    if (why != NULL)
        *why = f->why;
    if (body != NULL)
        snprintf(body, room, "%.*s", SLICE_FMT(buf_slice(&f->body)));
    fake_free(f);
    return status;
}

HELPER void assert_body(const struct fake *f, const char *text)
{
    assert_true(slice_eq(buf_slice(&f->body), slice_str(text)));
}

HELPER unsigned long inflight(struct bench *b)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < b->set->server_count; i++)
        sum += atomic_load(&b->set->servers[i].state->inflight);
    return sum;
}

#endif
