#ifndef NET_TEST_H
#define NET_TEST_H

/* Shared by the tests of gateway/net: a worker turned by hand, and handlers that remember. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/listener_own.h"
#include "net/sockaddr.h"
#include "net/stream_own.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOON_MS = 5000 };

static inline struct log *quiet_log(void)
{
    static struct log *l;

    if (l == NULL)
        l = log_new(open("/dev/null", O_WRONLY), LOG_JSON, LOG_ERROR);
    return l;
}

/* Turns the loop until cond says so; false when it never did. */
static inline bool turn_until(struct worker *w, bool (*cond)(void *arg), void *arg, int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;

    for (;;) {
        const struct timespec nap = {.tv_nsec = 200000};

        event_base_loop(w->base, EVLOOP_NONBLOCK);
        if (cond != NULL && cond(arg))
            return true;
        if (clock_mono_ms() >= end_ms)
            return false;
        nanosleep(&nap, NULL);
    }
}

static inline void turn_for(struct worker *w, int64_t ms)
{
    turn_until(w, NULL, NULL, ms);
}

static inline void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

/* How often the loop wakes in ms: a loop that spins wakes thousands of times. */
static inline int count_wakes(struct worker *w, int64_t ms)
{
    const int64_t end_ms = clock_mono_ms() + ms;
    const struct timeval tick = {.tv_usec = 5000};
    struct event *ticker;
    int wakes = 0;

    ticker = event_new(w->base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticker, &tick);
    while (clock_mono_ms() < end_ms) {
        event_base_loop(w->base, EVLOOP_ONCE);
        wakes++;
    }
    event_free(ticker);
    return wakes;
}

/* What a handler saw, and how it is to behave. */
struct ear {
    struct stream *s;
    struct buf got;
    int opens, datas, drains, ends;
    enum err why;
    size_t take_most; /* a call; 0: all */
    bool pause_on_data, close_on_data, close_on_end;
    int64_t ended_ms;
};

static inline void ear_on_open(void *arg)
{
    ((struct ear *)arg)->opens++;
}

static inline size_t ear_on_data(void *arg, struct slice bytes)
{
    struct ear *e = arg;
    const size_t n = e->take_most > 0 && e->take_most < bytes.n ? e->take_most : bytes.n;

    e->datas++;
    if (e->close_on_data) {
        stream_close(e->s);
        e->s = NULL;
    } else if (e->pause_on_data) {
        stream_pause(e->s);
    }
    buf_add(&e->got, slice_to(bytes, n)); /* bytes are still there after the close */
    return n;
}

static inline void ear_on_drained(void *arg)
{
    ((struct ear *)arg)->drains++;
}

static inline void ear_on_end(void *arg, enum err why)
{
    struct ear *e = arg;

    e->ends++;
    e->why = why;
    e->ended_ms = clock_mono_ms();
    if (e->close_on_end) {
        stream_close(e->s);
        e->s = NULL;
    }
}

static const struct stream_handler EAR = {ear_on_open, ear_on_data, ear_on_drained, ear_on_end};

static inline bool has_opened(void *arg)
{
    return ((struct ear *)arg)->opens > 0;
}

static inline bool has_ended(void *arg)
{
    return ((struct ear *)arg)->ends > 0;
}

static inline bool has_data(void *arg)
{
    return ((struct ear *)arg)->datas > 0;
}

static inline bool has_drained(void *arg)
{
    return ((struct ear *)arg)->drains > 0;
}

static inline void set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* A listening socket on 127.0.0.1; what it accepts is tuned as a listener does. */
static inline int listen_tcp(struct sockaddr_any *at, int backlog)
{
    struct addr local = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sockaddr_from_addr(&local, at);
    listener_tune(fd);
    assert_int_equal(bind(fd, sockaddr_of(at), at->n), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at->storage, &at->n), 0);
    return fd;
}

/* Two ends of a TCP connection; both non-blocking. */
static inline void tcp_pair(int fds[2])
{
    struct sockaddr_any at;
    int l = listen_tcp(&at, 1);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[0], sockaddr_of(&at), at.n), 0);
    fds[1] = accept(l, NULL, NULL);
    assert_true(fds[1] >= 0);
    close(l);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
}

static inline void set_small_buffers(int fd)
{
    const int n = 32 * 1024;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &n, sizeof(n));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

/* Closing sends a RST. */
static inline void close_with_reset(int fd)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

static inline void send_all(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* n bytes that tell where they are. */
static inline char *pattern(size_t n)
{
    char *p = mem_alloc(n);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)((i * 7 + i / 251) & 0xff);
    return p;
}

static inline void assert_got(const struct ear *e, const char *text)
{
    assert_int_equal(e->got.n, strlen(text));
    assert_memory_equal(buf_slice(&e->got).p, text, e->got.n);
}

static inline void ear_fini(struct ear *e)
{
    stream_close(e->s);
    e->s = NULL;
    buf_fini(&e->got);
}

#endif
