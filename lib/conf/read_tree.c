#include "conf/read.h"

#include "conf/origin.h"
#include "conf/suggest.h"
#include "conf/value.h"

static bool is_in(const struct option *o, const char *section)
{
    return strcmp(o->section, section) == 0;
}

static void set_defaults(struct reader *r, const char *section, void *base)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (is_in(&options[i], section))
            value_set_default(&r->conf->arena, &options[i], base);
}

void read_defaults(struct reader *r)
{
    size_t count;
    const struct section *sections = section_all(&count);

    for (size_t i = 0; i < count; i++)
        if (sections[i].shape == SECTION_ONE && !sections[i].is_optional)
            set_defaults(r, sections[i].name, (char *)r->conf + sections[i].offset);
}

/* Words kept for what later versions do. */
static const struct {
    const char *section, *key;
} reserved[] = {
    {"", "acme"},   {"", "http_redirect"}, {"listen", "http_redirect"},
    {"", "preset"}, {"", "ownership"},     {"route", "ownership"},
    {"", "vault"},  {"", "tls"},           {"listen", "acme"},
};

static bool is_reserved(struct reader *r, const char *section, const struct node_key *key)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (strcmp(reserved[i].section, section) == 0 &&
            slice_eq(slice_str(reserved[i].key), key->text)) {
            complain(r->complaints, key->at, false,
                     "'%s:' is reserved and not available in this version", reserved[i].key);
            return true;
        }
    return false;
}

static const struct option *find_option(const char *section, struct slice group, struct slice leaf)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (is_in(&options[i], section) && slice_eq(option_group(&options[i]), group) &&
            slice_eq(option_leaf(&options[i]), leaf))
            return &options[i];
    return NULL;
}

static bool is_group(const char *section, struct slice key)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (is_in(&options[i], section) && option_group(&options[i]).n > 0 &&
            slice_eq(option_group(&options[i]), key))
            return true;
    return false;
}

/* Says where an option of this name stands, when it stands elsewhere. */
static bool complain_misplaced(struct reader *r, const char *section, struct slice group,
                               const struct node_key *key)
{
    size_t count;
    const struct option *options = option_all(&count);
    const struct option *found = NULL;

    for (size_t i = 0; i < count; i++) {
        bool is_near = is_in(&options[i], section);

        if (!slice_eq(option_leaf(&options[i]), key->text) &&
            !slice_eq(slice_str(options[i].name), key->text))
            continue;
        if (is_near || (found == NULL && section[0] == '\0' && group.n == 0))
            found = &options[i];
        if (is_near)
            break;
    }
    if (found == NULL)
        return false;
    complain(r->complaints, key->at, false, "unknown option '%.*s' here; it belongs into %s%s%.*s",
             SLICE_FMT(key->text), section_find(found->section)->path,
             option_group(found).n > 0 ? "." : "", SLICE_FMT(option_group(found)));
    return true;
}

static void complain_unknown(struct reader *r, const char *section, struct slice group,
                             const struct node_key *key)
{
    size_t count;
    const struct option *options = option_all(&count);
    const struct section *sections;
    const struct section *here = section[0] != '\0' ? section_find(section) : NULL;
    struct suggest near;

    suggest_init(&near, key->text);
    for (size_t i = 0; i < count; i++) {
        if (!is_in(&options[i], section))
            continue;
        if (slice_eq(option_group(&options[i]), group))
            suggest_offer(&near, option_leaf(&options[i]));
        else if (group.n == 0)
            suggest_offer(&near, option_group(&options[i]));
    }
    sections = section_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].parent, section) == 0 &&
            slice_eq(slice_str(sections[i].group), group))
            suggest_offer(&near, slice_str(sections[i].key));
    if (suggest_best(&near).n == 0 && complain_misplaced(r, section, group, key))
        return;
    complain(r->complaints, key->at, false, "unknown option '%.*s'%s%s%s%.*s%s%.*s%s",
             SLICE_FMT(slice_to(key->text, 60)), here != NULL ? " in " : "",
             here != NULL ? here->path : "", group.n > 0 ? "." : "", SLICE_FMT(group),
             suggest_best(&near).n > 0 ? "; did you mean " : "", SLICE_FMT(suggest_best(&near)),
             suggest_best(&near).n > 0 ? "?" : "");
}

/* The items of a list option: a list of scalars, or one scalar cut at its commas. */
static const struct node *list_items(struct reader *r, const struct option *o,
                                     const struct node *value, size_t *count)
{
    struct node *items;

    if (value->kind == NODE_SCALAR)
        return value_cut(r->scratch, value->text, value->at, count);
    items = arena_zalloc(r->scratch, value->count * sizeof(*items));
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i]->kind != NODE_SCALAR || value->items[i]->is_empty) {
            complain(r->complaints, value->items[i]->at, false, "%.*s takes %s",
                     SLICE_FMT(option_leaf(o)), value_expects(o->type));
            return NULL;
        }
        items[i] = *value->items[i];
    }
    *count = value->count;
    return items;
}

static void read_value(struct reader *r, const struct option *o, void *base,
                       const struct node *value)
{
    struct value_source source = {&r->conf->arena, r->complaints, r->env, true};
    const struct node *items = value;
    size_t count = 1;

    if (value->is_empty)
        return;
    /* An empty secret or URL is one that is not set. */
    if (value->kind != NODE_SCALAR || value->text.n > 0 ||
        (o->type != OPTION_SECRET && o->type != OPTION_URL))
        origin_set(r->conf, (char *)base + o->offset, value->at);
    if (option_is_list(o) && value->kind != NODE_MAP) {
        items = list_items(r, o, value, &count);
    } else if (value->kind != NODE_SCALAR) {
        complain(r->complaints, value->at, false, "%.*s takes %s, not a %s",
                 SLICE_FMT(option_leaf(o)), value_expects(o->type),
                 value->kind == NODE_LIST ? "list" : "map");
        return;
    }
    if (items != NULL)
        (void)value_set(&source, o, base, items, count, value->at);
}

static void read_section(struct reader *r, const struct section *s, void *base,
                         const struct node *map);

static bool is_map(struct reader *r, const struct node *n, const char *what)
{
    if (n->kind == NODE_MAP)
        return true;
    if (!n->is_empty)
        complain(r->complaints, n->at, false, "%s takes a map of options", what);
    return false;
}

static bool is_name(struct slice s)
{
    if (s.n == 0 || s.n > 64)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static void set_place(const struct section *s, void *base, struct place at)
{
    if (s->place_offset != NO_FIELD)
        memcpy((char *)base + s->place_offset, &at, sizeof(at));
}

static void read_entry(struct reader *r, const struct section *s, char *base,
                       const struct node *value, const struct node_key *key)
{
    set_defaults(r, s->name, base);
    set_place(s, base, key != NULL ? key->at : value->at);
    if (key != NULL) {
        struct slice name = arena_dup(&r->conf->arena, key->text);

        memcpy(base + s->name_offset, &name, sizeof(name));
        if (!is_name(name))
            complain(r->complaints, key->at, false,
                     "'%.*s' is no name: up to 64 letters, digits, '_', '-' and '.'",
                     SLICE_FMT(slice_to(name, 70)));
    }
    if (value->is_empty || is_map(r, value, s->path))
        read_section(r, s, base, value);
}

static void read_entries(struct reader *r, const struct section *s, char *holder,
                         const struct node *value)
{
    enum node_kind wanted = s->shape == SECTION_LIST ? NODE_LIST : NODE_MAP;
    char *items;

    if (value->is_empty)
        return;
    if (value->kind != wanted) {
        complain(r->complaints, value->at, false,
                 s->shape == SECTION_LIST ? "%s is a list: begin each entry with '- '"
                                          : "%s is a map: begin each entry with 'name:'",
                 s->key);
        return;
    }
    items = arena_zalloc(&r->conf->arena, value->count * s->bytes);
    memcpy(holder + s->offset, &items, sizeof(items));
    memcpy(holder + s->count_offset, &value->count, sizeof(value->count));
    for (size_t i = 0; i < value->count; i++)
        read_entry(r, s, items + i * s->bytes, value->items[i],
                   s->shape == SECTION_MAP ? &value->keys[i] : NULL);
}

static void read_child(struct reader *r, const struct section *s, char *parent,
                       const struct node *value)
{
    char *holder = s->in_conf ? (char *)r->conf : parent;

    if (s->shape != SECTION_ONE) {
        read_entries(r, s, holder, value);
    } else if (!is_map(r, value, s->path)) {
        return;
    } else if (s->is_optional) {
        void *base = arena_zalloc(&r->conf->arena, s->bytes);

        memcpy(holder + s->offset, &base, sizeof(base));
        set_defaults(r, s->name, base);
        read_section(r, s, base, value);
    } else {
        read_section(r, s, holder + s->offset, value);
    }
}

static void read_keys(struct reader *r, const char *section, struct slice group, void *base,
                      const struct node *map)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct node_key *key = &map->keys[i];
        const struct option *o = find_option(section, group, key->text);
        const struct section *child = section_child(section, group, key->text);

        if (o != NULL)
            read_value(r, o, base, map->items[i]);
        else if (child != NULL)
            read_child(r, child, base, map->items[i]);
        else if (is_reserved(r, section, key))
            continue;
        else if (group.n > 0 || !is_group(section, key->text))
            complain_unknown(r, section, group, key);
        else if (map->items[i]->kind == NODE_SCALAR && slice_eq(map->items[i]->text, SLICE("auto")))
            complain(r->complaints, map->items[i]->at, false,
                     "'%.*s: auto' is reserved and not available in this version",
                     SLICE_FMT(key->text));
        else if (is_map(r, map->items[i], key->text.p))
            read_keys(r, section, key->text, base, map->items[i]);
    }
}

static void read_section(struct reader *r, const struct section *s, void *base,
                         const struct node *map)
{
    read_keys(r, s->name, SLICE_NONE, base, map);
}

void read_tree(struct reader *r, const struct node *root)
{
    if (is_map(r, root, "a configuration"))
        read_keys(r, "", SLICE_NONE, r->conf, root);
}
