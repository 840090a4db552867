#include "http/h1_field.h"

#include "http/octet.h"

/* Index of the first byte that a field value cannot hold, or the end. */
static size_t value_end(struct slice s, size_t at)
{
    while ((at = octet_find_control(s, at)) < s.n && s.p[at] == '\t')
        at++;
    return at;
}

bool h1_is_value(struct slice s)
{
    return value_end(s, 0) == s.n;
}

bool h1_field_line(struct slice bytes, size_t *at, struct slice *name, struct slice *value)
{
    size_t colon = octet_span(bytes, *at, OCTET_TOKEN), end;

    if (colon == *at || colon == bytes.n || bytes.p[colon] != ':')
        return false;
    end = value_end(bytes, colon + 1);
    if (!h1_has_crlf(bytes, end))
        return false;
    *name = slice_of(bytes.p + *at, colon - *at);
    *value = slice_trim(slice_of(bytes.p + colon + 1, end - colon - 1));
    *at = end + 2;
    return true;
}
