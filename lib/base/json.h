#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

enum { JSON_DEPTH_MAX = 64 };

/*
 * A JSON text of bounded size as a tree: duplicate members, NUL in strings,
 * invalid UTF-8, nesting over JSON_DEPTH_MAX and bytes after the end are refused
 * before or by jansson (incidents O8).
 *
 * out     owned by the caller, json_decref()
 * errors  ERR_TOO_LARGE (over max_bytes), ERR_SYNTAX
 */
enum err json_read(struct slice text, size_t max_bytes, json_t **out) MUST_USE;

/*
 * Adds s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD, and every
 * control and line separator of Unicode is escaped, so that a line of a log is one to any reader.
 */
void json_add_string(struct buf *b, struct slice s);

/* A member's text, or SLICE_NONE when it is absent or no string. Lives as long as object. */
struct slice json_text(const json_t *object, const char *name);

#endif
