#include "conf/option.h"
#include "conf/origin.h"
#include "conf/value.h"

/* conf_write(): YAML that conf_read_text() takes again, except for the masked secrets. */

enum { NOTE_COLUMN = 56, STEP = 2 };

struct writer {
    const struct conf *conf;
    bool with_origin;
    struct buf *out;
};

static void indent(struct buf *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        buf_add_char(out, ' ');
}

static void write_note(const struct writer *w, const void *field, size_t line_start)
{
    const struct place *at = origin_find(w->conf, field);

    if (!w->with_origin)
        return;
    do
        buf_add_char(w->out, ' ');
    while (w->out->n - line_start < NOTE_COLUMN);
    if (at == NULL)
        buf_add(w->out, SLICE("# default"));
    else if (at->line == 0)
        buf_printf(w->out, "# %s", at->file);
    else
        buf_printf(w->out, "# %s:%u", at->file, at->line);
}

/* The first line of a list entry carries the "- ". */
static void begin_line(const struct writer *w, unsigned depth, bool *is_first)
{
    indent(w->out, *is_first ? depth - STEP : depth);
    if (*is_first)
        buf_add(w->out, SLICE("- "));
    *is_first = false;
}

static void write_option(const struct writer *w, const struct option *o, const char *base,
                         unsigned depth, bool *is_first)
{
    size_t line_start = w->out->n;

    begin_line(w, depth, is_first);
    buf_printf(w->out, "%.*s: ", SLICE_FMT(option_leaf(o)));
    value_write(o, base, w->out);
    write_note(w, base + o->offset, line_start);
    buf_add_char(w->out, '\n');
}

/* An unset required word such as an empty URL says nothing and may not be read again. */
static bool is_worth_writing(const struct writer *w, const struct option *o, const char *base)
{
    struct slice text;
    struct secret *secret;

    if (o->type == OPTION_SECRET) {
        memcpy(&secret, base + o->offset, sizeof(secret));
        return secret != NULL;
    }
    if (o->type != OPTION_TEXT && o->type != OPTION_PATH && o->type != OPTION_URL)
        return true;
    memcpy(&text, base + o->offset, sizeof(text));
    return text.n > 0 || o->standard[0] != '\0' || origin_find(w->conf, base + o->offset) != NULL;
}

/* Without a certificate there is no tls; writing its defaults would ask for one. */
static bool has_tls(const struct section *s, const char *base)
{
    const struct conf_listen *l = (const void *)base;

    return strcmp(s->name, "listen") != 0 || l->certificate.n > 0;
}

static void write_section(const struct writer *w, const struct section *s, const char *base,
                          unsigned depth, bool is_first);

static void write_child(const struct writer *w, const struct section *s, const char *parent,
                        unsigned depth, bool *is_first)
{
    const char *holder = s->in_conf ? (const char *)w->conf : parent;
    const char *items = holder + s->offset;
    size_t count = 1;

    if (s->shape != SECTION_ONE || s->is_optional)
        memcpy(&items, holder + s->offset, sizeof(items));
    if (s->shape != SECTION_ONE)
        memcpy(&count, holder + s->count_offset, sizeof(count));
    if (items == NULL || count == 0)
        return;
    begin_line(w, depth, is_first);
    buf_printf(w->out, "%s:\n", s->key);
    for (size_t i = 0; i < count; i++) {
        const char *base = items + i * s->bytes;

        if (s->shape == SECTION_MAP) {
            struct slice name;

            memcpy(&name, base + s->name_offset, sizeof(name));
            indent(w->out, depth + STEP);
            value_write_text(name, w->out);
            buf_add(w->out, SLICE(":\n"));
        }
        write_section(w, s, base, depth + (s->shape == SECTION_ONE ? STEP : 2 * STEP),
                      s->shape == SECTION_LIST);
    }
}

static void write_children(const struct writer *w, const char *parent, struct slice group,
                           const char *base, unsigned depth, bool *is_first)
{
    size_t count;
    const struct section *sections = section_all(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(sections[i].parent, parent) == 0 &&
            slice_eq(slice_str(sections[i].group), group))
            write_child(w, &sections[i], base, depth, is_first);
}

/* The options of one group, under its heading; group empty: those without a group. */
static void write_group(const struct writer *w, const struct section *s, struct slice group,
                        const char *base, unsigned depth, bool *is_first)
{
    size_t count;
    const struct option *options = option_all(&count);
    bool has_heading = group.n == 0;

    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];

        if (strcmp(o->section, s->name) != 0 || !slice_eq(option_group(o), group) ||
            !is_worth_writing(w, o, base))
            continue;
        if (!has_heading) {
            begin_line(w, depth, is_first);
            buf_printf(w->out, "%.*s:\n", SLICE_FMT(group));
            has_heading = true;
        }
        write_option(w, o, base, group.n > 0 ? depth + STEP : depth, is_first);
    }
    write_children(w, s->name, group, base, group.n > 0 ? depth + STEP : depth, is_first);
}

static void write_section(const struct writer *w, const struct section *s, const char *base,
                          unsigned depth, bool is_first)
{
    size_t count;
    const struct option *options = option_all(&count);
    struct slice last = SLICE_NONE;

    write_group(w, s, SLICE_NONE, base, depth, &is_first);
    for (size_t i = 0; i < count; i++) {
        struct slice group = option_group(&options[i]);

        if (strcmp(options[i].section, s->name) != 0 || group.n == 0 || slice_eq(group, last))
            continue;
        last = group;
        if (has_tls(s, base))
            write_group(w, s, group, base, depth, &is_first);
    }
}

void conf_write(const struct conf *conf, bool with_origin, struct buf *out)
{
    struct writer w = {conf, with_origin, out};
    bool is_first = false;

    write_children(&w, "", SLICE_NONE, (const char *)conf, 0, &is_first);
}
