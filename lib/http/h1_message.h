#ifndef HTTP_H1_MESSAGE_H
#define HTTP_H1_MESSAGE_H

#include "http/h1_parse.h"

/* What requests and responses have in common; for h1_request.c and h1_response.c only. */

/*
 * The field lines from at up to the empty line that must end bytes exactly.
 * once  refuse a second occurrence of an ONCE field; the framing fields are
 *       refused twice anyway
 * More than H1_CONNECTION_NAMES_MAX elements in Connection, over all its lines, is H1_TOO_LARGE.
 */
enum { H1_CONNECTION_NAMES_MAX = 64 };
enum h1_result h1_parse_fields(struct slice bytes, size_t at, const struct h1_limits *limits,
                               bool once, struct head *head);

/* What Content-Length and Transfer-Encoding say together (RFC 9112 §6.3). */
struct h1_length {
    bool has_length, is_chunked;
    uint64_t bytes;
};
enum h1_result h1_parse_length(const struct head *head, struct h1_length *out);

/* "HTTP/1.0" or "HTTP/1.1" at the front of s: the minor version. H1_VERSION for another one. */
enum h1_result h1_parse_version(struct slice s, uint8_t *minor);
enum { H1_VERSION_CHARS = 8 };

/* Do version and Connection allow another message? RFC 9112 §9.3. */
bool h1_is_persistent(const struct head *head);

#endif
