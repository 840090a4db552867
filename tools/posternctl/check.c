#include "check.h"

#include "model/identity.h"

enum outcome check_username(const struct ctl *c, const char *name)
{
    if (username_is_valid(slice_str(name)))
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_USAGE,
                    "'%s' is no user name: 2 to 64 of A-Z a-z 0-9 . _ -, a letter or digit first, "
                    "and not like an id",
                    name);
}

enum outcome check_email(const struct ctl *c, const char *email)
{
    struct slice s = slice_str(email);
    size_t at = slice_find(s, '@', 0);

    if (email == NULL || (at > 0 && at + 1 < s.n && slice_find(s, '@', at + 1) == s.n &&
                          slice_find(s, ' ', 0) == s.n))
        return OUTCOME_OK;
    return ctl_fail(c, OUTCOME_USAGE, "--email: '%s' is no e-mail address", email);
}

enum outcome check_roles(const struct ctl *c, struct slice roles)
{
    for (struct slice rest = roles; rest.p != NULL && roles.n > 0;) {
        struct slice role = slice_cut(&rest, ',');

        if (!role_is_valid(role))
            return ctl_fail(c, OUTCOME_USAGE,
                            "'%.*s' is no role: a-z first, then a-z 0-9 _ -, at most 32",
                            SLICE_FMT(role));
    }
    return OUTCOME_OK;
}

enum outcome check_scopes(const struct ctl *c, struct slice scopes)
{
    for (struct slice rest = scopes; rest.p != NULL && scopes.n > 0;) {
        struct slice scope = slice_cut(&rest, ' ');

        if (!scope_is_known(scope))
            return ctl_fail(c, OUTCOME_USAGE,
                            "--scope: there is no scope '%.*s'; there are "
#define SCOPE(name, word, help) word ", "
#include "model/scope.def"
#undef SCOPE
                            "route:NAME",
                            SLICE_FMT(scope));
    }
    return OUTCOME_OK;
}

enum outcome check_addresses(const struct ctl *c, struct slice blocks)
{
    for (struct slice rest = blocks; rest.p != NULL && blocks.n > 0;) {
        struct slice block = slice_cut(&rest, ',');
        struct cidr parsed;

        if (cidr_parse(block, &parsed) != ERR_OK)
            return ctl_fail(c, OUTCOME_USAGE,
                            "--allow-ip: '%.*s' is no address or block (10.0.0.0/8, 2001:db8::/32)",
                            SLICE_FMT(block));
    }
    return OUTCOME_OK;
}
