#include "net/listener_own.h"

#include "base/alloc.h"
#include "http/proxy_header.h"
#include "net/stream_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ACCEPTS_A_TURN = 64,
    PAUSE_MS = 100, /* when not even the reserved descriptor helps */
    WARN_EVERY_MS = 10000,
    PROXY_HEADER_MAX = 16 + 65535,
    PEEK_BYTES = 4096,
    LAST_HANDSHAKES_MS = 2000, /* for handshakes that a stop finds under way */
};

struct listener {
    struct retired retired;
    struct worker *worker;
    void (*on_stream)(void *arg, struct stream *s);
    void *arg;
    int fd, reserve_fd; /* -1: none */
    struct event *event;
    struct timer pause;
    struct tls_server *tls; /* a reference, or NULL */
    bool proxy_protocol;
    const struct cidr *trusted;
    size_t trusted_count;
    int64_t handshake_ms;
    int64_t warned_ms;
    struct list arrivals;
};

/* A connection that is not yet anyone's: before the end of its PROXY header or handshake. */
struct arrival {
    struct retired retired;
    struct list link;
    struct listener *listener;
    struct addr peer;
    struct stream *stream; /* NULL while the PROXY header is read */
    int fd;                /* -1 once the stream has it */
    struct event *event;
    struct timer deadline;
    struct buf header;
};

static atomic_size_t open_count, open_max;

void listener_set_max_connections(size_t max)
{
    atomic_store(&open_max, max);
}

void listener_count_down(void)
{
    atomic_fetch_sub_explicit(&open_count, 1, memory_order_relaxed);
}

static bool count_up(void)
{
    const size_t max = atomic_load_explicit(&open_max, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&open_count, 1, memory_order_relaxed) < max || max == 0)
        return true;
    listener_count_down();
    return false;
}

static void free_arrival(struct retired *item)
{
    struct arrival *a = LIST_ITEM(item, struct arrival, retired);

    buf_fini(&a->header);
    free(a);
}

static void stop_reading(struct arrival *a)
{
    timer_fini(&a->deadline);
    if (a->event != NULL)
        event_free(a->event);
    a->event = NULL;
}

/* It is someone's now, or gone. */
static void end_arrival(struct arrival *a)
{
    stop_reading(a);
    list_remove(&a->link);
    worker_retire(a->listener->worker, &a->retired, free_arrival);
}

static void drop_arrival(struct arrival *a)
{
    if (a->stream != NULL) {
        stream_close(a->stream);
    } else {
        close(a->fd);
        listener_count_down();
    }
    end_arrival(a);
}

static void on_open(void *arg)
{
    struct arrival *a = arg;
    struct listener *l = a->listener;
    struct stream *s = a->stream;

    end_arrival(a);
    l->on_stream(l->arg, s);
}

static size_t on_early_data(void *arg, struct slice bytes)
{
    (void)arg;
    (void)bytes;
    return 0; /* on_open comes before bytes, and sets another handler */
}

static void on_end(void *arg, enum err why)
{
    (void)why; /* a failed handshake is a client's business; the metrics count it elsewhere */
    drop_arrival(arg);
}

static const struct stream_handler HANDSHAKING = {
    .on_open = on_open,
    .on_data = on_early_data,
    .on_end = on_end,
};

static void start_stream(struct arrival *a)
{
    struct listener *l = a->listener;
    SSL *ssl = l->tls != NULL ? tls_server_ssl(l->tls) : NULL;

    stop_reading(a);
    a->stream = stream_accept(l->worker, a->fd, ssl, &a->peer, l->handshake_ms, &HANDSHAKING, a);
    a->stream->is_counted = true;
    a->fd = -1;
    if (ssl == NULL)
        on_open(a);
}

/*
 * Looks first and takes only what belongs to the header, so that the next byte is
 * there for OpenSSL.
 */
static enum err read_header(struct arrival *a)
{
    const size_t had = a->header.n;
    char *to = buf_room(&a->header, PEEK_BYTES);
    ssize_t n = recv(a->fd, to, PEEK_BYTES, MSG_PEEK);
    bool is_local;
    size_t used;
    enum err e;

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_AGAIN : ERR_SYSTEM;
    if (n == 0)
        return ERR_CLOSED;
    buf_commit(&a->header, (size_t)n);
    e = proxy_header_parse(buf_slice(&a->header), &a->peer, &is_local, &used);
    if (e == ERR_AGAIN && a->header.n >= PROXY_HEADER_MAX)
        e = ERR_TOO_LARGE;
    if (e == ERR_OK || e == ERR_AGAIN) {
        const size_t take = e == ERR_OK ? used - had : (size_t)n;

        CHECK(e == ERR_AGAIN || (used > had && take <= (size_t)n));
        if (recv(a->fd, to, take, 0) != (ssize_t)take)
            return ERR_SYSTEM;
    }
    return e;
}

static void on_header_bytes(evutil_socket_t fd, short what, void *arg)
{
    struct arrival *a = arg;
    enum err e;

    (void)fd;
    (void)what;
    worker_enter(a->listener->worker);
    e = read_header(a);
    if (e == ERR_OK)
        start_stream(a);
    else if (e != ERR_AGAIN)
        drop_arrival(a);
}

static void on_header_late(void *arg)
{
    drop_arrival(arg);
}

static void await_header(struct arrival *a)
{
    struct worker *w = a->listener->worker;

    a->event = event_new(w->base, a->fd, EV_READ | EV_PERSIST, on_header_bytes, a);
    CHECK(a->event != NULL && event_add(a->event, NULL) == 0);
    timer_set(&a->deadline, a->listener->handshake_ms);
}

static void arrive(struct listener *l, int fd, const struct sockaddr *from)
{
    struct arrival *a;

    if (!count_up()) {
        close(fd);
        return;
    }
    a = mem_zalloc(sizeof(*a));
    a->listener = l;
    a->fd = fd;
    addr_from_sockaddr(from, &a->peer);
    timer_init(&a->deadline, l->worker, on_header_late, a);
    list_add_tail(&l->arrivals, &a->link);
    /* From anyone else the header would be a request line, and is refused as one. */
    if (l->proxy_protocol && cidrs_have(l->trusted, l->trusted_count, &a->peer))
        await_header(a);
    else
        start_stream(a);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void warn(struct listener *l, int error)
{
    const int64_t now_ms = l->worker->now_ms;

    if (l->warned_ms != 0 && now_ms - l->warned_ms < WARN_EVERY_MS)
        return;
    l->warned_ms = now_ms;
    log_warn(l->worker->log, "listener.cannot_accept", LOG_STR("cause", strerror(error)));
}

/*
 * No descriptor or memory is left. Taking the connection with the reserved
 * descriptor and closing it empties the backlog; without the reserve, accepting
 * pauses, because the socket stays readable.
 */
static bool shed(struct listener *l, int error)
{
    int fd = -1;

    warn(l, error);
    if (l->reserve_fd >= 0 && (error == EMFILE || error == ENFILE)) {
        close(l->reserve_fd);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            close(fd);
    }
    if (error == EMFILE || error == ENFILE)
        l->reserve_fd = open_reserve();
    if (fd >= 0 && l->reserve_fd >= 0)
        return true;
    event_del(l->event);
    timer_set(&l->pause, PAUSE_MS);
    return false;
}

/* One connection; false when there is none or accepting has to pause. */
static bool accept_one(struct listener *l)
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof(from);
    int fd = accept4(l->fd, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        if (n <= sizeof(sa_family_t))
            from.ss_family = AF_UNIX;
        arrive(l, fd, (struct sockaddr *)&from);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return shed(l, errno);
    default:
        return true; /* that connection failed before we took it; accept(2) lists a dozen */
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    worker_enter(l->worker);
    for (int i = 0; i < ACCEPTS_A_TURN && l->fd >= 0 && accept_one(l); i++)
        ;
}

static void on_pause_over(void *arg)
{
    struct listener *l = arg;

    if (l->fd < 0)
        return;
    if (l->reserve_fd < 0)
        l->reserve_fd = open_reserve();
    CHECK(event_add(l->event, NULL) == 0);
}

static enum err open_socket(const struct listener_conf *conf, int *fd, char **why)
{
    int flags;

    if (conf->fd < 0)
        return listener_bind(conf->address, fd, why);
    *fd = fcntl(conf->fd, F_DUPFD_CLOEXEC, 3);
    if (*fd < 0) {
        *why = mem_strdup("cannot duplicate the listening descriptor");
        return ERR_SYSTEM;
    }
    flags = fcntl(*fd, F_GETFL);
    fcntl(*fd, F_SETFL, flags | O_NONBLOCK);
    return ERR_OK;
}

enum err listener_new(struct worker *w, const struct listener_conf *conf,
                      void (*on_stream)(void *arg, struct stream *s), void *arg,
                      struct listener **out, char **why)
{
    struct listener *l;
    int fd;
    enum err e = open_socket(conf, &fd, why);

    if (e != ERR_OK)
        return e;
    listener_tune(fd);
    l = mem_zalloc(sizeof(*l));
    l->worker = w;
    l->on_stream = on_stream;
    l->arg = arg;
    l->fd = fd;
    l->reserve_fd = open_reserve();
    l->tls = tls_server_ref(conf->tls);
    l->proxy_protocol = conf->proxy_protocol;
    l->trusted = conf->trusted;
    l->trusted_count = conf->trusted_count;
    l->handshake_ms = conf->handshake_ms;
    list_init(&l->arrivals);
    timer_init(&l->pause, w, on_pause_over, l);
    l->event = event_new(w->base, fd, EV_READ | EV_PERSIST, on_acceptable, l);
    CHECK(l->event != NULL && event_add(l->event, NULL) == 0);
    *out = l;
    return ERR_OK;
}

void listener_follow(struct listener *l, const struct listener_conf *conf)
{
    struct tls_server *old = l->tls;

    if (conf->tls != NULL) {
        l->tls = tls_server_ref(conf->tls);
        tls_server_unref(old);
    }
    l->trusted = conf->trusted;
    l->trusted_count = conf->trusted_count;
    l->handshake_ms = conf->handshake_ms;
}

static void close_socket(struct listener *l)
{
    if (l->fd < 0)
        return;
    event_free(l->event);
    l->event = NULL;
    timer_fini(&l->pause);
    close(l->fd);
    l->fd = -1;
    if (l->reserve_fd >= 0)
        close(l->reserve_fd);
    l->reserve_fd = -1;
}

/* To the kernel's clients a connection in the backlog is open: closing it would be a reset. */
void listener_stop(struct listener *l)
{
    for (int i = 0; i < LISTENER_BACKLOG && l->fd >= 0 && accept_one(l); i++)
        ;
    close_socket(l);
    for (struct list *i = l->arrivals.next; i != &l->arrivals; i = i->next) {
        struct arrival *a = LIST_ITEM(i, struct arrival, link);
        struct timer *deadline = a->stream != NULL ? &a->stream->timer : &a->deadline;

        if (deadline->deadline_ms > l->worker->now_ms + LAST_HANDSHAKES_MS)
            timer_set(deadline, LAST_HANDSHAKES_MS);
    }
}

bool listener_is_settled(const struct listener *l)
{
    return list_is_empty(&l->arrivals);
}

void listener_drop_arrivals(struct listener *l)
{
    while (!list_is_empty(&l->arrivals))
        drop_arrival(LIST_ITEM(l->arrivals.next, struct arrival, link));
}

static void free_listener(struct retired *item)
{
    struct listener *l = LIST_ITEM(item, struct listener, retired);

    tls_server_unref(l->tls);
    free(l);
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    close_socket(l);
    listener_drop_arrivals(l);
    worker_retire(l->worker, &l->retired, free_listener);
}

uint16_t listener_port(const struct listener *l)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof(at);
    struct addr a;

    if (l->fd < 0 || getsockname(l->fd, (struct sockaddr *)&at, &n) != 0 || at.ss_family == AF_UNIX)
        return 0;
    addr_from_sockaddr((struct sockaddr *)&at, &a);
    return a.port;
}

int listener_fd(const struct listener *l)
{
    return l->fd;
}
