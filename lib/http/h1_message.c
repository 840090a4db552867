#include "http/h1_message.h"

#include "http/h1_field.h"
#include "http/octet.h"

/* Which rows of header.def occurred so far. */
struct seen {
    uint64_t bits[(HEADER_COUNT + 63) / 64];
};

static bool is_second(struct seen *seen, enum header id)
{
    uint64_t bit = UINT64_C(1) << ((unsigned)id % 64), *word = &seen->bits[(unsigned)id / 64];
    bool second = (*word & bit) != 0;

    *word |= bit;
    return second;
}

/* Two lengths leave no message to speak of; of two credentials the sender may hear (incidents H6).
 */
static enum h1_result check_single(struct seen *seen, enum header id, bool once)
{
    unsigned flags = header_flags(id);
    bool always = id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING;

    if (!(always || (once && (flags & HEADER_FLAG_ONCE) != 0)) || !is_second(seen, id))
        return H1_DONE;
    return (flags & HEADER_FLAG_FRAMING) != 0 ? H1_BAD : H1_DUPLICATE;
}

/* Elements of a list field, empty ones too. */
static size_t list_elements(struct slice value)
{
    size_t n = 1;

    for (size_t at = slice_find(value, ',', 0); at < value.n; at = slice_find(value, ',', at + 1))
        n++;
    return n;
}

/* Each name in Connection costs a walk over the fields: a head of commas must not cost a million.
 */
static bool is_connection_too_long(const struct field *f, size_t *names)
{
    if (f->id == HEADER_CONNECTION)
        *names += list_elements(f->value);
    return *names > H1_CONNECTION_NAMES_MAX;
}

enum h1_result h1_parse_fields(struct slice bytes, size_t at, const struct h1_limits *limits,
                               bool once, struct head *head)
{
    struct seen seen = {{0}};
    struct slice name, value;
    enum h1_result r;
    size_t connection_names = 0;

    while (at < bytes.n && bytes.p[at] != '\r') {
        if (!h1_field_line(bytes, &at, &name, &value))
            return H1_BAD;
        if (head->count >= limits->field_count)
            return H1_TOO_LARGE;
        head_add(head, name, value);
        if ((r = check_single(&seen, head->fields[head->count - 1].id, once)) != H1_DONE)
            return r;
        if (is_connection_too_long(&head->fields[head->count - 1], &connection_names))
            return H1_TOO_LARGE;
    }
    return h1_has_crlf(bytes, at) && at + 2 == bytes.n ? H1_DONE : H1_BAD;
}

enum h1_result h1_parse_length(const struct head *head, struct h1_length *out)
{
    const struct field *length = head_find(head, HEADER_CONTENT_LENGTH);
    const struct field *coding = head_find(head, HEADER_TRANSFER_ENCODING);

    *out = (struct h1_length){0};
    if (coding != NULL) {
        if (length != NULL || head->version_minor == 0 ||
            !slice_eq_ci(coding->value, SLICE("chunked")))
            return H1_BAD;
        out->is_chunked = true;
    }
    if (length != NULL) {
        if (!slice_u64(length->value, INT64_MAX, &out->bytes))
            return H1_BAD;
        out->has_length = true;
    }
    return H1_DONE;
}

enum h1_result h1_parse_version(struct slice s, uint8_t *minor)
{
    if (s.n < H1_VERSION_CHARS || !slice_starts(s, SLICE("HTTP/")) ||
        !octet_is(s.p[5], OCTET_DIGIT) || s.p[6] != '.' || !octet_is(s.p[7], OCTET_DIGIT))
        return H1_BAD;
    if (s.p[5] != '1' || s.p[7] > '1')
        return H1_VERSION;
    *minor = (uint8_t)(s.p[7] - '0');
    return H1_DONE;
}

bool h1_is_persistent(const struct head *head)
{
    if (head_has_token(head, HEADER_CONNECTION, SLICE("close")))
        return false;
    return head->version_minor == 1 || head_has_token(head, HEADER_CONNECTION, SLICE("keep-alive"));
}
