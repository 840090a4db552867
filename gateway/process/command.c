/* What the admin listener and the control socket answer, but for explain.c. */
#include "process/admin.h"

#include "base/json.h"

unsigned admin_livez(struct admin_ask *ask)
{
    ask->content_type = SLICE("text/plain");
    buf_add(ask->body, SLICE("ok\n"));
    return 200;
}

struct check {
    const char *name;
    bool is_ok;
};

static void write_checks(struct buf *out, const struct check *checks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "[%c] %s\n", checks[i].is_ok ? '+' : '-', checks[i].name);
}

/* Ready: the store answers and we are not about to leave. Upstreams have their own checks. */
unsigned admin_readyz(struct admin_ask *ask)
{
    struct gateway *g = ask->gateway;
    enum store_health store = store_health(g->control_store);
    const struct check checks[] = {
        {"started", g->is_ready},
        {"not draining", !g->is_draining},
        {"redis answers", store != STORE_DOWN},
        {"invalidation link is up", store == STORE_UP},
    };
    bool ready = checks[0].is_ok && checks[1].is_ok && checks[2].is_ok;

    ask->content_type = SLICE("text/plain");
    if (ask->query.p != NULL)
        write_checks(ask->body, checks, sizeof(checks) / sizeof(checks[0]));
    buf_add(ask->body, ready ? SLICE("ok\n") : SLICE("not ready\n"));
    return ready ? 200 : 503;
}

unsigned admin_metrics(struct admin_ask *ask)
{
    ask->content_type = SLICE("text/plain; version=0.0.4; charset=utf-8");
    metrics_write(ask->gateway->counters, ask->gateway->counters_count, ask->body);
    return 200;
}

unsigned admin_stats(struct admin_ask *ask)
{
    struct gateway *g = ask->gateway;

    buf_printf(ask->body, "{\"version\":\"%s\",\"workers\":%zu,", POSTERN_VERSION, g->crew_count);
    metrics_write_json(g->counters, g->counters_count, ask->body);
    buf_add(ask->body, SLICE(",\"upstreams\":"));
    upstream_set_write(g->upstreams, ask->body);
    buf_add(ask->body, SLICE("}\n"));
    return 200;
}

unsigned admin_reload(struct admin_ask *ask)
{
    struct buf why;
    enum err e;

    audit(&(struct audit_entry){.event = AUDIT_ADMIN, .outcome = "ok", .detail = SLICE("reload")});
    buf_init(&why);
    e = gateway_reload(ask->gateway, &why);
    buf_printf(ask->body, "{\"reloaded\":%s,\"complaints\":", e == ERR_OK ? "true" : "false");
    json_add_string(ask->body, buf_slice(&why));
    buf_add(ask->body, SLICE("}\n"));
    buf_fini(&why);
    return e == ERR_OK ? 200 : 422;
}

unsigned admin_config(struct admin_ask *ask)
{
    ask->content_type = SLICE("application/yaml");
    conf_write(ask->gateway->policy->conf, admin_param(ask, SLICE("origin")).n > 0, ask->body);
    return 200;
}
