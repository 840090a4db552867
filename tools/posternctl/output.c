#include "output.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define VIEW(id, name, list, narrow)                                                               \
    {                                                                                              \
        .id_member = (id), .name_member = (name), .columns = (list), .narrow_count = (narrow),     \
        .column_count = sizeof(list) / sizeof((list)[0])                                           \
    }

static const struct column user_columns[] = {{"id", "ID"},
                                             {"username", "NAME"},
                                             {"email", "EMAIL"},
                                             {"roles", "ROLES"},
                                             {"is_active", "ACTIVE"},
                                             {"created_at", "CREATED"},
                                             {"updated_at", "UPDATED"},
                                             {"last_login_at", "LAST LOGIN"},
                                             {"must_change_password", "MUST CHANGE"}};
static const struct column key_columns[] = {{"id", "ID"},
                                            {"name", "NAME"},
                                            {"user_id", "OWNER"},
                                            {"scopes", "SCOPES"},
                                            {"is_active", "ACTIVE"},
                                            {"expires_at", "EXPIRES"},
                                            {"last_used_at", "LAST USED"},
                                            {"usage_count", "USES"},
                                            {"allowed_ips", "ALLOWED IPS"},
                                            {"created_at", "CREATED"},
                                            {"previous_valid_until", "OLD SECRET UNTIL"}};
static const struct column session_columns[] = {{"id", "ID"},
                                                {"user_id", "OWNER"},
                                                {"kind", "KIND"},
                                                {"created_at", "CREATED"},
                                                {"expires_at", "EXPIRES"},
                                                {"ip", "IP"},
                                                {"user_agent", "USER AGENT"}};
static const struct column signing_columns[] = {
    {"kid", "KID"}, {"alg", "ALG"}, {"state", "STATE"}, {"created_at", "CREATED"}};

const struct view view_user = VIEW("id", "username", user_columns, 6);
const struct view view_key = VIEW("id", "id", key_columns, 7);
const struct view view_session = VIEW("id", "id", session_columns, 5);
const struct view view_signing = VIEW("kid", "kid", signing_columns, 4);

void output_text(struct slice text)
{
    (void)fwrite(text.p != NULL ? text.p : "", 1, text.n, stdout);
}

/* C0, DEL, and C1 in UTF-8, which some terminals obey too. */
void output_hide_controls(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)p[i];

        if (b < ' ' || b == 0x7f)
            p[i] = '?';
        else if (b == 0xc2 && i + 1 < n && (unsigned char)p[i + 1] < 0xa0)
            p[i] = p[i + 1] = '?';
    }
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
    output_hide_controls(b.p + b.off, b.n);
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

static void print_heading(const struct ctl *c, const struct view *v, size_t columns,
                          const size_t *widths)
{
    if (c->out_has_color)
        fputs("\033[1m", stdout);
    for (size_t k = 0; k < columns; k++)
        printf("%s%*s", v->columns[k].title,
               k + 1 < columns ? (int)(widths[k] - width(v->columns[k].title) + 2) : 0, "");
    puts(c->out_has_color ? "\033[0m" : "");
}

/* Column k of each row is at cells[row * columns + k]. */
static void print_aligned(const struct ctl *c, const struct view *v, char *const *cells,
                          size_t columns, size_t rows)
{
    size_t *widths = mem_zalloc(columns * sizeof(*widths));

    for (size_t k = 0; k < columns; k++) {
        widths[k] = width(v->columns[k].title);
        for (size_t r = 0; r < rows; r++)
            if (width(cells[r * columns + k]) > widths[k])
                widths[k] = width(cells[r * columns + k]);
    }
    if (!c->has_heading)
        print_heading(c, v, columns, widths);
    for (size_t r = 0; r < rows; r++) {
        for (size_t k = 0; k < columns; k++) {
            const char *text = cells[r * columns + k];

            printf("%s%*s", text, k + 1 < columns ? (int)(widths[k] - width(text) + 2) : 0, "");
        }
        putchar('\n');
    }
    free(widths);
}

static void print_tabs(char *const *cells, size_t columns, size_t rows)
{
    for (size_t i = 0; i < rows * columns; i++)
        printf("%s%c", cells[i], (i + 1) % columns == 0 ? '\n' : '\t');
}

static void print_table(const struct ctl *c, const struct view *v, const json_t *array)
{
    size_t columns = c->format == FORMAT_WIDE ? v->column_count : v->narrow_count;
    size_t rows = json_array_size(array), count = rows * columns;
    char **cells = mem_zalloc((count + 1) * sizeof(*cells));

    for (size_t i = 0; i < count; i++)
        cells[i] = cell(
            json_object_get(json_array_get(array, i / columns), v->columns[i % columns].member));
    if (is_aligned(c))
        print_aligned(c, v, cells, columns, rows);
    else
        print_tabs(cells, columns, rows);
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

static bool is_table(const struct ctl *c)
{
    return c->format == FORMAT_TABLE || c->format == FORMAT_WIDE;
}

void output_list(const struct ctl *c, const struct view *v, const json_t *array)
{
    if (output_is_data(c)) {
        output_data(c, array);
    } else if (is_table(c)) {
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
    if (output_is_data(c))
        output_data(c, object);
    else if (is_table(c))
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
    if (is_table(c))
        ctl_say(c, "The %s is shown this once.", strcmp(member, "token") == 0 ? "token" : "key");
}
