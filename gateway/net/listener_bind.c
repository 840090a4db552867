#include "net/listener_own.h"

#include "base/alloc.h"
#include "net/resolve.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { KEEPALIVE_IDLE_S = 60, KEEPALIVE_EVERY_S = 15, KEEPALIVE_COUNT = 4 };
enum { RESOLVE_MS = 10000 };

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

void listener_tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    /* A client whose machine vanished during a long inference. */
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
}

static enum err complain(char **why, const char *address, const char *reason, enum err e)
{
    if (asprintf(why, "cannot listen on %s: %s", address, reason) < 0)
        *why = NULL;
    return e;
}

/* The last colon separates; a bracketed host loses its brackets. */
static enum err split(const char *address, struct slice *host, uint16_t *port)
{
    struct slice text = slice_str(address);
    const char *colon = strrchr(address, ':');
    uint64_t number;

    if (colon == NULL || !slice_u64(slice_str(colon + 1), UINT16_MAX, &number))
        return ERR_SYNTAX;
    *host = slice_to(text, (size_t)(colon - address));
    *port = (uint16_t)number;
    if (host->n >= 2 && host->p[0] == '[' && host->p[host->n - 1] == ']')
        *host = slice_of(host->p + 1, host->n - 2);
    else if (slice_find(*host, ':', 0) < host->n)
        return ERR_SYNTAX;
    return host->n > 0 ? ERR_OK : ERR_SYNTAX;
}

static enum err tcp_address(const char *address, struct sockaddr_any *out)
{
    struct resolved found;
    struct slice host;
    uint16_t port;
    char *name;
    enum err e = split(address, &host, &port);

    if (e != ERR_OK)
        return e;
    if (slice_eq(host, SLICE("*")))
        host = SLICE("::");
    name = mem_strndup(host.p, host.n);
    e = resolve_now(name, port, RESOLVE_MS, &found);
    free(name);
    if (e == ERR_OK)
        sockaddr_from_addr(&found.addrs[0], out);
    return e;
}

/* A socket file is left behind by a process that died; one that is answered is in use. */
static void remove_stale(const char *path, const struct sockaddr_any *to)
{
    struct stat st;
    int fd;

    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, sockaddr_of(to), to->n) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
}

enum err listener_bind(const char *address, int *out, char **why)
{
    static const char UNIX[] = "unix:";
    struct sockaddr_any to;
    const bool is_unix = strncmp(address, UNIX, sizeof(UNIX) - 1) == 0;
    const char *path = address + sizeof(UNIX) - 1;
    enum err e = is_unix ? sockaddr_from_path(path, &to) : tcp_address(address, &to);
    int fd;

    if (e != ERR_OK)
        return complain(why, address, err_text(e), e);
    if (is_unix)
        remove_stale(path, &to);
    fd = socket(sockaddr_of(&to)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return complain(why, address, strerror(errno), ERR_SYSTEM);
    if (!is_unix) {
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (sockaddr_of(&to)->sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, sockaddr_of(&to), to.n) != 0 || listen(fd, LISTENER_BACKLOG) != 0) {
        const int error = errno;

        close(fd);
        return complain(why, address, strerror(error), ERR_SYSTEM);
    }
    *out = fd;
    return ERR_OK;
}
