#include "net/resolve_own.h"

#include "base/alloc.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Asked on a thread of its own, since nothing can stop getaddrinfo(). The last to leave frees it.
 */
struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned refs;
    bool is_done;
    enum err e;
    struct resolved found;
    uint16_t port;
    char host[];
};

bool resolve_literal(const char *host, uint16_t port, struct resolved *out)
{
    struct addr a;
    const struct slice name = slice_str(host);
    const bool is_local = slice_eq_ci(name, SLICE("localhost"));

    if (addr_parse(is_local ? SLICE("127.0.0.1") : name, &a) != ERR_OK)
        return false;
    a.port = port;
    *out = (struct resolved){.addrs = {a}, .count = 1};
    return true;
}

void resolved_add(struct resolved *r, const struct sockaddr *sa, uint16_t port)
{
    struct addr a;

    if (r->count == sizeof(r->addrs) / sizeof(r->addrs[0]) ||
        (sa->sa_family != AF_INET && sa->sa_family != AF_INET6))
        return;
    addr_from_sockaddr(sa, &a);
    a.port = port;
    for (size_t i = 0; i < r->count; i++)
        if (addr_eq(&r->addrs[i], &a))
            return;
    r->addrs[r->count++] = a;
}

static enum err look_up(const char *host, uint16_t port, struct resolved *out)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    int status = getaddrinfo(host, NULL, &hints, &info);

    if (status != 0)
        return status == EAI_AGAIN ? ERR_TIMEOUT : ERR_NOT_FOUND;
    *out = (struct resolved){.ttl_s = 1};
    for (const struct addrinfo *i = info; i != NULL; i = i->ai_next)
        resolved_add(out, i->ai_addr, port);
    freeaddrinfo(info);
    return out->count > 0 ? ERR_OK : ERR_NOT_FOUND;
}

static struct lookup *lookup_new(const char *host, uint16_t port)
{
    const size_t n = strlen(host) + 1;
    struct lookup *l = mem_zalloc(sizeof(*l) + n);
    pthread_condattr_t attr;

    CHECK(pthread_mutex_init(&l->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&l->changed, &attr) == 0);
    pthread_condattr_destroy(&attr);
    l->refs = 2;
    l->port = port;
    memcpy(l->host, host, n);
    return l;
}

/* With l->lock held. */
static void leave(struct lookup *l)
{
    const bool is_last = --l->refs == 0;

    pthread_mutex_unlock(&l->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

static void *run(void *arg)
{
    struct lookup *l = arg;
    struct resolved found = {0};
    enum err e = look_up(l->host, l->port, &found);

    pthread_mutex_lock(&l->lock);
    l->e = e;
    l->found = found;
    l->is_done = true;
    pthread_cond_signal(&l->changed);
    leave(l);
    return NULL;
}

/* Signals are for the threads that wait for them. */
static bool start(struct lookup *l)
{
    pthread_t thread;
    sigset_t all, before;
    int status;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    status = pthread_create(&thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status == 0)
        pthread_detach(thread);
    return status == 0;
}

static struct timespec time_after(int64_t ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

enum err resolve_now(const char *host, uint16_t port, int64_t wait_ms, struct resolved *out)
{
    const struct timespec until = time_after(wait_ms);
    struct lookup *l;
    enum err e = ERR_TIMEOUT;
    int status = 0;

    if (resolve_literal(host, port, out))
        return ERR_OK;
    l = lookup_new(host, port);
    if (!start(l)) {
        l->refs--;
        l->is_done = true;
        l->e = ERR_SYSTEM;
    }
    pthread_mutex_lock(&l->lock);
    while (!l->is_done && status == 0)
        status = pthread_cond_timedwait(&l->changed, &l->lock, &until);
    if (l->is_done)
        e = l->e;
    if (e == ERR_OK)
        *out = l->found;
    leave(l);
    return e;
}
