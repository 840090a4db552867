#include "auth/authenticate_own.h"

/* RFC 6749 §3.3: visible ASCII without quote and backslash. */
static bool is_scope_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

static bool is_held(struct slice scope, struct slice roles)
{
    if (!slice_eq(scope, SLICE("admin")))
        return true;
    while (roles.p != NULL)
        if (slice_eq(slice_cut(&roles, ','), SLICE("admin")))
            return true;
    return false;
}

struct slice scopes_of_roles(struct slice scopes, struct slice roles, struct arena *arena)
{
    char *out = arena_alloc(arena, scopes.n + 1);
    size_t n = 0;

    while (scopes.p != NULL) {
        struct slice scope = slice_cut(&scopes, ' ');

        if (!is_scope_token(scope) || !is_held(scope, roles))
            continue;
        if (n > 0)
            out[n++] = ' ';
        memcpy(out + n, scope.p, scope.n);
        n += scope.n;
    }
    return slice_of(out, n);
}
