#include "http/h1_write.h"

#include "http/h1_field.h"
#include "http/octet.h"

static void add_crlf(struct buf *out)
{
    buf_add(out, SLICE("\r\n"));
}

/* One line, in one go; what could split the message is a broken invariant. */
static void add_field(struct buf *out, struct slice name, struct slice value)
{
    char *at;

    CHECK(h1_is_token(name) && h1_is_value(value));
    at = buf_room(out, name.n + value.n + 4);
    memcpy(at, name.p, name.n);
    at += name.n;
    *at++ = ':';
    *at++ = ' ';
    if (value.n > 0)
        memcpy(at, value.p, value.n);
    at += value.n;
    *at++ = '\r';
    *at = '\n';
    buf_commit(out, name.n + value.n + 4);
}

static void add_fields(struct buf *out, const struct head *head)
{
    for (size_t i = 0; i < head->count; i++)
        if ((header_flags(head->fields[i].id) & (HEADER_FLAG_FRAMING | HEADER_FLAG_HOP)) == 0)
            add_field(out, head->fields[i].name, head->fields[i].value);
}

/* Once for the whole head; SPARE is for what is not among its fields. */
static void make_room(struct buf *out, const struct head *head)
{
    enum { SPARE = 160, PER_FIELD = 4 };
    size_t n = SPARE + head->method.n + head->target.n + head->authority.n;

    for (size_t i = 0; i < head->count; i++)
        n += head->fields[i].name.n + head->fields[i].value.n + PER_FIELD;
    buf_room(out, n);
}

static void add_length(struct buf *out, uint64_t n)
{
    char room[U64_DIGITS];

    add_field(out, SLICE("Content-Length"), slice_from_u64(n, room));
}

static void add_framing(struct buf *out, enum h1_framing framing, uint64_t content_length)
{
    if (framing == H1_FRAMING_LENGTH)
        add_length(out, content_length);
    else if (framing == H1_FRAMING_CHUNKED)
        buf_add(out, SLICE("Transfer-Encoding: chunked\r\n"));
}

static void add_upgrade(struct buf *out)
{
    buf_add(out, SLICE("Connection: upgrade\r\nUpgrade: websocket\r\n"));
}

/* Methods whose content is expected say so even when it is empty (RFC 9110 §8.6). */
static bool expects_content(struct slice method)
{
    return slice_eq(method, SLICE("POST")) || slice_eq(method, SLICE("PUT")) ||
           slice_eq(method, SLICE("PATCH"));
}

void h1_write_request(struct buf *out, const struct head *head, enum h1_framing framing,
                      uint64_t content_length, bool upgrade_websocket)
{
    CHECK(framing != H1_FRAMING_CLOSE);
    CHECK(h1_is_token(head->method) && head->target.n > 0);
    CHECK(octet_span(head->target, 0, OCTET_TARGET) == head->target.n);
    make_room(out, head);
    buf_add(out, head->method);
    buf_add_char(out, ' ');
    buf_add(out, head->target);
    buf_add(out, SLICE(" HTTP/1.1\r\n"));
    add_field(out, SLICE("Host"), head->authority);
    add_fields(out, head);
    if (framing == H1_FRAMING_NONE && expects_content(head->method))
        add_length(out, 0);
    else
        add_framing(out, framing, content_length);
    if (upgrade_websocket)
        add_upgrade(out);
    add_crlf(out);
}

static void add_status_line(struct buf *out, unsigned status)
{
    char line[] = "HTTP/1.1 000 ";

    CHECK(status >= 100 && status <= 999);
    line[9] = (char)('0' + status / 100);
    line[10] = (char)('0' + status / 10 % 10);
    line[11] = (char)('0' + status % 10);
    buf_add(out, slice_of(line, sizeof(line) - 1));
    buf_add(out, h1_reason(status));
    add_crlf(out);
}

void h1_write_response(struct buf *out, const struct head *head, enum h1_framing framing,
                       uint64_t content_length, bool close)
{
    make_room(out, head);
    add_status_line(out, head->status);
    add_fields(out, head);
    if (head->status >= 200 && head->status != 204)
        add_framing(out, framing, content_length);
    if (head->status == 101)
        add_upgrade(out);
    else if (close)
        buf_add(out, SLICE("Connection: close\r\n"));
    add_crlf(out);
}

size_t h1_write_chunk_head(char out[H1_CHUNK_HEAD_MAX], uint64_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 1, at;

    CHECK(bytes > 0);
    while (n < 16 && bytes >> (4 * n) != 0)
        n++;
    for (at = 0; at < n; at++)
        out[at] = digits[bytes >> (4 * (n - 1 - at)) & 15];
    out[at++] = '\r';
    out[at++] = '\n';
    return at;
}

void h1_write_last_chunk(struct buf *out, const struct head *trailers)
{
    buf_add(out, SLICE("0\r\n"));
    if (trailers != NULL)
        add_fields(out, trailers);
    add_crlf(out);
}
