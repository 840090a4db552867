#include "phase/phase.h"

#include "base/clock.h"

static int64_t since(const struct exchange *x, int64_t at_us)
{
    return at_us > 0 ? at_us - x->began_us : -1;
}

static const char *close_reason(const struct exchange *x, enum end_reason why)
{
    if (why == END_COMPLETE && x->is_detached)
        why = END_CLIENT_GONE; /* nobody saw the end */
    return why != END_COMPLETE ? end_reason_text(why) : NULL;
}

/* Runs once at the end of every exchange, whatever happened: one access line, one count. */
void phase_record(struct exchange *x, enum end_reason why)
{
    char ip[ADDR_TEXT_MAX + 1];
    int64_t total_us = clock_mono_us() - x->began_us;
    unsigned status = x->response_started ? x->response_head.status : 0;
    struct slice route = x->route != NULL      ? x->route->name
                         : x->endpoint != NULL ? SLICE("postern")
                                               : SLICE_NONE;

    count_request(x->worker->counters, x->route != NULL ? x->route->index : 0, status, total_us);
    count(x->worker->counters, METRIC_REQUEST_BYTES, (long)x->request_bytes);
    count(x->worker->counters, METRIC_RESPONSE_BYTES, (long)x->response_bytes);
    access_log_add(x->worker->access_log,
                   &(struct access_entry){
                       .request_id = x->request_id,
                       .trace_id = x->trace_id,
                       .method = x->request_head.method,
                       .host = x->host,
                       .path = x->path.text,
                       .route = route,
                       .user_id = x->who != NULL ? x->who->user_id : SLICE_NONE,
                       .key_id = x->who != NULL ? x->who->key_id : x->auth.refused_key_id,
                       .auth_method = x->who != NULL ? method_name(x->who->method) : SLICE_NONE,
                       .client_ip = addr_write(&x->client_addr, ip),
                       .upstream = x->upstream_name,
                       .user_agent = head_value(&x->request_head, HEADER_USER_AGENT),
                       .tls_version = x->peer != NULL ? x->peer->tls_version : SLICE_NONE,
                       .problem = x->has_problem ? problem_code(x->problem) : NULL,
                       .reason = x->reason,
                       .close_reason = close_reason(x, why),
                       .status = status,
                       .request_bytes = x->request_bytes,
                       .response_bytes = x->response_bytes,
                       .auth_us = since(x, x->auth_us),
                       .limit_us = since(x, x->limit_us),
                       .upstream_us = since(x, x->upstream_us),
                       .first_byte_us = since(x, x->first_byte_us),
                       .total_us = total_us,
                       .attempts = x->attempts,
                   });
}
