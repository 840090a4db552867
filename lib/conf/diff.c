#include "conf/option.h"
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

/* In which direction an option lets more in. */
enum opens {
    OPENS_MORE_ITEMS,    /* something is new in the list */
    OPENS_MORE_OR_EMPTY, /* the same, and an empty list means all */
    OPENS_FEWER_ITEMS,   /* something is gone from the list */
    OPENS_LIMITS,        /* an allowance is gone, or the default one no longer holds */
    OPENS_RATES,         /* a window is gone or wider */
    OPENS_UP,            /* a higher number, a later word, true */
    OPENS_UP_OR_ZERO,    /* the same, and 0 is no bound */
    OPENS_DOWN,
    OPENS_ANY,
};

static const struct {
    const char *section, *name;
    enum opens opens;
} openings[] = {
    {"server", "hosts", OPENS_MORE_OR_EMPTY},
    {"server", "trusted_proxies", OPENS_MORE_ITEMS},
    {"listen", "client_certificate", OPENS_DOWN},
    {"listen", "min_version", OPENS_DOWN},
    {"listen", "client_ca", OPENS_ANY},
    {"redis", "max_stale", OPENS_UP},
    {"auth", "mode", OPENS_UP},
    {"auth", "on_store_down", OPENS_UP},
    {"auth", "mtls_user", OPENS_UP},
    {"auth", "jwt_audience", OPENS_MORE_ITEMS},
    {"auth", "jwt_leeway", OPENS_UP},
    {"issuer", "audience", OPENS_MORE_ITEMS},
    {"issuer", "algorithms", OPENS_MORE_ITEMS},
    {"issuer", "types", OPENS_MORE_OR_EMPTY},
    {"issuer", "default_roles", OPENS_MORE_ITEMS},
    {"issuer", "user_claim", OPENS_ANY},
    {"issuer", "user_prefix", OPENS_ANY},
    {"issuer", "roles_claim", OPENS_ANY},
    {"issuer", "scopes_claim", OPENS_ANY},
    {"issuer", "leeway", OPENS_UP},
    {"limit", "key", OPENS_ANY},
    {"limit", "rate", OPENS_RATES},
    {"limit", "burst", OPENS_UP_OR_ZERO},
    {"limit", "kind", OPENS_DOWN},
    {"limit", "cost", OPENS_DOWN},
    {"limit", "on_store_down", OPENS_UP},
    {"upstream", "verify", OPENS_DOWN},
    {"route", "methods", OPENS_MORE_OR_EMPTY},
    {"route", "hosts", OPENS_MORE_OR_EMPTY},
    {"route", "auth", OPENS_UP},
    {"route", "roles", OPENS_MORE_OR_EMPTY},
    {"route", "scopes", OPENS_FEWER_ITEMS},
    {"route", "methods_auth", OPENS_MORE_OR_EMPTY},
    {"route", "allow", OPENS_MORE_OR_EMPTY},
    {"route", "deny", OPENS_FEWER_ITEMS},
    {"route", "client_subject", OPENS_MORE_OR_EMPTY},
    {"route", "limit", OPENS_LIMITS},
    {"route", "max_body", OPENS_UP_OR_ZERO},
    {"route", "encoded_slash", OPENS_UP},
    {"cors", "origins", OPENS_MORE_ITEMS},
    {"cors", "credentials", OPENS_UP},
};

static bool has_item(const struct option *o, const void *base, struct slice wanted)
{
    bool found = false;
    struct buf item;

    buf_init(&item);
    for (size_t i = 0; i < value_item_count(o, base) && !found; i++) {
        buf_clear(&item);
        value_write_item(o, base, i, &item);
        found = slice_eq(buf_slice(&item), wanted);
    }
    buf_fini(&item);
    return found;
}

/* Is an item of a missing in b? */
static bool lacks(const struct option *o, const void *a, const void *b)
{
    bool is_missing = false;
    struct buf item;

    buf_init(&item);
    for (size_t i = 0; i < value_item_count(o, a) && !is_missing; i++) {
        buf_clear(&item);
        value_write_item(o, a, i, &item);
        is_missing = !has_item(o, b, buf_slice(&item));
    }
    buf_fini(&item);
    return is_missing;
}

static bool widens_rates(const struct option *o, const void *a, const void *b)
{
    struct rates old, new;

    memcpy(&old, (const char *)a + o->offset, sizeof(old));
    memcpy(&new, (const char *)b + o->offset, sizeof(new));
    for (size_t i = 0; i < old.count; i++) {
        bool is_held = false;

        for (size_t j = 0; j < new.count; j++)
            is_held =
                is_held || (new.items[j].period_ms ==
                            old.items[i].period_ms &&new.items[j].units <= old.items[i].units);
        if (!is_held)
            return true;
    }
    return false;
}

static uint64_t number_of(const struct option *o, const void *base)
{
    const char *field = (const char *)base + o->offset;
    uint64_t number = 0;
    enum word word;

    if (o->type == OPTION_BOOL) {
        number = *field != 0;
    } else if (o->type == OPTION_ENUM) {
        memcpy(&word, field, sizeof(word));
        number = (uint64_t)word;
    } else {
        memcpy(&number, field, sizeof(number));
    }
    return number;
}

static bool opens(const struct option *o, enum opens how, const void *a, const void *b)
{
    switch (how) {
    case OPENS_MORE_ITEMS:
        return lacks(o, b, a);
    case OPENS_MORE_OR_EMPTY:
        return value_item_count(o, b) == 0 || (value_item_count(o, a) > 0 && lacks(o, b, a));
    case OPENS_FEWER_ITEMS:
        return lacks(o, a, b);
    case OPENS_LIMITS:
        return value_item_count(o, a) == 0 || value_item_count(o, b) == 0 || lacks(o, a, b);
    case OPENS_RATES:
        return widens_rates(o, a, b);
    case OPENS_UP:
        return number_of(o, b) > number_of(o, a);
    case OPENS_UP_OR_ZERO:
        return number_of(o, b) == 0 || (number_of(o, a) != 0 && number_of(o, b) > number_of(o, a));
    case OPENS_DOWN:
        return number_of(o, b) < number_of(o, a);
    default:
        return true;
    }
}

static bool is_opening(const struct option *o, const void *a, const void *b)
{
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++)
        if (strcmp(openings[i].section, o->section) == 0 && strcmp(openings[i].name, o->name) == 0)
            return opens(o, openings[i].opens, a, b);
    return false;
}

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

static size_t compare(const struct instance *a, const struct instance *b, struct buf *out)
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
                   is_opening(o, a->base, b->base) ? "  MORE OPEN" : "");
        lines++;
    }
    return lines;
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

/* A route that goes away uncovers a less specific one that may ask for less. */
static bool uncovers(const struct conf_route *gone, const struct instances *now)
{
    struct pattern p, q;
    struct slice why;

    if (pattern_parse(gone->path, now->arena, &p, &why) != ERR_OK)
        return true;
    for (size_t i = 0; i < now->conf->route_count; i++)
        if (pattern_parse(now->conf->routes[i].path, now->arena, &q, &why) == ERR_OK &&
            overlaps(&p, &q))
            return true;
    return false;
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
            lines += compare(&old.items[i], other, out);
        else
            lines += write_whole(
                '-', &old.items[i],
                is_section(&old.items[i], "limit") ||
                    (is_section(&old.items[i], "route") && uncovers(old.items[i].base, &new)),
                out);
    }
    for (size_t i = 0; i < new.count; i++)
        if (find(&old, &new.items[i]) == NULL)
            lines += write_whole('+', &new.items[i],
                                 is_section(&new.items[i], "route") ||
                                     is_section(&new.items[i], "issuer") ||
                                     new.items[i].section->is_optional,
                                 out);
    arena_fini(&arena);
    return lines;
}
