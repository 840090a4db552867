#include "conf/opening.h"

#include "conf/value.h"

/* In which direction an option lets more in. */
enum opens {
    OPENS_MORE_ITEMS,      /* something is new in the list */
    OPENS_MORE_OR_EMPTY,   /* the same, and an empty list means all */
    OPENS_FEWER_ITEMS,     /* something is gone from the list */
    OPENS_LIMITS,          /* an allowance is gone, or the default one no longer holds */
    OPENS_RATES,           /* a window is gone or wider */
    OPENS_BURST,           /* more may come at once */
    OPENS_UP,              /* a higher number, a later word, true */
    OPENS_UP_OR_ZERO,      /* the same, and 0 is no bound */
    OPENS_DOWN,            /* a lower number, an earlier word, false */
    OPENS_WHEN_EMPTY,      /* it is taken away */
    OPENS_UNLESS_OFF,      /* anything but the word off */
    OPENS_UNLESS_STANDARD, /* anything but the default */
    OPENS_ANY,
};

static const struct {
    const char *section, *name;
    enum opens opens;
} openings[] = {
#define OPENING(section, name, how) {#section, #name, OPENS_##how},
#include "conf/opening.def"
#undef OPENING
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

static bool has_block(const struct addrs *list, const struct cidr *wanted)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].bits <= wanted->bits && cidr_has(&list->items[i], &wanted->base))
            return true;
    return false;
}

/* Blocks of addresses hold smaller ones. */
static bool lacks_block(const struct option *o, const void *a, const void *b)
{
    struct addrs x, y;

    memcpy(&x, (const char *)a + o->offset, sizeof(x));
    memcpy(&y, (const char *)b + o->offset, sizeof(y));
    for (size_t i = 0; i < x.count; i++)
        if (!has_block(&y, &x.items[i]))
            return true;
    return false;
}

/* Is an item of a missing in b? */
static bool lacks(const struct option *o, const void *a, const void *b)
{
    bool is_missing = false;
    struct buf item;

    if (o->type == OPTION_ADDRS)
        return lacks_block(o, a, b);

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

/* What may come at once; without a burst of its own that is the largest window's number. */
static uint64_t burst_of(const struct conf_limit *l)
{
    uint64_t most = l->burst;

    for (size_t i = 0; l->burst == 0 && i < l->rate.count; i++)
        most = l->rate.items[i].units > most ? l->rate.items[i].units : most;
    return most;
}

static bool is_written_as(const struct option *o, const void *base, const char *text)
{
    struct buf written;
    bool is_same;

    buf_init(&written);
    value_write(o, base, &written);
    is_same = slice_eq(buf_slice(&written), slice_str(text));
    buf_fini(&written);
    return is_same;
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
    case OPENS_BURST:
        return burst_of(b) > burst_of(a);
    case OPENS_UP:
        return number_of(o, b) > number_of(o, a);
    case OPENS_UP_OR_ZERO:
        return number_of(o, b) == 0 || (number_of(o, a) != 0 && number_of(o, b) > number_of(o, a));
    case OPENS_DOWN:
        return number_of(o, b) < number_of(o, a);
    case OPENS_WHEN_EMPTY:
        return is_written_as(o, b, "\"\"");
    case OPENS_UNLESS_OFF:
        return !is_written_as(o, b, "\"off\"");
    case OPENS_UNLESS_STANDARD:
        return !is_written_as(o, b, o->standard);
    default:
        return true;
    }
}

bool opening_is(const struct option *o, const void *a, const void *b)
{
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++)
        if (strcmp(openings[i].section, o->section) == 0 && strcmp(openings[i].name, o->name) == 0)
            return opens(o, openings[i].opens, a, b);
    return false;
}
