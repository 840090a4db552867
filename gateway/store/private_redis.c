#include "store/private_redis.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "net/timer.h"
#include "store/private_redis_own.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    START_MS = 10000,
    STOP_MS = 10000,
    POLL_MS = 20,
    WATCH_MS = 250, /* without a descriptor of the process */
    LONGEST_DELAY_MS = 1000,
    GOOD_MS = 10000, /* after so long a life the next end is a first one */
};

struct private_redis {
    struct redis_home home;
    char *program, *url;
    struct log *log;
    pid_t pid;     /* 0: none runs */
    bool is_child; /* false: an earlier daemon's, still served by it */
    struct worker *control;
    int pid_fd;           /* readable when the process has ended; -1: none */
    struct event *on_end; /* of pid_fd */
    struct timer timer;   /* the next start, or the next look */
    unsigned failures;
    int64_t started_ms;
};

static void nap(void)
{
    const struct timespec t = {.tv_nsec = POLL_MS * 1000000L};

    nanosleep(&t, NULL);
}

static bool has_ended(const struct private_redis *r)
{
    if (r->pid == 0)
        return true;
    if (r->is_child)
        return waitpid(r->pid, NULL, WNOHANG) != 0; /* also when somebody else reaped it */
    return kill(r->pid, 0) != 0 && errno == ESRCH;
}

static void say(char **why, const char *format, const char *value, const char *rest)
{
    struct buf b;

    buf_init(&b);
    buf_printf(&b, "%s %s%s", format, value, rest);
    *why = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
}

static enum err spawn(struct private_redis *r)
{
    enum err e = redis_home_spawn(&r->home, r->program, &r->pid);

    r->started_ms = clock_mono_ms();
    if (e == ERR_OK)
        r->is_child = true;
    return e;
}

/* Whoever answers at the socket must be the one that the pid file names. */
static enum err adopt(struct private_redis *r, pid_t server, char **why)
{
    if (server <= 0 || server != redis_home_pid(&r->home)) {
        say(why, "another server listens on", r->home.socket, "");
        return ERR_CONFLICT;
    }
    if (r->pid != server) {
        r->pid = server;
        r->is_child = false;
        log_info(r->log, "redis.private_adopted", LOG_INT("pid", server));
    }
    return ERR_OK;
}

/* Starts one unless one is there, and waits until it serves. */
static enum err wait_for_server(struct private_redis *r, char **why)
{
    int64_t until = clock_mono_ms() + START_MS;
    pid_t server = 0;
    enum err e;

    for (;;) {
        e = redis_home_ask(&r->home, &server);
        /* A long file is read while we answer 503: ending the server would only begin it anew. */
        if (e == ERR_OK || (e == ERR_UNAVAILABLE && clock_mono_ms() >= until))
            return adopt(r, server, why);
        if (clock_mono_ms() >= until) {
            say(why, "redis-server does not answer on", r->home.socket, "");
            return ERR_TIMEOUT;
        }
        if (r->pid != 0 && has_ended(r)) {
            r->pid = 0;
            say(why, "redis-server ended at once; see", r->home.log_file, "");
            return ERR_SYSTEM;
        }
        if (e == ERR_NOT_FOUND && r->pid == 0) {
            e = spawn(r);
            if (e != ERR_OK && e != ERR_CONFLICT) {
                say(why, "cannot run", r->program, e == ERR_NOT_FOUND ? ": not found" : "");
                return e;
            }
        }
        nap();
    }
}

static void free_all(struct private_redis *r)
{
    if (r->on_end != NULL)
        event_free(r->on_end);
    if (r->pid_fd >= 0)
        close(r->pid_fd);
    if (r->control != NULL)
        timer_fini(&r->timer);
    redis_home_fini(&r->home);
    free(r->program);
    free(r->url);
    free(r);
}

enum err private_redis_start(const struct private_redis_conf *conf, struct log *log,
                             struct private_redis **out, char **why)
{
    struct private_redis *r = mem_zalloc(sizeof(*r));
    struct buf url;
    enum err e;

    r->pid_fd = -1;
    r->log = log;
    r->program = mem_strdup(conf->program);
    redis_home_init(&r->home, conf->state_dir);
    buf_init(&url);
    buf_printf(&url, "unix:%s", r->home.socket);
    r->url = mem_strdup(buf_cstr(&url));
    buf_fini(&url);
    if ((e = redis_home_prepare(&r->home, conf->state_dir, why)) != ERR_OK ||
        (e = wait_for_server(r, why)) != ERR_OK) {
        if (r->pid != 0 && r->is_child)
            private_redis_stop(r);
        else
            free_all(r);
        return e;
    }
    log_info(log, "redis.private_started", LOG_INT("pid", r->pid),
             LOG_STR("socket", r->home.socket));
    *out = r;
    return ERR_OK;
}

static void watch(struct private_redis *r);

static void retry_later(struct private_redis *r)
{
    int64_t delay = 10;

    for (unsigned i = 0; i < r->failures && delay < LONGEST_DELAY_MS; i++)
        delay *= 2;
    r->failures++;
    timer_set(&r->timer, delay < LONGEST_DELAY_MS ? delay : LONGEST_DELAY_MS);
}

static void end_watch(struct private_redis *r)
{
    if (r->on_end != NULL)
        event_free(r->on_end);
    r->on_end = NULL;
    if (r->pid_fd >= 0)
        close(r->pid_fd);
    r->pid_fd = -1;
}

/* It may be another daemon's by now: then that one is watched. */
static void start_again(struct private_redis *r)
{
    pid_t server = 0;
    enum err e = redis_home_ask(&r->home, &server);

    if (e == ERR_NOT_FOUND) {
        e = spawn(r);
    } else if (server > 0 && server == redis_home_pid(&r->home)) {
        r->pid = server;
        r->is_child = false;
        e = ERR_OK;
    } else {
        e = ERR_CONFLICT;
    }
    if (e != ERR_OK) {
        log_error(r->log, "redis.private_failed", LOG_ERR("cause", e));
        retry_later(r);
        return;
    }
    log_info(r->log, "redis.private_restarted", LOG_INT("pid", r->pid));
    watch(r);
}

static void look(struct private_redis *r)
{
    if (r->pid == 0) {
        start_again(r);
        return;
    }
    if (!has_ended(r)) {
        timer_set(&r->timer, WATCH_MS);
        return;
    }
    log_warn(r->log, "redis.private_ended", LOG_INT("pid", r->pid));
    end_watch(r);
    r->pid = 0;
    if (clock_mono_ms() - r->started_ms >= GOOD_MS)
        r->failures = 0;
    retry_later(r);
}

static void on_time(void *arg)
{
    look(arg);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct private_redis *r = arg;

    (void)fd;
    (void)what;
    worker_enter(r->control);
    look(r);
}

static void watch(struct private_redis *r)
{
    r->pid_fd = pidfd_open(r->pid, 0);
    if (r->pid_fd < 0) {
        timer_set(&r->timer, WATCH_MS);
        return;
    }
    r->on_end = event_new(r->control->base, r->pid_fd, EV_READ, on_ended, r);
    CHECK(r->on_end != NULL && event_add(r->on_end, NULL) == 0);
}

void private_redis_supervise(struct private_redis *r, struct worker *control)
{
    r->control = control;
    timer_init(&r->timer, control, on_time, r);
    watch(r);
}

void private_redis_stop(struct private_redis *r)
{
    int64_t until = clock_mono_ms() + STOP_MS;

    if (r == NULL)
        return;
    if (r->is_child && r->pid != 0 && kill(r->pid, SIGTERM) == 0) {
        while (!has_ended(r)) {
            if (clock_mono_ms() >= until) {
                log_warn(r->log, "redis.private_killed", LOG_INT("pid", r->pid));
                kill(r->pid, SIGKILL);
                waitpid(r->pid, NULL, 0);
                break;
            }
            nap();
        }
        if (redis_home_pid(&r->home) == r->pid)
            unlink(r->home.pid_file);
    }
    free_all(r);
}

const char *private_redis_url(const struct private_redis *r)
{
    return r->url;
}
