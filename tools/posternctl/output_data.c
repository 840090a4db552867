/* Objects for programs: JSON, JSON lines, YAML. */
#include "output.h"

#include <stdio.h>
#include <stdlib.h>

enum { STEP = 2 };

/*
 * DEL and C1 controls are legal in JSON but reach the terminal, and YAML forbids them. They stand
 * inside strings only, so that an escape may take their place.
 */
static void put(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == 0x7f)
            (void)fputs("\\u007f", stdout);
        else if (*p == '\xc2' && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
            printf("\\u%04x", (unsigned char)*++p);
        else
            putchar(*p);
    }
}

static void put_json(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);

    CHECK(text != NULL);
    put(text);
    secret_wipe(text, strlen(text)); /* it may hold a key */
    free(text);
}

/* The first line of a list's entry carries the "- ". */
static void begin_line(unsigned depth, bool *is_entry)
{
    printf("%*s%s", (int)(*is_entry ? depth - STEP : depth), "", *is_entry ? "- " : "");
    *is_entry = false;
}

static bool is_block(const json_t *value)
{
    return json_object_size(value) > 0 || json_array_size(value) > 0;
}

/* Strings are always quoted: nothing in them can be read as a number, a date or a word of YAML. */
static void put_yaml(const json_t *value, unsigned depth, bool is_entry)
{
    const char *name;
    json_t *member, *object = (json_t *)(uintptr_t)value;
    size_t i;

    if (!is_block(value)) {
        begin_line(depth, &is_entry);
        put_json(value, 0);
        putchar('\n');
        return;
    }
    json_array_foreach(value, i, member) put_yaml(member, depth + STEP, true);
    json_object_foreach(object, name, member)
    {
        begin_line(depth, &is_entry);
        printf("%s:", name);
        if (is_block(member)) {
            putchar('\n');
            put_yaml(member, depth + STEP, false);
        } else {
            putchar(' ');
            put_json(member, 0);
            putchar('\n');
        }
    }
}

static void put_lines(const json_t *value)
{
    json_t *item;
    size_t i;

    if (!json_is_array(value)) {
        put_json(value, JSON_COMPACT);
        putchar('\n');
    }
    json_array_foreach(value, i, item) put_lines(item);
}

bool output_is_data(const struct ctl *c)
{
    static const bool is_data[] = {
#define FORMAT(name, word, is_data, help) is_data,
#include "format.def"
#undef FORMAT
    };

    return is_data[c->format];
}

void output_data(const struct ctl *c, const json_t *value)
{
    if (c->format == FORMAT_YAML) {
        put_yaml(value, 0, false);
    } else if (c->format == FORMAT_JSONL) {
        put_lines(value);
    } else {
        put_json(value, JSON_INDENT(2));
        putchar('\n');
    }
}
