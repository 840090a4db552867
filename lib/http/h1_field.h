#ifndef HTTP_H1_FIELD_H
#define HTTP_H1_FIELD_H

#include "base/slice.h"

/*
 * One field line, for heads and trailers alike (RFC 9112 §5): token name, ':' at
 * once, a value without control bytes, exact CRLF, no folding.
 *
 * at       where the line starts; on true, behind its CRLF; else untouched
 * value    without the white space around it
 */
bool h1_field_line(struct slice bytes, size_t *at, struct slice *name, struct slice *value);

/* True when bytes has CRLF at at. */
static inline bool h1_has_crlf(struct slice bytes, size_t at)
{
    return at < bytes.n && bytes.n - at >= 2 && bytes.p[at] == '\r' && bytes.p[at + 1] == '\n';
}

/* True for a value that can be written into a head: no control bytes but HTAB. */
bool h1_is_value(struct slice s);

#endif
