#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include "base/arena.h"
#include "base/err.h"

/*
 * The path of a route: literal segments, {name} for one segment that is not empty, a last
 * "**" for any number of segments, also none.
 *
 * A literal is compared with a segment of a normalised path after decoding both, so that
 * "/v1/x%3Adelete" cannot slip past a route for "/v1/x:delete" while the server behind
 * reads the same; an encoded slash stays inside its segment. A '/' at the end decides
 * nothing, for the same reason.
 */
enum { PATTERN_SEGMENTS_MAX = 32, PATTERN_NAMES_MAX = 8 };

struct pattern {
    struct {
        bool is_name;
        struct slice text; /* the name without braces, or the literal decoded */
    } segments[PATTERN_SEGMENTS_MAX];
    size_t count;
    bool has_rest;
};

/*
 * Slices of out are in arena or point into text.
 *
 * why  on ERR_SYNTAX: a sentence, in arena
 */
enum err pattern_parse(struct slice text, struct arena *arena, struct pattern *out,
                       struct slice *why) MUST_USE;

bool pattern_has_name(const struct pattern *p, struct slice name);

/* Bytes that are the same for patterns that match the same paths; not for people. */
struct slice pattern_shape(const struct pattern *p, struct arena *arena);

/*
 * A rewrite such as "/v2/{id}/{rest}". Calls add for each literal piece and each name in order.
 * ERR_SYNTAX when a brace is open or a name is empty.
 */
typedef void pattern_piece_fn(void *arg, struct slice piece, bool is_name);
enum err pattern_expand(struct slice rewrite, pattern_piece_fn *add, void *arg) MUST_USE;

#endif
