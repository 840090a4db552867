#include "conf/option.h"

#define TYPE_BOOL OPTION_BOOL
#define TYPE_COUNT OPTION_COUNT
#define TYPE_DURATION OPTION_DURATION
#define TYPE_BYTES OPTION_BYTES
#define TYPE_TEXT OPTION_TEXT
#define TYPE_PATH OPTION_PATH
#define TYPE_URL OPTION_URL
#define TYPE_SECRET OPTION_SECRET
#define TYPE_ADDRS OPTION_ADDRS
#define TYPE_TEXTS OPTION_TEXTS
#define TYPE_RATES OPTION_RATES
#define TYPE_ENUM(set) OPTION_ENUM

#define SET_BOOL NULL
#define SET_COUNT NULL
#define SET_DURATION NULL
#define SET_BYTES NULL
#define SET_TEXT NULL
#define SET_PATH NULL
#define SET_URL NULL
#define SET_SECRET NULL
#define SET_ADDRS NULL
#define SET_TEXTS NULL
#define SET_RATES NULL
#define SET_ENUM(set) #set

#define MEMBER_BOOL(name) name
#define MEMBER_COUNT(name) name
#define MEMBER_DURATION(name) name##_ms
#define MEMBER_BYTES(name) name##_bytes
#define MEMBER_TEXT(name) name
#define MEMBER_PATH(name) name
#define MEMBER_URL(name) name
#define MEMBER_SECRET(name) name
#define MEMBER_ADDRS(name) name
#define MEMBER_TEXTS(name) name
#define MEMBER_RATES(name) name
#define MEMBER_WORD(name) name
#define MEMBER_ENUM(set) MEMBER_WORD

#define RELOAD_LIVE true
#define RELOAD_RESTART false

static const struct option options[] = {
#define OPTION(section, name, type, standard, min, max, reload, help)                              \
    {#section,    #name,                                                                           \
     TYPE_##type, SET_##type,                                                                      \
     standard,    min,                                                                             \
     max,         RELOAD_##reload,                                                                 \
     help,        offsetof(struct conf_##section, MEMBER_##type(name))},
#include "conf/option.def"
#undef OPTION
};

static const struct {
    const char *set, *text;
} words[CONF_WORD_COUNT] = {
    {"", ""},
#define WORD(set, name, text) {#set, text},
#include "conf/enum.def"
#undef WORD
};

#define ONE(name, help)                                                                            \
    {                                                                                              \
#name, "", "", #name, #name, SECTION_ONE, true, false, sizeof(struct conf_##name),         \
            offsetof(struct conf, name), NO_FIELD, NO_FIELD, NO_FIELD, help                        \
    }

static const struct section sections[] = {
    ONE(server, "The process and what it takes from clients."),
    {"listen", "", "", "listen", "listen[]", SECTION_LIST, true, false, sizeof(struct conf_listen),
     offsetof(struct conf, listen), offsetof(struct conf, listen_count),
     offsetof(struct conf_listen, place), NO_FIELD, "Where clients connect, an entry each."},
    {"tls_certificate", "listen", "tls", "certificates", "listen[].tls.certificates[]",
     SECTION_LIST, false, false, sizeof(struct conf_tls_certificate),
     offsetof(struct conf_listen, certificates), offsetof(struct conf_listen, certificate_count),
     offsetof(struct conf_tls_certificate, place), NO_FIELD,
     "Further certificates of one listener, chosen by server name."},
    ONE(admin, "The listener for metrics and health."),
    ONE(redis, "Where users, keys, sessions and counters are kept."),
    ONE(auth, "Who may come in."),
    {"issuer", "auth", "", "issuers", "auth.issuers[]", SECTION_LIST, true, false,
     sizeof(struct conf_issuer), offsetof(struct conf, issuers),
     offsetof(struct conf, issuer_count), offsetof(struct conf_issuer, place), NO_FIELD,
     "Other people's tokens that are taken."},
    {"limit", "", "", "limits", "limits.<name>", SECTION_MAP, true, false,
     sizeof(struct conf_limit), offsetof(struct conf, limits), offsetof(struct conf, limit_count),
     offsetof(struct conf_limit, place), offsetof(struct conf_limit, name),
     "Allowances that routes refer to by name."},
    {"upstream", "", "", "upstreams", "upstreams.<name>", SECTION_MAP, true, false,
     sizeof(struct conf_upstream), offsetof(struct conf, upstreams),
     offsetof(struct conf, upstream_count), offsetof(struct conf_upstream, place),
     offsetof(struct conf_upstream, name), "Groups of servers that routes refer to by name."},
    {"route", "", "", "routes", "routes[]", SECTION_LIST, true, false, sizeof(struct conf_route),
     offsetof(struct conf, routes), offsetof(struct conf, route_count),
     offsetof(struct conf_route, place), NO_FIELD,
     "What is forwarded where; the most specific wins, and what matches nothing is 404."},
    {"cors", "route", "", "cors", "routes[].cors", SECTION_ONE, false, true,
     sizeof(struct conf_cors), offsetof(struct conf_route, cors), NO_FIELD, NO_FIELD, NO_FIELD,
     "In place of the general cors for this route."},
    ONE(cors, "What scripts of other origins may do."),
    ONE(headers, "Headers added to answers."),
    ONE(log, "Events, the access log and the audit log."),
};

const struct option *option_all(size_t *count)
{
    *count = sizeof(options) / sizeof(options[0]);
    return options;
}

const struct section *section_all(size_t *count)
{
    *count = sizeof(sections) / sizeof(sections[0]);
    return sections;
}

/* Beginnings of help texts that name a place; the rest of the place follows the prefix. */
static const struct {
    const char *section, *prefix;
} places[] = {
    {"listen", "listen[]."},
    {"auth", "auth."},
    {"upstream", "upstreams.x."},
    {"route", "route."},
};

static bool is_place_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* "timeouts.connect" out of the help, or SLICE_NONE; *after is what follows it. */
static struct slice place_in_help(const struct option *o, struct slice *after)
{
    struct slice help = slice_str(o->help);

    *after = help;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct slice prefix = slice_str(places[i].prefix);
        size_t n = 0;

        if (strcmp(places[i].section, o->section) != 0 || !slice_starts(help, prefix))
            continue;
        help = slice_from(help, prefix.n);
        while (n < help.n && is_place_char(help.p[n]))
            n++;
        *after = slice_from(help, n);
        if (n > 0 && help.p[n - 1] == '.')
            n--;
        return slice_to(help, n);
    }
    return SLICE_NONE;
}

struct slice option_group(const struct option *o)
{
    struct slice after, place = place_in_help(o, &after);
    size_t dot = slice_find(place, '.', 0);

    return dot < place.n ? slice_to(place, dot) : SLICE_NONE;
}

struct slice option_leaf(const struct option *o)
{
    struct slice after, place = place_in_help(o, &after);

    if (place.n == 0)
        return slice_str(o->name);
    return slice_from(place, option_group(o).n > 0 ? option_group(o).n + 1 : 0);
}

struct slice option_help(const struct option *o)
{
    struct slice after, place = place_in_help(o, &after);

    if (strcmp(o->section, "tls_certificate") == 0) {
        size_t at = slice_find(after, ':', 0);

        after = slice_from(after, at);
    } else if (place.n == 0) {
        return after;
    }
    while (after.n > 0 && (after.p[0] == ':' || after.p[0] == ';' || after.p[0] == ' '))
        after = slice_from(after, 1);
    return after;
}

bool option_is_list(const struct option *o)
{
    return o->type == OPTION_ADDRS || o->type == OPTION_TEXTS || o->type == OPTION_RATES;
}

const struct section *section_find(const char *name)
{
    const struct section *found = NULL;

    /* cors is there twice; the general one comes last. */
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (strcmp(sections[i].name, name) == 0)
            found = &sections[i];
    return found;
}

const struct section *section_child(const char *parent, struct slice group, struct slice key)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (strcmp(sections[i].parent, parent) == 0 &&
            slice_eq(slice_str(sections[i].group), group) &&
            slice_eq(slice_str(sections[i].key), key))
            return &sections[i];
    return NULL;
}

const char *word_text(enum word w)
{
    return w > CONF_WORD_UNSET && w < CONF_WORD_COUNT ? words[w].text : "";
}

enum word word_find(const char *set, struct slice text)
{
    for (enum word w = word_next(set, CONF_WORD_UNSET); w != CONF_WORD_UNSET; w = word_next(set, w))
        if (slice_eq(slice_str(words[w].text), text))
            return w;
    return CONF_WORD_UNSET;
}

enum word word_next(const char *set, enum word w)
{
    for (unsigned next = (unsigned)w + 1; next < CONF_WORD_COUNT; next++)
        if (strcmp(words[next].set, set) == 0)
            return (enum word)next;
    return CONF_WORD_UNSET;
}

static void visit_children(struct conf *conf, const char *parent, void *base,
                           section_visit_fn *visit, void *arg);

static void visit_section(struct conf *conf, const struct section *s, char *holder,
                          section_visit_fn *visit, void *arg)
{
    char *first = holder + s->offset;
    size_t count = 1;

    if (s->shape != SECTION_ONE || s->is_optional)
        memcpy(&first, holder + s->offset, sizeof(first));
    if (s->shape != SECTION_ONE)
        memcpy(&count, holder + s->count_offset, sizeof(count));
    for (size_t i = 0; first != NULL && i < count; i++) {
        visit(arg, s, first + i * s->bytes);
        visit_children(conf, s->name, first + i * s->bytes, visit, arg);
    }
}

static void visit_children(struct conf *conf, const char *parent, void *base,
                           section_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (strcmp(sections[i].parent, parent) == 0)
            visit_section(conf, &sections[i], sections[i].in_conf ? (char *)conf : base, visit,
                          arg);
}

void section_visit(struct conf *conf, section_visit_fn *visit, void *arg)
{
    visit_children(conf, "", conf, visit, arg);
}
