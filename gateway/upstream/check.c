#include "upstream/check.h"

#include "base/alloc.h"
#include "http/h1_write.h"
#include "net/stream.h"

#include <stdlib.h>

enum { CHECK_HEAD_BYTES_MAX = 16 * 1024, CHECK_FIELDS_MAX = 128 };

struct check {
    struct server *server;
    struct stream *stream; /* NULL: nothing to connect to */
    struct timer timer;    /* the whole check */
    struct h1_scan scan;
    struct arena arena;
    void (*done)(void *arg, const char *trouble);
    void *arg;
    struct retired retired;
};

static void free_check(struct retired *item)
{
    struct check *k = LIST_ITEM(item, struct check, retired);

    arena_fini(&k->arena);
    free(k);
}

void check_cancel(struct check *k)
{
    if (k == NULL)
        return;
    stream_close(k->stream);
    timer_fini(&k->timer);
    worker_retire(k->timer.worker, &k->retired, free_check);
}

static void finish(struct check *k, const char *trouble)
{
    check_cancel(k);
    k->done(k->arg, trouble);
}

static void on_open(void *arg)
{
    struct check *k = arg;
    struct head head;
    struct buf out;

    head_init(&head, &k->arena);
    head.method = SLICE("GET");
    head.target = k->server->group->health_path;
    head.authority = k->server->authority;
    head_add_id(&head, HEADER_USER_AGENT, SLICE("postern-health"));
    head_add_id(&head, HEADER_ACCEPT, SLICE("*/*"));
    buf_init(&out);
    h1_write_request(&out, &head, H1_FRAMING_NONE, 0, false);
    stream_write(k->stream, buf_slice(&out));
    buf_fini(&out);
}

/* NULL: good. */
static const char *judge(struct check *k, struct slice bytes)
{
    static const struct h1_limits limits = {.head_bytes = CHECK_HEAD_BYTES_MAX,
                                            .field_count = CHECK_FIELDS_MAX};
    struct h1_response r;
    struct head head;

    head_init(&head, &k->arena);
    if (h1_parse_response(bytes, &limits, SLICE("GET"), &head, &r) != H1_DONE)
        return "malformed_answer";
    if (head.status >= 200 && head.status < 400)
        return NULL;
    return arena_printf(&k->arena, "status %u", head.status).p;
}

/* The head is all we want; the connection is closed without reading the rest. */
static size_t on_data(void *arg, struct slice bytes)
{
    struct check *k = arg;
    size_t n;
    enum h1_result scanned = h1_scan_head(&k->scan, bytes, CHECK_HEAD_BYTES_MAX, false, &n);

    if (scanned == H1_MORE)
        return 0;
    finish(k, scanned == H1_DONE ? judge(k, slice_to(bytes, n)) : "malformed_answer");
    return bytes.n;
}

static void on_end(void *arg, enum err why)
{
    struct check *k = arg;

    finish(k, why == ERR_TLS ? arena_printf(&k->arena, "tls: %s", stream_tls_trouble(k->stream)).p
                             : err_text(why));
}

static void on_time(void *arg)
{
    struct check *k = arg;

    finish(k, k->stream != NULL ? err_text(ERR_TIMEOUT) : "no address");
}

static bool choose_sockaddr(const struct server *s, unsigned at, struct sockaddr_any *out)
{
    struct addr addrs[SERVER_ADDRS_MAX];
    unsigned version;
    size_t count;

    if (s->is_unix) {
        *out = s->path;
        return true;
    }
    count = server_addrs(s, addrs, &version);
    if (count > 0)
        sockaddr_from_addr(&addrs[at % count], out);
    return count > 0;
}

struct check *check_start(struct worker *control, struct server *s, unsigned addr,
                          void (*done)(void *arg, const char *trouble), void *arg)
{
    static const struct stream_handler handler = {on_open, on_data, NULL, on_end};
    const struct group *g = s->group;
    struct check *k = mem_zalloc(sizeof(*k));
    struct sockaddr_any to;

    k->server = s;
    k->done = done;
    k->arg = arg;
    arena_init(&k->arena);
    timer_init(&k->timer, control, on_time, k);
    if (!choose_sockaddr(s, addr, &to)) {
        timer_set(&k->timer, 1); /* no address: bad, but never inside this call */
        return k;
    }
    k->stream = stream_connect(control, sockaddr_of(&to), to.n,
                               s->tls_name.n > 0 ? tls_client_ssl(g->tls, s->tls_name.p) : NULL,
                               g->health_timeout_ms, &handler, k);
    timer_set(&k->timer, g->health_timeout_ms);
    return k;
}
