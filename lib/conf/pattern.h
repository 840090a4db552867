#ifndef CONF_PATTERN_H
#define CONF_PATTERN_H

#include "base/arena.h"
#include "base/err.h"

/*
 * The path of a route: "/v1/jobs/{id}/files/" followed by "**" for the rest. Literal segments are
 * compared byte by byte with a normalised path, {name} takes one segment that is not
 * empty, a last ** takes any number of segments, also none. A '/' at the end decides nothing.
 */
enum { PATTERN_SEGMENTS_MAX = 32, PATTERN_NAMES_MAX = 8 };

struct pattern {
    struct {
        bool is_name;
        struct slice text; /* the name without braces, or the literal */
    } segments[PATTERN_SEGMENTS_MAX];
    size_t count;
    bool has_rest;
};

/*
 * Slices of out point into text.
 *
 * arena   for the check that literals are as path_normalise() leaves them
 * why     on ERR_SYNTAX: a sentence, in arena
 */
enum err pattern_parse(struct slice text, struct arena *arena, struct pattern *out,
                       struct slice *why) MUST_USE;

bool pattern_has_name(const struct pattern *p, struct slice name);

/* A text that is the same for patterns that match the same paths: "/jobs/{}/" and "**". */
struct slice pattern_shape(const struct pattern *p, struct arena *arena);

/*
 * A rewrite such as "/v2/{id}/{rest}". Calls add for each literal piece and each name in order.
 * ERR_SYNTAX when a brace is open or a name is empty.
 */
typedef void pattern_piece_fn(void *arg, struct slice piece, bool is_name);
enum err pattern_expand(struct slice rewrite, pattern_piece_fn *add, void *arg) MUST_USE;

#endif
