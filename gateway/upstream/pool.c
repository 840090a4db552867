#include "upstream/pool.h"

#include "base/alloc.h"
#include "upstream/call.h"

#include <stdlib.h>

enum { FINISH_LINGER_MS = 2000 };

/* ------- a connection ------- */

static void free_conn(struct retired *item)
{
    free(LIST_ITEM(item, struct conn, retired));
}

static void leave_pool(struct conn *conn)
{
    if (list_is_empty(&conn->link))
        return;
    list_remove(&conn->link);
    conn->pool->count--;
}

static void forget(struct conn *conn, struct worker *w)
{
    leave_pool(conn);
    timer_fini(&conn->timer);
    conn->stream = NULL;
    conn->call = NULL;
    worker_retire(w, &conn->retired, free_conn);
}

void conn_close(struct conn *conn)
{
    struct worker *w = stream_worker(conn->stream);

    stream_close(conn->stream);
    forget(conn, w);
}

void conn_finish(struct conn *conn)
{
    struct worker *w = stream_worker(conn->stream);

    stream_finish(conn->stream, FINISH_LINGER_MS);
    forget(conn, w);
}

static void on_open(void *arg)
{
    struct conn *conn = arg;

    if (conn->call != NULL)
        call_on_open(conn->call);
}

/* A server that speaks without being asked would answer the next user (security.md, threat 3). */
static size_t on_data(void *arg, struct slice bytes)
{
    struct conn *conn = arg;

    if (conn->call != NULL)
        return call_on_data(conn->call, bytes);
    conn_close(conn);
    return bytes.n;
}

static void on_drained(void *arg)
{
    struct conn *conn = arg;

    if (conn->call != NULL)
        call_on_drained(conn->call);
}

static void on_end(void *arg, enum err why)
{
    struct conn *conn = arg;

    if (conn->call != NULL)
        call_on_end(conn->call, why);
    else
        conn_close(conn);
}

static void on_time(void *arg)
{
    struct conn *conn = arg;

    if (conn->call != NULL)
        call_on_time(conn->call);
    else
        conn_close(conn);
}

static const struct stream_handler conn_handler = {on_open, on_data, on_drained, on_end};

/* The name means other machines now: a busy connection would serve on for ever (D18). */
static bool has_moved(struct conn *conn)
{
    const struct server *s = conn->pool->server;
    const struct addr *to = &stream_peer(conn->stream)->addr;
    struct addr addrs[SERVER_ADDRS_MAX];
    size_t count;

    if (!s->is_named || server_version(s) == conn->version)
        return false;
    count = server_addrs(s, addrs, &conn->version);
    for (size_t i = 0; i < count; i++)
        if (addr_eq(&addrs[i], to))
            return false;
    return true;
}

static struct conn *newest_idle(struct pool *pool)
{
    while (!list_is_empty(&pool->idle)) {
        struct conn *conn = LIST_ITEM(pool->idle.next, struct conn, link);

        if (!has_moved(conn))
            return conn;
        conn_close(conn);
    }
    return NULL;
}

struct conn *conn_take(struct pool *pool, struct call *c)
{
    struct conn *conn = newest_idle(pool);

    if (conn == NULL)
        return NULL;
    leave_pool(conn);
    timer_set(&conn->timer, 0);
    conn->call = c;
    conn->is_reused = true;
    conn->sent_before = stream_bytes_out(conn->stream);
    return conn;
}

struct conn *conn_open(struct worker *w, struct pool *pool, const struct sockaddr_any *to,
                       struct call *c)
{
    const struct group *g = pool->server->group;
    const struct slice name = pool->server->tls_name;
    struct conn *conn = mem_zalloc(sizeof(*conn));

    list_init(&conn->link);
    conn->pool = pool;
    conn->call = c;
    conn->version = pool->version;
    timer_init(&conn->timer, w, on_time, conn);
    conn->stream = stream_connect(w, sockaddr_of(to), to->n,
                                  name.n > 0 ? tls_client_ssl(g->tls, name.p) : NULL, g->connect_ms,
                                  &conn_handler, conn);
    stream_set_write_timeout(conn->stream, g->write_ms);
    return conn;
}

void conn_give_back(struct conn *conn, struct view *v)
{
    struct pool *pool = conn->pool;
    const struct group *g = pool->server->group;

    if (!v->is_current || g->keepalive == 0) {
        conn_close(conn);
        return;
    }
    if (pool->count >= g->keepalive)
        conn_close(LIST_ITEM(pool->idle.prev, struct conn, link));
    conn->call = NULL;
    list_add_head(&pool->idle, &conn->link);
    pool->count++;
    timer_set(&conn->timer, g->keepalive_idle_ms);
}

/* ------- a worker's view of a set ------- */

static struct view *view_new(struct upstream_set *set, unsigned first)
{
    struct view *v = mem_zalloc(sizeof(*v));

    v->refs = 1;
    v->is_current = true;
    v->set = upstream_set_ref(set);
    v->pools = mem_zalloc((set->server_count + 1) * sizeof(*v->pools));
    v->turns = mem_zalloc((set->group_count + 1) * sizeof(*v->turns));
    for (unsigned i = 0; i < set->server_count; i++) {
        v->pools[i].server = &set->servers[i];
        list_init(&v->pools[i].idle);
        v->pools[i].next_addr = first;
    }
    for (unsigned i = 0; i < set->group_count; i++)
        v->turns[i] = first; /* workers begin at different servers */
    return v;
}

struct view *view_ref(struct view *v)
{
    v->refs++;
    return v;
}

void view_unref(struct view *v)
{
    if (v == NULL || --v->refs > 0)
        return;
    upstream_set_unref(v->set);
    free(v->pools);
    free(v->turns);
    free(v);
}

static void close_idle(struct pool *pool)
{
    while (!list_is_empty(&pool->idle))
        conn_close(LIST_ITEM(pool->idle.next, struct conn, link));
}

static struct pool *pool_of_state(struct view *v, const struct server_state *state)
{
    for (unsigned i = 0; i < v->set->server_count; i++)
        if (v->set->servers[i].state == state)
            return &v->pools[i];
    return NULL;
}

/* Plain connections serve on; a TLS one was made with files that may have changed. */
static void move_idle(struct pool *from, struct view *to)
{
    struct pool *pool = pool_of_state(to, from->server->state);

    if (pool == NULL || from->server->tls_name.n > 0)
        return;
    while (!list_is_empty(&from->idle)) {
        struct conn *conn = LIST_ITEM(from->idle.prev, struct conn, link);

        leave_pool(conn);
        conn->pool = pool;
        conn_give_back(conn, to);
    }
}

static void view_retire(struct view *old, struct view *next)
{
    if (old == NULL)
        return;
    old->is_current = false;
    for (unsigned i = 0; i < old->set->server_count; i++) {
        if (next != NULL)
            move_idle(&old->pools[i], next);
        close_idle(&old->pools[i]);
    }
    view_unref(old);
}

/* ------- all of a worker ------- */

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    struct pools *p = arg;

    (void)fd;
    (void)what;
    worker_enter(p->worker);
    while (!list_is_empty(&p->due)) {
        struct call *c = LIST_ITEM(p->due.next, struct call, due);

        list_remove(&c->due);
        call_on_due(c);
    }
}

void pools_want_due(struct pools *p, struct list *due)
{
    list_remove(due);
    list_add_tail(&p->due, due);
    event_active(p->due_event, 0, 0);
}

struct pools *pools_new(struct worker *w)
{
    struct pools *p = mem_zalloc(sizeof(*p));

    p->worker = w;
    list_init(&p->due);
    buf_init(&p->scratch);
    p->due_event = event_new(w->base, -1, 0, on_due, p);
    CHECK(p->due_event != NULL);
    return p;
}

void pools_free(struct pools *p)
{
    if (p == NULL)
        return;
    view_retire(p->view, NULL);
    event_free(p->due_event);
    buf_fini(&p->scratch);
    free(p);
}

void pools_follow(struct pools *p, struct upstream_set *set)
{
    struct view *old = p->view;

    p->view = view_new(set, (unsigned)p->worker->index);
    view_retire(old, p->view);
}

struct upstream_set *pools_set(struct pools *p)
{
    return p->view != NULL ? p->view->set : NULL;
}
