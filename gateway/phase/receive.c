#include "phase/phase.h"

#include "base/random.h"
#include "phase/parts.h"

/* A form that logs and people can carry. */
static bool is_well_formed_id(struct slice id)
{
    if (id.n < 8 || id.n > 128)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];

        if (!((c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

static void take_request_id(struct exchange *x)
{
    struct slice sent = head_value(&x->request_head, HEADER_X_REQUEST_ID);
    char id[UUID_CHARS + 1];

    if (x->peer_is_trusted && is_well_formed_id(sent)) {
        x->request_id = sent;
        return;
    }
    random_uuid7(id);
    x->request_id = arena_dup(&x->arena, slice_of(id, UUID_CHARS));
}

static bool is_trace_id(struct slice id)
{
    bool is_zero = true;

    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        is_zero = is_zero && c == '0';
    }
    return !is_zero;
}

/* The trace id of a well-formed traceparent (W3C Trace Context §3.2.2), for the log. */
static void take_trace_id(struct exchange *x)
{
    struct slice t = head_value(&x->request_head, HEADER_TRACEPARENT);

    if (t.n >= 55 && t.p[2] == '-' && t.p[35] == '-' && is_trace_id(slice_of(t.p + 3, 32)))
        x->trace_id = slice_of(t.p + 3, 32);
}

static struct slice joined_values(struct exchange *x, enum header id)
{
    struct slice all = SLICE_NONE;

    for (size_t i = 0; i < x->request_head.count; i++) {
        const struct field *f = &x->request_head.fields[i];

        if (f->id != id)
            continue;
        all = all.p == NULL
                  ? f->value
                  : arena_printf(&x->arena, "%.*s,%.*s", SLICE_FMT(all), SLICE_FMT(f->value));
    }
    return all;
}

/* One scheme or none: of two, one came from a stranger (incidents H6, H10). */
static enum err take_proto(struct exchange *x)
{
    struct slice proto = head_value(&x->request_head, HEADER_X_FORWARDED_PROTO);

    if (proto.p == NULL)
        return ERR_OK;
    x->is_secure = slice_eq_ci(proto, SLICE("https"));
    if (head_count(&x->request_head, HEADER_X_FORWARDED_PROTO) > 1 ||
        (!x->is_secure && !slice_eq_ci(proto, SLICE("http"))))
        return ERR_SYNTAX;
    return ERR_OK;
}

/* Who the client is: the peer, or what a trusted proxy says of it (incidents H5, H10, H11, P4). */
static enum err find_client(struct exchange *x)
{
    const struct addrs *trusted = &x->policy->conf->server.trusted_proxies;
    enum err e;

    x->peer_is_trusted = cidrs_have(trusted->items, trusted->count, &x->peer->addr);
    if (!x->peer_is_trusted)
        return ERR_OK;
    if ((e = take_proto(x)) != ERR_OK)
        return e;
    return addr_from_forwarded(&x->peer->addr, joined_values(x, HEADER_X_FORWARDED_FOR),
                               trusted->items, trusted->count, &x->client_addr);
}

struct slice receive_host(struct slice authority, struct arena *arena)
{
    struct slice host = arena_dup(arena, authority);
    char *p = (char *)(uintptr_t)host.p; /* our own copy */
    size_t end =
        host.n > 0 && host.p[0] == '[' ? slice_find(host, ']', 0) + 1 : slice_find(host, ':', 0);

    for (size_t i = 0; i < host.n; i++)
        p[i] = ascii_lower(p[i]);
    if (end > 1 && host.p[end - 1] == '.')
        end--;
    return slice_to(host, end);
}

bool receive_is_our_host(const struct policy *p, struct slice host)
{
    const struct texts *hosts = &p->conf->server.hosts;

    for (size_t i = 0; i < hosts->count; i++)
        if (slice_eq_ci(hosts->items[i], host))
            return true;
    return hosts->count == 0;
}

/* With client certificates the authority that checked them belongs to the name (incidents T3). */
static bool is_misdirected(const struct exchange *x)
{
    return x->peer->certificate != NULL && x->peer->server_name.n > 0 &&
           !slice_eq_ci(x->peer->server_name, x->host);
}

/* "get" is no method, but some servers make "GET" of it, behind a rule that was for GET. */
static bool is_method(struct slice method)
{
    for (size_t i = 0; i < method.n; i++)
        if (method.p[i] >= 'a' && method.p[i] <= 'z')
            return false;
    return true;
}

/* What came in and from whom, in one form that everything after relies on (D12). */
enum next phase_receive(struct exchange *x)
{
    enum err e;

    e = find_client(x);
    take_request_id(x);
    take_trace_id(x);
    if (e != ERR_OK)
        return reply_problem(x, PROBLEM_BAD_REQUEST, "forwarded_invalid", SLICE_NONE);
    if (!is_method(x->request_head.method))
        return reply_problem(x, PROBLEM_BAD_REQUEST, "method_invalid", SLICE_NONE);
    x->host = receive_host(x->request_head.authority, &x->arena);
    if (!receive_is_our_host(x->policy, x->host) || is_misdirected(x))
        return reply_problem(x, PROBLEM_MISDIRECTED, "host_unknown", SLICE_NONE);
    if (slice_eq(x->request_head.target, SLICE("*"))) {
        x->path.text = x->request_head.target;
        return NEXT_GO;
    }
    e = path_normalise(x->request_head.target, policy_keeps_encoded_slash(x->policy), &x->arena,
                       &x->path);
    if (e != ERR_OK)
        return reply_problem(x, PROBLEM_PATH_INVALID, "path_invalid", SLICE_NONE);
    return NEXT_GO;
}
