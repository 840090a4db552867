#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/node.h"
#include "conf/option.h"

/*
 * One option's value: from text into its field and back.
 *
 * texts   one for each item of a list; a scalar that stands for a list is first cut at
 *         its commas (value_cut)
 * base    the section's struct
 * at      for complaints; nothing is set when there was one
 */
struct value_source {
    struct arena *arena;
    struct complaints *complaints;
    char *const *env; /* for credential:, $CREDENTIALS_DIRECTORY */
    bool warn_inline_secret;
};

bool value_set(const struct value_source *source, const struct option *o, void *base,
               const struct node *items, size_t count, struct place at);
/* The items of a comma-separated text, without spaces around them. */
struct node *value_cut(struct arena *arena, struct slice text, struct place at, size_t *count);
/* From the table's default. */
void value_set_default(struct arena *arena, const struct option *o, void *base);
/* Where POSTERN_..._FILE points: a whole file as one text. */
bool value_read_file(struct slice path, struct place at, const struct value_source *source,
                     struct slice *out);

/* As in YAML on one line; secrets as a mask. */
void value_write(const struct option *o, const void *base, struct buf *out);
/* How many items a list option holds, and one of them as value_write() writes it. */
size_t value_item_count(const struct option *o, const void *base);
void value_write_item(const struct option *o, const void *base, size_t i, struct buf *out);
/* A text as a YAML scalar, quoted where another reader might see something else. */
void value_write_text(struct slice text, struct buf *out);
bool value_equal(const struct option *o, const void *a, const void *b);
/* "100ms to 10m" */
void value_write_range(const struct option *o, struct buf *out);
/* "true or false", "a duration such as 30s": what the type takes. */
const char *value_expects(enum option_type type);

#endif
