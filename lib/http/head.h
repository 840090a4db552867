#ifndef HTTP_HEAD_H
#define HTTP_HEAD_H

#include "base/arena.h"
#include "base/err.h"
#include "http/header.h"

/* One field line. Name and value are borrowed (usually from the exchange's arena). */
struct field {
    struct slice name; /* as received; forwarded in this spelling */
    struct slice value;
    enum header id; /* of the exact name */
};

/*
 * The head of a message, or its trailers: HTTP version 1 and 2 share it.
 * The array lives in arena; removal keeps the order.
 */
struct head {
    struct arena *arena; /* borrowed; fields grow here */
    struct field *fields;
    size_t count, room;
    /* request */
    struct slice method;
    struct slice target;    /* as received: the origin-form path with its query, or "*" */
    struct slice authority; /* Host, or HTTP/2's :authority */
    /* response */
    unsigned status;
    /* both */
    uint8_t version_minor; /* of HTTP/1: 0 or 1 */
};

void head_init(struct head *h, struct arena *arena);

/* Appends. Slices must outlive the head; use arena_dup for text of your own. */
void head_add(struct head *h, struct slice name, struct slice value);
void head_add_id(struct head *h, enum header id, struct slice value);

/* Deletes every field with that exact name, then appends one. */
void head_set(struct head *h, enum header id, struct slice value);
void head_remove(struct head *h, enum header id);
/* Deletes those for which drop() is true; returns how many. */
size_t head_remove_if(struct head *h, bool (*drop)(const struct field *f, void *arg), void *arg);

/* The first field with that exact name, or NULL. */
const struct field *head_find(const struct head *h, enum header id);
/* Its value, or SLICE_NONE. */
struct slice head_value(const struct head *h, enum header id);
size_t head_count(const struct head *h, enum header id);

/* True when a comma-separated list field (all its lines) contains token, any case. */
bool head_has_token(const struct head *h, enum header id, struct slice token);

/*
 * Deletes hop-by-hop fields and those that Connection names, then Connection
 * itself. A reserved, framing or credential name in Connection is not honoured
 * (incidents H4). RFC 9110 §7.6.1. Walks the fields once for each name; the parser lets in
 * few names (H1_CONNECTION_NAMES_MAX).
 */
void head_strip_hop_by_hop(struct head *h);

#endif
