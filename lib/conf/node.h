#ifndef CONF_NODE_H
#define CONF_NODE_H

#include "conf/conf.h"

/*
 * A YAML document as a tree that knows where everything was written. Scalars are text,
 * whatever they look like: the option decides the type, so "no", "1e3" and "012" stay
 * what they are. ${VAR} and ${VAR:-default} in scalars are already replaced, after
 * parsing, so that a value can never become structure.
 */
enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
    enum node_kind kind;
    struct place at;
    bool is_empty;     /* nothing was written after the key: as if the key were absent */
    struct slice text; /* of a scalar; followed by a NUL */
    struct node **items;
    struct node_key *keys; /* of a map, one for each item */
    size_t count;
};

struct node_key {
    struct slice text;
    struct place at;
};

struct node_source {
    struct slice yaml;
    const char *name; /* of the file, as in messages; lives as long as the arena */
    char *const *env; /* like environ, or NULL */
    struct arena *arena;
    struct complaints *complaints;
};

/* NULL when nothing could be read (a complaint says why) or the document is empty. */
struct node *node_read(const struct node_source *source);

/*
 * One document laid over another: maps merge, lists replace, the same scalar in both is
 * an error that names both places. Either may be NULL. Neither is changed.
 */
struct node *node_merge(struct node *first, struct node *second, struct arena *arena,
                        struct complaints *c);

/* The value of NAME in env, or SLICE_NONE. */
struct slice env_find(char *const *env, struct slice name);
/* Replaces ${...}; on a malformed or unset one complains at and returns false. "$${" is a plain
 * "${". */
bool env_interpolate(const struct node_source *source, struct slice text, struct place at,
                     struct slice *out);

#endif
