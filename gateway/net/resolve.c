#include "net/resolve_own.h"

#include "base/alloc.h"
#include "net/timer.h"

#include <ares.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { TRY_MS = 2000, TRIES = 3 };

struct resolver {
    struct retired retired;
    struct worker *worker;
    ares_channel channel;
    struct list sockets; /* struct watched */
    struct list asking;  /* struct question: c-ares has them */
    struct list answered;
    struct event *deliver; /* made active when answered is not empty */
    struct timer timer;
    bool is_closed;
};

struct watched {
    struct list link;
    struct resolver *resolver;
    ares_socket_t fd;
    struct event *event;
};

struct question {
    struct list link;
    struct resolver *resolver;
    uint16_t port;
    void (*done)(void *arg, enum err e, const struct resolved *found);
    void *arg;
    enum err e;
    struct resolved found;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

/* Questions are answered from here only, outside of c-ares and of resolver_ask(). */
static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;

    (void)fd;
    (void)what;
    worker_enter(r->worker);
    while (!r->is_closed && !list_is_empty(&r->answered)) {
        struct question *q = LIST_ITEM(r->answered.next, struct question, link);

        list_remove(&q->link);
        q->done(q->arg, q->e, q->e == ERR_OK ? &q->found : NULL);
        free(q);
    }
}

static void set_answered(struct question *q, enum err e)
{
    q->e = e;
    list_remove(&q->link);
    list_add_tail(&q->resolver->answered, &q->link);
    event_active(q->resolver->deliver, 0, 0);
}

static enum err error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return ERR_OK;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return ERR_NOT_FOUND;
    case ARES_ETIMEOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_UNAVAILABLE;
    }
}

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct question *q = arg;
    enum err e = error_of(status);

    (void)timeouts;
    if (q->resolver->is_closed) {
        ares_freeaddrinfo(info);
        return;
    }
    for (const struct ares_addrinfo_node *n = info != NULL ? info->nodes : NULL; n != NULL;
         n = n->ai_next) {
        const int64_t ttl_s = n->ai_ttl > 0 ? n->ai_ttl : 1;

        resolved_add(&q->found, n->ai_addr, q->port);
        if (q->found.ttl_s == 0 || ttl_s < q->found.ttl_s)
            q->found.ttl_s = ttl_s;
    }
    ares_freeaddrinfo(info);
    set_answered(q, e == ERR_OK && q->found.count == 0 ? ERR_NOT_FOUND : e);
}

/* c-ares says when it next wants to look at its clock. */
static void set_timer(struct resolver *r)
{
    struct timeval tv;

    if (ares_timeout(r->channel, NULL, &tv) == NULL)
        timer_set(&r->timer, 0);
    else
        timer_set(&r->timer, tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = ((struct watched *)arg)->resolver; /* the watched may go now */

    worker_enter(r->worker);
    ares_process_fd(r->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    set_timer(r);
}

static void on_time(void *arg)
{
    struct resolver *r = arg;

    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(r);
}

static struct watched *find_watched(struct resolver *r, ares_socket_t fd)
{
    for (struct list *i = r->sockets.next; i != &r->sockets; i = i->next) {
        struct watched *found = LIST_ITEM(i, struct watched, link);

        if (found->fd == fd)
            return found;
    }
    return NULL;
}

static void unwatch(struct watched *s)
{
    event_free(s->event);
    list_remove(&s->link);
    free(s);
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *r = arg;
    struct watched *s = find_watched(r, fd);
    const short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);

    if (s != NULL)
        unwatch(s);
    if (!readable && !writable)
        return;
    s = mem_zalloc(sizeof(*s));
    s->resolver = r;
    s->fd = fd;
    list_add_tail(&r->sockets, &s->link);
    s->event = event_new(r->worker->base, fd, what, on_socket, s);
    CHECK(s->event != NULL && event_add(s->event, NULL) == 0);
}

struct resolver *resolver_new(struct worker *control)
{
    struct resolver *r = mem_zalloc(sizeof(*r));
    struct ares_options options = {
        .timeout = TRY_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = r,
    };
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    pthread_once(&once, start);
    r->worker = control;
    list_init(&r->sockets);
    list_init(&r->asking);
    list_init(&r->answered);
    timer_init(&r->timer, control, on_time, r);
    r->deliver = event_new(control->base, -1, 0, on_deliver, r);
    CHECK(r->deliver != NULL && ares_init_options(&r->channel, &options, mask) == ARES_SUCCESS);
    return r;
}

static void drop_questions(struct list *questions)
{
    while (!list_is_empty(questions)) {
        struct question *q = LIST_ITEM(questions->next, struct question, link);

        list_remove(&q->link);
        free(q);
    }
}

static void free_resolver(struct retired *item)
{
    free(LIST_ITEM(item, struct resolver, retired));
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    r->is_closed = true;
    ares_destroy(r->channel); /* calls on_addrinfo() for each question, which knows */
    while (!list_is_empty(&r->sockets))
        unwatch(LIST_ITEM(r->sockets.next, struct watched, link));
    drop_questions(&r->asking);
    drop_questions(&r->answered);
    timer_fini(&r->timer);
    event_free(r->deliver);
    worker_retire(r->worker, &r->retired, free_resolver);
}

enum err resolver_set_servers(struct resolver *r, const char *servers)
{
    return ares_set_servers_ports_csv(r->channel, servers) == ARES_SUCCESS ? ERR_OK : ERR_SYNTAX;
}

void resolver_ask(struct resolver *r, const char *host, uint16_t port,
                  void (*done)(void *arg, enum err e, const struct resolved *found), void *arg)
{
    const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct question *q = mem_zalloc(sizeof(*q));

    q->resolver = r;
    q->port = port;
    q->done = done;
    q->arg = arg;
    list_add_tail(&r->asking, &q->link);
    if (resolve_literal(host, port, &q->found)) {
        set_answered(q, ERR_OK);
        return;
    }
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_addrinfo, q);
    set_timer(r);
}
