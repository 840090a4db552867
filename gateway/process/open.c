/* From nothing to open listeners: the order in which a gateway comes up. */
#include "process/open.h"

#include "base/alloc.h"
#include "process/admin.h"
#include "process/crew.h"
#include "process/signing.h"
#include "process/tls_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPARE_DESCRIPTORS = 256 };

enum err policy_load(struct gateway *g, struct policy **out, struct buf *why)
{
    struct complaints c;
    struct conf *conf = NULL;
    enum err e;

    complaints_init(&c);
    e = conf_read_daemon(g->conf_path, g->env, &c, &conf);
    complaints_write(&c, why);
    complaints_fini(&c);
    if (e != ERR_OK)
        return e;
    *out = policy_new(conf);
    (*out)->generation = ++g->generation;
    for (size_t i = 0; i < (*out)->route_count; i++)
        (*out)->routes[i].index = metrics_route_slot((*out)->routes[i].name);
    return ERR_OK;
}

/* A pipe is opened anew, so that it can be without waiting for us alone: its reader may stall. */
static int open_stdout(void)
{
    struct stat about;
    int fd = fstat(STDOUT_FILENO, &about) == 0 && S_ISFIFO(about.st_mode)
                 ? open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_CLOEXEC)
                 : -1;

    return fd >= 0 ? fd : STDOUT_FILENO;
}

/* Where a log goes; -1: nowhere. Access lines must not hold up requests, audit lines may (G29). */
static enum err open_sink(struct slice where, bool waits, int *fd)
{
    *fd = -1;
    if (slice_eq(where, SLICE("off")))
        return ERR_OK;
    if (slice_eq(where, SLICE("stdout")))
        *fd = waits ? STDOUT_FILENO : open_stdout();
    else if (slice_eq(where, SLICE("stderr")))
        *fd = STDERR_FILENO;
    else
        *fd = open(where.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return *fd >= 0 ? ERR_OK : ERR_SYSTEM;
}

static enum err open_logs(struct gateway *g, char **why)
{
    const struct conf_log *conf = &g->policy->conf->log;
    enum log_level level = (enum log_level)(conf->level - CONF_log_level_ERROR);

    g->log =
        log_new(STDERR_FILENO, conf->format == CONF_log_format_JSON ? LOG_JSON : LOG_TEXT, level);
    if (open_sink(conf->access, false, &g->access_fd) != ERR_OK ||
        open_sink(conf->audit, true, &g->audit_fd) != ERR_OK) {
        *why = mem_strdup("log.access or log.audit: the file cannot be opened");
        return ERR_SYSTEM;
    }
    audit_open(g->audit_fd);
    return ERR_OK;
}

static enum err make_state_dir(struct gateway *g, char **why)
{
    const char *dir = g->policy->conf->server.state_dir.p;

    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return ERR_OK;
    if (asprintf(why, "server.state_dir %s: %s", dir, strerror(errno)) < 0)
        *why = NULL;
    return ERR_SYSTEM;
}

static enum err open_master(struct gateway *g, char **why)
{
    const struct conf *conf = g->policy->conf;
    enum err e;
    char *path;

    if (conf->auth.master_key != NULL) {
        e = master_from_text(secret_slice(conf->auth.master_key), &g->master);
        if (e != ERR_OK)
            *why = mem_strdup("auth.master_key must be 32 bytes in base64url");
        return e;
    }
    CHECK(asprintf(&path, "%s/master.key", conf->server.state_dir.p) >= 0);
    e = master_open(path, true, &g->master);
    if (e != ERR_OK &&
        asprintf(why, "%s: %s", path,
                 e == ERR_DENIED ? "others may read it; chmod 600" : err_text(e)) < 0)
        *why = NULL;
    free(path);
    return e;
}

static const char *path_or_null(struct slice path)
{
    return path.n > 0 ? path.p : NULL;
}

static enum err open_redis(struct gateway *g, char **why)
{
    const struct conf *conf = g->policy->conf;
    enum err e;

    if (conf->redis.url.n > 0) {
        g->redis_url = mem_strdup(conf->redis.url.p);
        if (!slice_starts(conf->redis.url, SLICE("rediss://")))
            return ERR_OK;
        return tls_client_new(
            &(struct tls_client_conf){.ca = path_or_null(conf->redis.ca),
                                      .certificate = path_or_null(conf->redis.certificate),
                                      .key = path_or_null(conf->redis.key),
                                      .verify = true},
            &g->redis_tls, why);
    }
    e = private_redis_start(&(struct private_redis_conf){.program = conf->redis.server_program.p,
                                                         .state_dir = conf->server.state_dir.p},
                            g->log, &g->private_redis, why);
    if (e == ERR_OK)
        g->redis_url = mem_strdup(private_redis_url(g->private_redis));
    return e;
}

/* As many descriptors as we may have; connections get all but a reserve. */
static void raise_limits(const struct conf *conf)
{
    struct rlimit files;
    size_t most;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    most = files.rlim_cur > 2 * SPARE_DESCRIPTORS ? (size_t)files.rlim_cur - SPARE_DESCRIPTORS
                                                  : (size_t)files.rlim_cur / 2;
    listener_set_max_connections(
        conf->server.max_connections > 0 ? (size_t)conf->server.max_connections : most);
}

static void open_control(struct gateway *g)
{
    g->control = worker_new(-1, g->log);
    crew_equip(g, g->control);
    g->control->keyring = keyring_new();
    g->control_store = g->control->store;
    g->resolver = resolver_new(g->control);
    g->fetcher = fetcher_new(g->control);
    g->monitor = upstream_monitor_new(g->control, g->resolver);
    upstream_monitor_follow(g->monitor, g->upstreams);
    if (g->private_redis != NULL)
        private_redis_supervise(g->private_redis, g->control);
}

static enum err open_workers(struct gateway *g, char **why)
{
    const struct conf *conf = g->policy->conf;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = conf->server.workers > 0 ? (size_t)conf->server.workers
               : cores > 0              ? (size_t)cores
                                        : 1;
    struct worker **workers = mem_zalloc(n * sizeof(struct worker *));
    enum err e = ERR_OK;

    g->crews = mem_zalloc(n * sizeof(*g->crews));
    g->counters = mem_zalloc((n + 1) * sizeof(struct counters *));
    for (size_t i = 0; i < n; i++)
        workers[i] = g->crews[i].worker = worker_new((int)i, g->log);
    g->crew_count = n;
    g->issuers = issuers_new(g->control, workers, n, g->fetcher);
    for (size_t i = 0; e == ERR_OK && i < n; i++) {
        e = crew_open(g, &g->crews[i], why);
        g->counters[g->counters_count++] = workers[i]->counters;
    }
    g->counters[g->counters_count++] = g->control->counters;
    free(workers);
    return e;
}

static enum err open_all(struct gateway *g, char **why)
{
    const struct conf *conf = g->policy->conf;
    enum err e;

    raise_limits(conf);
    if ((e = open_logs(g, why)) != ERR_OK || (e = make_state_dir(g, why)) != ERR_OK ||
        (e = open_master(g, why)) != ERR_OK)
        return e;
    g->tls_count = conf->listen_count;
    g->tls = mem_zalloc((conf->listen_count + 1) * sizeof(struct tls_server *));
    if ((e = tls_setup(conf, g->tls, why)) != ERR_OK) {
        g->tls_count = 0;
        return e;
    }
    if ((e = upstream_set_new(conf, NULL, &g->upstreams, why)) != ERR_OK ||
        (e = open_redis(g, why)) != ERR_OK)
        return e;
    signing_ensure(g);
    open_control(g);
    if ((e = open_workers(g, why)) != ERR_OK ||
        (e = issuers_apply(g->issuers, g->policy, why)) != ERR_OK)
        return e;
    signing_follow(g);
    return admin_open(g, why);
}

enum err gateway_open(struct gateway *g, const char *conf_path, char *const *env)
{
    struct buf complaints;
    char *why = NULL;
    enum err e;

    *g = (struct gateway){.conf_path = conf_path, .env = env, .access_fd = -1, .audit_fd = -1};
    signal(SIGPIPE, SIG_IGN);
    buf_init(&complaints);
    e = policy_load(g, &g->policy, &complaints);
    if (complaints.n > 0)
        fprintf(stderr, "%s", buf_cstr(&complaints));
    buf_fini(&complaints);
    if (e != ERR_OK)
        return e;
    g->boot_policy = policy_ref(g->policy);
    e = open_all(g, &why);
    if (e != ERR_OK)
        fprintf(stderr, "postern: %s\n", why != NULL ? why : err_text(e));
    free(why);
    return e;
}
