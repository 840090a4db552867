#include "conf/opening.h"
#include "conf/pattern.h"
#include "conf/value.h"

/* conf_diff(): what a reload would change, and whether it lets more in. */

struct instance {
    const struct section *section;
    const void *base;
    struct slice label; /* "routes./predict" */
};

struct instances {
    struct arena *arena;
    const struct conf *conf;
    struct instance *items;
    size_t count, room;
};

/* The path, and the methods where several routes share it. */
static struct slice route_label(const struct instances *all, const struct conf_route *r)
{
    size_t same = 0;
    struct buf methods;
    struct slice label;

    for (size_t i = 0; i < all->conf->route_count; i++)
        same += slice_eq(all->conf->routes[i].path, r->path);
    buf_init(&methods);
    for (size_t i = 0; same > 1 && i < r->methods.count; i++)
        buf_printf(&methods, "%s%.*s", i == 0 ? " " : ",", SLICE_FMT(r->methods.items[i]));
    for (size_t i = 0; same > 1 && i < r->hosts.count; i++)
        buf_printf(&methods, " @%.*s", SLICE_FMT(r->hosts.items[i]));
    label = arena_printf(all->arena, "routes.%.*s%s", SLICE_FMT(r->path), buf_cstr(&methods));
    buf_fini(&methods);
    return label;
}

/* Of the entry that this one stands in: the last one of the parent's section. */
static struct slice parent_label(const struct instances *all, const struct section *s)
{
    for (size_t i = all->count; i > 0; i--)
        if (strcmp(all->items[i - 1].section->name, s->parent) == 0)
            return all->items[i - 1].label;
    return SLICE_NONE;
}

static struct slice label_of(const struct instances *all, const struct section *s, const void *base)
{
    const struct conf_listen *listen = base;
    const struct conf_tls_certificate *certificate = base;
    const struct conf_issuer *issuer = base;
    struct slice name;

    if (strcmp(s->name, "route") == 0)
        return route_label(all, base);
    if (strcmp(s->name, "listen") == 0)
        return arena_printf(all->arena, "listen.%.*s", SLICE_FMT(listen->address));
    if (strcmp(s->name, "tls_certificate") == 0)
        return arena_printf(all->arena, "%.*s.%.*s", SLICE_FMT(parent_label(all, s)),
                            SLICE_FMT(certificate->certificate));
    if (strcmp(s->name, "issuer") == 0)
        return arena_printf(all->arena, "auth.issuers.%.*s", SLICE_FMT(issuer->issuer));
    if (s->is_optional)
        return arena_printf(all->arena, "%.*s.%s", SLICE_FMT(parent_label(all, s)), s->key);
    if (s->shape == SECTION_ONE)
        return slice_str(s->key);
    memcpy(&name, (const char *)base + s->name_offset, sizeof(name));
    return arena_printf(all->arena, "%s.%.*s", s->key, SLICE_FMT(name));
}

static void collect(void *arg, const struct section *s, void *base)
{
    struct instances *all = arg;
    struct slice label = label_of(all, s, base);

    if (all->count == all->room) {
        struct instance *more = arena_alloc(all->arena, (all->room * 2 + 16) * sizeof(*all->items));

        if (all->count > 0)
            memcpy(more, all->items, all->count * sizeof(*more));
        all->items = more;
        all->room = all->room * 2 + 16;
    }
    all->items[all->count++] = (struct instance){s, base, label};
}

static const struct instance *find(const struct instances *all, const struct instance *like)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].section == like->section && slice_eq(all->items[i].label, like->label))
            return &all->items[i];
    return NULL;
}

/* Could a request for one pattern be taken by the other? */
static bool overlaps(const struct pattern *gone, const struct pattern *other)
{
    if (other->has_rest ? other->count > gone->count && !gone->has_rest
                        : other->count != gone->count && !gone->has_rest)
        return false;
    for (size_t i = 0; i < gone->count && i < other->count; i++)
        if (!gone->segments[i].is_name && !other->segments[i].is_name &&
            !slice_eq(gone->segments[i].text, other->segments[i].text))
            return false;
    return true;
}

/* A route that goes away, or takes less, uncovers a less specific one that may ask for less. */
static bool uncovers(const struct conf_route *gone, const struct instances *now)
{
    struct pattern p, q;
    struct slice why;

    if (pattern_parse(gone->path, now->arena, &p, &why) != ERR_OK)
        return true;
    for (size_t i = 0; i < now->conf->route_count; i++)
        if (&now->conf->routes[i] != gone &&
            pattern_parse(now->conf->routes[i].path, now->arena, &q, &why) == ERR_OK &&
            overlaps(&p, &q))
            return true;
    return false;
}

/* A method or host that a route no longer takes goes to a less specific one. */
static bool lets_pass(const struct option *o, const struct instance *i, const struct instances *now)
{
    return strcmp(o->section, "route") == 0 &&
           (strcmp(o->name, "methods") == 0 || strcmp(o->name, "hosts") == 0) &&
           uncovers(i->base, now);
}

static size_t compare(const struct instance *a, const struct instance *b,
                      const struct instances *now, struct buf *out)
{
    size_t count, lines = 0;
    const struct option *options = option_all(&count);

    for (size_t i = 0; i < count; i++) {
        const struct option *o = &options[i];

        if (strcmp(o->section, a->section->name) != 0 || value_equal(o, a->base, b->base))
            continue;
        buf_printf(out, "~ %.*s.", SLICE_FMT(a->label));
        if (option_group(o).n > 0)
            buf_printf(out, "%.*s.", SLICE_FMT(option_group(o)));
        buf_printf(out, "%.*s: ", SLICE_FMT(option_leaf(o)));
        value_write(o, a->base, out);
        buf_add(out, SLICE(" -> "));
        value_write(o, b->base, out);
        buf_printf(out, "%s%s\n", o->is_live ? "" : "  RESTART",
                   opening_is(o, a->base, b->base) || lets_pass(o, b, now) ? "  MORE OPEN" : "");
        lines++;
    }
    return lines;
}

static size_t write_whole(char sign, const struct instance *i, bool is_opening_now, struct buf *out)
{
    bool needs_restart = strcmp(i->section->name, "listen") == 0;

    buf_printf(out, "%c %.*s%s%s\n", sign, SLICE_FMT(i->label), needs_restart ? "  RESTART" : "",
               is_opening_now ? "  MORE OPEN" : "");
    return 1;
}

static bool is_section(const struct instance *i, const char *name)
{
    return strcmp(i->section->name, name) == 0;
}

static bool opens_by_going(const struct instance *i, const struct instances *now)
{
    if (is_section(i, "route"))
        return uncovers(i->base, now);
    if (i->section->is_optional) /* a route's own CORS: the general one now holds */
        return now->conf->cors.origins.count > 0;
    return is_section(i, "limit");
}

static bool opens_by_coming(const struct instance *i)
{
    return is_section(i, "route") || is_section(i, "issuer") || is_section(i, "listen") ||
           i->section->is_optional;
}

size_t conf_diff(const struct conf *a, const struct conf *b, struct buf *out)
{
    struct arena arena;
    struct instances old = {.arena = &arena, .conf = a}, new = {.arena = &arena, .conf = b};
    size_t lines = 0;

    arena_init(&arena);
    section_visit((struct conf *)(uintptr_t)a, collect, &old);
    section_visit((struct conf *)(uintptr_t)b, collect, &new);
    for (size_t i = 0; i < old.count; i++) {
        const struct instance *other = find(&new, &old.items[i]);

        if (other != NULL)
            lines += compare(&old.items[i], other, &new, out);
        else
            lines += write_whole('-', &old.items[i], opens_by_going(&old.items[i], &new), out);
    }
    for (size_t i = 0; i < new.count; i++)
        if (find(&old, &new.items[i]) == NULL)
            lines += write_whole('+', &new.items[i], opens_by_coming(&new.items[i]), out);
    arena_fini(&arena);
    return lines;
}
