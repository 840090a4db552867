#include "filter/filter.h"

#include "base/clock.h"

/* Our fields take the place of the upstream's, but Vary is a list that both add to. */
static bool is_replaced(const struct exchange *x, const struct field *f)
{
    for (size_t i = 0; i < x->extra_head.count; i++)
        if (f->id != HEADER_VARY && slice_eq_ci(x->extra_head.fields[i].name, f->name))
            return true;
    return false;
}

/* What only the gateway says to a client, in any spelling (incidents H2). */
static bool is_ours(const struct field *f, void *arg)
{
    const unsigned ours = HEADER_FLAG_OURS | HEADER_FLAG_HOP | HEADER_FLAG_FRAMING;
    const struct exchange *x = arg;

    if (f->id == HEADER_X_REQUEST_ID || is_replaced(x, f) ||
        (header_flags(header_find_folded(f->name)) & ours) != 0)
        return true;
    return x->route != NULL && x->route->cors != NULL &&
           slice_starts_ci(f->name, SLICE("access-control-"));
}

static bool has(const struct head *head, struct slice name)
{
    for (size_t i = 0; i < head->count; i++)
        if (slice_eq_ci(head->fields[i].name, name))
            return true;
    return false;
}

static void add_if_absent(struct head *head, struct slice name, struct slice value)
{
    if (!has(head, name))
        head_add(head, name, value);
}

static void add_security(struct exchange *x, struct head *head)
{
    const struct conf_headers *conf = &x->policy->conf->headers;

    if (!conf->security)
        return;
    add_if_absent(head, SLICE("X-Content-Type-Options"), SLICE("nosniff"));
    add_if_absent(head, SLICE("Referrer-Policy"), SLICE("no-referrer"));
    if (x->is_secure && conf->hsts_ms > 0) {
        char room[U64_DIGITS];
        const struct slice parts[] = {SLICE("max-age="),
                                      slice_from_u64((uint64_t)conf->hsts_ms / 1000, room)};

        add_if_absent(head, SLICE("Strict-Transport-Security"), arena_join(&x->arena, parts, 2));
    }
}

static void add_date(struct exchange *x, struct head *head)
{
    static _Thread_local char text[HTTP_DATE_CHARS + 1];
    static _Thread_local int64_t second;
    int64_t now_s = clock_wall_s();

    if (head_find(head, HEADER_DATE) != NULL)
        return;
    if (now_s != second)
        clock_http_date(now_s * 1000, text);
    second = now_s;
    head_add(head, SLICE("Date"), arena_dup(&x->arena, slice_of(text, HTTP_DATE_CHARS)));
}

/* The head as the client gets it: RFC 9110 §7.6.1, then what is ours. */
enum next filter_response_head(struct exchange *x, struct message *response)
{
    struct head *head = response->head;

    head_strip_hop_by_hop(head);
    head_remove_if(head, is_ours, x);
    add_date(x, head);
    head_add(head, SLICE("X-Request-Id"), x->request_id);
    for (size_t i = 0; i < x->extra_head.count; i++)
        head_add(head, x->extra_head.fields[i].name, x->extra_head.fields[i].value);
    add_security(x, head);
    if (slice_starts_ci(head_value(head, HEADER_CONTENT_TYPE), SLICE("text/event-stream")))
        head_set(head, HEADER_X_ACCEL_BUFFERING, SLICE("no"));
    return NEXT_GO;
}
