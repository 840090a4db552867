#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include "ctl.h"

/*
 * Results on stdout. JSON is the HTTP API's object. A table is aligned with a heading on a
 * terminal (or with -o table) and otherwise tab-separated without one, for cut and awk.
 */
struct column {
    const char *member, *title;
};

/* What a kind of thing looks like: its columns, and what -o name and --quiet print. */
struct view {
    const char *id_member, *name_member;
    const struct column *columns;
    size_t narrow_count, column_count; /* the first narrow_count unless -o wide */
};
extern const struct view view_user, view_key, view_session, view_signing;

void output_list(const struct ctl *c, const struct view *v, const json_t *array);
/* An object: in a table one member a line. */
void output_object(const struct ctl *c, const struct view *v, const json_t *object);
/*
 * The same with a secret that is shown this once, as member of the object. With -o token the
 * secret alone.
 */
void output_secret(const struct ctl *c, const struct view *v, json_t *object, const char *member,
                   const struct secret *secret);
/* json, yaml or jsonl: does -o ask for the whole object? */
bool output_is_data(const struct ctl *c);
/* Any value in that form. Every string in YAML is quoted. */
void output_data(const struct ctl *c, const json_t *value);
/* Puts '?' over what a terminal would obey. */
void output_hide_controls(char *p, size_t n);
/* Bytes of ours as they are. */
void output_text(struct slice text);

#endif
