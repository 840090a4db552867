#include "http/path.h"

#include "http/octet.h"
#include "http/utf8.h"

/* The normalised path as it is written; never longer than the target. */
struct output {
    char *p;
    size_t n;
    size_t segment; /* where the current segment starts, behind its '/' */
    bool has_encoded_slash, has_parameter;
};

static bool is_escape(struct slice s, size_t at)
{
    return s.n - at >= 3 && s.p[at] == '%' && octet_is(s.p[at + 1], OCTET_HEX) &&
           octet_is(s.p[at + 2], OCTET_HEX);
}

static unsigned char escaped_byte(struct slice s, size_t at)
{
    return (unsigned char)(octet_hex(s.p[at + 1]) << 4 | octet_hex(s.p[at + 2]));
}

static void put_escape(struct output *out, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";

    out->p[out->n++] = '%';
    out->p[out->n++] = digits[byte >> 4];
    out->p[out->n++] = digits[byte & 15];
}

/* The escapes of one character outside ASCII; all of them or none (RFC 3629). */
static enum err put_utf8(struct slice s, size_t *at, struct output *out)
{
    unsigned char bytes[4];
    size_t n = 0, length;

    while (n < sizeof(bytes) && is_escape(s, *at + 3 * n)) {
        bytes[n] = escaped_byte(s, *at + 3 * n);
        n++;
        if (*at + 3 * n >= s.n)
            break;
    }
    length = utf8_length(slice_of(bytes, n), 0);
    if (length < 2)
        return ERR_SYNTAX;
    for (size_t i = 0; i < length; i++)
        put_escape(out, bytes[i]);
    *at += 3 * length;
    return ERR_OK;
}

static enum err put_escaped(struct slice s, size_t *at, bool keep_encoded_slash, struct output *out)
{
    unsigned char byte;

    if (!is_escape(s, *at))
        return ERR_SYNTAX;
    byte = escaped_byte(s, *at);
    if (byte >= 0x80)
        return put_utf8(s, at, out);
    if (byte < 0x20 || byte == 0x7f || byte == '\\' || (byte == '/' && !keep_encoded_slash))
        return ERR_SYNTAX;
    out->has_encoded_slash = out->has_encoded_slash || byte == '/';
    out->has_parameter = out->has_parameter || byte == ';';
    if (octet_is((char)byte, OCTET_UNRESERVED))
        out->p[out->n++] = (char)byte;
    else
        put_escape(out, byte);
    *at += 3;
    return ERR_OK;
}

static bool is_dots(struct slice s)
{
    return slice_eq(s, SLICE(".")) || slice_eq(s, SLICE(".."));
}

/* Length of the separator at s.p[at] that ends what could be read as dots: ';', "%3B", "%2F". */
static size_t separator(struct slice s, size_t at, bool *is_slash)
{
    struct slice rest = slice_from(s, at);

    *is_slash = slice_starts(rest, SLICE("%2F"));
    if (*is_slash || slice_starts(rest, SLICE("%3B")))
        return 3;
    return slice_starts(rest, SLICE(";")) ? 1 : 0;
}

/*
 * Dots that only another reader would see as a segment: between encoded slashes, or
 * before a parameter ("..;"). They are refused, since some servers resolve them.
 */
static bool has_hidden_dots(struct slice segment)
{
    bool in_parameter = false, is_slash;
    size_t piece = 0, at = 0, n;

    while (at < segment.n) {
        n = separator(segment, at, &is_slash);
        if (n > 0 && !in_parameter && is_dots(slice_of(segment.p + piece, at - piece)))
            return true;
        if (n > 0)
            in_parameter = !is_slash;
        at += n > 0 ? n : 1;
        if (n > 0)
            piece = at;
    }
    return piece > 0 && !in_parameter && is_dots(slice_from(segment, piece));
}

/* Ends the current segment: drops it, steps up, or keeps it with its '/'. */
static enum err end_segment(struct output *out, bool more)
{
    struct slice segment = slice_of(out->p + out->segment, out->n - out->segment);

    if (segment.n == 0)
        return ERR_OK;
    if (is_dots(segment)) {
        out->n = out->segment;
        if (segment.n == 2) {
            if (out->segment == 1)
                return ERR_SYNTAX;
            for (out->n--; out->p[out->n - 1] != '/'; out->n--)
                ;
        }
        out->segment = out->n;
        return ERR_OK;
    }
    if ((out->has_encoded_slash || out->has_parameter) && has_hidden_dots(segment))
        return ERR_SYNTAX;
    if (more)
        out->p[out->n++] = '/';
    out->segment = out->n;
    return ERR_OK;
}

static enum err put_char(struct slice s, size_t *at, struct output *out)
{
    char c = s.p[(*at)++];

    if (!octet_is(c, OCTET_TARGET) || c == '\\')
        return ERR_SYNTAX;
    out->has_parameter = out->has_parameter || c == ';';
    out->p[out->n++] = c;
    return ERR_OK;
}

static enum err normalise(struct slice s, bool keep_encoded_slash, struct output *out)
{
    enum err e = ERR_OK;
    size_t at = 1;

    out->p[out->n++] = '/';
    out->segment = 1;
    while (at < s.n && e == ERR_OK) {
        if (s.p[at] == '/') {
            at++;
            e = end_segment(out, true);
        } else if (s.p[at] == '%') {
            e = put_escaped(s, &at, keep_encoded_slash, out);
        } else {
            e = put_char(s, &at, out);
        }
    }
    return e == ERR_OK ? end_segment(out, false) : e;
}

enum err path_normalise(struct slice target, bool keep_encoded_slash, struct arena *arena,
                        struct path *out)
{
    struct slice query = target, text = slice_cut(&query, '?');
    struct output o = {0};
    enum err e;

    if (slice_eq(target, SLICE("*"))) {
        *out = (struct path){.text = SLICE("*"), .query = SLICE_NONE};
        return ERR_OK;
    }
    if (text.n == 0 || text.p[0] != '/' || octet_span(query, 0, OCTET_TARGET) != query.n)
        return ERR_SYNTAX;
    o.p = arena_alloc(arena, text.n);
    if ((e = normalise(text, keep_encoded_slash, &o)) != ERR_OK)
        return e;
    *out = (struct path){
        .text = slice_of(o.p, o.n), .query = query, .has_encoded_slash = o.has_encoded_slash};
    return ERR_OK;
}

bool path_next(struct slice *rest, struct slice *segment)
{
    size_t end;

    if (rest->n == 0 || rest->p[0] != '/')
        return false;
    end = slice_find(*rest, '/', 1);
    *segment = slice_of(rest->p + 1, end - 1);
    *rest = slice_from(*rest, end);
    return true;
}
