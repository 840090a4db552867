#ifndef UPSTREAM_SET_H
#define UPSTREAM_SET_H

#include "conf/conf.h"
#include "http/url.h"
#include "net/sockaddr.h"
#include "net/tls.h"
#include "upstream/health.h"
#include "upstream/upstream.h"

#include <pthread.h>

enum { SERVER_ADDRS_MAX = 16 };

/*
 * What all workers and the control thread know of one server: counted, and handed on to the
 * next set at a reload, so that health and requests in flight are not forgotten.
 */
struct server_state {
    atomic_uint refs;
    struct health health;
    char apart[64];        /* keeps the busiest word off the line that everyone reads */
    atomic_ulong inflight; /* slots taken: requests of this gateway now */
    pthread_mutex_t lock;  /* of addrs; taken to connect, never for a kept connection */
    struct addr addrs[SERVER_ADDRS_MAX];
    atomic_uint addr_count; /* 0: not resolved yet */
    atomic_uint version;    /* of addrs */
};

struct server {
    struct group *group;
    unsigned index;         /* in the set */
    struct slice name;      /* as configured */
    struct slice label;     /* for the logs: host:port or unix:/path */
    struct slice authority; /* Host of a health check */
    struct slice tls_name;  /* SNI and verified name, followed by a NUL; empty: no TLS */
    struct slice host;      /* followed by a NUL; the path of a Unix socket */
    uint16_t port;
    bool is_unix;
    bool is_named;              /* host is a name: resolved again by TTL */
    struct sockaddr_any path;   /* when is_unix */
    uint64_t hash;              /* of name, the same in every process */
    struct server_state *state; /* a reference */
};

/* Values of one upstreams.<name>, copied: a set may outlive its struct conf. */
struct group {
    struct slice name;
    struct server *servers; /* in the set's array */
    unsigned count;
    unsigned index; /* in the set */
    enum word balance;
    struct tls_client *tls; /* a reference; NULL: no https server */
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms, write_ms;
    size_t keepalive;
    int64_t keepalive_idle_ms;
    uint64_t max_inflight; /* 0: no bound */
    unsigned retries;
    struct slice health_path; /* empty: no active check */
    int64_t health_interval_ms, health_timeout_ms;
    struct health_rules rules;
};

struct upstream_set {
    atomic_uint refs;
    struct arena arena;
    struct group *groups;
    unsigned group_count;
    struct server *servers; /* of all groups */
    unsigned server_count;
};

struct group *upstream_set_group(const struct upstream_set *s, struct slice name);

/* A slot of the server, or false when max_inflight are taken. */
bool server_slot_take(struct server *s);
void server_slot_release(struct server *s);

/* Copies the addresses; returns how many. Any thread. */
size_t server_addrs(const struct server *s, struct addr out[SERVER_ADDRS_MAX], unsigned *version);
bool server_is_resolved(const struct server *s);
/* Changes with the addresses. Any thread. */
unsigned server_version(const struct server *s);
/* Control thread. Returns false when nothing changed. No addresses: the old ones stay. */
bool server_set_addrs(struct server *s, const struct resolved *found);

#endif
