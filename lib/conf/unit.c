#include "conf/unit.h"

#include <inttypes.h>
#include <stdio.h>

static const uint64_t AMOUNT_MAX = (uint64_t)1 << 53;

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};
static const struct unit sizes[] = {
    {"B", 1},
    {"KiB", (uint64_t)1 << 10},
    {"MiB", (uint64_t)1 << 20},
    {"GiB", (uint64_t)1 << 30},
    {"TiB", (uint64_t)1 << 40},
};
static const struct unit periods[] = {
    {"s", 1000},
    {"min", 60000},
    {"h", 3600000},
    {"d", 86400000},
};

/* What people write for each unit, in lower case. */
struct alias {
    const char *written, *unit;
};
static const struct alias duration_aliases[] = {
    {"", "s"},    {"ms", "ms"},  {"msec", "ms"},  {"milliseconds", "ms"}, {"s", "s"},
    {"sec", "s"}, {"secs", "s"}, {"second", "s"}, {"seconds", "s"},       {"m", "m"},
    {"min", "m"}, {"mins", "m"}, {"minute", "m"}, {"minutes", "m"},       {"h", "h"},
    {"hr", "h"},  {"hrs", "h"},  {"hour", "h"},   {"hours", "h"},         {"d", "d"},
    {"day", "d"}, {"days", "d"},
};
static const struct alias size_aliases[] = {
    {"b", "B"},     {"byte", "B"},  {"bytes", "B"}, {"k", "KiB"},   {"kb", "KiB"},
    {"ki", "KiB"},  {"kib", "KiB"}, {"m", "MiB"},   {"mb", "MiB"},  {"mi", "MiB"},
    {"mib", "MiB"}, {"g", "GiB"},   {"gb", "GiB"},  {"gi", "GiB"},  {"gib", "GiB"},
    {"t", "TiB"},   {"tb", "TiB"},  {"ti", "TiB"},  {"tib", "TiB"},
};
static const struct alias period_aliases[] = {
    {"s", "s"}, {"sec", "s"}, {"second", "s"}, {"m", "min"}, {"min", "min"}, {"minute", "min"},
    {"h", "h"}, {"hr", "h"},  {"hour", "h"},   {"d", "d"},   {"day", "d"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct unit *find_unit(const struct unit *units, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(slice_str(units[i].name), name))
            return &units[i];
    return NULL;
}

static const char *find_alias(const struct alias *aliases, size_t count, struct slice written)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq_ci(slice_str(aliases[i].written), written))
            return aliases[i].unit;
    return NULL;
}

/* Splits "30s" behind the digits. Leading zeros are refused: 012 is ten to some and twelve to
 * others. */
static bool split_number(struct slice s, uint64_t *number, struct slice *unit)
{
    size_t n = 0;

    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    if (n > 1 && s.p[0] == '0')
        return false;
    *unit = slice_from(s, n);
    return slice_u64(slice_to(s, n), AMOUNT_MAX, number);
}

static bool multiply(uint64_t number, uint64_t factor, uint64_t *out)
{
    return !__builtin_mul_overflow(number, factor, out) && *out <= AMOUNT_MAX;
}

static void propose(char proposal[UNIT_TEXT_MAX], struct slice s, const struct alias *aliases,
                    size_t count)
{
    uint64_t number;
    struct slice written;
    const char *unit;

    proposal[0] = '\0';
    s = slice_trim(s);
    while (s.n > 1 && s.p[0] == '0' && s.p[1] >= '0' && s.p[1] <= '9')
        s = slice_from(s, 1);
    if (!split_number(s, &number, &written))
        return;
    unit = find_alias(aliases, count, slice_trim(written));
    if (unit != NULL)
        (void)snprintf(proposal, UNIT_TEXT_MAX, "%" PRIu64 "%s", number, unit);
}

enum err unit_parse_count(struct slice s, uint64_t *out, char proposal[UNIT_TEXT_MAX])
{
    static const struct alias none[] = {{"", ""}};
    struct slice unit;
    uint64_t number;

    if (split_number(s, &number, &unit) && unit.n == 0) {
        *out = number;
        return ERR_OK;
    }
    propose(proposal, s, none, 1);
    return ERR_SYNTAX;
}

enum err unit_parse_duration(struct slice s, int64_t *out_ms, char proposal[UNIT_TEXT_MAX])
{
    struct slice name;
    uint64_t number, ms;

    if (split_number(s, &number, &name)) {
        const struct unit *unit = find_unit(durations, COUNT_OF(durations), name);

        if (name.n == 0 && number == 0)
            unit = &durations[0];
        if (unit != NULL && multiply(number, unit->factor, &ms)) {
            *out_ms = (int64_t)ms;
            return ERR_OK;
        }
    }
    propose(proposal, s, duration_aliases, COUNT_OF(duration_aliases));
    return ERR_SYNTAX;
}

enum err unit_parse_bytes(struct slice s, uint64_t *out, char proposal[UNIT_TEXT_MAX])
{
    struct slice name;
    uint64_t number, bytes;

    if (split_number(s, &number, &name)) {
        const struct unit *unit = name.n == 0 ? &sizes[0] : find_unit(sizes, COUNT_OF(sizes), name);

        if (unit != NULL && multiply(number, unit->factor, &bytes)) {
            *out = bytes;
            return ERR_OK;
        }
    }
    propose(proposal, s, size_aliases, COUNT_OF(size_aliases));
    return ERR_SYNTAX;
}

/* "60/min" for "60/m", "60/minute", "60 per minute", "60 / min", "60/1min". */
static void propose_rate(char proposal[UNIT_TEXT_MAX], struct slice s)
{
    uint64_t number;
    struct slice rest;
    const char *period;

    proposal[0] = '\0';
    if (!split_number(slice_trim(s), &number, &rest))
        return;
    rest = slice_trim(rest);
    if (slice_starts_ci(rest, SLICE("per ")))
        rest = slice_from(rest, 4);
    else if (slice_starts(rest, SLICE("/")))
        rest = slice_from(rest, 1);
    else if (slice_starts_ci(rest, SLICE("r/"))) /* nginx writes 60r/m */
        rest = slice_from(rest, 2);
    else if (rest.n > 0)
        return;
    rest = slice_trim(rest);
    period = rest.n == 0 ? "min" : find_alias(period_aliases, COUNT_OF(period_aliases), rest);
    if (period != NULL)
        (void)snprintf(proposal, UNIT_TEXT_MAX, "%" PRIu64 "/%s", number, period);
}

enum err unit_parse_rate(struct slice s, struct rate *out, char proposal[UNIT_TEXT_MAX])
{
    struct slice rest;
    uint64_t number;
    int64_t period_ms = 0;

    if (split_number(s, &number, &rest) && slice_starts(rest, SLICE("/"))) {
        struct slice name = slice_from(rest, 1);
        const struct unit *unit = find_unit(periods, COUNT_OF(periods), name);

        if (unit != NULL)
            period_ms = (int64_t)unit->factor;
        else if (name.n > 1 && unit_parse_duration(name, &period_ms, proposal) != ERR_OK)
            period_ms = 0;
        if (number > 0 && number <= 1000000000 && period_ms >= 1000 &&
            period_ms <= (int64_t)366 * 86400000) {
            *out = (struct rate){number, period_ms};
            return ERR_OK;
        }
    }
    propose_rate(proposal, s);
    return ERR_SYNTAX;
}

enum err unit_parse_bool(struct slice s, bool *out, char proposal[UNIT_TEXT_MAX])
{
    static const char *const yes[] = {"yes", "on", "y", "1", "true", "enabled"};
    static const char *const no[] = {"no", "off", "n", "0", "false", "disabled"};

    if (slice_eq(s, SLICE("true")) || slice_eq(s, SLICE("false"))) {
        *out = s.n == 4;
        return ERR_OK;
    }
    proposal[0] = '\0';
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (slice_eq_ci(s, slice_str(yes[i])))
            (void)snprintf(proposal, UNIT_TEXT_MAX, "true");
        if (slice_eq_ci(s, slice_str(no[i])))
            (void)snprintf(proposal, UNIT_TEXT_MAX, "false");
    }
    return ERR_SYNTAX;
}

static void write_amount(uint64_t value, const struct unit *units, size_t count,
                         char out[UNIT_TEXT_MAX])
{
    const struct unit *best = &units[0];

    for (size_t i = 0; i < count; i++)
        if (value % units[i].factor == 0 && value >= units[i].factor)
            best = &units[i];
    (void)snprintf(out, UNIT_TEXT_MAX, "%" PRIu64 "%s", value / best->factor, best->name);
}

void unit_write_duration(int64_t ms, char out[UNIT_TEXT_MAX])
{
    if (ms == 0)
        (void)snprintf(out, UNIT_TEXT_MAX, "0s");
    else
        write_amount((uint64_t)ms, durations, COUNT_OF(durations), out);
}

void unit_write_bytes(uint64_t bytes, char out[UNIT_TEXT_MAX])
{
    if (bytes == 0)
        (void)snprintf(out, UNIT_TEXT_MAX, "0");
    else
        write_amount(bytes, sizes, COUNT_OF(sizes), out);
}

void unit_write_rate(const struct rate *rate, char out[UNIT_TEXT_MAX])
{
    char period[UNIT_TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(periods); i++)
        if ((int64_t)periods[i].factor == rate->period_ms) {
            (void)snprintf(out, UNIT_TEXT_MAX, "%" PRIu64 "/%s", rate->units, periods[i].name);
            return;
        }
    unit_write_duration(rate->period_ms, period);
    (void)snprintf(out, UNIT_TEXT_MAX, "%" PRIu64 "/%.20s", rate->units, period);
}
