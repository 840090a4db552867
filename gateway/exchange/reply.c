#include "exchange/live.h"

#include "base/random.h"
#include "exchange/pipeline.h"

/* Sends an answer of our own and ends the exchange; the caller's x stays readable until the turn
 * ends. */
static enum next send_reply(struct exchange *x, unsigned status, struct slice type,
                            struct slice body)
{
    if (x->client == NULL || x->response_started) {
        exchange_end(x, END_CLIENT_GONE);
        return NEXT_REPLIED;
    }
    exchange_cancel_wait(x);
    exchange_release_upstream(x, false);
    x->state = EXCHANGE_REPLY;
    head_init(&x->response_head, &x->arena);
    x->response_head.status = status;
    x->response_head.version_minor = 1;
    if (type.n > 0)
        head_add_id(&x->response_head, HEADER_CONTENT_TYPE, type);
    x->response = (struct message){.head = &x->response_head,
                                   .has_body = body.n > 0 && !x->is_head_request,
                                   .length_known = true,
                                   .length = body.n};
    for (size_t i = 0; pipeline_filters[i] != NULL; i++)
        if (pipeline_filters[i](x, &x->response) != NEXT_GO)
            return NEXT_REPLIED;
    x->response_started = true;
    x->client->ops->send_head(x->client, &x->response);
    if (x->response.has_body) {
        x->client->ops->send_body(x->client, body);
        x->response_bytes = body.n;
    }
    x->client->ops->send_end(x->client, NULL);
    exchange_end(x, END_COMPLETE);
    return NEXT_REPLIED;
}

enum next reply_content(struct exchange *x, unsigned status, struct slice content_type,
                        struct slice body)
{
    return send_reply(x, status, content_type, body);
}

void reply_add(struct exchange *x, struct slice name, struct slice value)
{
    head_add(&x->extra_head, name, value);
}

static bool wants_problem_json(const struct exchange *x)
{
    struct slice rest = head_value(&x->request_head, HEADER_ACCEPT);

    while (rest.p != NULL) {
        struct slice item = slice_trim(slice_cut(&rest, ','));

        if (slice_starts_ci(item, SLICE("application/problem+json")))
            return true;
    }
    return false;
}

/* RFC 6750 §3: the error is named only when a credential was sent. */
static void add_challenge(struct exchange *x)
{
    bool sent = head_find(&x->request_head, HEADER_AUTHORIZATION) != NULL ||
                head_find(&x->request_head, HEADER_X_API_KEY) != NULL;

    head_add_id(&x->extra_head, HEADER_WWW_AUTHENTICATE,
                sent ? SLICE("Bearer realm=\"postern\", error=\"invalid_token\"")
                     : SLICE("Bearer realm=\"postern\""));
}

enum next reply_problem(struct exchange *x, enum problem p, const char *reason, struct slice detail)
{
    enum problem_style style = x->route != NULL ? x->route->errors : PROBLEM_STYLE_GATEWAY;
    struct buf text;
    struct slice body;

    x->problem = p;
    x->has_problem = true;
    x->reason = reason;
    if (x->request_id.n == 0) {
        char id[UUID_CHARS + 1];

        random_uuid7(id);
        x->request_id = arena_dup(&x->arena, slice_of(id, UUID_CHARS));
    }
    if (problem_status(p) == 401)
        add_challenge(x);
    if (problem_status(p) == 503 && head_find(&x->extra_head, HEADER_RETRY_AFTER) == NULL)
        head_add_id(&x->extra_head, HEADER_RETRY_AFTER, SLICE("2"));
    buf_init(&text);
    problem_write(&text, p, style, detail, x->request_id);
    body = arena_dup(&x->arena, buf_slice(&text));
    buf_fini(&text);
    return send_reply(x, problem_status(p),
                      wants_problem_json(x) ? SLICE("application/problem+json")
                                            : SLICE("application/json"),
                      body);
}
