/* posternctl stats: the gateway's counters, once or every second. */
#include "control.h"
#include "list.h"

#include <stdio.h>

enum { HEADING_EVERY = 20 };

static void show_servers(const json_t *group)
{
    const json_t *servers = json_object_get(group, "servers");

    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *server = json_array_get(servers, i);

        printf("upstream %s\t%s\t%s, %lld in flight, %lld failures\n",
               json_string_value(json_object_get(group, "name")),
               json_string_value(json_object_get(server, "server")),
               json_string_value(json_object_get(server, "state")),
               (long long)json_integer_value(json_object_get(server, "inflight")),
               (long long)json_integer_value(json_object_get(server, "failures")));
    }
}

static void show(const json_t *stats)
{
    json_t *value;
    const char *name;

    json_object_foreach(json_object_get(stats, "counters"), name, value)
        printf("%s\t%lld\n", name, (long long)json_integer_value(value));
    json_object_foreach(json_object_get(stats, "requests"), name, value)
        printf("requests %s\t%lld\n", name, (long long)json_integer_value(value));
    for (size_t i = 0; i < json_array_size(json_object_get(stats, "upstreams")); i++)
        show_servers(json_array_get(json_object_get(stats, "upstreams"), i));
}

static long long counter(const json_t *stats, const char *group, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(stats, group), name));
}

/* What a second brought, as redis-cli --stat has it. */
static void show_second(const json_t *before, const json_t *now, unsigned line)
{
    static const struct {
        const char *title, *group, *name;
        bool is_level; /* what is now, not what came since */
    } columns[] = {
        {"REQUESTS", "counters", "postern_requests_total", false},
        {"2XX", "requests", "2xx", false},
        {"4XX", "requests", "4xx", false},
        {"5XX", "requests", "5xx", false},
        {"401", "counters", "postern_auth_refused_total", false},
        {"403", "counters", "postern_auth_forbidden_total", false},
        {"429", "counters", "postern_rate_limited_total", false},
        {"IN PROGRESS", "counters", "postern_exchanges", true},
        {"CONNECTIONS", "counters", "postern_connections", true},
        {"BYTES OUT", "counters", "postern_response_body_bytes_total", false},
    };
    enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

    for (size_t i = 0; line % HEADING_EVERY == 0 && i < COLUMNS; i++)
        printf("%s%c", columns[i].title, i + 1 < COLUMNS ? '\t' : '\n');
    for (size_t i = 0; i < COLUMNS; i++) {
        long long value = counter(now, columns[i].group, columns[i].name);

        if (!columns[i].is_level)
            value -= counter(before, columns[i].group, columns[i].name);
        printf("%lld%c", value, i + 1 < COLUMNS ? '\t' : '\n');
    }
}

static enum outcome watch(struct ctl *c, json_t **before)
{
    enum outcome o = OUTCOME_OK;

    if (output_is_data(c) && c->format != FORMAT_YAML)
        c->format = FORMAT_JSONL;
    for (unsigned line = 0; list_wait(); line++) {
        json_t *now = NULL;

        if ((o = control_ask_json(c, "GET", "/stats", NULL, &now)) != OUTCOME_OK)
            break;
        if (output_is_data(c))
            output_data(c, now);
        else
            show_second(*before, now, line);
        json_decref(*before);
        *before = now;
    }
    return o;
}

enum outcome ctl_stats(struct ctl *c)
{
    json_t *stats = NULL;
    enum outcome o = ctl_open_conf(c);

    if (o != OUTCOME_OK || (o = control_ask_json(c, "GET", "/stats", NULL, &stats)) != OUTCOME_OK)
        return o;
    if (ctl_has(c, FLAG_WATCH))
        o = watch(c, &stats);
    else if (output_is_data(c))
        output_data(c, stats);
    else
        show(stats);
    json_decref(stats);
    return o;
}
