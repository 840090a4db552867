#include "conf/pattern.h"

#include "base/buf.h"
#include "http/path.h"

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return s.n > 0;
}

/* Whether a normalised path can hold this segment at all. */
static bool is_normal(struct slice literal, struct arena *arena, struct slice *why)
{
    struct slice alone = arena_printf(arena, "/%.*s", SLICE_FMT(literal));
    struct path path;

    if (path_normalise(alone, true, arena, &path) != ERR_OK) {
        *why = arena_printf(arena, "'%.*s' can stand in no request path", SLICE_FMT(literal));
        return false;
    }
    if (path.query.p == NULL && slice_eq(path.text, alone))
        return true;
    *why = arena_printf(arena, "'%.*s' never matches: request paths are normalised to '%.*s' first",
                        SLICE_FMT(literal), SLICE_FMT(slice_from(path.text, 1)));
    return false;
}

static bool has_brace_or_star(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '{' || s.p[i] == '}' || s.p[i] == '*')
            return true;
    return false;
}

static size_t count_names(const struct pattern *p)
{
    size_t count = 0;

    for (size_t i = 0; i < p->count; i++)
        count += p->segments[i].is_name;
    return count;
}

static enum err add_segment(struct pattern *p, struct slice s, struct arena *arena,
                            struct slice *why)
{
    bool is_braced = s.n >= 2 && s.p[0] == '{' && s.p[s.n - 1] == '}';
    struct slice text = is_braced ? slice_of(s.p + 1, s.n - 2) : s;

    if (p->count == PATTERN_SEGMENTS_MAX)
        *why = SLICE("more than 32 segments");
    else if (is_braced && !is_name(text))
        *why = SLICE("a {name} is letters, digits and '_'");
    else if (is_braced && slice_eq(text, SLICE("rest")))
        *why = SLICE("{rest} is what ** matched; choose another name");
    else if (is_braced && pattern_has_name(p, text))
        *why = arena_printf(arena, "{%.*s} is there twice", SLICE_FMT(text));
    else if (is_braced && count_names(p) == PATTERN_NAMES_MAX)
        *why = SLICE("more than 8 {names}");
    else if (!is_braced && memchr(s.p, '*', s.n) != NULL)
        *why = SLICE("'*' is only taken as a last segment '**'; {name} stands for one segment");
    else if (!is_braced && has_brace_or_star(s))
        *why = SLICE("a {name} is a whole segment");
    else if (is_braced || is_normal(s, arena, why)) {
        if (!is_braced && percent_decode(s, false, arena, &text) != ERR_OK)
            return ERR_SYNTAX;
        p->segments[p->count].is_name = is_braced;
        p->segments[p->count++].text = text;
        return ERR_OK;
    }
    return ERR_SYNTAX;
}

enum err pattern_parse(struct slice text, struct arena *arena, struct pattern *out,
                       struct slice *why)
{
    struct slice rest = text;

    *out = (struct pattern){.count = 0};
    *why = SLICE_NONE;
    if (text.n == 0 || text.p[0] != '/') {
        *why = SLICE("a path begins with '/'");
        return ERR_SYNTAX;
    }
    if (memchr(text.p, '?', text.n) != NULL || memchr(text.p, '#', text.n) != NULL) {
        *why = SLICE("routes see the path only, no '?' and no '#'");
        return ERR_SYNTAX;
    }
    (void)slice_cut(&rest, '/');
    while (rest.p != NULL) {
        struct slice s = slice_cut(&rest, '/');

        if (s.n == 0 && rest.p == NULL)
            break;
        if (s.n == 0) {
            *why = SLICE("an empty segment ('//')");
            return ERR_SYNTAX;
        }
        if (slice_eq(s, SLICE("**")) && rest.p == NULL) {
            out->has_rest = true;
            break;
        }
        if (add_segment(out, s, arena, why) != ERR_OK)
            return ERR_SYNTAX;
    }
    return ERR_OK;
}

bool pattern_has_name(const struct pattern *p, struct slice name)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->segments[i].is_name && slice_eq(p->segments[i].text, name))
            return true;
    return false;
}

/* Control bytes can be in no literal. */
struct slice pattern_shape(const struct pattern *p, struct arena *arena)
{
    struct buf b;
    struct slice shape;

    buf_init(&b);
    for (size_t i = 0; i < p->count; i++) {
        buf_add_char(&b, '\1');
        buf_add(&b, p->segments[i].is_name ? SLICE("\2") : p->segments[i].text);
    }
    buf_add(&b, p->has_rest ? SLICE("\3") : SLICE("\1"));
    shape = arena_dup(arena, buf_slice(&b));
    buf_fini(&b);
    return shape;
}

enum err pattern_expand(struct slice rewrite, pattern_piece_fn *add, void *arg)
{
    while (rewrite.n > 0) {
        size_t open = slice_find(rewrite, '{', 0);
        size_t close = slice_find(rewrite, '}', 0);

        if (close < open || (open < rewrite.n && close == rewrite.n))
            return ERR_SYNTAX;
        if (open > 0)
            add(arg, slice_to(rewrite, open), false);
        if (open == rewrite.n)
            return ERR_OK;
        if (!is_name(slice_of(rewrite.p + open + 1, close - open - 1)))
            return ERR_SYNTAX;
        add(arg, slice_of(rewrite.p + open + 1, close - open - 1), true);
        rewrite = slice_from(rewrite, close + 1);
    }
    return ERR_OK;
}
