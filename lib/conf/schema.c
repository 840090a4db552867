#include "conf/option.h"
#include "conf/value.h"

#include <jansson.h>
#include <stdlib.h>

/*
 * JSON Schema, draft 7 (what YAML language servers read). What it refuses conf_read() refuses
 * too; a value with ${...} is a text to it, whatever the option takes.
 */

/* The options without which an entry is refused. */
static const struct {
    const char *section, *name;
} required[] = {
    {"listen", "address"},      {"issuer", "issuer"},  {"issuer", "audience"},
    {"issuer", "algorithms"},   {"limit", "rate"},     {"upstream", "servers"},
    {"route", "path"},          {"route", "upstream"}, {"tls_certificate", "certificate"},
    {"tls_certificate", "key"},
};

static void add(json_t *object, const char *name, json_t *value)
{
    CHECK(json_object_set_new(object, name, value) == 0);
}

static json_t *pattern(const char *regex)
{
    json_t *p = json_object();

    add(p, "type", json_string("string"));
    add(p, "pattern", json_string(regex));
    return p;
}

static json_t *type(const char *first, const char *second)
{
    json_t *types = json_array(), *p = json_object();

    CHECK(json_array_append_new(types, json_string(first)) == 0);
    CHECK(json_array_append_new(types, json_string(second)) == 0);
    add(p, "type", types);
    return p;
}

static void also(json_t *any, json_t *schema)
{
    CHECK(json_array_append_new(any, schema) == 0);
}

static json_t *scalar(void)
{
    json_t *types = json_array(), *p = json_object();

    for (int i = 0; i < 3; i++)
        also(types, json_string((const char *[]){"string", "number", "boolean"}[i]));
    add(p, "type", types);
    return p;
}

static json_t *words_of(const struct option *o)
{
    json_t *words = json_array(), *p = json_object();

    for (enum word w = word_next(o->set, CONF_WORD_UNSET); w != CONF_WORD_UNSET;
         w = word_next(o->set, w)) {
        const char *text = word_text(w);
        char *end;
        double number = strtod(text, &end);

        also(words, json_string(text));
        /* An editor reads 1.2 as a number. */
        if (*end == '\0')
            also(words, json_real(number));
    }
    add(p, "enum", words);
    return p;
}

static json_t *number_of(const struct option *o)
{
    json_t *p = json_object();
    bool has_range = o->min != 0 || o->max != 0;

    add(p, "type", json_string("integer"));
    add(p, "minimum", json_integer(has_range ? (json_int_t)o->min : 0));
    if (has_range)
        add(p, "maximum", json_integer((json_int_t)o->max));
    return p;
}

static json_t *only(json_t *value)
{
    json_t *values = json_array(), *p = json_object();

    also(values, value);
    add(p, "enum", values);
    return p;
}

static json_t *list_of(json_t *item)
{
    json_t *p = json_object();

    add(p, "type", json_string("array"));
    add(p, "items", item);
    return p;
}

#define RATE "[1-9][0-9]*/(s|min|h|d|[1-9][0-9]*(ms|s|m|h|d))"
#define ADDRESS "[0-9A-Fa-f]*[.:][0-9A-Fa-f:./]*"
#define NUMBER "(0|[1-9][0-9]*)"

static void add_type(const struct option *o, json_t *any)
{
    switch (o->type) {
    case OPTION_BOOL:
        also(any, type("boolean", "null"));
        also(any, pattern("^(true|false)$"));
        break;
    case OPTION_COUNT:
        also(any, number_of(o));
        also(any, pattern("^" NUMBER "$"));
        break;
    case OPTION_DURATION:
        also(any, pattern("^(0|" NUMBER "(ms|s|m|h|d))$"));
        if (o->min == 0)
            also(any, only(json_integer(0)));
        break;
    case OPTION_BYTES:
        also(any, number_of(o));
        also(any, pattern("^" NUMBER "(B|KiB|MiB|GiB|TiB)?$"));
        break;
    case OPTION_URL:
        also(any, pattern("^(https?://[^ ]+)?$"));
        break;
    case OPTION_ENUM:
        also(any, words_of(o));
        break;
    case OPTION_TEXTS:
        also(any, list_of(scalar()));
        also(any, scalar());
        break;
    case OPTION_ADDRS:
        also(any, list_of(pattern("^" ADDRESS "$|\\$\\{")));
        also(any, pattern("^( *" ADDRESS "( *, *" ADDRESS ")*,? *)?$"));
        break;
    case OPTION_RATES:
        also(any, list_of(pattern("^" RATE "$|\\$\\{")));
        also(any, pattern("^ *" RATE "( *, *" RATE ")*,? *$"));
        break;
    default:
        also(any, scalar());
    }
}

static json_t *option_schema(const struct option *o)
{
    json_t *p = json_object(), *any = json_array(), *null = json_object();
    struct buf text;

    buf_init(&text);
    buf_add(&text, option_help(o));
    if (o->standard[0] != '\0')
        buf_printf(&text, "%sDefault: %s.", text.n > 0 ? " " : "", o->standard);
    if (text.n > 0)
        add(p, "description", json_string(buf_cstr(&text)));
    buf_fini(&text);
    add_type(o, any);
    also(any, pattern("\\$\\{"));
    add(null, "type", json_string("null"));
    also(any, null);
    add(p, "anyOf", any);
    return p;
}

static json_t *section_schema(const struct section *s);

/* An object that takes the options of one group and nothing else. */
static json_t *group_schema(const char *section, struct slice group, bool may_be_null)
{
    json_t *p = may_be_null ? type("object", "null") : json_object();
    json_t *properties = json_object();
    size_t count;
    const struct option *options = option_all(&count);
    const struct section *sections;

    if (!may_be_null)
        add(p, "type", json_string("object"));
    add(p, "additionalProperties", json_false());
    add(p, "properties", properties);
    for (size_t i = 0; i < count; i++) {
        struct slice leaf = option_leaf(&options[i]), own = option_group(&options[i]);
        char name[64];

        if (strcmp(options[i].section, section) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(slice_eq(own, group) ? leaf : own));
        if (slice_eq(own, group))
            add(properties, name, option_schema(&options[i]));
        else if (group.n == 0 && json_object_get(properties, name) == NULL)
            add(properties, name, group_schema(section, own, true));
    }
    sections = section_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].parent, section) == 0 &&
            slice_eq(slice_str(sections[i].group), group))
            add(properties, sections[i].key, section_schema(&sections[i]));
    return p;
}

static void add_required(json_t *schema, const struct section *s)
{
    json_t *names = json_array();

    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (strcmp(required[i].section, s->name) == 0)
            also(names, json_string(required[i].name));
    if (json_array_size(names) > 0)
        add(schema, "required", names);
    else
        json_decref(names);
}

static json_t *section_schema(const struct section *s)
{
    json_t *entry = group_schema(s->name, SLICE_NONE, s->shape == SECTION_ONE), *p = entry;

    add_required(entry, s);
    if (s->shape == SECTION_LIST) {
        p = type("array", "null");
        add(p, "items", entry);
    } else if (s->shape == SECTION_MAP) {
        p = type("object", "null");
        add(p, "propertyNames", pattern("^[A-Za-z0-9_.-]{1,64}$"));
        add(p, "additionalProperties", entry);
    }
    add(p, "description", json_string(s->help));
    return p;
}

void conf_write_schema(struct buf *out)
{
    json_t *root = json_object(), *body = group_schema("", SLICE_NONE, true);
    char *text;

    add(root, "$schema", json_string("http://json-schema.org/draft-07/schema#"));
    add(root, "title", json_string("postern.yaml"));
    CHECK(json_object_update(root, body) == 0);
    json_decref(body);
    text = json_dumps(root, JSON_INDENT(1));
    CHECK(text != NULL);
    buf_add(out, slice_str(text));
    buf_add_char(out, '\n');
    free(text);
    json_decref(root);
}
