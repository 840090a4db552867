#ifndef HTTP_PATH_H
#define HTTP_PATH_H

#include "base/arena.h"
#include "base/err.h"

/*
 * A request target, normalised once; the same bytes decide, are logged and are
 * forwarded (D12, incidents P1-P12).
 *
 * Percent-escapes of unreserved characters are decoded, all others kept with upper
 * case digits; empty segments collapse; "." and ".." segments, plain or escaped,
 * are resolved, and going above the root is refused. Refused with ERR_SYNTAX: an
 * escape that is not two hex digits, %00 and other control bytes, %5C and '\',
 * '#', a byte that is not visible ASCII, overlong or invalid UTF-8 in escapes.
 * %2F is refused unless keep_encoded_slash; then it stays as %2F inside one
 * segment. ';' is an ordinary character, kept and matched literally; but "." or ".."
 * before a ';' or between encoded slashes ("..;", "..%2Fx") is refused, since some
 * servers would resolve it.
 * A trailing '/' is kept.
 */
struct path {
    struct slice text;  /* starts with '/'; "*" for OPTIONS * */
    struct slice query; /* after '?', as received; p NULL when there was no '?' */
    bool has_encoded_slash;
};

/* target  as received (origin form). out's bytes are in arena. */
enum err path_normalise(struct slice target, bool keep_encoded_slash, struct arena *arena,
                        struct path *out) MUST_USE;

/* Splits off the next segment: *rest must start with '/'; false at the end. */
bool path_next(struct slice *rest, struct slice *segment);

/* The value of a query parameter, still escaped. count gets how often the name occurs
 * (names are compared after decoding, incidents P16). SLICE_NONE when absent. */
struct slice query_find(struct slice query, struct slice name, size_t *count);

/* Percent-decodes s into arena. plus_is_space for forms. ERR_SYNTAX on a bad escape or NUL. */
enum err percent_decode(struct slice s, bool plus_is_space, struct arena *arena,
                        struct slice *out) MUST_USE;

#endif
