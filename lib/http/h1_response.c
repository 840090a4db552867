#include "http/h1_message.h"

#include "http/h1_field.h"
#include "http/octet.h"

static bool parse_status(struct slice bytes, size_t at, unsigned *status)
{
    if (bytes.n - at < 5 || bytes.p[at] != ' ' || bytes.p[at + 1] < '1' ||
        octet_span(slice_to(bytes, at + 4), at + 1, OCTET_DIGIT) != at + 4 ||
        bytes.p[at + 4] != ' ')
        return false;
    *status = (unsigned)(bytes.p[at + 1] - '0') * 100 + (unsigned)(bytes.p[at + 2] - '0') * 10 +
              (unsigned)(bytes.p[at + 3] - '0');
    return true;
}

/* HTTP-version SP 3DIGIT SP [reason-phrase] CRLF (RFC 9112 §4); the reason is not kept. */
static enum h1_result parse_status_line(struct slice bytes, size_t *at, struct head *head)
{
    enum h1_result r = h1_parse_version(bytes, &head->version_minor);

    if (r != H1_DONE)
        return r;
    if (!parse_status(bytes, H1_VERSION_CHARS, &head->status))
        return H1_BAD;
    *at = octet_span(bytes, H1_VERSION_CHARS + 5, OCTET_VALUE);
    if (!h1_has_crlf(bytes, *at))
        return H1_BAD;
    *at += 2;
    return H1_DONE;
}

static bool is_bodiless(struct slice request_method, unsigned status)
{
    return status < 200 || status == 204 || status == 304 ||
           slice_eq(request_method, SLICE("HEAD"));
}

static enum h1_result set_framing(const struct head *head, struct slice request_method,
                                  struct h1_response *out)
{
    struct h1_length length;

    if (h1_parse_length(head, &length) != H1_DONE)
        return H1_BAD;
    out->content_length = length.bytes;
    if (is_bodiless(request_method, head->status))
        out->framing = H1_FRAMING_NONE;
    else if (length.is_chunked)
        out->framing = H1_FRAMING_CHUNKED;
    else
        out->framing = length.has_length ? H1_FRAMING_LENGTH : H1_FRAMING_CLOSE;
    return H1_DONE;
}

/* A 204 that announces a body it must not have may send it all the same (RFC 9112 §6.3). */
static bool announces_stray_body(const struct head *head, const struct h1_response *r)
{
    return head->status == 204 &&
           (r->content_length > 0 || head_find(head, HEADER_TRANSFER_ENCODING) != NULL);
}

enum h1_result h1_parse_response(struct slice bytes, const struct h1_limits *limits,
                                 struct slice request_method, struct head *head,
                                 struct h1_response *out)
{
    struct h1_response response = {0};
    enum h1_result r;
    size_t at;

    if (bytes.n > limits->head_bytes)
        return H1_TOO_LARGE;
    if ((r = parse_status_line(bytes, &at, head)) != H1_DONE ||
        (r = h1_parse_fields(bytes, at, limits, false, head)) != H1_DONE ||
        (r = set_framing(head, request_method, &response)) != H1_DONE)
        return r;
    response.is_upgrade = head->status == 101;
    response.keep_alive = h1_is_persistent(head) && response.framing != H1_FRAMING_CLOSE &&
                          !response.is_upgrade && !announces_stray_body(head, &response);
    *out = response;
    return H1_DONE;
}
