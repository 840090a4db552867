#include "process/admin.h"

#include "base/alloc.h"
#include "http/h1_parse.h"
#include "http/h1_write.h"
#include "net/timer.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD_BYTES_MAX = 16 * 1024, ANSWER_MS = 10000, LINGER_MS = 1000 };
enum { ADMIN = 1, CONTROL = 2, BOTH = ADMIN | CONTROL };

struct admin {
    struct gateway *gateway;
    struct listener *listener;
    int where;
    struct list guests;
};

/* One connection, one request. */
struct guest {
    struct admin *admin;
    struct stream *stream;
    struct h1_scan scan;
    struct timer timer;
    struct list link;
    struct retired retired;
};

static const struct command {
    struct slice method, path;
    int where;
    unsigned (*run)(struct admin_ask *ask);
} commands[] = {
#define COMMAND(name, verb, text, place, help)                                                     \
    {.method = {verb, sizeof(verb) - 1},                                                           \
     .path = {text, sizeof(text) - 1},                                                             \
     .where = place,                                                                               \
     .run = admin_##name},
#include "process/command.def"
#undef COMMAND
};

struct slice admin_param(const struct admin_ask *ask, struct slice name)
{
    size_t times;
    struct slice text = query_find(ask->query, name, &times), plain = SLICE_NONE;

    if (times != 1 || percent_decode(text, true, ask->arena, &plain) != ERR_OK)
        return SLICE_NONE;
    return plain;
}

static void free_guest(struct retired *item)
{
    free(LIST_ITEM(item, struct guest, retired));
}

static void leave(struct guest *g, bool in_order)
{
    if (in_order)
        stream_finish(g->stream, LINGER_MS);
    else
        stream_close(g->stream);
    timer_fini(&g->timer);
    list_remove(&g->link);
    worker_retire(g->admin->gateway->control, &g->retired, free_guest);
}

static void answer(struct guest *g, unsigned status, struct slice type, struct slice body,
                   struct arena *arena)
{
    struct head head;
    struct buf text;

    head_init(&head, arena);
    head.status = status;
    head.version_minor = 1;
    head_add(&head, SLICE("Content-Type"), type);
    head_add(&head, SLICE("Cache-Control"), SLICE("no-store"));
    buf_init(&text);
    h1_write_response(&text, &head, H1_FRAMING_LENGTH, body.n, true);
    stream_write(g->stream, buf_slice(&text));
    stream_write(g->stream, body);
    buf_fini(&text);
    leave(g, true);
}

static const struct command *find(const struct guest *g, struct slice method, struct slice path)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if ((commands[i].where & g->admin->where) != 0 && slice_eq(commands[i].method, method) &&
            slice_eq(commands[i].path, path))
            return &commands[i];
    return NULL;
}

static void serve(struct guest *g, struct slice bytes)
{
    static const struct h1_limits limits = {HEAD_BYTES_MAX, 100, HEAD_BYTES_MAX};
    struct arena arena;
    struct buf body;
    struct head head;
    struct h1_request request;
    struct path path;
    const struct command *c = NULL;
    struct admin_ask ask;
    unsigned status = 400;

    arena_init(&arena);
    buf_init(&body);
    head_init(&head, &arena);
    ask = (struct admin_ask){.gateway = g->admin->gateway,
                             .arena = &arena,
                             .content_type = SLICE("application/json"),
                             .body = &body};
    if (h1_parse_request(bytes, &limits, &head, &request) == H1_DONE &&
        path_normalise(head.target, false, &arena, &path) == ERR_OK) {
        ask.query = path.query;
        c = find(g, head.method, path.text);
        status = c != NULL ? c->run(&ask) : 404;
    }
    if (c == NULL)
        buf_printf(&body, "{\"status\":%u}\n", status);
    answer(g, status, ask.content_type, buf_slice(&body), &arena);
    buf_fini(&body);
    arena_fini(&arena);
}

static size_t on_data(void *arg, struct slice bytes)
{
    struct guest *g = arg;
    size_t head_bytes = 0;
    enum h1_result r = h1_scan_head(&g->scan, bytes, HEAD_BYTES_MAX, true, &head_bytes);

    if (r == H1_MORE)
        return 0;
    if (r == H1_DONE)
        serve(g, slice_to(bytes, head_bytes));
    else
        leave(g, true);
    return bytes.n;
}

static void on_end(void *arg, enum err why)
{
    (void)why;
    leave(arg, false);
}

static void on_time(void *arg)
{
    leave(arg, false);
}

static const struct stream_handler guest_handler = {.on_data = on_data, .on_end = on_end};

static void on_stream(void *arg, struct stream *s)
{
    struct admin *a = arg;
    struct guest *g = mem_zalloc(sizeof(*g));

    g->admin = a;
    g->stream = s;
    timer_init(&g->timer, a->gateway->control, on_time, g);
    timer_set(&g->timer, ANSWER_MS);
    list_add_tail(&a->guests, &g->link);
    stream_set_handler(s, &guest_handler, g);
    stream_set_write_timeout(s, ANSWER_MS);
    stream_resume(s);
}

static enum err open_one(struct gateway *g, const char *address, int where, struct admin **out,
                         char **why)
{
    struct admin *a = mem_zalloc(sizeof(*a));
    enum err e;

    a->gateway = g;
    a->where = where;
    list_init(&a->guests);
    e = listener_new(
        g->control,
        &(struct listener_conf){.address = address, .fd = -1, .handshake_ms = ANSWER_MS}, on_stream,
        a, &a->listener, why);
    if (e != ERR_OK) {
        free(a);
        return e;
    }
    *out = a;
    return ERR_OK;
}

enum err admin_open(struct gateway *g, char **why)
{
    const struct conf *conf = g->policy->conf;
    enum err e = ERR_OK;
    char *path;
    mode_t before;

    CHECK(asprintf(&path, "unix:%s/control.sock", conf->server.state_dir.p) >= 0);
    before = umask(0177); /* nobody else may connect, from the first moment */
    e = open_one(g, path, CONTROL, &g->control_socket, why);
    umask(before);
    free(path);
    if (e != ERR_OK || slice_eq(conf->admin.address, SLICE("off")))
        return e;
    return open_one(g, conf->admin.address.p, ADMIN, &g->admin, why);
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    while (!list_is_empty(&a->guests))
        leave(LIST_ITEM(a->guests.next, struct guest, link), false);
    listener_free(a->listener);
    free(a);
}
