#include "http/h1_message.h"

#include "http/h1_field.h"
#include "http/octet.h"

/* At most two empty lines before the request line (RFC 9112 §2.2). */
static size_t skip_empty_lines(struct slice bytes)
{
    size_t at = 0;

    while (at < 4 && h1_has_crlf(bytes, at))
        at += 2;
    return at;
}

static enum h1_result parse_method(struct slice bytes, size_t *at, struct slice *method)
{
    size_t end = octet_span(bytes, *at, OCTET_TOKEN);

    if (end == *at || end == bytes.n || bytes.p[end] != ' ')
        return H1_BAD;
    *method = slice_of(bytes.p + *at, end - *at);
    *at = end + 1;
    return H1_DONE;
}

static enum h1_result parse_target(struct slice bytes, size_t *at, size_t most,
                                   struct slice *target)
{
    size_t end = octet_span(bytes, *at, OCTET_TARGET);

    if (end - *at > most)
        return H1_URI_TOO_LONG;
    if (end == *at || end == bytes.n || bytes.p[end] != ' ')
        return H1_BAD;
    *target = slice_of(bytes.p + *at, end - *at);
    *at = end + 1;
    return H1_DONE;
}

static enum h1_result parse_request_line(struct slice bytes, size_t *at, size_t target_max,
                                         struct head *head)
{
    enum h1_result r;

    *at = skip_empty_lines(bytes);
    if ((r = parse_method(bytes, at, &head->method)) != H1_DONE ||
        (r = parse_target(bytes, at, target_max, &head->target)) != H1_DONE ||
        (r = h1_parse_version(slice_from(bytes, *at), &head->version_minor)) != H1_DONE)
        return r;
    *at += H1_VERSION_CHARS;
    if (!h1_has_crlf(bytes, *at))
        return H1_BAD;
    *at += 2;
    return H1_DONE;
}

/* Exactly one Host on 1.1, at most one on 1.0; a second was refused as ONCE (RFC 9112 §3.2). */
static enum h1_result check_host(struct head *head)
{
    const struct field *host = head_find(head, HEADER_HOST);

    if (host == NULL)
        return head->version_minor == 0 ? H1_DONE : H1_BAD;
    if (!h1_is_authority(host->value))
        return H1_BAD;
    head->authority = host->value;
    return H1_DONE;
}

/* Length of "http://" or "https://" in front of an absolute-form target, or 0. */
static size_t scheme_chars(struct slice target)
{
    if (slice_starts_ci(target, SLICE("http://")))
        return 7;
    return slice_starts_ci(target, SLICE("https://")) ? 8 : 0;
}

/* Reduces absolute form to origin form; its authority must say what Host says (RFC 9112 §3.2.2). */
static enum h1_result reduce_target(struct head *head)
{
    size_t from = scheme_chars(head->target), at = from;
    struct slice t = head->target;

    if (from == 0)
        return H1_BAD;
    while (at < t.n && t.p[at] != '/' && t.p[at] != '?')
        at++;
    if (at == from || !slice_eq_ci(slice_of(t.p + from, at - from), head->authority))
        return H1_BAD;
    t = slice_from(t, at);
    if (t.n == 0)
        t = slice_eq(head->method, SLICE("OPTIONS")) ? SLICE("*") : SLICE("/");
    else if (t.p[0] == '?')
        t = arena_printf(head->arena, "/%.*s", SLICE_FMT(t));
    head->target = t;
    return H1_DONE;
}

/* CONNECT would tunnel; TRACE would show the client what we add for the upstream (RFC 9110 §9.3.8).
 */
static bool is_never_forwarded(struct slice method)
{
    return slice_eq(method, SLICE("CONNECT")) || slice_eq(method, SLICE("TRACE"));
}

static enum h1_result check_target(struct head *head)
{
    if (is_never_forwarded(head->method))
        return H1_BAD;
    if (head->target.p[0] == '/')
        return H1_DONE;
    if (slice_eq(head->target, SLICE("*")))
        return slice_eq(head->method, SLICE("OPTIONS")) ? H1_DONE : H1_BAD;
    return reduce_target(head);
}

static enum h1_result set_framing(const struct head *head, struct h1_request *out)
{
    struct h1_length length;

    if (h1_parse_length(head, &length) != H1_DONE)
        return H1_BAD;
    out->framing = length.is_chunked   ? H1_FRAMING_CHUNKED
                   : length.has_length ? H1_FRAMING_LENGTH
                                       : H1_FRAMING_NONE;
    out->content_length = length.bytes;
    return H1_DONE;
}

static void set_expectations(const struct head *head, struct h1_request *out)
{
    const struct field *expect = head_find(head, HEADER_EXPECT);

    if (expect == NULL)
        return;
    if (!slice_eq_ci(expect->value, SLICE("100-continue")))
        out->expect_other = true;
    else /* RFC 9110 §10.1.1: not from HTTP/1.0 */
        out->expect_continue = head->version_minor == 1;
}

static bool is_websocket(const struct head *head)
{
    return head->version_minor == 1 && slice_eq(head->method, SLICE("GET")) &&
           head_count(head, HEADER_UPGRADE) == 1 &&
           slice_eq_ci(head_value(head, HEADER_UPGRADE), SLICE("websocket")) &&
           head_has_token(head, HEADER_CONNECTION, SLICE("upgrade"));
}

enum h1_result h1_parse_request(struct slice bytes, const struct h1_limits *limits,
                                struct head *head, struct h1_request *out)
{
    struct h1_request request = {0};
    enum h1_result r;
    size_t at;

    if (bytes.n > limits->head_bytes)
        return H1_TOO_LARGE;
    if ((r = parse_request_line(bytes, &at, limits->target_bytes, head)) != H1_DONE ||
        (r = h1_parse_fields(bytes, at, limits, true, head)) != H1_DONE ||
        (r = check_host(head)) != H1_DONE || (r = check_target(head)) != H1_DONE ||
        (r = set_framing(head, &request)) != H1_DONE)
        return r;
    set_expectations(head, &request);
    request.keep_alive = h1_is_persistent(head);
    request.upgrade_websocket = request.framing == H1_FRAMING_NONE && is_websocket(head);
    *out = request;
    return H1_DONE;
}
