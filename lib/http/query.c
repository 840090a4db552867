#include "http/path.h"

#include "http/octet.h"

/* The byte that starts at *at, decoded, and *at behind it; -1 for a bad escape. */
static int next_byte(struct slice s, size_t *at, bool plus_is_space)
{
    char c = s.p[(*at)++];

    if (c == '+' && plus_is_space)
        return ' ';
    if (c != '%')
        return (unsigned char)c;
    if (s.n - *at < 2 || !octet_is(s.p[*at], OCTET_HEX) || !octet_is(s.p[*at + 1], OCTET_HEX))
        return -1;
    *at += 2;
    return (int)(octet_hex(s.p[*at - 2]) << 4 | octet_hex(s.p[*at - 1]));
}

/* Is written, decoded, the same as name? A bad escape stands for itself. */
static bool names(struct slice written, struct slice name)
{
    size_t at = 0, i = 0;

    while (at < written.n && i < name.n) {
        int c = next_byte(written, &at, true);

        if (c < 0)
            c = '%';
        if (c != (unsigned char)name.p[i++])
            return false;
    }
    return at == written.n && i == name.n;
}

struct slice query_find(struct slice query, struct slice name, size_t *count)
{
    struct slice found = SLICE_NONE, rest = query;
    size_t n = 0;

    while (rest.p != NULL) {
        struct slice value = slice_cut(&rest, '&');
        struct slice written = slice_cut(&value, '=');

        /* "&&" has no parameter between; a name alone has an empty value. */
        if ((written.n == 0 && value.p == NULL) || !names(written, name))
            continue;
        if (n++ == 0)
            found = value.p != NULL ? value : slice_from(written, written.n);
    }
    if (count != NULL)
        *count = n;
    return found;
}

enum err percent_decode(struct slice s, bool plus_is_space, struct arena *arena, struct slice *out)
{
    char *text = arena_alloc(arena, s.n + 1);
    size_t at = 0, n = 0;

    while (at < s.n) {
        int c = next_byte(s, &at, plus_is_space);

        if (c <= 0)
            return ERR_SYNTAX;
        text[n++] = (char)c;
    }
    text[n] = '\0';
    *out = slice_of(text, n);
    return ERR_OK;
}
