#include "conf_fixture.h"

#include "base/json.h"
#include "conf/option.h"

#include <regex.h>

/*
 * The schema and the reader agree: each option in turn gets each of many values, and both
 * take it or both refuse it. JSON is YAML, so one text serves both.
 */

static json_t *schema;

static bool is_type(const json_t *value, const char *type)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "number") == 0 && json_is_number(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool has_type(const json_t *value, const json_t *types)
{
    size_t i;
    json_t *type;

    if (types == NULL)
        return true;
    if (json_is_string(types))
        return is_type(value, json_string_value(types));
    json_array_foreach(types, i, type) if (is_type(value, json_string_value(type))) return true;
    return false;
}

static bool matches(const char *text, const json_t *pattern)
{
    regex_t regex;
    bool is_match;

    if (pattern == NULL || text == NULL)
        return true;
    assert_int_equal(regcomp(&regex, json_string_value(pattern), REG_EXTENDED | REG_NOSUB), 0);
    is_match = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return is_match;
}

static bool is_valid(const json_t *value, const json_t *s);

static bool is_one_of(const json_t *value, const json_t *list, bool are_schemas)
{
    size_t i;
    json_t *item;

    if (list == NULL)
        return true;
    json_array_foreach(list, i, item)
    {
        if (are_schemas ? is_valid(value, item) : json_equal(value, item) != 0)
            return true;
    }
    return false;
}

static bool has_valid_members(json_t *object, const json_t *s)
{
    const json_t *more = json_object_get(s, "additionalProperties");
    const json_t *names = json_object_get(s, "propertyNames");
    const char *key;
    json_t *value, *name;
    size_t i;

    json_array_foreach(json_object_get(s, "required"), i, name)
    {
        if (json_object_get(object, json_string_value(name)) == NULL)
            return false;
    }
    json_object_foreach(object, key, value)
    {
        const json_t *own = json_object_get(json_object_get(s, "properties"), key);

        if (own == NULL && json_is_false(more))
            return false;
        if (!is_valid(value, own != NULL ? own : more))
            return false;
        if (names != NULL && !matches(key, json_object_get(names, "pattern")))
            return false;
    }
    return true;
}

/* The part of draft 7 that conf_write_schema() uses. */
static bool is_valid(const json_t *value, const json_t *s)
{
    const json_t *min = json_object_get(s, "minimum"), *max = json_object_get(s, "maximum");
    json_t *item;
    size_t i;

    if (!has_type(value, json_object_get(s, "type")) ||
        !matches(json_string_value(value), json_object_get(s, "pattern")) ||
        !is_one_of(value, json_object_get(s, "enum"), false) ||
        !is_one_of(value, json_object_get(s, "anyOf"), true))
        return false;
    if (json_is_integer(value) && min != NULL &&
        json_integer_value(value) < json_integer_value(min))
        return false;
    if (json_is_integer(value) && max != NULL &&
        json_integer_value(value) > json_integer_value(max))
        return false;
    if (json_is_object(value) && !has_valid_members((json_t *)(uintptr_t)value, s))
        return false;
    json_array_foreach(value, i, item)
    {
        if (!is_valid(item, json_object_get(s, "items")))
            return false;
    }
    return true;
}

static bool schema_takes(const char *text)
{
    json_t *value = NULL;
    bool is_taken;

    assert_int_equal(json_read(slice_str(text), 1 << 20, &value), ERR_OK);
    is_taken = is_valid(value, schema);
    json_decref(value);
    return is_taken;
}

/* Structure only: what one option means for another is no matter of the schema. */
static bool reader_takes(const char *text, bool with_checks)
{
    struct reading r = read_yaml(text);
    bool is_taken = true;

    for (size_t i = 0; i < r.complaints.count; i++) {
        struct slice said = r.complaints.items[i].text;
        bool is_structure = memmem(said.p, said.n, " takes ", 7) != NULL ||
                            memmem(said.p, said.n, "unknown option", 14) != NULL ||
                            memmem(said.p, said.n, "is not one of", 13) != NULL ||
                            memmem(said.p, said.n, "out of range", 12) != NULL ||
                            memmem(said.p, said.n, "begin each entry", 16) != NULL;

        is_taken = is_taken && (r.complaints.items[i].is_warning || !(is_structure || with_checks));
    }
    reading_fini(&r);
    return is_taken;
}

/* What surrounds each section's entry, so that only the option under test is in question. */
static const struct {
    const char *section, *before, *after;
} frames[] = {
    {"server", "{\"server\":{", "}}"},
    {"listen", "{\"listen\":[{\"address\":\"127.0.0.1:1\",", "}]}"},
    {"tls_certificate", "{\"listen\":[{\"address\":\"127.0.0.1:1\",\"tls\":{\"certificates\":[{",
     "}]}}]}"},
    {"admin", "{\"admin\":{", "}}"},
    {"redis", "{\"redis\":{", "}}"},
    {"auth", "{\"auth\":{", "}}"},
    {"issuer", "{\"auth\":{\"issuers\":[{", "}]}}"},
    {"limit", "{\"limits\":{\"a\":{", "}}}"},
    {"upstream", "{\"upstreams\":{\"a\":{", "}}}"},
    {"route", "{\"routes\":[{", "}]}"},
    {"cors", "{\"cors\":{", "}}"},
    {"headers", "{\"headers\":{", "}}"},
    {"log", "{\"log\":{", "}}"},
};

static const char *const values[] = {"\"text\"",  "5",
                                     "0",         "-1",
                                     "1.5",       "true",
                                     "\"false\"", "\"yes\"",
                                     "\"30s\"",   "\"10\"",
                                     "\"012\"",   "\"5MiB\"",
                                     "\"5m\"",    "\"60/min\"",
                                     "\"60/m\"",  "[]",
                                     "[\"a\"]",   "[\"9/s\"]",
                                     "[[\"a\"]]", "{}",
                                     "{\"a\":1}", "\"10.0.0.0/8\"",
                                     "[\"::1\"]", "\"https://h\"",
                                     "\"none\"",  "\"required\"",
                                     "\"ES256\"", "999999999999",
                                     "\"a, b\""};

/* Required options come with the frame unless they are the one under test. */
static void frame(const struct option *o, const char *value, struct buf *out)
{
    static const char *const required[][3] = {{"tls_certificate", "certificate", "\"/c\""},
                                              {"tls_certificate", "key", "\"/k\""},
                                              {"issuer", "issuer", "\"i\""},
                                              {"issuer", "audience", "[\"a\"]"},
                                              {"issuer", "algorithms", "[\"RS256\"]"},
                                              {"limit", "rate", "\"1/s\""},
                                              {"upstream", "servers", "[\"http://h:1\"]"},
                                              {"route", "path", "\"/a\""},
                                              {"route", "upstream", "\"u\""}};
    size_t i = 0;

    while (strcmp(frames[i].section, o->section) != 0)
        i++;
    buf_printf(out, "%s", frames[i].before);
    for (size_t k = 0; k < sizeof(required) / sizeof(required[0]); k++)
        if (strcmp(required[k][0], o->section) == 0 &&
            !slice_eq(slice_str(required[k][1]), option_leaf(o)))
            buf_printf(out, "\"%s\":%s,", required[k][1], required[k][2]);
        else if (strcmp(required[k][0], o->section) == 0 && option_group(o).n > 0)
            buf_printf(out, "\"%s\":%s,", required[k][1], required[k][2]);
    if (option_group(o).n > 0)
        buf_printf(out, "\"%.*s\":{", SLICE_FMT(option_group(o)));
    buf_printf(out, "\"%.*s\":%s", SLICE_FMT(option_leaf(o)), value);
    buf_printf(out, "%s%s", option_group(o).n > 0 ? "}" : "", frames[i].after);
}

/* A quoted number's range, and what a text must look like, only the reader knows. */
static bool is_beyond_the_schema(const struct option *o, const char *value)
{
    if (strcmp(o->name, "address") == 0 && strcmp(o->section, "listen") == 0)
        return true;
    if (strcmp(o->name, "methods_auth") == 0)
        return true;
    if (o->type == OPTION_DURATION || o->type == OPTION_BYTES || o->type == OPTION_COUNT)
        return value[0] == '"' && value[1] >= '0' && value[1] <= '9';
    return o->type == OPTION_ADDRS && strcmp(value, "\"60/m\"") == 0;
}

static void schema_and_reader_agree_on_every_option(void **state)
{
    size_t count, taken = 0, refused = 0;
    const struct option *options = option_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            struct buf text;
            bool by_schema, by_reader;

            if (is_beyond_the_schema(&options[i], values[v]))
                continue;
            buf_init(&text);
            frame(&options[i], values[v], &text);
            by_schema = schema_takes(buf_cstr(&text));
            by_reader = reader_takes(buf_cstr(&text), false);
            if (by_schema != by_reader)
                fail_msg("schema %s, reader %s: %s", by_schema ? "takes" : "refuses",
                         by_reader ? "takes" : "refuses", buf_cstr(&text));
            taken += by_reader;
            refused += !by_reader;
            buf_fini(&text);
        }
    assert_true(taken > 500 && refused > 500);
}

static void both_refuse_unknown_names_and_missing_ones(void **state)
{
    static const char *const refused[] = {
        "{\"servr\":{}}",
        "{\"server\":{\"wokers\":1}}",
        "{\"listen\":[{\"address\":\"127.0.0.1:1\",\"tls\":{\"x\":1}}]}",
        "{\"listen\":[{}]}",
        "{\"limits\":{\"a\":{}}}",
        "{\"limits\":{\"a b\":{\"rate\":\"1/s\"}}}",
        "{\"upstreams\":{\"a\":{}}}",
        "{\"routes\":[{\"path\":\"/a\"}]}",
        "{\"routes\":{}}",
        "{\"upstreams\":[]}",
        "{\"preset\":\"x\"}",
        "{\"listen\":[{\"address\":\"127.0.0.1:1\",\"tls\":\"auto\"}]}",
        "[]",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_false(schema_takes(refused[i]));
        assert_false(reader_takes(refused[i], true));
    }
}

static int read_schema(void **state)
{
    struct buf b;
    enum err e;

    (void)state;
    buf_init(&b);
    conf_write_schema(&b);
    e = json_read(buf_slice(&b), 1 << 20, &schema);
    buf_fini(&b);
    return e == ERR_OK ? 0 : -1;
}

static int free_schema(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_and_reader_agree_on_every_option),
        cmocka_unit_test(both_refuse_unknown_names_and_missing_ones),
    };

    return cmocka_run_group_tests(tests, read_schema, free_schema);
}
