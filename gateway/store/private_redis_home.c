#include "store/private_redis_own.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "net/sockaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 200, LOCK_FD = 3 };

static char *join(const char *folder, const char *name)
{
    struct buf b;
    char *path;

    buf_init(&b);
    buf_printf(&b, "%s/%s", folder, name);
    path = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return path;
}

void redis_home_init(struct redis_home *h, const char *state_dir)
{
    h->dir = join(state_dir, "redis");
    h->socket = join(h->dir, "redis.sock");
    h->config = join(h->dir, "redis.conf");
    h->pid_file = join(h->dir, "redis.pid");
    h->log_file = join(h->dir, "redis.log");
    h->lock_file = join(h->dir, "lock");
}

void redis_home_fini(struct redis_home *h)
{
    free(h->dir);
    free(h->socket);
    free(h->config);
    free(h->pid_file);
    free(h->log_file);
    free(h->lock_file);
    *h = (struct redis_home){0};
}

static void explain(char **why, const char *what, const char *path)
{
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "%s %s: %s", what, path, strerror(errno));
    *why = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
}

/* Renamed into place: a reader never sees half of it. */
static enum err write_file(const char *path, struct slice text)
{
    struct buf name;
    const char *temporary;
    enum err e = ERR_SYSTEM;
    int fd;

    buf_init(&name);
    buf_printf(&name, "%s~", path);
    temporary = buf_cstr(&name);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        goto out;
    if (write(fd, text.p, text.n) == (ssize_t)text.n && rename(temporary, path) == 0)
        e = ERR_OK;
    close(fd);
out:
    buf_fini(&name);
    return e;
}

/* A path between double quotes, as redis.conf reads it. */
static void add_quoted(struct buf *b, const char *name, const char *path)
{
    buf_printf(b, "%s \"", name);
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_char(b, '\\');
        buf_add_char(b, *c);
    }
    buf_printf(b, "\"\n");
}

static enum err write_config(const struct redis_home *h)
{
    struct buf b;
    enum err e;

    buf_init(&b);
    buf_printf(&b, "# Written at each start.\n"
                   "port 0\n"
                   "unixsocketperm 700\n"
                   "daemonize no\n"
                   "databases 1\n"
                   "loglevel warning\n"
                   "appendonly yes\n"
                   "appendfsync everysec\n"
                   "save \"\"\n"
                   "maxmemory-policy noeviction\n");
    add_quoted(&b, "unixsocket", h->socket);
    add_quoted(&b, "dir", h->dir);
    e = write_file(h->config, buf_slice(&b));
    buf_fini(&b);
    return e;
}

static bool make_folder(const char *path)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum err redis_home_prepare(const struct redis_home *h, const char *state_dir, char **why)
{
    struct sockaddr_any addr;

    if (sockaddr_from_path(h->socket, &addr) != ERR_OK) {
        errno = ENAMETOOLONG;
        explain(why, "no socket can be made at", h->socket);
        return ERR_TOO_LARGE;
    }
    if (!make_folder(state_dir) || !make_folder(h->dir) || chmod(h->dir, 0700) != 0) {
        explain(why, "cannot make the folder", h->dir);
        return ERR_SYSTEM;
    }
    if (write_config(h) != ERR_OK) {
        explain(why, "cannot write", h->config);
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

/*
 * The child between fork and exec: only calls that are safe there. It gets its own
 * session, so that a Ctrl-C meant for the daemon does not reach it.
 */
__attribute__((noreturn)) static void become_server(char *const argv[], pid_t parent, int lock,
                                                    int log, int report)
{
    sigset_t none;
    int error;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    setsid();
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent &&
        dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 &&
        dup2(lock, LOCK_FD) >= 0) {
        close_range((unsigned)report + 1, ~0U, 0);
        if (report > LOCK_FD + 1)
            close_range(LOCK_FD + 1, (unsigned)report - 1, 0);
        execvp(argv[0], argv);
    }
    error = errno;
    if (write(report, &error, sizeof(error)) < 0)
        _exit(126);
    _exit(127);
}

/* Descriptors that survive the moves in become_server(): all above those it moves to. */
static int lift(int fd)
{
    int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, LOCK_FD + 1);

    if (fd >= 0)
        close(fd);
    return high;
}

static enum err lock_home(const struct redis_home *h, int *out)
{
    int fd = lift(open(h->lock_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));

    if (fd < 0)
        return ERR_SYSTEM;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return ERR_CONFLICT;
    }
    *out = fd;
    return ERR_OK;
}

static void note_pid(const struct redis_home *h, pid_t pid)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "%d\n", (int)pid);

    if (write_file(h->pid_file, slice_of(text, (size_t)n)) != ERR_OK)
        unlink(h->pid_file); /* a stale one would be worse than none */
}

static enum err run(const struct redis_home *h, char *const argv[], int lock, pid_t *out)
{
    int report[2], error = 0, log;
    pid_t parent = getpid(), pid;
    ssize_t n;

    if (pipe2(report, O_CLOEXEC) != 0)
        return ERR_SYSTEM;
    report[1] = lift(report[1]);
    log = lift(open(h->log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    pid = report[1] < 0 || log < 0 ? -1 : fork();
    if (pid == 0)
        become_server(argv, parent, lock, log, report[1]);
    if (log >= 0)
        close(log);
    if (report[1] >= 0)
        close(report[1]);
    do
        n = pid < 0 ? 0 : read(report[0], &error, sizeof(error));
    while (n < 0 && errno == EINTR);
    close(report[0]);
    if (pid < 0)
        return ERR_SYSTEM;
    *out = pid;
    if (n == 0)
        return ERR_OK;
    errno = error;
    return error == ENOENT ? ERR_NOT_FOUND : error == EACCES ? ERR_DENIED : ERR_SYSTEM;
}

enum err redis_home_spawn(const struct redis_home *h, const char *program, pid_t *out)
{
    char *argv[] = {mem_strdup(program), h->config, NULL};
    pid_t pid = 0;
    int lock = -1;
    enum err e = lock_home(h, &lock);

    if (e != ERR_OK)
        goto out;
    if ((e = run(h, argv, lock, &pid)) == ERR_OK) {
        note_pid(h, pid);
        *out = pid;
    } else if (pid > 0) {
        int saved = errno;

        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        errno = saved;
    }
    close(lock); /* the server keeps its own */
out:
    free(argv[0]);
    return e;
}

pid_t redis_home_pid(const struct redis_home *h)
{
    char text[24];
    uint64_t pid;
    ssize_t n;
    int fd = open(h->pid_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text));
    close(fd);
    if (n < 2 || text[n - 1] != '\n' || !slice_u64(slice_of(text, (size_t)n - 1), INT32_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

enum err redis_home_ask(const struct redis_home *h, pid_t *server)
{
    const struct timeval limit = {.tv_usec = ASK_MS * 1000};
    struct sockaddr_any addr;
    struct ucred peer;
    socklen_t peer_bytes = sizeof(peer);
    char answer[5]; /* of "+PONG", or of "-LOADING ..." */
    enum err e = sockaddr_from_path(h->socket, &addr);
    int fd = e == ERR_OK ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    if (fd < 0)
        return ERR_SYSTEM;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* connect(2) too */
    e = ERR_NOT_FOUND;
    if (connect(fd, sockaddr_of(&addr), addr.n) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_bytes) != 0)
        goto out;
    *server = peer.pid;
    e = ERR_AGAIN;
    if (send(fd, "PING\r\n", 6, MSG_NOSIGNAL) != 6 ||
        recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
        goto out;
    if (memcmp(answer, "+PONG", sizeof(answer)) == 0)
        e = ERR_OK;
    else if (memcmp(answer, "-LOAD", sizeof(answer)) == 0)
        e = ERR_UNAVAILABLE;
out:
    close(fd);
    return e;
}
