#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "conf/conf.h"
#include "http/path.h"
#include "http/problem.h"

#include <stdatomic.h>

/*
 * A configuration compiled for requests: immutable, counted across threads. A reload
 * swaps the pointer; exchanges keep the one they began with.
 */

/* One window of a limit, in the store's units. */
struct policy_window {
    uint64_t units, burst;
    int64_t period_ms;
    bool is_sliding;
};

struct policy_limit {
    struct slice name;
    enum word key;           /* CONF_limit_key_... */
    enum word on_store_down; /* CONF_limit_down_... */
    struct policy_window windows[4];
    size_t window_count;
    uint64_t cost;
};

struct route {
    struct slice name;    /* for logs and metrics; never empty */
    unsigned index;       /* of metrics; position in policy->routes */
    struct slice pattern; /* as configured */
    const struct conf_route *conf;
    unsigned upstream; /* index into conf->upstreams */
    enum problem_style errors;
    enum word auth; /* CONF_route_auth_..., after auth.mode was applied */
    bool keeps_encoded_slash;
    const struct policy_limit *limits[8];
    size_t limit_count;
    const struct conf_cors *cors;             /* NULL: none */
    int64_t first_byte_ms, idle_ms, total_ms; /* 0: none */
};

struct policy {
    atomic_uint refs;
    uint64_t generation;
    struct conf *conf;  /* owned */
    struct arena arena; /* routes, limits, matcher */
    struct route *routes;
    size_t route_count;
    struct policy_limit *limits;
    size_t limit_count;
    struct route_node *root; /* of the matcher */
};

/* Takes over conf. What conf_read() accepted compiles; c gets warnings only. */
struct policy *policy_new(struct conf *conf);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);

enum { ROUTE_PARAMS_MAX = 8 };
struct route_match {
    const struct route *route; /* NULL: nothing matches */
    bool method_not_allowed;   /* the path matches a route, the method none */
    bool is_ambiguous;         /* another reading of the path is under another rule: refuse */
    struct slice methods;      /* then: what it takes, "GET, HEAD, POST" */
    struct {
        struct slice name, value;
    } params[ROUTE_PARAMS_MAX]; /* value: one segment, still escaped */
    size_t param_count;
    struct slice rest; /* what ** matched, without its leading slash */
};

/*
 * Most specific wins: at each segment literal before {name} before **, then a route
 * with hosts before one without, then one naming the method before one for any. The
 * path alone decides, never the query (P2). HEAD goes where GET goes.
 * Literals are compared after decoding both sides and a '/' at the end decides nothing, so
 * no other spelling of a path reaches a weaker route. Three things that servers disagree on make
 * the match ambiguous: the case of letters and ";parameters" when they decide which rule applies,
 * a '/' at the end when it hides a rule that asks for more. A route that does not take the method
 * is passed over for a less specific one that does.
 *
 * path  normalised (path_normalise); host  Host without port, any case
 */
void policy_match(const struct policy *p, struct slice host, struct slice method, struct slice path,
                  struct route_match *out);

/*
 * The path to forward: strip_prefix or rewrite applied, query re-attached. The result is
 * normalised again and must be unchanged by that (P5), else ERR_SYNTAX.
 */
enum err policy_rewrite(const struct route_match *match, const struct path *path,
                        struct arena *arena, struct slice *target) MUST_USE;

/*
 * False when the client led the rewrite to a path whose own rule, for the same upstream, asks
 * for more than the one that applied (P5): "/open/admin" must not become "/admin". A rewrite
 * without names is the operator's own word and always allowed.
 *
 * target  of policy_rewrite
 */
bool policy_rewrite_is_allowed(const struct policy *p, const struct route_match *match,
                               struct slice host, struct slice method, struct slice target);

/* True when some route may need %2F kept; path_normalise is then asked twice. */
bool policy_keeps_encoded_slash(const struct policy *p);

#endif
