#include "http/utf8.h"
#include "model/roster_call.h"

/* What people write on a command line, checked and brought into one form. */

enum { WORDS_MAX = 64, EMAIL_BYTES_MAX = 254 };

static bool seen_before(const struct slice *words, size_t count, struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(words[i], word))
            return true;
    return false;
}

/* Splits, trims, drops repetitions; is_ok judges each word. ERR_SYNTAX. */
static enum err split(struct slice text, char separator, bool (*is_ok)(struct slice),
                      struct slice words[WORDS_MAX], size_t *count)
{
    size_t n = 0;

    for (struct slice rest = text; rest.p != NULL;) {
        struct slice word = slice_trim(slice_cut(&rest, separator));

        if (word.n == 0 && separator == ' ')
            continue;
        if (n == WORDS_MAX || !is_ok(word))
            return ERR_SYNTAX;
        if (!seen_before(words, n, word))
            words[n++] = word;
    }
    *count = n;
    return ERR_OK;
}

static struct slice join(struct call *c, const struct slice *words, size_t count, char separator)
{
    size_t bytes = 1;
    char *start, *p;

    for (size_t i = 0; i < count; i++)
        bytes += words[i].n + 1;
    start = p = arena_alloc(&c->arena, bytes);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *p++ = separator;
        memcpy(p, words[i].p, words[i].n);
        p += words[i].n;
    }
    return slice_of(start, (size_t)(p - start));
}

enum err call_roles(struct call *c, struct slice text, struct slice *out)
{
    struct slice words[WORDS_MAX];
    size_t n;
    enum err e;

    if (slice_trim(text).n == 0) {
        *out = SLICE("user");
        return ERR_OK;
    }
    if ((e = split(text, ',', role_is_valid, words, &n)) == ERR_OK)
        *out = join(c, words, n, ',');
    return e;
}

static bool is_admin(const struct user_record *user)
{
    const struct identity who = {.roles = user->roles};

    return identity_has_role(&who, SLICE("admin"));
}

enum err call_scopes(struct call *c, struct slice text, const struct user_record *owner,
                     struct slice *out)
{
    struct slice words[WORDS_MAX];
    size_t n;
    enum err e = split(text, ' ', scope_is_known, words, &n);

    if (e != ERR_OK)
        return e;
    if (seen_before(words, n, SLICE("admin")) && !is_admin(owner))
        return ERR_DENIED;
    *out = join(c, words, n, ' ');
    return ERR_OK;
}

static bool is_cidr(struct slice text)
{
    struct cidr parsed;

    return cidr_parse(text, &parsed) == ERR_OK;
}

enum err call_addresses(struct call *c, struct slice text, struct slice *out)
{
    struct slice words[WORDS_MAX];
    size_t n = 0;
    enum err e = ERR_OK;

    if (slice_trim(text).n > 0)
        e = split(text, ',', is_cidr, words, &n);
    if (e == ERR_OK)
        *out = join(c, words, n, ',');
    return e;
}

bool call_is_printable(struct slice text)
{
    for (size_t i = 0, n; i < text.n; i += n) {
        unsigned char b = (unsigned char)text.p[i];

        n = utf8_length(text, i);
        if (n == 0 || b < ' ' || b == 0x7f || (b == 0xc2 && (unsigned char)text.p[i + 1] < 0xa0))
            return false;
    }
    return true;
}

enum err call_email(struct call *c, struct slice text, struct slice *out)
{
    size_t at = slice_find(text, '@', 0);
    char *folded;

    if (text.n > EMAIL_BYTES_MAX || at == 0 || at + 1 >= text.n ||
        slice_find(text, '@', at + 1) < text.n || !call_is_printable(text))
        return ERR_SYNTAX;
    folded = arena_alloc(&c->arena, text.n);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char b = (unsigned char)text.p[i];

        if (b == ' ' || strchr("\"(),:;<>[\\]", b) != NULL)
            return ERR_SYNTAX;
        folded[i] = ascii_lower(text.p[i]);
    }
    *out = slice_of(folded, text.n);
    return ERR_OK;
}
