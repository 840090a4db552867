#include "http/h1_parse.h"

#include "http/octet.h"

enum { LEADING_BYTES_MAX = 4 }; /* two empty lines */

/* Where the start line begins: H1_DONE with *start set, H1_MORE or H1_BAD. */
static enum h1_result find_start(struct slice s, bool leading_crlf, size_t *start)
{
    size_t at = 0;

    while (leading_crlf && at < LEADING_BYTES_MAX && at < s.n && s.p[at] == '\r') {
        if (at + 1 == s.n)
            return H1_MORE;
        if (s.p[at + 1] != '\n')
            return H1_BAD;
        at += 2;
    }
    if (at == s.n)
        return H1_MORE;
    *start = at;
    /* A TLS ClientHello on a plain port ends here. */
    return octet_is(s.p[at], OCTET_TOKEN) ? H1_DONE : H1_BAD;
}

/*
 * Each byte is judged by itself and the three before it, so the verdict on a byte
 * is the same whether it came alone or with the rest.
 */
static enum h1_result find_end(struct slice s, size_t at, size_t *head_bytes)
{
    if (at < s.n && s.p[at - 1] == '\r' && s.p[at] != '\n')
        return H1_BAD;
    while ((at = octet_find_control(s, at)) < s.n) {
        switch (s.p[at]) {
        case '\t':
            break;
        case '\r':
            if (at + 1 < s.n && s.p[at + 1] != '\n')
                return H1_BAD;
            break;
        case '\n':
            if (s.p[at - 1] != '\r')
                return H1_BAD;
            if (at >= 2 && s.p[at - 2] == '\n') {
                *head_bytes = at + 1;
                return H1_DONE;
            }
            break;
        default:
            return H1_BAD;
        }
        at++;
    }
    return H1_MORE;
}

/* What a head over its limit is: 414 when not even the target has ended (RFC 9112 §3). */
static enum h1_result over_limit(struct slice s, size_t start, bool is_request)
{
    if (is_request && slice_find(s, '\n', start) == s.n && slice_find(s, ' ', start) < s.n)
        return H1_URI_TOO_LONG;
    return H1_TOO_LARGE;
}

/* Behind the first byte of the start line; a reload may have made the limit smaller than before. */
static size_t first_unseen(const struct h1_scan *scan, struct slice s, size_t start)
{
    size_t seen = scan->seen < s.n ? scan->seen : s.n;

    return seen > start ? seen : start + 1;
}

enum h1_result h1_scan_head(struct h1_scan *scan, struct slice bytes, size_t limit,
                            bool leading_crlf, size_t *head_bytes)
{
    struct slice s = slice_to(bytes, limit);
    size_t start = 0;
    enum h1_result r = find_start(s, leading_crlf, &start);

    if (r == H1_DONE)
        r = find_end(s, first_unseen(scan, s, start), head_bytes);
    if (r != H1_MORE)
        return r;
    scan->seen = s.n;
    return s.n < limit ? H1_MORE : over_limit(s, start, leading_crlf);
}
