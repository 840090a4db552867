#include "conf/value.h"

#include "conf/suggest.h"
#include "conf/unit.h"
#include "http/url.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_MAX = 60, SECRET_MAX = 64 * 1024 };

const char *value_expects(enum option_type type)
{
    switch (type) {
    case OPTION_BOOL:
        return "true or false";
    case OPTION_COUNT:
        return "a whole number";
    case OPTION_DURATION:
        return "a duration such as 500ms, 30s, 5m, 2h or 7d";
    case OPTION_BYTES:
        return "a size such as 32KiB, 5MiB or 2GiB";
    case OPTION_ADDRS:
        return "addresses such as 10.0.0.0/8 or ::1";
    case OPTION_RATES:
        return "rates such as 60/min or 1000/h";
    case OPTION_URL:
        return "a URL, http:// or https://";
    case OPTION_TEXTS:
        return "a list of texts";
    case OPTION_SECRET:
        return "file:PATH, credential:NAME or the secret itself";
    default:
        return "a text";
    }
}

static void complain_value(const struct value_source *source, const struct option *o,
                           struct slice text, struct place at, const char *proposal)
{
    complain(source->complaints, at, false, "%.*s takes %s, not '%.*s'%s%s%s",
             SLICE_FMT(option_leaf(o)), value_expects(o->type),
             SLICE_FMT(slice_to(text, SHOWN_MAX)), proposal[0] != '\0' ? "; did you mean " : "",
             proposal, proposal[0] != '\0' ? "?" : "");
}

static void write_number(const struct option *o, uint64_t number, char out[UNIT_TEXT_MAX])
{
    if (o->type == OPTION_DURATION)
        unit_write_duration((int64_t)number, out);
    else if (o->type == OPTION_BYTES)
        unit_write_bytes(number, out);
    else
        (void)snprintf(out, UNIT_TEXT_MAX, "%" PRIu64, number);
}

void value_write_range(const struct option *o, struct buf *out)
{
    char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

    write_number(o, o->min, min);
    write_number(o, o->max, max);
    buf_printf(out, "%s to %s", min, max);
}

static bool is_in_range(const struct value_source *source, const struct option *o, uint64_t number,
                        struct place at)
{
    char value[UNIT_TEXT_MAX], min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

    if ((o->min == 0 && o->max == 0) || (number >= o->min && number <= o->max))
        return true;
    write_number(o, number, value);
    write_number(o, o->min, min);
    write_number(o, o->max, max);
    complain(source->complaints, at, false, "%.*s: %s is out of range, %s to %s",
             SLICE_FMT(option_leaf(o)), value, min, max);
    return false;
}

static bool set_number(const struct value_source *source, const struct option *o, char *field,
                       struct slice text, struct place at)
{
    char proposal[UNIT_TEXT_MAX];
    uint64_t number = 0;
    int64_t ms = 0;
    enum err e;

    if (o->type == OPTION_DURATION) {
        e = unit_parse_duration(text, &ms, proposal);
        number = (uint64_t)ms;
    } else if (o->type == OPTION_BYTES) {
        e = unit_parse_bytes(text, &number, proposal);
    } else {
        e = unit_parse_count(text, &number, proposal);
    }
    if (e != ERR_OK)
        complain_value(source, o, text, at, proposal);
    if (e != ERR_OK || !is_in_range(source, o, number, at))
        return false;
    ms = (int64_t)number;
    if (o->type == OPTION_DURATION)
        memcpy(field, &ms, sizeof(ms));
    else
        memcpy(field, &number, sizeof(number));
    return true;
}

static bool set_bool(const struct value_source *source, const struct option *o, char *field,
                     struct slice text, struct place at)
{
    char proposal[UNIT_TEXT_MAX];
    bool value;

    if (unit_parse_bool(text, &value, proposal) != ERR_OK) {
        complain_value(source, o, text, at, proposal);
        return false;
    }
    memcpy(field, &value, sizeof(value));
    return true;
}

static bool set_word(const struct value_source *source, const struct option *o, char *field,
                     struct slice text, struct place at)
{
    enum word word = word_find(o->set, text);
    struct suggest near;
    struct buf known;

    if (word != CONF_WORD_UNSET) {
        memcpy(field, &word, sizeof(word));
        return true;
    }
    buf_init(&known);
    suggest_init(&near, text);
    while ((word = word_next(o->set, word)) != CONF_WORD_UNSET) {
        suggest_offer(&near, slice_str(word_text(word)));
        buf_printf(&known, "%s%s", known.n > 0 ? ", " : "", word_text(word));
    }
    if (suggest_best(&near).n > 0)
        complain(source->complaints, at, false, "%.*s: '%.*s' is not one of %s; did you mean %.*s?",
                 SLICE_FMT(option_leaf(o)), SLICE_FMT(slice_to(text, SHOWN_MAX)), buf_cstr(&known),
                 SLICE_FMT(suggest_best(&near)));
    else
        complain(source->complaints, at, false, "%.*s: '%.*s' is not one of %s",
                 SLICE_FMT(option_leaf(o)), SLICE_FMT(slice_to(text, SHOWN_MAX)), buf_cstr(&known));
    buf_fini(&known);
    return false;
}

static bool set_text(const struct value_source *source, const struct option *o, char *field,
                     struct slice text, struct place at)
{
    struct slice copy = arena_dup(source->arena, text);
    struct url url;

    if (o->type == OPTION_URL && text.n > 0 &&
        (url_parse(text, &url) != ERR_OK || url.scheme == URL_UNIX)) {
        complain_value(source, o, text, at, "");
        return false;
    }
    memcpy(field, &copy, sizeof(copy));
    return true;
}

static struct secret *read_secret(const struct value_source *source, struct slice path,
                                  struct place at)
{
    struct slice z = arena_dup(source->arena, path);
    struct secret *s = NULL;
    enum err e = secret_read_file(z.p, SECRET_MAX, &s);

    if (e == ERR_OK)
        return s;
    complain(source->complaints, at, false, "the secret in %s cannot be read: %s", z.p,
             e == ERR_SYNTAX      ? "the file is empty"
             : e == ERR_NOT_FOUND ? "no such file"
                                  : err_text(e));
    return NULL;
}

static struct secret *read_credential(const struct value_source *source, struct slice name,
                                      struct place at)
{
    struct slice folder = env_find(source->env, SLICE("CREDENTIALS_DIRECTORY"));

    if (folder.n == 0) {
        complain(source->complaints, at, false,
                 "credential:%.*s, but CREDENTIALS_DIRECTORY is not set; systemd sets it for "
                 "LoadCredential=",
                 SLICE_FMT(name));
        return NULL;
    }
    if (name.n == 0 || memchr(name.p, '/', name.n) != NULL) {
        complain(source->complaints, at, false, "credential: takes a name, not a path");
        return NULL;
    }
    return read_secret(
        source, arena_printf(source->arena, "%.*s/%.*s", SLICE_FMT(folder), SLICE_FMT(name)), at);
}

static bool set_secret(const struct value_source *source, const struct option *o, char *field,
                       struct slice text, struct place at)
{
    struct secret *former, *s = NULL;

    if (slice_starts(text, SLICE("file:"))) {
        s = read_secret(source, slice_from(text, 5), at);
    } else if (slice_starts(text, SLICE("credential:"))) {
        s = read_credential(source, slice_from(text, 11), at);
    } else if (text.n > 0) {
        s = secret_copy(text);
        if (source->warn_inline_secret)
            complain(source->complaints, at, true,
                     "%.*s is written into the file; file:PATH or credential:NAME keeps it out",
                     SLICE_FMT(option_leaf(o)));
    }
    if (s == NULL && text.n > 0)
        return false;
    memcpy(&former, field, sizeof(former));
    secret_free(former);
    memcpy(field, &s, sizeof(s));
    return true;
}

static bool set_texts(const struct value_source *source, char *field, const struct node *items,
                      size_t count)
{
    struct texts texts = {arena_alloc(source->arena, count * sizeof(struct slice)), count};

    for (size_t i = 0; i < count; i++)
        texts.items[i] = arena_dup(source->arena, items[i].text);
    memcpy(field, &texts, sizeof(texts));
    return true;
}

static bool set_addrs(const struct value_source *source, const struct option *o, char *field,
                      const struct node *items, size_t count)
{
    struct addrs addrs = {arena_alloc(source->arena, count * sizeof(struct cidr)), count};
    bool is_ok = true;

    for (size_t i = 0; i < count; i++)
        if (cidr_parse(items[i].text, &addrs.items[i]) != ERR_OK) {
            complain_value(source, o, items[i].text, items[i].at, "");
            is_ok = false;
        }
    if (is_ok)
        memcpy(field, &addrs, sizeof(addrs));
    return is_ok;
}

static bool set_rates(const struct value_source *source, const struct option *o, char *field,
                      const struct node *items, size_t count)
{
    struct rates rates = {arena_alloc(source->arena, count * sizeof(struct rate)), count};
    char proposal[UNIT_TEXT_MAX];
    bool is_ok = true;

    for (size_t i = 0; i < count; i++)
        if (unit_parse_rate(items[i].text, &rates.items[i], proposal) != ERR_OK) {
            complain_value(source, o, items[i].text, items[i].at, proposal);
            is_ok = false;
        }
    if (is_ok)
        memcpy(field, &rates, sizeof(rates));
    return is_ok;
}

bool value_set(const struct value_source *source, const struct option *o, void *base,
               const struct node *items, size_t count, struct place at)
{
    char *field = (char *)base + o->offset;
    struct slice text = count > 0 ? items[0].text : SLICE_NONE;

    switch (o->type) {
    case OPTION_TEXTS:
        return set_texts(source, field, items, count);
    case OPTION_ADDRS:
        return set_addrs(source, o, field, items, count);
    case OPTION_RATES:
        return set_rates(source, o, field, items, count);
    case OPTION_BOOL:
        return set_bool(source, o, field, text, at);
    case OPTION_ENUM:
        return set_word(source, o, field, text, at);
    case OPTION_SECRET:
        return set_secret(source, o, field, text, at);
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_URL:
        return set_text(source, o, field, text, at);
    default:
        return set_number(source, o, field, text, at);
    }
}

struct node *value_cut(struct arena *arena, struct slice text, struct place at, size_t *count)
{
    size_t room = 1;
    struct node *items;

    for (size_t i = 0; i < text.n; i++)
        room += text.p[i] == ',';
    items = arena_zalloc(arena, room * sizeof(*items));
    *count = 0;
    while (text.p != NULL) {
        struct slice item = slice_trim(slice_cut(&text, ','));

        if (item.n > 0) {
            items[*count].text = arena_dup(arena, item);
            items[(*count)++].at = at;
        }
    }
    return items;
}

void value_set_default(struct arena *arena, const struct option *o, void *base)
{
    struct complaints none;
    struct value_source source = {.arena = arena, .complaints = &none};
    struct node item = {.text = slice_str(o->standard)};
    struct node *items = &item;
    size_t count = 1;

    if (o->standard[0] == '\0')
        return;
    if (option_is_list(o))
        items = value_cut(arena, item.text, item.at, &count);
    complaints_init(&none);
    CHECK(value_set(&source, o, base, items, count, item.at));
    complaints_fini(&none);
}

bool value_read_file(struct slice path, struct place at, const struct value_source *source,
                     struct slice *out)
{
    struct secret *s = read_secret(source, path, at);

    if (s == NULL)
        return false;
    *out = arena_dup(source->arena, secret_slice(s));
    secret_free(s);
    return true;
}
