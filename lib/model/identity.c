#include "model/identity.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdlib.h>

enum { NAME_BYTES_MAX = 255 };

struct slice method_name(enum method m)
{
    switch (m) {
    case METHOD_API_KEY:
        return SLICE("api_key");
    case METHOD_JWT:
        return SLICE("jwt");
    case METHOD_TOKEN:
        return SLICE("token");
    case METHOD_MTLS:
        return SLICE("mtls");
    case METHOD_DEV:
        return SLICE("dev");
    case METHOD_NONE:
        break;
    }
    return SLICE("none");
}

/* The strings follow the struct in its block. */
static struct slice keep(char **at, struct slice s)
{
    char *p = *at;

    if (s.n > 0)
        memcpy(p, s.p, s.n);
    *at += s.n;
    return slice_of(p, s.n);
}

struct identity *identity_new(const struct identity *from)
{
    struct identity *who;
    char *at;

    CHECK(from->user_id.n > 0 && from->method != METHOD_NONE);
    who = mem_alloc(sizeof(*who) + from->user_id.n + from->name.n + from->roles.n + from->scopes.n +
                    from->key_id.n + from->session_id.n);
    at = (char *)(who + 1);
    *who = *from;
    who->refs = 1;
    who->user_id = keep(&at, from->user_id);
    who->name = keep(&at, from->name);
    who->roles = keep(&at, from->roles);
    who->scopes = keep(&at, from->scopes);
    who->key_id = keep(&at, from->key_id);
    who->session_id = keep(&at, from->session_id);
    return who;
}

struct identity *identity_ref(struct identity *who)
{
    if (who != NULL)
        who->refs++;
    return who;
}

void identity_unref(struct identity *who)
{
    if (who != NULL && --who->refs == 0)
        free(who);
}

static bool list_has(struct slice list, char separator, struct slice word)
{
    if (word.n == 0)
        return false;
    while (list.p != NULL)
        if (slice_eq(slice_cut(&list, separator), word))
            return true;
    return false;
}

bool identity_has_role(const struct identity *who, struct slice role)
{
    return list_has(who->roles, ',', role);
}

bool identity_has_scope(const struct identity *who, struct slice scope)
{
    return !who->scopes_limited || list_has(who->scopes, ' ', scope);
}

/* Compares without making the text "route:<route>". */
static bool has_route_scope(struct slice scopes, struct slice route)
{
    while (scopes.p != NULL && route.n > 0) {
        struct slice scope = slice_cut(&scopes, ' ');

        if (slice_starts(scope, SLICE("route:")) && slice_eq(slice_from(scope, 6), route))
            return true;
    }
    return false;
}

bool identity_may_method(const struct identity *who, struct slice method, struct slice route)
{
    bool reads = slice_eq(method, SLICE("GET")) || slice_eq(method, SLICE("HEAD"));

    return identity_has_scope(who, reads ? SLICE("read") : SLICE("write")) ||
           has_route_scope(who->scopes, route);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* [A-Za-z0-9][A-Za-z0-9._-]{least,63} */
static bool is_word(struct slice s, size_t least)
{
    if (s.n < 1 + least || s.n > 64 || !is_alnum(s.p[0]))
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' && s.p[i] != '-')
            return false;
    return true;
}

bool scope_is_known(struct slice scope)
{
    static const struct slice words[] = {
#define SCOPE(name, word, help) {word, sizeof(word) - 1},
#include "model/scope.def"
#undef SCOPE
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_eq(words[i], scope))
            return true;
    return slice_starts(scope, SLICE("route:")) && is_word(slice_from(scope, 6), 0);
}

bool role_is_valid(struct slice role)
{
    if (role.n < 1 || role.n > 32 || role.p[0] < 'a' || role.p[0] > 'z')
        return false;
    for (size_t i = 1; i < role.n; i++) {
        char c = role.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return true;
}

/* A prefix that ids have, then as many letters or digits as they have. */
static bool is_prefixed_id(struct slice name)
{
    static const struct {
        struct slice prefix;
        size_t n;
    } forms[] = {{{"usr_", 4}, 26}, {{"ses_", 4}, 26}, {{"user_", 5}, 32}, {{"sk_", 3}, 8}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct slice rest = slice_from(name, forms[i].prefix.n);
        size_t n = 0;

        if (!slice_starts_ci(name, forms[i].prefix) || rest.n != forms[i].n)
            continue;
        while (n < rest.n && is_alnum(rest.p[n]))
            n++;
        if (n == rest.n)
            return true;
    }
    return false;
}

/* U+0080 to U+009F, U+2028 and U+2029 in UTF-8: NEL and the separators end lines. */
static bool is_unicode_control(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    return (s.n >= 2 && p[0] == 0xc2 && p[1] < 0xa0) ||
           (s.n >= 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9));
}

bool name_is_plain(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f ||
            is_unicode_control(slice_from(name, i)))
            return false;
    return name.n > 0 && name.n <= NAME_BYTES_MAX && slice_trim(name).n == name.n;
}

bool user_id_is_ours(struct slice id)
{
    return slice_starts_ci(id, SLICE("usr_"));
}

static bool has_only_digits(struct slice name)
{
    size_t n = 0;

    while (n < name.n && name.p[n] >= '0' && name.p[n] <= '9')
        n++;
    return n == name.n;
}

bool username_is_valid(struct slice name)
{
    /* Digits alone are ids in two presets. */
    return is_word(name, 1) && !is_prefixed_id(name) && !has_only_digits(name);
}
