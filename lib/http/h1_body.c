#include "http/h1_body.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "http/h1_field.h"
#include "http/octet.h"

#include <stdlib.h>

/*
 * chunked-body (RFC 9112 §7.1):
 *
 *   SIZE ─ hex ─► SIZE ─ CR ─► SIZE_LF ─ LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE
 *                  │ ';'  ▲                └ size 0 ─► LINE ─ CR ─► END_LF ─► DONE
 *                  ▼      │ CR                          │ ▲
 *            SPACE, EXTENSION                           ▼ │
 *                                                     TRAILER ─ CR ─► TRAILER_LF
 */
enum state {
    SIZE,
    SPACE, /* behind the size; only ';' may follow */
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE, /* at the start of a trailer line */
    TRAILER,
    TRAILER_LF,
    END_LF,
    DONE,
    BAD,
};

enum { SIZE_DIGITS_MAX = 16 };

void h1_body_init(struct h1_body *b, enum h1_framing framing, uint64_t content_length,
                  struct arena *arena)
{
    *b = (struct h1_body){.framing = framing, .arena = arena, .state = DATA};
    if (framing == H1_FRAMING_CHUNKED)
        b->state = SIZE;
    else if (framing == H1_FRAMING_LENGTH)
        b->left = content_length;
    if (framing == H1_FRAMING_NONE || (framing == H1_FRAMING_LENGTH && content_length == 0))
        b->state = DONE;
}

static void drop_trailer_text(struct h1_body *b)
{
    if (b->trailer_text != NULL)
        buf_fini(b->trailer_text);
    free(b->trailer_text);
    b->trailer_text = NULL;
}

void h1_body_fini(struct h1_body *b)
{
    drop_trailer_text(b);
}

static enum state take_size(struct h1_body *b, char c)
{
    if (octet_is(c, OCTET_HEX)) {
        if (b->digits == SIZE_DIGITS_MAX)
            return BAD;
        b->digits++;
        b->left = b->left << 4 | octet_hex(c);
        return SIZE;
    }
    if (b->digits == 0)
        return BAD;
    b->line_bytes = 0;
    return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : c == ' ' || c == '\t' ? SPACE : BAD;
}

static enum state take_extension(struct h1_body *b, char c)
{
    if (c == '\r' && b->state == EXTENSION)
        return SIZE_LF;
    if (++b->line_bytes > H1_EXTENSION_BYTES_MAX || !octet_is(c, OCTET_VALUE))
        return BAD;
    if (b->state == EXTENSION || c == ';')
        return EXTENSION;
    return c == ' ' || c == '\t' ? SPACE : BAD;
}

/* One byte of data a kilobyte of extensions would pass every limit on bodies. */
static bool has_excess(struct h1_body *b)
{
    if (b->line_bytes == 0)
        return false;
    b->excess_bytes += b->line_bytes;
    b->excess_bytes -= b->left < b->excess_bytes ? b->left : b->excess_bytes;
    return b->excess_bytes > H1_EXCESS_BYTES_MAX;
}

static enum state end_of_size(struct h1_body *b)
{
    if (has_excess(b))
        return BAD;
    b->digits = 0;
    b->line_bytes = 0;
    return b->left > 0 ? DATA : LINE;
}

static enum state keep_trailer_byte(struct h1_body *b, char c, enum state next)
{
    if (++b->line_bytes > H1_TRAILER_BYTES_MAX)
        return BAD;
    if (b->trailer_text == NULL) {
        b->trailer_text = mem_alloc(sizeof(*b->trailer_text));
        buf_init(b->trailer_text);
    }
    buf_add_char(b->trailer_text, c);
    return next;
}

static enum state take_line_start(struct h1_body *b, char c)
{
    if (c == '\r')
        return END_LF;
    return octet_is(c, OCTET_TOKEN) ? keep_trailer_byte(b, c, TRAILER) : BAD;
}

static enum state take_trailer(struct h1_body *b, char c)
{
    if (c != '\r' && !octet_is(c, OCTET_VALUE))
        return BAD;
    return keep_trailer_byte(b, c, c == '\r' ? TRAILER_LF : TRAILER);
}

/*
 * The trailer section as fields. Names that the gateway itself gives a meaning, in
 * any spelling, are dropped: framing, routing, identity, credentials (RFC 9110 §6.5.1).
 */
static bool parse_trailers(struct slice text, struct head *out)
{
    struct slice name, value;
    size_t at = 0, lines = 0;

    while (at < text.n) {
        if (!h1_field_line(text, &at, &name, &value) || ++lines > H1_TRAILER_COUNT_MAX)
            return false;
        if (out != NULL && header_find_folded(name) == HEADER_OTHER && !header_is_reserved(name))
            head_add(out, name, value);
    }
    return true;
}

static enum state end_of_trailers(struct h1_body *b)
{
    struct slice text;
    struct head *head = NULL;
    bool good;

    if (b->trailer_text == NULL)
        return DONE;
    text = buf_slice(b->trailer_text);
    if (b->arena != NULL) {
        text = arena_dup(b->arena, text);
        head = arena_alloc(b->arena, sizeof(*head));
        head_init(head, b->arena);
    }
    good = parse_trailers(text, head);
    drop_trailer_text(b);
    if (good && head != NULL && head->count > 0)
        b->trailers = head;
    return good ? DONE : BAD;
}

static enum state end_of_trailer_line(struct h1_body *b, char c)
{
    struct slice text, last;
    size_t at = 0, start;

    if (c != '\n' || keep_trailer_byte(b, c, LINE) == BAD)
        return BAD;
    text = buf_slice(b->trailer_text);
    for (start = text.n - 2; start > 0 && text.p[start - 1] != '\n'; start--)
        ;
    last = slice_from(text, start);
    /* A smuggled request line in place of a trailer is refused before its end. */
    return h1_field_line(last, &at, &last, &text) ? LINE : BAD;
}

/* One byte of framing. */
static enum state step(struct h1_body *b, char c)
{
    switch ((enum state)b->state) {
    case SIZE:
        return take_size(b, c);
    case SPACE:
    case EXTENSION:
        return take_extension(b, c);
    case SIZE_LF:
        return c == '\n' ? end_of_size(b) : BAD;
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE : BAD;
    case LINE:
        return take_line_start(b, c);
    case TRAILER:
        return take_trailer(b, c);
    case TRAILER_LF:
        return end_of_trailer_line(b, c);
    case END_LF:
        return c == '\n' ? end_of_trailers(b) : BAD;
    case DATA:
    case DONE:
    case BAD:
        break;
    }
    return BAD;
}

static struct slice take_data(struct h1_body *b, struct slice in)
{
    if (b->framing == H1_FRAMING_CLOSE)
        return in;
    if (in.n > b->left)
        in.n = (size_t)b->left;
    b->left -= in.n;
    if (b->left == 0)
        b->state = b->framing == H1_FRAMING_CHUNKED ? DATA_CR : DONE;
    return in;
}

enum h1_result h1_body_feed(struct h1_body *b, struct slice in, struct slice *data, size_t *used)
{
    size_t at = 0;

    *data = SLICE_NONE;
    while (at < in.n && b->state != DATA && b->state < DONE)
        b->state = (uint8_t)step(b, in.p[at++]);
    if (b->state == DATA && at < in.n) {
        *data = take_data(b, slice_from(in, at));
        at += data->n;
    }
    *used = at;
    return b->state == DONE ? H1_DONE : b->state == BAD ? H1_BAD : H1_MORE;
}

enum h1_result h1_body_eof(const struct h1_body *b)
{
    if (b->state == DONE || (b->framing == H1_FRAMING_CLOSE && b->state == DATA))
        return H1_DONE;
    return H1_BAD;
}
