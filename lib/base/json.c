#include "base/json.h"

/* Nesting of brackets outside strings; stops the recursion before it starts. */
static bool is_too_deep(struct slice text)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

enum err json_read(struct slice text, size_t max_bytes, json_t **out)
{
    json_t *tree;

    if (text.n > max_bytes)
        return ERR_TOO_LARGE;
    if (text.n == 0 || is_too_deep(text))
        return ERR_SYNTAX;
    tree = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (tree == NULL)
        return ERR_SYNTAX;
    *out = tree;
    return ERR_OK;
}

/* Length of the UTF-8 sequence at s.p[at], or 0 when it is none (RFC 3629 §4). */
static size_t utf8_length(struct slice s, size_t at)
{
    unsigned char c = (unsigned char)s.p[at], d;
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : (c & 0xf0) == 0xe0    ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;

    if (n == 0 || s.n - at < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.p[at + i] & 0xc0) != 0x80)
            return 0;
    if (n < 3)
        return n;
    d = (unsigned char)s.p[at + 1];
    if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) ||
        (c == 0xf4 && d > 0x8f))
        return 0;
    return n;
}

/* The character of a sequence of two or three bytes. */
static unsigned short_character(struct slice s, size_t at, size_t n)
{
    unsigned a = (unsigned char)s.p[at], b = (unsigned char)s.p[at + 1] & 0x3f;

    return n == 2 ? (a & 0x1f) << 6 | b
                  : (a & 0xf) << 12 | b << 6 | ((unsigned char)s.p[at + 2] & 0x3f);
}

/*
 * What is escaped though JSON does not ask for it: readers of lines and terminals take the
 * controls of Latin-1 and Unicode's separators for ends of lines, or worse (incidents H13).
 */
static bool is_control(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static void add_escape(struct buf *b, unsigned c)
{
    if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", (char)c);
    else
        buf_printf(b, "\\u%04x", c);
}

void json_add_string(struct buf *b, struct slice s)
{
    size_t plain = 0, i = 0;

    buf_add_char(b, '"');
    while (i < s.n) {
        size_t n = utf8_length(s, i);
        unsigned c = n == 0   ? 0xfffd
                     : n == 1 ? (unsigned char)s.p[i]
                     : n < 4  ? short_character(s, i, n)
                              : 0x10000;

        if (n > 0 && !is_control(c) && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        buf_add(b, slice_of(s.p + plain, i - plain));
        add_escape(b, c);
        i += n > 0 ? n : 1;
        plain = i;
    }
    buf_add(b, slice_from(s, plain));
    buf_add_char(b, '"');
}

struct slice json_text(const json_t *object, const char *name)
{
    const json_t *member = json_object_get(object, name);

    if (!json_is_string(member))
        return SLICE_NONE;
    return slice_of(json_string_value(member), json_string_length(member));
}
