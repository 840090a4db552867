#ifndef PROCESS_GATEWAY_H
#define PROCESS_GATEWAY_H

#include "auth/authenticate.h"
#include "exchange/exchange.h"
#include "net/fetch.h"
#include "net/listener.h"
#include "net/resolve.h"
#include "policy/policy.h"
#include "store/private_redis.h"
#include "upstream/upstream.h"

#include <pthread.h>

/*
 * The whole daemon: what is shared, the control thread, the workers. Everything here
 * belongs to the control thread; workers are reached by worker_post().
 */

/* A worker thread and what this room keeps for it. */
struct crew {
    struct worker *worker;
    pthread_t thread;
    bool is_running;
    struct listener **listeners; /* one for each listen entry */
    size_t listener_count;
    struct timer flush_timer, drain_timer;
    int64_t drain_until_ms;
};

struct gateway {
    const char *conf_path; /* NULL: defaults and environment */
    char *const *env;
    struct log *log;
    struct policy *policy;      /* the current one */
    struct policy *boot_policy; /* the first: RESTART options are read from here */
    struct master *master;
    struct private_redis *private_redis; /* NULL with redis.url */
    char *redis_url;
    struct tls_client *redis_tls;
    struct tls_server **tls; /* by listen entry; NULL: plain */
    size_t tls_count;
    struct upstream_set *upstreams;

    struct worker *control;
    struct store *control_store;
    struct resolver *resolver;
    struct fetcher *fetcher;
    struct issuers *issuers;
    struct upstream_monitor *monitor;
    struct crew *crews;
    size_t crew_count;
    struct counters **counters; /* of every worker, control last */
    size_t counters_count;
    struct admin *admin, *control_socket;
    struct event *signals[4];
    struct event *housekeeping;
    int64_t tickets_rotated_ms;      /* monotonic */
    bool lacks_signing_key;          /* Redis was away when one was to be made */
    struct signing_try *signing_try; /* the one under way, or NULL */
    int64_t signing_next_ms, signing_pause_ms;
    int access_fd, audit_fd;
    size_t workers_left; /* atomic by worker_post to control */
    pthread_t waiter;    /* joins the workers during a drain */
    bool is_draining, is_ready;
    uint64_t generation;
    int exit_code;
};

/* Reads the configuration and builds everything up to open listeners. Complaints go to stderr. */
enum err gateway_open(struct gateway *g, const char *conf_path, char *const *env) MUST_USE;
/* Runs until a signal ended it; returns the exit code. */
int gateway_run(struct gateway *g);
void gateway_close(struct gateway *g);

/* A new configuration from the same path. why: the complaints as text, owned by the caller. */
enum err gateway_reload(struct gateway *g, struct buf *why) MUST_USE;
/* Stops accepting, lets requests finish for server.drain_timeout, ends. */
void gateway_drain(struct gateway *g);

#endif
