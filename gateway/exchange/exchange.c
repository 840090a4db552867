#include "exchange/live.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "exchange/pipeline.h"

#include <stdlib.h>

/* Finished exchanges wait here with the first block of their arena, so a request allocates nothing.
 */
enum { SPARE_MAX = 64 };
static _Thread_local struct {
    struct exchange *items[SPARE_MAX];
    size_t count;
} spare;

static _Thread_local struct list live;

const char *end_reason_text(enum end_reason r)
{
    static const char *const texts[] = {
        [END_COMPLETE] = "complete",
        [END_CLIENT_GONE] = "client_gone",
        [END_CLIENT_TIMEOUT] = "client_timeout",
        [END_CLIENT_MALFORMED] = "client_malformed",
        [END_UPSTREAM_BROKE] = "upstream_broke",
        [END_BODY_TOO_LARGE] = "body_too_large",
        [END_REVOKED] = "credential_revoked",
        [END_DRAINED] = "drained",
    };

    return texts[r];
}

static void set_state(struct exchange *x, enum exchange_state to)
{
    CHECK(x->state != EXCHANGE_DONE);
    CHECK(to > x->state || (to == EXCHANGE_REPLY && x->state == EXCHANGE_FORWARD) ||
          (to == EXCHANGE_REPLY && x->state == EXCHANGE_REPLY));
    x->state = to;
}

struct list *exchange_live(void)
{
    if (live.next == NULL)
        list_init(&live);
    return &live;
}

struct exchange *exchange_new(struct worker *w, struct leg *client, const struct stream_peer *peer)
{
    struct exchange *x;
    struct arena kept;

    if (spare.count > 0) {
        x = spare.items[--spare.count];
        kept = x->arena;
    } else {
        x = mem_alloc(sizeof(*x));
        arena_init(&kept);
    }
    *x = (struct exchange){
        .worker = w, .arena = kept, .client = client, .peer = peer, .state = EXCHANGE_PHASES};
    x->policy = policy_ref(w->policy);
    x->client_addr = peer->addr;
    x->is_secure = peer->is_tls;
    x->began_us = clock_mono_us();
    head_init(&x->request_head, &x->arena);
    head_init(&x->extra_head, &x->arena);
    client->x = x;
    list_add_tail(exchange_live(), &x->live);
    w->exchange_count++;
    count(w->counters, METRIC_EXCHANGES, 1);
    return x;
}

static void free_exchange(struct retired *item)
{
    struct exchange *x = LIST_ITEM(item, struct exchange, retired);

    if (spare.count < SPARE_MAX) {
        arena_reset(&x->arena);
        spare.items[spare.count++] = x;
        return;
    }
    arena_fini(&x->arena);
    free(x);
}

void exchange_pool_fini(void)
{
    while (spare.count > 0) {
        struct exchange *x = spare.items[--spare.count];

        arena_fini(&x->arena);
        free(x);
    }
}

void exchange_cancel_wait(struct exchange *x)
{
    void (*cancel)(struct exchange *) = x->wait.cancel;

    x->wait.cancel = NULL;
    if (cancel != NULL)
        cancel(x);
}

static void release(struct leg **leg, bool complete)
{
    struct leg *l = *leg;

    if (l == NULL)
        return;
    *leg = NULL;
    l->x = NULL;
    l->ops->release(l, complete);
}

void exchange_release_upstream(struct exchange *x, bool complete)
{
    release(&x->upstream, complete);
}

/* Of a tunnel nothing is missing when one side has ended it. */
static bool is_upstream_complete(const struct exchange *x)
{
    return x->state == EXCHANGE_TUNNEL || (x->request_complete && x->response_complete);
}

void exchange_end(struct exchange *x, enum end_reason why)
{
    const bool is_whole = why == END_COMPLETE && is_upstream_complete(x);

    if (x->state == EXCHANGE_DONE)
        return;
    exchange_cancel_wait(x);
    if (x->is_rechecking)
        authenticate_cancel(&x->recheck);
    if (x->expiry.worker != NULL)
        timer_fini(&x->expiry);
    phase_record(x, why);
    x->state = EXCHANGE_DONE;
    exchange_release_upstream(x, is_whole);
    release(&x->client, why == END_COMPLETE);
    identity_unref(x->who);
    x->who = NULL;
    policy_unref(x->policy);
    list_remove(&x->live);
    x->worker->exchange_count--;
    count(x->worker->counters, METRIC_EXCHANGES, -1);
    worker_retire(x->worker, &x->retired, free_exchange);
}

void exchange_end_all(enum end_reason why)
{
    struct list *head = exchange_live();

    while (!list_is_empty(head))
        exchange_end(LIST_ITEM(head->next, struct exchange, live), why);
}

/* ------- the phases ------- */

static void run_phases(struct exchange *x)
{
    while (x->state == EXCHANGE_PHASES && pipeline_phases[x->phase] != NULL) {
        phase_fn stop = pipeline_phases[x->phase++];

        if (stop(x) != NEXT_GO)
            return;
    }
}

void pipeline_resume(struct exchange *x)
{
    x->wait.cancel = NULL;
    run_phases(x);
}

/* ------- the client side ------- */

void exchange_on_request(struct exchange *x, const struct message *m)
{
    x->request = *m;
    x->request_complete = !m->has_body;
    x->is_head_request = slice_eq(m->head->method, SLICE("HEAD"));
    run_phases(x);
}

/* The codec ends at the field that it refuses: the last one of the head. */
static bool is_second_credential(const struct exchange *x, enum problem p)
{
    const struct head *head = &x->request_head;

    return p == PROBLEM_HEADER_DUPLICATE && head->count > 0 &&
           (header_flags(head->fields[head->count - 1].id) & HEADER_FLAG_CREDENTIAL) != 0;
}

/* A refusal of authentication, though no phase saw it (G29). */
static void note_second_credential(struct exchange *x)
{
    char ip[ADDR_TEXT_MAX + 1];

    count(x->worker->counters, METRIC_AUTH_REFUSED, 1);
    audit(&(struct audit_entry){.event = AUDIT_CREDENTIAL_AMBIGUOUS,
                                .outcome = "refused",
                                .request_id = x->request_id,
                                .ip = addr_write(&x->client_addr, ip),
                                .detail = slice_str(x->reason)});
}

void exchange_on_malformed(struct exchange *x, enum problem p)
{
    const bool is_late = p == PROBLEM_REQUEST_TIMEOUT;

    if (!is_late)
        count(x->worker->counters, METRIC_MALFORMED, 1);
    if (x->response_started) {
        exchange_end(x, is_late ? END_CLIENT_TIMEOUT : END_CLIENT_MALFORMED);
        return;
    }
    if (is_second_credential(x, p)) {
        (void)reply_problem(x, p, "credential_ambiguous", SLICE_NONE);
        note_second_credential(x); /* with the id that the answer got */
        return;
    }
    (void)reply_problem(x, p, is_late ? "late" : "malformed", SLICE_NONE);
}

static bool is_too_large(const struct exchange *x)
{
    return x->route != NULL && x->route->conf->max_body_bytes > 0 &&
           x->request_bytes > x->route->conf->max_body_bytes && x->state != EXCHANGE_TUNNEL;
}

void exchange_on_request_body(struct exchange *x, struct slice bytes)
{
    x->request_bytes += bytes.n;
    if (is_too_large(x)) {
        if (x->response_started)
            exchange_end(x, END_BODY_TOO_LARGE);
        else
            (void)reply_problem(x, PROBLEM_CONTENT_TOO_LARGE, "body_over_limit", SLICE_NONE);
        return;
    }
    if (x->upstream == NULL)
        return;
    x->upstream->ops->send_body(x->upstream, bytes);
    if (x->upstream->ops->is_congested(x->upstream))
        x->client->ops->pause(x->client);
}

/* What names framing, routing or identity never travels in trailers or early hints
 * (spec/security.md). */
static bool is_forbidden_aside(const struct field *f, void *arg)
{
    const struct exchange *request = arg; /* NULL: of a response */

    if (request != NULL && !request->policy->conf->server.underscores &&
        slice_find(f->name, '_', 0) < f->name.n)
        return true;
    return header_is_reserved(f->name) || (header_flags(header_find_folded(f->name)) &
                                           (HEADER_FLAG_HOP | HEADER_FLAG_FRAMING |
                                            HEADER_FLAG_CREDENTIAL | HEADER_FLAG_OURS)) != 0;
}

static const struct head *clean_trailers(struct exchange *request, const struct head *trailers)
{
    /* The head is in x's arena; cleaning it in place is what every reader wants. */
    if (trailers == NULL)
        return NULL;
    head_remove_if((struct head *)(uintptr_t)trailers, is_forbidden_aside, request);
    return trailers->count > 0 ? trailers : NULL;
}

void exchange_on_request_end(struct exchange *x, const struct head *trailers)
{
    x->request_complete = true;
    if (x->upstream != NULL)
        x->upstream->ops->send_end(x->upstream, clean_trailers(x, trailers));
}

void exchange_on_client_drained(struct exchange *x)
{
    if (x->upstream != NULL)
        x->upstream->ops->resume(x->upstream);
}

static bool may_detach(const struct exchange *x)
{
    return x->state == EXCHANGE_FORWARD && x->upstream != NULL && x->request_complete &&
           !x->request.is_websocket && x->route != NULL &&
           x->route->conf->on_disconnect == CONF_on_disconnect_DETACH && !x->worker->is_draining;
}

void exchange_on_client_gone(struct exchange *x, enum end_reason why)
{
    x->client->x = NULL;
    x->client = NULL;
    x->peer = NULL;
    count(x->worker->counters, METRIC_CLIENT_GONE, 1);
    if (!may_detach(x)) {
        exchange_end(x, why);
        return;
    }
    x->is_detached = true;
    x->upstream->ops->resume(x->upstream);
}

/* ------- the upstream side ------- */

void exchange_forward(struct exchange *x, struct leg *upstream)
{
    set_state(x, EXCHANGE_FORWARD);
    x->upstream = upstream;
    upstream->x = x;
    x->upstream_us = clock_mono_us();
    exchange_recheck_due(x);
}

void exchange_on_upstream_ready(struct exchange *x)
{
    if (x->request.has_body && x->client != NULL)
        x->client->ops->resume(x->client);
}

static bool run_filters(struct exchange *x)
{
    for (size_t i = 0; pipeline_filters[i] != NULL; i++)
        if (pipeline_filters[i](x, &x->response) != NEXT_GO)
            return false;
    return true;
}

static bool is_event_stream(const struct head *head)
{
    return slice_starts_ci(head_value(head, HEADER_CONTENT_TYPE), SLICE("text/event-stream"));
}

static void start_tunnel(struct exchange *x)
{
    set_state(x, EXCHANGE_TUNNEL);
    x->upstream->ops->tunnel(x->upstream);
    x->client->ops->tunnel(x->client);
    x->client->ops->resume(x->client);
    exchange_watch_expiry(x);
}

void exchange_on_early_hints(struct exchange *x, struct head *head)
{
    const struct message m = {.head = head};

    if (x->client == NULL || x->request_head.version_minor == 0)
        return;
    head_strip_hop_by_hop(head);
    head_remove_if(head, is_forbidden_aside, NULL);
    x->client->ops->send_head(x->client, &m);
}

void exchange_on_response(struct exchange *x, const struct message *m)
{
    x->first_byte_us = clock_mono_us();
    x->response_head = *m->head;
    x->response = *m;
    x->response.head = &x->response_head;
    if (!run_filters(x))
        return;
    x->response_started = true;
    if (x->client == NULL)
        return;
    x->client->ops->send_head(x->client, &x->response);
    if (m->is_websocket)
        start_tunnel(x);
    else if (is_event_stream(&x->response_head))
        exchange_watch_expiry(x);
}

void exchange_on_response_body(struct exchange *x, struct slice bytes)
{
    x->response_bytes += bytes.n;
    if (x->client == NULL)
        return;
    x->client->ops->send_body(x->client, bytes);
    if (x->client->ops->is_congested(x->client))
        x->upstream->ops->pause(x->upstream);
}

void exchange_on_response_end(struct exchange *x, const struct head *trailers)
{
    x->response_complete = true;
    if (x->client != NULL && x->state != EXCHANGE_TUNNEL)
        x->client->ops->send_end(x->client, clean_trailers(NULL, trailers));
    exchange_end(x, END_COMPLETE);
}

void exchange_on_upstream_drained(struct exchange *x)
{
    if (x->client != NULL)
        x->client->ops->resume(x->client);
}

static enum problem problem_of(enum err why)
{
    switch (why) {
    case ERR_REFUSED:
    case ERR_NOT_FOUND:
        return PROBLEM_UPSTREAM_REFUSED;
    case ERR_UNAVAILABLE:
        return PROBLEM_NO_UPSTREAM;
    case ERR_TIMEOUT:
        return PROBLEM_GATEWAY_TIMEOUT;
    default:
        return PROBLEM_BAD_GATEWAY;
    }
}

void exchange_on_upstream_failed(struct exchange *x, enum err why, const char *reason)
{
    if (x->upstream != NULL)
        x->upstream->x = NULL;
    x->upstream = NULL;
    count(x->worker->counters, METRIC_UPSTREAM_FAILURES, 1);
    if (x->response_started || x->client == NULL) {
        x->reason = reason;
        exchange_end(x, END_UPSTREAM_BROKE);
        return;
    }
    (void)reply_problem(x, problem_of(why), reason, SLICE_NONE);
}
