#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include "conf/conf.h"

/*
 * The option table as data: what the reader, the writers and the documents walk over.
 * An option's place in YAML is its name, or "group.leaf" when its help begins with a
 * dotted path ("auth.jwt.issuer: ..." is jwt.issuer inside auth).
 */
enum option_type {
    OPTION_BOOL,
    OPTION_COUNT,
    OPTION_DURATION,
    OPTION_BYTES,
    OPTION_TEXT,
    OPTION_PATH,
    OPTION_URL,
    OPTION_SECRET,
    OPTION_ADDRS,
    OPTION_TEXTS,
    OPTION_RATES,
    OPTION_ENUM,
};

struct option {
    const char *section, *name;
    enum option_type type;
    const char *set;      /* of words, for OPTION_ENUM; otherwise NULL */
    const char *standard; /* the default as written in YAML; "" when not set */
    uint64_t min, max;    /* in the type's unit; both 0: no range */
    bool is_live;         /* a reload is enough */
    const char *help;     /* with the dotted place in front, see option_help() */
    size_t offset;        /* in the section's struct */
};

/* All rows in table order. */
const struct option *option_all(size_t *count);
/* "timeouts" of timeouts.connect, or SLICE_NONE; and "connect". */
struct slice option_group(const struct option *o);
struct slice option_leaf(const struct option *o);
/* The help without the place in front; may be empty. */
struct slice option_help(const struct option *o);
bool option_is_list(const struct option *o);

enum section_shape { SECTION_ONE, SECTION_LIST, SECTION_MAP };

/* Where a section stands: under which section and group, by which key, in which field. */
struct section {
    const char *name;   /* as in option.def */
    const char *parent; /* "" at the top */
    const char *group;  /* group of the parent it stands in, or "" */
    const char *key;
    const char *path; /* for people: "listen[].tls.certificates[]" */
    enum section_shape shape;
    bool in_conf;        /* the offsets count from struct conf, not from the parent's struct */
    bool is_optional;    /* SECTION_ONE by pointer, NULL when absent */
    size_t bytes;        /* of its struct */
    size_t offset;       /* of the struct, or of the pointer to the items */
    size_t count_offset; /* of the number of items; lists and maps */
    size_t place_offset; /* of struct place in the struct, or NO_FIELD */
    size_t name_offset;  /* of struct slice name in the struct; maps */
    const char *help;
};

#define NO_FIELD ((size_t)-1)

const struct section *section_all(size_t *count);
/* NULL when there is none. */
const struct section *section_find(const char *name);
const struct section *section_child(const char *parent, struct slice group, struct slice key);

/* The word of a set, or CONF_WORD_UNSET. */
enum word word_find(const char *set, struct slice text);
/* The next word of set after w (start with CONF_WORD_UNSET), CONF_WORD_UNSET at the end. */
enum word word_next(const char *set, enum word w);

/* Calls visit for every section instance of conf, parents first. */
typedef void section_visit_fn(void *arg, const struct section *s, void *base);
void section_visit(struct conf *conf, section_visit_fn *visit, void *arg);

#endif
