#include "upstream/set.h"

#include "base/clock.h"
#include "base/json.h"

static struct slice state_text(const struct server *s, int64_t now_ms)
{
    if (atomic_load(&s->state->health.is_down))
        return SLICE("down");
    if (health_is_ejected(&s->state->health, now_ms))
        return SLICE("ejected");
    return server_is_resolved(s) ? SLICE("up") : SLICE("unresolved");
}

static void write_addrs(const struct server *s, struct buf *out)
{
    struct addr addrs[SERVER_ADDRS_MAX];
    char text[ADDR_TEXT_MAX + 1];
    unsigned version;
    size_t count = server_addrs(s, addrs, &version);

    buf_add(out, SLICE(",\"addresses\":["));
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        json_add_string(out, addr_write(&addrs[i], text));
    }
    buf_add_char(out, ']');
}

static void write_server(const struct server *s, int64_t now_ms, struct buf *out)
{
    buf_add(out, SLICE("{\"server\":"));
    json_add_string(out, s->name);
    buf_add(out, SLICE(",\"state\":"));
    json_add_string(out, state_text(s, now_ms));
    buf_printf(out, ",\"inflight\":%lu,\"failures\":%u", atomic_load(&s->state->inflight),
               atomic_load(&s->state->health.failures));
    write_addrs(s, out);
    buf_add_char(out, '}');
}

static void write_group(const struct group *g, int64_t now_ms, struct buf *out)
{
    buf_add(out, SLICE("{\"name\":"));
    json_add_string(out, g->name);
    buf_add(out, SLICE(",\"servers\":["));
    for (unsigned i = 0; i < g->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        write_server(&g->servers[i], now_ms, out);
    }
    buf_add(out, SLICE("]}"));
}

void upstream_set_write(struct upstream_set *s, struct buf *out)
{
    const int64_t now_ms = clock_mono_ms();

    buf_add_char(out, '[');
    for (unsigned i = 0; i < s->group_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        write_group(&s->groups[i], now_ms, out);
    }
    buf_add_char(out, ']');
}
