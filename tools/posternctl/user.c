/* posternctl user ... */
#include "ask.h"
#include "check.h"
#include "list.h"

/* Shows the user that came out, or says what went wrong; frees it. */
static enum outcome finish(const struct ctl *c, enum err e, json_t *user)
{
    if (e == ERR_CONFLICT)
        return ctl_fail(c, OUTCOME_CONFLICT,
                        "'%s' is the last active admin: make another one first", c->args[0]);
    if (e != ERR_OK)
        return ctl_fail_err(c, e, "user", c->args[0]);
    output_object(c, &view_user, user);
    json_decref(user);
    return OUTCOME_OK;
}

static enum outcome create(struct ctl *c, struct slice roles, const struct secret *password)
{
    const char *email = ctl_value(c, FLAG_EMAIL);
    json_t *user = NULL;
    enum err e;

    if (ctl_has(c, FLAG_DRY_RUN)) {
        e = roster_user_show(&c->roster, slice_str(c->args[0]), &user);
        json_decref(user);
        if (e == ERR_NOT_FOUND) {
            ctl_say(c, "would make the user %s with the roles %.*s", c->args[0],
                    SLICE_FMT(roles.n > 0 ? roles : SLICE("user")));
            return OUTCOME_OK;
        }
        if (e == ERR_OK)
            e = ERR_CONFLICT;
    } else {
        e = roster_user_create(
            &c->roster,
            &(struct user_new){.username = slice_str(c->args[0]),
                               .email = slice_str(email),
                               .roles = roles,
                               .password = password != NULL ? secret_slice(password) : SLICE_NONE},
            &user);
    }
    if (e == ERR_CONFLICT)
        return ctl_fail(c, OUTCOME_CONFLICT, "the name '%s'%s is taken", c->args[0],
                        email != NULL ? " or the e-mail address" : "");
    if (e == ERR_SYNTAX)
        return ctl_fail(c, OUTCOME_USAGE, "the e-mail address is not one");
    return finish(c, e, user);
}

enum outcome ctl_user_create(struct ctl *c)
{
    struct secret *password = NULL;
    struct buf roles;
    enum outcome o;

    ctl_values(c, FLAG_ROLE, ',', &roles);
    if ((o = check_username(c, c->args[0])) == OUTCOME_OK &&
        (o = check_email(c, ctl_value(c, FLAG_EMAIL))) == OUTCOME_OK &&
        (o = check_roles(c, buf_slice(&roles))) == OUTCOME_OK &&
        (o = ask_password(c, true, &password)) == OUTCOME_OK &&
        (o = ctl_open_roster(c)) == OUTCOME_OK)
        o = create(c, buf_slice(&roles), password);
    secret_free(password);
    buf_fini(&roles);
    return o;
}

static enum outcome list(struct ctl *c, json_t **out)
{
    enum err e = roster_user_list(&c->roster, out);

    return e == ERR_OK ? OUTCOME_OK : ctl_fail_err(c, e, "users", NULL);
}

enum outcome ctl_user_list(struct ctl *c)
{
    return list_run(c, &view_user, list);
}

enum outcome ctl_user_show(struct ctl *c)
{
    json_t *user = NULL;
    enum outcome o = ctl_open_roster(c);
    enum err e;

    if (o != OUTCOME_OK)
        return o;
    e = roster_user_show(&c->roster, slice_str(c->args[0]), &user);
    return finish(c, e, user);
}

enum outcome ctl_user_set_role(struct ctl *c)
{
    json_t *user = NULL;
    struct buf roles;
    enum outcome o;
    enum err e;

    buf_init(&roles);
    for (size_t i = 1; i < c->arg_count; i++)
        buf_printf(&roles, "%s%s", i > 1 ? "," : "", c->args[i]);
    if ((o = check_roles(c, buf_slice(&roles))) == OUTCOME_OK &&
        (o = ctl_open_roster(c)) == OUTCOME_OK) {
        e = roster_user_set_roles(&c->roster, slice_str(c->args[0]), buf_slice(&roles), &user);
        o = finish(c, e, user);
    }
    buf_fini(&roles);
    return o;
}

enum outcome ctl_user_set_password(struct ctl *c)
{
    struct secret *password = NULL;
    json_t *user = NULL;
    enum outcome o;
    enum err e;

    if ((o = ctl_open_roster(c)) == OUTCOME_OK &&
        (o = ask_password(c, false, &password)) == OUTCOME_OK) {
        e = roster_user_set_password(&c->roster, slice_str(c->args[0]), secret_slice(password),
                                     &user);
        o = finish(c, e, user);
    }
    secret_free(password);
    return o;
}

static enum outcome set_active(struct ctl *c, bool is_active)
{
    json_t *user = NULL;
    enum err e = roster_user_set_active(&c->roster, slice_str(c->args[0]), is_active, &user);

    return finish(c, e, user);
}

enum outcome ctl_user_enable(struct ctl *c)
{
    enum outcome o = ctl_open_roster(c);

    return o == OUTCOME_OK ? set_active(c, true) : o;
}

enum outcome ctl_user_disable(struct ctl *c)
{
    enum outcome o = ask_possible(c);

    if (o == OUTCOME_OK && (o = ctl_open_roster(c)) == OUTCOME_OK &&
        (o = ask_confirm(c, "Disable the user %s? Sessions end, keys stop.", c->args[0])) ==
            OUTCOME_OK)
        o = set_active(c, false);
    return o;
}

static bool is_admin(const json_t *user)
{
    const json_t *roles = json_object_get(user, "roles");

    for (size_t i = 0; i < json_array_size(roles); i++)
        if (strcmp(json_string_value(json_array_get(roles, i)), "admin") == 0)
            return true;
    return false;
}

static bool is_active_admin(const json_t *user)
{
    return json_is_true(json_object_get(user, "is_active")) && is_admin(user);
}

/* What the script that deletes would say: the last active admin stays. */
static enum outcome try_delete(struct ctl *c, const json_t *user)
{
    json_t *all = NULL;
    size_t admins = 0;
    enum err e = roster_user_list(&c->roster, &all);

    for (size_t i = 0; e == ERR_OK && i < json_array_size(all); i++)
        admins += is_active_admin(json_array_get(all, i));
    json_decref(all);
    if (e == ERR_OK && is_active_admin(user) && admins < 2)
        e = ERR_CONFLICT;
    if (e != ERR_OK)
        return finish(c, e, NULL);
    ctl_say(c, "would delete the user %s with all keys and sessions", c->args[0]);
    return OUTCOME_OK;
}

static enum outcome delete_shown(struct ctl *c, const json_t *user)
{
    const char *name = json_string_value(json_object_get(user, "username"));
    enum outcome o;
    enum err e;

    if (ctl_has(c, FLAG_DRY_RUN))
        return try_delete(c, user);
    o = is_admin(user) ? ask_name(c, "This deletes an admin with all keys and sessions.", name)
                       : ask_confirm(c, "Delete the user %s with all keys and sessions?", name);
    if (o != OUTCOME_OK)
        return o;
    e = roster_user_delete(&c->roster, slice_str(c->args[0]));
    if (e != ERR_OK)
        return finish(c, e, NULL);
    ctl_say(c, "deleted the user %s", name);
    return OUTCOME_OK;
}

enum outcome ctl_user_delete(struct ctl *c)
{
    json_t *user = NULL;
    enum outcome o = ctl_has(c, FLAG_DRY_RUN) ? OUTCOME_OK : ask_possible(c);
    enum err e;

    if (o != OUTCOME_OK || (o = ctl_open_roster(c)) != OUTCOME_OK)
        return o;
    if ((e = roster_user_show(&c->roster, slice_str(c->args[0]), &user)) != ERR_OK)
        return finish(c, e, NULL);
    o = delete_shown(c, user);
    json_decref(user);
    return o;
}
