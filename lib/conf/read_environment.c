#include "conf/read.h"

#include "conf/origin.h"
#include "conf/suggest.h"
#include "conf/value.h"

enum { NAME_MAX_BYTES = 100 };

static const struct option *find_option(const struct section *s, struct slice name)
{
    size_t count;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(options[i].section, s->name) == 0 &&
            slice_eq_ci(slice_str(options[i].name), name))
            return &options[i];
    return NULL;
}

static const struct section *find_section(struct slice key)
{
    size_t count;
    const struct section *sections = section_all(&count);

    for (size_t i = 0; i < count; i++)
        if (sections[i].parent[0] == '\0' && slice_eq_ci(slice_str(sections[i].key), key))
            return &sections[i];
    return NULL;
}

static void upper(const char *text, char *out, size_t room)
{
    size_t n = 0;

    for (; text[n] != '\0' && n + 1 < room; n++)
        out[n] = text[n] >= 'a' && text[n] <= 'z' ? (char)(text[n] - 0x20) : text[n];
    out[n] = '\0';
}

static void complain_unknown(struct reader *r, struct place at, struct slice typed)
{
    size_t option_count;
    const struct option *options = option_all(&option_count);
    char *names = arena_alloc(r->scratch, option_count * NAME_MAX_BYTES);
    struct suggest near;

    suggest_init(&near, typed);
    for (size_t i = 0; i < option_count; i++) {
        const struct section *s = section_find(options[i].section);
        char *name = names + i * NAME_MAX_BYTES;

        if (s->shape != SECTION_ONE || s->is_optional)
            continue;
        upper(arena_printf(r->scratch, "%s__%s", s->key, options[i].name).p, name, NAME_MAX_BYTES);
        suggest_offer(&near, slice_str(name));
    }
    if (suggest_best(&near).n > 0)
        complain(r->complaints, at, false, "no such option; did you mean POSTERN_%.*s?",
                 SLICE_FMT(suggest_best(&near)));
    else
        complain(r->complaints, at, false, "no such option");
}

static void set_option(struct reader *r, const struct option *o, void *base, struct slice value,
                       struct place at)
{
    struct value_source source = {&r->conf->arena, r->complaints, r->env, false};
    struct node item = {.text = value, .at = at};
    const struct node *items = &item;
    size_t count = 1;

    origin_set(r->conf, (char *)base + o->offset, at);
    if (option_is_list(o))
        items = value_cut(r->scratch, value, at, &count);
    (void)value_set(&source, o, base, items, count, at);
}

/* name is what follows POSTERN_: REDIS__URL, REDIS__PASSWORD_FILE. */
static void read_variable(struct reader *r, struct slice name, struct slice value)
{
    struct value_source source = {&r->conf->arena, r->complaints, r->env, false};
    struct slice full = arena_printf(&r->conf->arena, "environment variable POSTERN_%.*s",
                                     SLICE_FMT(slice_to(name, NAME_MAX_BYTES)));
    struct place at = {full.p, 0, 0};
    size_t gap = slice_find(name, '_', 0);
    const struct section *s;
    const struct option *o;

    while (gap + 1 < name.n && name.p[gap + 1] != '_')
        gap = slice_find(name, '_', gap + 1);
    s = find_section(slice_to(name, gap));
    if (s != NULL && s->shape != SECTION_ONE) {
        complain(r->complaints, at, false, "%s is set in the file only; use ${...} there", s->key);
        return;
    }
    o = s != NULL ? find_option(s, slice_from(name, gap + 2)) : NULL;
    if (o == NULL && s != NULL && slice_ends(name, SLICE("_FILE"))) {
        name.n -= 5;
        o = find_option(s, slice_from(name, gap + 2));
        if (o != NULL &&
            env_find(r->env, arena_printf(r->scratch, "POSTERN_%.*s", SLICE_FMT(name))).p != NULL) {
            complain(r->complaints, at, false, "set together with POSTERN_%.*s; one must go",
                     SLICE_FMT(name));
            return;
        }
        if (o != NULL && !value_read_file(value, at, &source, &value))
            return;
    }
    if (o == NULL)
        complain_unknown(r, at, name);
    else
        set_option(r, o, (char *)r->conf + s->offset, value, at);
}

void read_environment(struct reader *r)
{
    for (char *const *e = r->env; e != NULL && *e != NULL; e++) {
        struct slice value = slice_str(*e);
        struct slice name = slice_cut(&value, '=');

        if (value.p == NULL || !slice_starts(name, SLICE("POSTERN_")))
            continue;
        name = slice_from(name, 8);
        /* POSTERN_ADDR, POSTERN_TOKEN and their like belong to the tools. */
        if (memmem(name.p, name.n, "__", 2) != NULL)
            read_variable(r, name, value);
    }
}
