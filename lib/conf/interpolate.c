#include "conf/node.h"

#include <string.h>

struct slice env_find(char *const *env, struct slice name)
{
    for (; env != NULL && *env != NULL; env++)
        if (strncmp(*env, name.p, name.n) == 0 && (*env)[name.n] == '=')
            return slice_str(*env + name.n + 1);
    return SLICE_NONE;
}

static bool is_env_name(struct slice s)
{
    if (s.n == 0 || (s.p[0] >= '0' && s.p[0] <= '9'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return true;
}

/* expression is what stands between the braces: VAR or VAR:-default. */
static bool add_value(const struct node_source *source, struct slice expression, struct place at,
                      struct buf *out)
{
    size_t colon = slice_find(expression, ':', 0);
    struct slice name = slice_to(expression, colon);
    struct slice rest = slice_from(expression, colon);
    struct slice value = env_find(source->env, name);

    if (!is_env_name(name) || (rest.n > 0 && !slice_starts(rest, SLICE(":-")))) {
        complain(source->complaints, at, false,
                 "'${%.*s}' is not understood; write ${NAME} or ${NAME:-default}, or $${ for a "
                 "plain ${",
                 SLICE_FMT(expression));
        return false;
    }
    if (rest.n > 0 && value.n == 0)
        value = slice_from(rest, 2);
    else if (value.p == NULL) {
        complain(source->complaints, at, false,
                 "environment variable %.*s is not set; ${%.*s:-default} gives a default",
                 SLICE_FMT(name), SLICE_FMT(name));
        return false;
    }
    buf_add(out, value);
    return true;
}

bool env_interpolate(const struct node_source *source, struct slice text, struct place at,
                     struct slice *out)
{
    struct buf b;
    bool is_ok = true;
    size_t i = 0;

    buf_init(&b);
    while (i < text.n) {
        struct slice rest = slice_from(text, i);

        if (slice_starts(rest, SLICE("$${"))) {
            buf_add(&b, SLICE("${"));
            i += 3;
        } else if (slice_starts(rest, SLICE("${"))) {
            size_t end = slice_find(text, '}', i);

            if (end == text.n) {
                complain(source->complaints, at, false, "'${' without its '}'");
                is_ok = false;
                break;
            }
            is_ok = add_value(source, slice_of(text.p + i + 2, end - i - 2), at, &b) && is_ok;
            i = end + 1;
        } else {
            buf_add_char(&b, text.p[i++]);
        }
    }
    *out = arena_dup(source->arena, buf_slice(&b));
    secret_wipe(b.p, b.cap);
    buf_fini(&b);
    return is_ok;
}
