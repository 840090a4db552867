#include "output.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VIEW(id, name, list)                                                                       \
    {                                                                                              \
        .id_member = (id), .name_member = (name), .columns = (list),                               \
        .column_count = sizeof(list) / sizeof((list)[0])                                           \
    }

static const struct column user_columns[] = {
    {"id", "ID"},       {"username", "NAME"},    {"email", "EMAIL"},
    {"roles", "ROLES"}, {"is_active", "ACTIVE"}, {"created_at", "CREATED"}};
static const struct column key_columns[] = {{"id", "ID"},
                                            {"name", "NAME"},
                                            {"user_id", "OWNER"},
                                            {"scopes", "SCOPES"},
                                            {"is_active", "ACTIVE"},
                                            {"expires_at", "EXPIRES"},
                                            {"last_used_at", "LAST USED"}};
static const struct column session_columns[] = {{"id", "ID"},
                                                {"user_id", "OWNER"},
                                                {"kind", "KIND"},
                                                {"created_at", "CREATED"},
                                                {"expires_at", "EXPIRES"}};
static const struct column signing_columns[] = {
    {"kid", "KID"}, {"alg", "ALG"}, {"state", "STATE"}, {"created_at", "CREATED"}};

const struct view view_user = VIEW("id", "username", user_columns);
const struct view view_key = VIEW("id", "id", key_columns);
const struct view view_session = VIEW("id", "id", session_columns);
const struct view view_signing = VIEW("kid", "kid", signing_columns);

void output_text(struct slice text)
{
    (void)fwrite(text.p != NULL ? text.p : "", 1, text.n, stdout);
}

void output_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);

    CHECK(text != NULL);
    puts(text);
    secret_wipe(text, strlen(text)); /* it may hold a key */
    free(text);
}

/* A value as people read it; control characters cannot reach the terminal. free(). */
static char *cell(const json_t *value)
{
    struct buf b;
    char *text;

    buf_init(&b);
    if (json_is_string(value)) {
        buf_add(&b, slice_of(json_string_value(value), json_string_length(value)));
    } else if (json_is_boolean(value)) {
        buf_add(&b, json_is_true(value) ? SLICE("yes") : SLICE("no"));
    } else if (json_is_integer(value)) {
        buf_printf(&b, "%lld", (long long)json_integer_value(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            buf_printf(&b, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(value, i)));
    }
    if (b.n == 0)
        buf_add_char(&b, '-');
    for (size_t i = 0; i < b.n; i++)
        if ((unsigned char)b.p[b.off + i] < ' ' || b.p[b.off + i] == 0x7f)
            b.p[b.off + i] = '?';
    text = mem_strdup(buf_cstr(&b));
    buf_fini(&b);
    return text;
}

/* Code points, which is what most terminals show a column for. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool is_aligned(const struct ctl *c)
{
    return c->has_format || isatty(STDOUT_FILENO);
}

static void print_aligned(const struct ctl *c, const struct view *v, char *const *cells,
                          size_t rows)
{
    size_t *widths = mem_zalloc(v->column_count * sizeof(*widths));

    for (size_t k = 0; k < v->column_count; k++) {
        widths[k] = width(v->columns[k].title);
        for (size_t r = 0; r < rows; r++)
            if (width(cells[r * v->column_count + k]) > widths[k])
                widths[k] = width(cells[r * v->column_count + k]);
    }
    if (c->out_has_color)
        fputs("\033[1m", stdout);
    for (size_t k = 0; k < v->column_count; k++)
        printf("%s%*s", v->columns[k].title,
               k + 1 < v->column_count ? (int)(widths[k] - width(v->columns[k].title) + 2) : 0, "");
    puts(c->out_has_color ? "\033[0m" : "");
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < v->column_count; k++) {
            const char *text = cells[r * v->column_count + k];

            printf("%s%*s", text, k + 1 < v->column_count ? (int)(widths[k] - width(text) + 2) : 0,
                   "");
        }
        putchar('\n');
    }
    free(widths);
}

static void print_tabs(const struct view *v, char *const *cells, size_t rows)
{
    for (size_t i = 0; i < rows * v->column_count; i++)
        printf("%s%c", cells[i], (i + 1) % v->column_count == 0 ? '\n' : '\t');
}

static void print_table(const struct ctl *c, const struct view *v, const json_t *array)
{
    size_t rows = json_array_size(array), count = rows * v->column_count;
    char **cells = mem_zalloc((count + 1) * sizeof(*cells));

    for (size_t i = 0; i < count; i++)
        cells[i] = cell(json_object_get(json_array_get(array, i / v->column_count),
                                        v->columns[i % v->column_count].member));
    if (is_aligned(c))
        print_aligned(c, v, cells, rows);
    else
        print_tabs(v, cells, rows);
    for (size_t i = 0; i < count; i++)
        free(cells[i]);
    free(cells);
}

static void print_name(const struct ctl *c, const struct view *v, const json_t *object)
{
    const char *member = c->format == FORMAT_NAME ? v->name_member : v->id_member;
    char *text = cell(json_object_get(object, member));

    puts(text);
    free(text);
}

void output_list(const struct ctl *c, const struct view *v, const json_t *array)
{
    if (c->format == FORMAT_JSON) {
        output_json(array);
    } else if (c->format == FORMAT_TABLE) {
        print_table(c, v, array);
    } else {
        for (size_t i = 0; i < json_array_size(array); i++)
            print_name(c, v, json_array_get(array, i));
    }
}

static void print_members(const struct ctl *c, json_t *object)
{
    size_t most = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value) if (strlen(name) > most) most = strlen(name);
    json_object_foreach(object, name, value)
    {
        char *text = cell(value);

        if (is_aligned(c))
            printf("%s%s%s%*s%s\n", c->out_has_color ? "\033[1m" : "", name,
                   c->out_has_color ? "\033[0m" : "", (int)(most - strlen(name) + 2), "", text);
        else
            printf("%s\t%s\n", name, text);
        secret_wipe(text, strlen(text));
        free(text);
    }
}

void output_object(const struct ctl *c, const struct view *v, const json_t *object)
{
    if (c->format == FORMAT_JSON)
        output_json(object);
    else if (c->format == FORMAT_TABLE)
        print_members(c, (json_t *)(uintptr_t)object);
    else
        print_name(c, v, object);
}

void output_secret(const struct ctl *c, const struct view *v, json_t *object, const char *member,
                   const struct secret *secret)
{
    if (c->format == FORMAT_TOKEN) {
        output_text(secret_slice(secret));
        putchar('\n');
        return;
    }
    (void)json_object_set_new(object, member, json_stringn(secret->p, secret->n));
    output_object(c, v, object);
    if (c->format == FORMAT_TABLE)
        ctl_say(c, "The %s is shown this once.", strcmp(member, "token") == 0 ? "token" : "key");
}
