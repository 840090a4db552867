#include "conf/node.h"

#include "base/map.h"

#include <yaml.h>

enum { DEPTH_MAX = 24 };

struct parse {
    yaml_parser_t yaml;
    const struct node_source *source;
    struct map anchors; /* name to struct node */
    bool is_broken;
};

static struct place place_of(const struct parse *p, yaml_mark_t mark)
{
    return (struct place){p->source->name, (unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

#define fail_at(p, at, ...)                                                                        \
    do {                                                                                           \
        complain((p)->source->complaints, (at), false, __VA_ARGS__);                               \
        (p)->is_broken = true;                                                                     \
    } while (0)

/* Bytes that are no UTF-8 have an offset only. */
static struct place place_of_offset(const struct parse *p, size_t offset)
{
    struct place at = {p->source->name, 1, 1};

    for (size_t i = 0; i < offset && i < p->source->yaml.n; i++) {
        at.column++;
        if (p->source->yaml.p[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    return at;
}

static bool line_has(const struct parse *p, size_t line, struct slice wanted)
{
    struct slice rest = p->source->yaml, text = SLICE("");

    for (size_t i = 0; i <= line && rest.p != NULL; i++)
        text = slice_cut(&rest, '\n');
    return memmem(text.p, text.n, wanted.p, wanted.n) != NULL;
}

static void complain_syntax(struct parse *p)
{
    const yaml_parser_t *y = &p->yaml;
    const char *problem = y->problem != NULL ? y->problem : "malformed";

    if (y->error == YAML_READER_ERROR)
        fail_at(p, place_of_offset(p, y->problem_offset), "not valid YAML: %s", problem);
    else if (line_has(p, y->problem_mark.line, SLICE("${")))
        fail_at(p, place_of(p, y->problem_mark),
                "not valid YAML: %s; inside {...} or [...] a ${variable} needs quotes", problem);
    else if (y->context != NULL && y->context_mark.line != y->problem_mark.line)
        fail_at(p, place_of(p, y->problem_mark), "not valid YAML: %s, %s that began in line %zu",
                problem, y->context, y->context_mark.line + 1);
    else if (strcmp(problem, "mapping values are not allowed in this context") == 0)
        fail_at(p, place_of(p, y->problem_mark),
                "not valid YAML: a second ': ' in this line; put quotes around the value");
    else
        fail_at(p, place_of(p, y->problem_mark), "not valid YAML: %s", problem);
}

static bool next_event(struct parse *p, yaml_event_t *e)
{
    if (p->is_broken)
        return false;
    if (yaml_parser_parse(&p->yaml, e))
        return true;
    complain_syntax(p);
    return false;
}

static struct node *node_new(struct parse *p, enum node_kind kind, yaml_mark_t mark)
{
    struct node *n = arena_zalloc(p->source->arena, sizeof(*n));

    n->kind = kind;
    n->at = place_of(p, mark);
    return n;
}

static void *grow(struct arena *arena, void *old, size_t count, size_t bytes)
{
    void *room;

    /* Full at 0, 4, 8, 16 ... */
    if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
        return old;
    room = arena_alloc(arena, (count == 0 ? 4 : count * 2) * bytes);
    if (count > 0)
        memcpy(room, old, count * bytes);
    return room;
}

static void add_item(struct arena *arena, struct node *n, struct node_key key, struct node *item)
{
    n->items = grow(arena, n->items, n->count, sizeof(struct node *));
    n->items[n->count] = item;
    if (n->kind == NODE_MAP) {
        n->keys = grow(arena, n->keys, n->count, sizeof(struct node_key));
        n->keys[n->count] = key;
    }
    n->count++;
}

static void remember_anchor(struct parse *p, const yaml_char_t *anchor, struct node *n)
{
    if (anchor != NULL)
        (void)map_put(&p->anchors, slice_str((const char *)anchor), n);
}

static void refuse_tag(struct parse *p, const yaml_char_t *tag, yaml_mark_t mark)
{
    if (tag != NULL)
        fail_at(p, place_of(p, mark), "tags (%s) are not used here; the option decides the type",
                (const char *)tag);
}

static struct node *read_scalar(struct parse *p, const yaml_event_t *e)
{
    struct node *n = node_new(p, NODE_SCALAR, e->start_mark);
    struct slice raw = slice_of(e->data.scalar.value, e->data.scalar.length);

    refuse_tag(p, e->data.scalar.tag, e->start_mark);
    if (memchr(raw.p, '\0', raw.n) != NULL) {
        fail_at(p, n->at, "a NUL byte in a value");
        return n;
    }
    n->is_empty = raw.n == 0 && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    /* An unset variable is an error of the value only: the rest is still read and checked. */
    if (!env_interpolate(p->source, raw, n->at, &n->text))
        n->is_empty = true;
    remember_anchor(p, e->data.scalar.anchor, n);
    return n;
}

static struct node *read_node(struct parse *p, yaml_event_t *e, unsigned depth);

static struct node *read_list(struct parse *p, const yaml_event_t *start, unsigned depth)
{
    struct node *n = node_new(p, NODE_LIST, start->start_mark);
    yaml_event_t e;

    refuse_tag(p, start->data.sequence_start.tag, start->start_mark);
    while (next_event(p, &e)) {
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        add_item(p->source->arena, n, (struct node_key){0}, read_node(p, &e, depth + 1));
    }
    remember_anchor(p, start->data.sequence_start.anchor, n);
    return n;
}

/* The key as written; keys are never interpolated. */
static struct node_key read_key(struct parse *p, yaml_event_t *e)
{
    struct node_key key = {.at = place_of(p, e->start_mark)};

    if (e->type != YAML_SCALAR_EVENT) {
        fail_at(p, key.at, "a key must be plain text");
    } else {
        struct slice text = slice_of(e->data.scalar.value, e->data.scalar.length);

        key.text = arena_dup(p->source->arena, text);
        if (slice_eq(text, SLICE("<<")))
            fail_at(p, key.at, "merge keys (<<) are not taken; write the options out");
        if (memchr(key.text.p, '\0', key.text.n) != NULL)
            fail_at(p, key.at, "a NUL byte in a key");
    }
    yaml_event_delete(e);
    return key;
}

static struct node *read_map(struct parse *p, const yaml_event_t *start, unsigned depth)
{
    struct node *n = node_new(p, NODE_MAP, start->start_mark);
    struct map seen; /* key to its struct node_key */
    yaml_event_t e;

    refuse_tag(p, start->data.mapping_start.tag, start->start_mark);
    map_init(&seen);
    while (next_event(p, &e)) {
        struct node_key key, *former;
        struct node *value;

        if (e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            break;
        }
        key = read_key(p, &e);
        if (!next_event(p, &e))
            break;
        value = read_node(p, &e, depth + 1);
        former = map_get(&seen, key.text);
        if (former != NULL) {
            complain(p->source->complaints, key.at, false,
                     "'%.*s' is written twice; the first is in line %u", SLICE_FMT(key.text),
                     former->at.line);
            continue;
        }
        former = arena_alloc(p->source->arena, sizeof(*former));
        *former = key;
        (void)map_put(&seen, key.text, former);
        add_item(p->source->arena, n, key, value);
    }
    map_fini(&seen);
    remember_anchor(p, start->data.mapping_start.anchor, n);
    return n;
}

static struct node *read_alias(struct parse *p, const yaml_event_t *e)
{
    const char *name = (const char *)e->data.alias.anchor;
    struct node *n = map_get(&p->anchors, slice_str(name));

    if (n == NULL) {
        n = node_new(p, NODE_SCALAR, e->start_mark);
        fail_at(p, n->at, "nothing above is marked &%s", name);
    }
    return n;
}

/* Takes e, the event the node begins with. */
static struct node *read_node(struct parse *p, yaml_event_t *e, unsigned depth)
{
    struct node *n = node_new(p, NODE_SCALAR, e->start_mark);

    if (depth > DEPTH_MAX)
        fail_at(p, n->at, "nested too deeply");
    else if (e->type == YAML_SCALAR_EVENT)
        n = read_scalar(p, e);
    else if (e->type == YAML_SEQUENCE_START_EVENT)
        n = read_list(p, e, depth);
    else if (e->type == YAML_MAPPING_START_EVENT)
        n = read_map(p, e, depth);
    else if (e->type == YAML_ALIAS_EVENT)
        n = read_alias(p, e);
    yaml_event_delete(e);
    return n;
}

static struct node *read_stream(struct parse *p)
{
    struct node *root = NULL;
    yaml_event_t e;
    bool is_end = false;

    while (!is_end && next_event(p, &e)) {
        is_end = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && root != NULL)
            fail_at(p, place_of(p, e.start_mark), "a second document; one file is one document");
        if (e.type == YAML_SCALAR_EVENT || e.type == YAML_SEQUENCE_START_EVENT ||
            e.type == YAML_MAPPING_START_EVENT || e.type == YAML_ALIAS_EVENT)
            root = read_node(p, &e, 0);
        else
            yaml_event_delete(&e);
    }
    return p->is_broken ? NULL : root;
}

/* libyaml speaks of a "character that cannot start any token"; people look for a tab. */
static bool complain_of_tabs(const struct node_source *source)
{
    struct slice rest = source->yaml;
    struct place at = {source->name, 0, 0};
    bool found = false;

    while (rest.p != NULL) {
        struct slice line = slice_cut(&rest, '\n');
        size_t i = 0;

        at.line++;
        while (i < line.n && line.p[i] == ' ')
            i++;
        if (i == line.n || line.p[i] != '\t' || slice_trim(line).n == 0 ||
            slice_trim(line).p[0] == '\r')
            continue;
        at.column = (unsigned)i + 1;
        complain(source->complaints, at, false, "a tab indents this line; YAML takes spaces only");
        found = true;
    }
    return found;
}

struct node *node_read(const struct node_source *source)
{
    struct parse p = {.source = source};
    struct node *root;

    if (complain_of_tabs(source))
        return NULL;
    CHECK(yaml_parser_initialize(&p.yaml));
    yaml_parser_set_input_string(
        &p.yaml, (const unsigned char *)(source->yaml.n > 0 ? source->yaml.p : ""), source->yaml.n);
    map_init(&p.anchors);
    root = read_stream(&p);
    map_fini(&p.anchors);
    yaml_parser_delete(&p.yaml);
    return root != NULL && root->kind == NODE_SCALAR && root->is_empty ? NULL : root;
}

static struct node **find_item(struct node *map, struct slice key)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_eq(map->keys[i].text, key))
            return &map->items[i];
    return NULL;
}

static struct node *merge_maps(struct node *first, struct node *second, struct arena *arena,
                               struct complaints *c)
{
    struct node *n = arena_zalloc(arena, sizeof(*n));

    n->kind = NODE_MAP;
    n->at = first->at;
    for (size_t i = 0; i < first->count; i++)
        add_item(arena, n, first->keys[i], first->items[i]);
    for (size_t i = 0; i < second->count; i++) {
        struct node **both = find_item(n, second->keys[i].text);

        if (both == NULL)
            add_item(arena, n, second->keys[i], second->items[i]);
        else
            *both = node_merge(*both, second->items[i], arena, c);
    }
    return n;
}

struct node *node_merge(struct node *first, struct node *second, struct arena *arena,
                        struct complaints *c)
{
    if (first == NULL || first->is_empty)
        return second != NULL ? second : first;
    if (second == NULL || second->is_empty)
        return first;
    if (first->kind == NODE_MAP && second->kind == NODE_MAP)
        return merge_maps(first, second, arena, c);
    if (first->kind == NODE_LIST && second->kind == NODE_LIST)
        return second;
    complain(c, second->at, false, "this is already set in %s:%u:%u; one of the two must go",
             first->at.file, first->at.line, first->at.column);
    return first;
}
