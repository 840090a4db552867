#include "phase/phase.h"

#include "account/endpoint.h"
#include "upstream/upstream.h"

bool method_is_idempotent(struct slice method)
{
    static const struct slice safe[] = {{"GET", 3}, {"HEAD", 4},   {"OPTIONS", 7},
                                        {"PUT", 3}, {"DELETE", 6}, {"TRACE", 5}};

    for (size_t i = 0; i < sizeof(safe) / sizeof(safe[0]); i++)
        if (slice_eq(method, safe[i]))
            return true;
    return false;
}

static uint64_t hash_of(const struct exchange *x, const struct conf_upstream *group)
{
    char ip[ADDR_TEXT_MAX + 1];

    if (group->balance != CONF_balance_HASH)
        return 0;
    if (group->hash_on == CONF_hash_on_USER && x->who != NULL)
        return upstream_hash(x->who->user_id);
    if (group->hash_on == CONF_hash_on_PATH)
        return upstream_hash(x->path.text);
    return upstream_hash(addr_write(&x->client_addr, ip));
}

/* The last stop: our own answer, or the upstream's. */
enum next phase_serve(struct exchange *x)
{
    const struct conf_upstream *group;
    struct upstream_want want;

    if (x->endpoint != NULL)
        return x->endpoint->answer(x);
    group = &x->policy->conf->upstreams[x->route->upstream];
    x->request.head = &x->upstream_head;
    want = (struct upstream_want){.group = group->name,
                                  .request = &x->request,
                                  .hash = hash_of(x, group),
                                  .first_byte_ms = x->route->first_byte_ms,
                                  .idle_ms = x->route->idle_ms,
                                  .total_ms = x->route->total_ms,
                                  .is_idempotent = method_is_idempotent(x->request_head.method)};
    exchange_forward(x, upstream_start(x->worker->pools, &want, x));
    return NEXT_WAIT;
}
